//! Bytes between one socket and its connection actor, with buffers only while bytes are under
//! way.
//!
//! The task owns the actor. Reading is driven by the actor's own polling, through one scratch
//! buffer a thread; what the actor queued in its link goes out with as few write calls as the
//! socket takes.

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_rt::net::TcpStream;
use actors::connection::Link;
use bytes::{Buf as _, Bytes, BytesMut};
use futures_util::Stream;
use schema::metric;
use schema::wire::CloseCode;

use super::admission::Permit;
use super::watchdog::Watchdog;

/// Frames and bytes of one write call.
const WRITE_FRAMES_MAX: usize = 64;
const WRITE_BYTES_MAX: usize = 64 * 1024;
/// Bytes read at once, and in one turn of a task before others get theirs.
const READ_BYTES: usize = 16 * 1024;
const READ_TURN_BYTES: usize = 64 * 1024;
/// After goodbye, the peer has this long to hang up.
const LINGER: Duration = Duration::from_secs(2);

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into_boxed_slice());
}

type Incoming = Result<Bytes, actix_web::error::PayloadError>;
type Driven = Pin<Box<dyn Stream<Item = Result<Bytes, actix_web::Error>>>>;

/// What the actor reads from.
pub struct SocketReader {
    socket: Rc<TcpStream>,
    link: Rc<Link>,
    watchdog: Rc<Watchdog>,
    /// Bytes that came with the upgrade request.
    early: BytesMut,
    turn_bytes: usize,
    /// Bytes that waited to be decoded when there was no room last time.
    full_at: Option<usize>,
}

impl SocketReader {
    pub const fn new(
        socket: Rc<TcpStream>,
        link: Rc<Link>,
        watchdog: Rc<Watchdog>,
        early: BytesMut,
    ) -> Self {
        Self { socket, link, watchdog, early, turn_bytes: 0, full_at: None }
    }

    fn read(&mut self, room: usize) -> io::Result<Bytes> {
        SCRATCH.with_borrow_mut(|scratch| {
            let length = room.min(scratch.len());
            let count = self.socket.try_read(&mut scratch[..length])?;
            Ok(Bytes::copy_from_slice(&scratch[..count]))
        })
    }

    /// Enough waits to be decoded; decoding one message leads back here.
    fn decode_first(&mut self, room: usize, cx: &Context<'_>) -> Poll<Option<Incoming>> {
        self.turn_bytes = 0;
        let waiting = self.link.undecoded();
        if room == 0 && self.full_at == Some(waiting) {
            // As much as the largest frame is here and no frame: the peer plays with lengths.
            let code =
                if self.link.is_greeted() { CloseCode::BadFrame } else { CloseCode::TooLarge };
            self.link.close(code);
            return Poll::Ready(None);
        }
        self.full_at = (room == 0).then_some(waiting);
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn feed(&mut self, bytes: Bytes) -> Poll<Option<Incoming>> {
        self.turn_bytes += bytes.len();
        self.link.fed(bytes.len(), self.watchdog.now_s());
        Poll::Ready(Some(Ok(bytes)))
    }
}

impl Stream for SocketReader {
    type Item = Incoming;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Incoming>> {
        if self.link.is_ending() {
            return Poll::Ready(None);
        }
        let room = self.link.may_read();
        if room == 0 || self.turn_bytes >= READ_TURN_BYTES {
            return self.decode_first(room, cx);
        }
        self.full_at = None;
        if !self.early.is_empty() {
            let length = self.early.len().min(room);
            let bytes = self.early.copy_to_bytes(length);
            if self.early.is_empty() {
                self.early = BytesMut::new();
            }
            return self.feed(bytes);
        }
        loop {
            match self.read(room) {
                Ok(bytes) if bytes.is_empty() => {
                    self.link.set_ended();
                    return Poll::Ready(None);
                }
                Ok(bytes) => return self.feed(bytes),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.turn_bytes = 0;
                    match self.socket.poll_read_ready(cx) {
                        Poll::Pending => return Poll::Pending,
                        Poll::Ready(Ok(())) => {}
                        Poll::Ready(Err(_)) => break,
                    }
                }
                Err(_) => break,
            }
        }
        self.link.set_ended();
        self.link.abort();
        Poll::Ready(None)
    }
}

/// The task of one socket.
pub struct Transport {
    socket: Rc<TcpStream>,
    link: Rc<Link>,
    watchdog: Rc<Watchdog>,
    /// `None` once the connection is ending.
    actor: Option<Driven>,
    permit: Permit,
    lingering: Option<Pin<Box<actix_rt::time::Sleep>>>,
}

impl Transport {
    pub fn new(
        socket: Rc<TcpStream>,
        link: Rc<Link>,
        watchdog: Rc<Watchdog>,
        actor: Driven,
        permit: Permit,
    ) -> Self {
        Self { socket, link, watchdog, actor: Some(actor), permit, lingering: None }
    }

    fn drive(&mut self, cx: &mut Context<'_>) {
        while let Some(actor) = &mut self.actor {
            match actor.as_mut().poll_next(cx) {
                // Everything goes out through the link; the context itself writes nothing.
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(Some(Err(_)) | None) => {
                    self.link.set_ended();
                    self.actor = None;
                }
                Poll::Pending => break,
            }
        }
        if self.link.is_greeted() {
            self.permit.greeted();
        }
        if self.link.is_ending() {
            self.actor = None;
        }
    }

    /// Writes until nothing is left (`Ready`) or the peer takes no more (`Pending`).
    fn flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let write = self.link.with_front(WRITE_FRAMES_MAX, WRITE_BYTES_MAX, |frames| {
                self.socket.try_write_vectored(frames)
            });
            match write {
                None => return Poll::Ready(Ok(())),
                Some(Ok(count)) => {
                    metrics::counter!(metric::SOCKET_WRITES).increment(1);
                    metrics::counter!(metric::DELIVERY_BYTES).increment(count as u64);
                    self.link.written(count);
                }
                Some(Err(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.link.blocked(self.watchdog.now_s());
                    match self.socket.poll_write_ready(cx) {
                        Poll::Pending => return Poll::Pending,
                        Poll::Ready(ready) => ready?,
                    }
                }
                Some(Err(error)) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// After goodbye: hear the peer out, so that unread bytes do not turn it into a reset.
    fn linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.lingering.is_none() {
            let _ = socket2::SockRef::from(&*self.socket).shutdown(std::net::Shutdown::Write);
        }
        let deadline =
            self.lingering.get_or_insert_with(|| Box::pin(actix_rt::time::sleep(LINGER)));
        if deadline.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        SCRATCH.with_borrow_mut(|scratch| {
            loop {
                match self.socket.try_read(scratch) {
                    Ok(0) => return Poll::Ready(()),
                    Ok(_) => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        match self.socket.poll_read_ready(cx) {
                            Poll::Pending => return Poll::Pending,
                            Poll::Ready(Ok(())) => {}
                            Poll::Ready(Err(_)) => return Poll::Ready(()),
                        }
                    }
                    Err(_) => return Poll::Ready(()),
                }
            }
        })
    }
}

impl Future for Transport {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.link.set_waker(cx.waker());
        self.drive(cx);
        if self.link.is_aborted() {
            return Poll::Ready(());
        }
        match self.flush(cx) {
            Poll::Ready(Err(_)) => Poll::Ready(()),
            Poll::Ready(Ok(())) if self.link.is_ending() => self.linger(cx),
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Pending,
        }
    }
}

impl Drop for Transport {
    fn drop(&mut self) {
        let reason = self.link.closing().map_or("peer", CloseCode::name);
        metrics::counter!(metric::CONNECTIONS_CLOSED, "reason" => reason).increment(1);
    }
}
