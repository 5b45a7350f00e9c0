//! Time limits of all sockets of one worker, watched from outside them: one timer a worker, none
//! a connection.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::time::Duration;

use actors::connection::Link;
use schema::metric;
use schema::wire::{CloseCode, framing};

/// A silent peer is pinged after this time.
pub const HEARTBEAT_S: u32 = 25;
/// A peer that says nothing for this long, pings or not, is gone.
const SILENCE_MAX_S: u32 = HEARTBEAT_S * 2 + 10;
/// `hello` must be said within this time.
const HELLO_S: u32 = 5;
/// It is answered within this time, or the client is asked to come back.
const WELCOME_S: u32 = 15;
/// A peer that takes no byte for this long is too slow.
const BLOCKED_MAX_S: u32 = 10;
/// After goodbye, what is queued has this long to leave.
const GOODBYE_S: u32 = 4;

/// What is due for a socket. Times are seconds of the watchdog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    Nothing,
    Ping,
    Close(CloseCode),
    Abort,
}

/// The facts that decide.
#[derive(Clone, Copy, Debug)]
struct Facts {
    said_hello: bool,
    greeted: bool,
    orphaned: bool,
    opened_s_ago: u32,
    heard_s_ago: u32,
    blocked_s: Option<u32>,
    closing_s: Option<u32>,
}

fn judge(facts: Facts) -> Due {
    match facts {
        Facts { closing_s: Some(seconds), .. } if seconds >= GOODBYE_S => Due::Abort,
        Facts { closing_s: Some(_), .. } => Due::Nothing,
        Facts { blocked_s: Some(seconds), .. } if seconds >= BLOCKED_MAX_S => {
            Due::Close(CloseCode::SlowConsumer)
        }
        Facts { orphaned: true, .. } => Due::Close(CloseCode::Overloaded),
        Facts { said_hello: false, opened_s_ago, .. } if opened_s_ago >= HELLO_S => {
            Due::Close(CloseCode::HelloTimeout)
        }
        // The fault is here: a store that does not answer.
        Facts { greeted: false, opened_s_ago, .. } if opened_s_ago >= WELCOME_S => {
            Due::Close(CloseCode::Overloaded)
        }
        Facts { heard_s_ago, .. } if heard_s_ago >= SILENCE_MAX_S => {
            Due::Close(CloseCode::HeartbeatLost)
        }
        Facts { heard_s_ago, .. } if heard_s_ago > 0 && heard_s_ago % HEARTBEAT_S == 0 => Due::Ping,
        _ => Due::Nothing,
    }
}

struct Watched {
    link: Weak<Link>,
    opened_at: u32,
}

/// The watchdog of one worker.
#[derive(Default)]
pub struct Watchdog {
    now_s: Cell<u32>,
    watched: RefCell<Vec<Watched>>,
    /// Bytes that waited for all peers at the last look.
    outbox_bytes: Cell<usize>,
}

impl Watchdog {
    /// Starts the clock on this thread.
    #[must_use]
    pub fn start() -> Rc<Self> {
        let watchdog = Rc::new(Self::default());
        let ticking = watchdog.clone();
        actix_rt::spawn(async move {
            let mut ticks = actix_rt::time::interval(Duration::from_secs(1));
            // A process that stood still does not hold its own pause against the peers.
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                ticking.tick();
            }
        });
        watchdog
    }

    /// Seconds since the worker began, less those in which it stood still.
    #[must_use]
    pub fn now_s(&self) -> u32 {
        self.now_s.get()
    }

    pub fn watch(&self, link: &Rc<Link>) {
        link.start(self.now_s());
        let watched = Watched { link: Rc::downgrade(link), opened_at: self.now_s() };
        self.watched.borrow_mut().push(watched);
    }

    fn tick(&self) {
        let now_s = self.now_s.get() + 1;
        self.now_s.set(now_s);
        let mut outbox_bytes = 0;
        self.watched.borrow_mut().retain(|watched| {
            let Some(link) = watched.link.upgrade() else { return false };
            look_after(&link, watched.opened_at, now_s);
            outbox_bytes += link.outbox_bytes();
            true
        });
        // The gauge is the sum of all workers.
        let before = self.outbox_bytes.replace(outbox_bytes);
        #[expect(clippy::cast_precision_loss, reason = "for display")]
        metrics::gauge!(metric::OUTBOX_BYTES).increment(outbox_bytes as f64 - before as f64);
    }
}

fn look_after(link: &Link, opened_at: u32, now_s: u32) {
    link.call_drained();
    let due = judge(Facts {
        said_hello: link.has_said_hello(),
        greeted: link.is_greeted(),
        orphaned: link.is_orphaned(),
        opened_s_ago: now_s.saturating_sub(opened_at),
        heard_s_ago: now_s.saturating_sub(link.heard_at()),
        blocked_s: link.blocked_since().map(|since| now_s.saturating_sub(since)),
        closing_s: link.closing_since(now_s).map(|since| now_s.saturating_sub(since)),
    });
    match due {
        Due::Nothing => {}
        Due::Ping => {
            link.send(framing::ping());
            link.wake();
        }
        Due::Close(code) => {
            if code == CloseCode::SlowConsumer {
                metrics::counter!(metric::SLOW_CONSUMERS).increment(1);
            }
            link.close(code);
        }
        Due::Abort => link.abort(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FINE: Facts = Facts {
        said_hello: true,
        greeted: true,
        orphaned: false,
        opened_s_ago: 100,
        heard_s_ago: 1,
        blocked_s: None,
        closing_s: None,
    };

    #[test]
    fn each_limit_has_its_code() {
        assert_eq!(judge(FINE), Due::Nothing);
        assert_eq!(judge(Facts { heard_s_ago: 25, ..FINE }), Due::Ping);
        assert_eq!(judge(Facts { heard_s_ago: 26, ..FINE }), Due::Nothing);
        assert_eq!(judge(Facts { heard_s_ago: 50, ..FINE }), Due::Ping);
        assert_eq!(judge(Facts { heard_s_ago: 60, ..FINE }), Due::Close(CloseCode::HeartbeatLost));
        let silent = Facts { said_hello: false, greeted: false, ..FINE };
        let timeout = Due::Close(CloseCode::HelloTimeout);
        assert_eq!(judge(Facts { opened_s_ago: 5, ..silent }), timeout);
        assert_eq!(judge(Facts { opened_s_ago: 4, ..silent }), Due::Nothing);
        let waits = Facts { greeted: false, ..FINE };
        assert_eq!(judge(Facts { opened_s_ago: 14, ..waits }), Due::Nothing);
        let overloaded = Due::Close(CloseCode::Overloaded);
        assert_eq!(judge(Facts { opened_s_ago: 15, ..waits }), overloaded);
        assert_eq!(
            judge(Facts { blocked_s: Some(10), ..FINE }),
            Due::Close(CloseCode::SlowConsumer)
        );
        assert_eq!(judge(Facts { orphaned: true, ..FINE }), Due::Close(CloseCode::Overloaded));
        assert_eq!(judge(Facts { closing_s: Some(1), blocked_s: Some(60), ..FINE }), Due::Nothing);
        assert_eq!(judge(Facts { closing_s: Some(4), ..FINE }), Due::Abort);
    }
}
