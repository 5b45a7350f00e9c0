//! Writing what sessions handed to sockets of their own thread: at the end of a turn of the worker,
//! socket after socket, without waking each one's task.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::link::Link;

/// Sockets written to before others on the worker get their turn.
const SOCKETS_MAX: usize = 128;

/// Where the bytes of a socket go. Never waits.
pub trait Outlet {
    /// # Errors
    /// `WouldBlock` when the peer takes no more just now.
    fn write(&self, frames: &[IoSlice<'_>]) -> io::Result<usize>;

    /// Writes what was taken and has not left: nothing, unless it is encrypted on the way.
    ///
    /// # Errors
    /// `WouldBlock` when the peer takes no more just now.
    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}

/// What waits to be written on this thread, and who writes it.
#[derive(Default)]
struct Waiting {
    links: Vec<Rc<Link>>,
    flusher: Option<Waker>,
}

thread_local! {
    static WAITING: RefCell<Waiting> = RefCell::default();
}

/// The link has output. Without a flusher on this thread its own task writes it.
pub(super) fn note(link: Rc<Link>) {
    WAITING.with_borrow_mut(|waiting| match &waiting.flusher {
        None => link.wake(),
        Some(flusher) => {
            if waiting.links.is_empty() {
                flusher.wake_by_ref();
            }
            if !link.is_noted.replace(true) {
                waiting.links.push(link);
            }
        }
    });
}

fn poll_waiting(cx: &Context<'_>) -> Poll<()> {
    WAITING.with_borrow_mut(|waiting| {
        waiting.flusher = Some(cx.waker().clone());
        if waiting.links.is_empty() { Poll::Pending } else { Poll::Ready(()) }
    })
}

/// Writes for all sockets of this thread, for as long as the thread lives.
pub async fn flush_all() {
    loop {
        std::future::poll_fn(|cx| poll_waiting(cx)).await;
        // What else this turn of the worker brings goes out in the same calls.
        tokio::task::yield_now().await;
        let links = WAITING.with_borrow_mut(|waiting| std::mem::take(&mut waiting.links));
        for (index, link) in links.into_iter().enumerate() {
            if index > 0 && index % SOCKETS_MAX == 0 {
                tokio::task::yield_now().await;
            }
            link.is_noted.set(false);
            match link.write_out() {
                Written::All => {}
                // Its own task waits for room, or ends it.
                Written::Blocked | Written::Failed(_) => link.wake(),
            }
        }
    }
}

/// How writing went.
#[derive(Debug)]
pub enum Written {
    All,
    /// The peer takes no more just now.
    Blocked,
    Failed(io::Error),
}
