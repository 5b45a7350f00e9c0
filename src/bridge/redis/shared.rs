//! What the tasks of one bridge have in common.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use actors::ports::Inbox;
use bytes::Bytes;
use schema::{NodeId, metric};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::BridgeLimits;
use super::health::Health;
use super::queue::Queue;

/// Who is to get a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum To {
    One(NodeId),
    Others,
}

/// A frame from another node, and when it was read.
pub(super) struct Received {
    pub frame: Bytes,
    pub at: Instant,
}

pub(super) struct Shared {
    pub node: NodeId,
    pub outgoing: Queue<(To, Bytes)>,
    pub incoming: Queue<Received>,
    pub inbox: OnceLock<Arc<dyn Inbox>>,
    pub inbox_is_set: Notify,
    /// Ends the connections that are open: they cannot heal by themselves.
    pub broken: Notify,
    health: Mutex<Health>,
    /// A copy of what `health` knows, for who only asks.
    is_up: AtomicBool,
    /// Counts the connections opened; what older ones still bring is not heard.
    session: AtomicU64,
    is_unsure: AtomicBool,
    began: Instant,
}

impl Shared {
    pub fn new(node: NodeId, limits: BridgeLimits) -> Self {
        Self {
            node,
            outgoing: Queue::new(limits.outgoing),
            incoming: Queue::new(limits.incoming),
            inbox: OnceLock::new(),
            inbox_is_set: Notify::new(),
            broken: Notify::new(),
            health: Mutex::default(),
            is_up: AtomicBool::new(false),
            session: AtomicU64::new(0),
            is_unsure: AtomicBool::new(false),
            began: Instant::now(),
        }
    }

    pub fn is_up(&self) -> bool {
        self.is_up.load(Ordering::Acquire)
    }

    /// New connections are about to be opened: only they are heard from now on.
    pub fn begin_session(&self) -> u64 {
        let session = self.session.fetch_add(1, Ordering::AcqRel) + 1;
        self.health().opened();
        self.show_state();
        session
    }

    /// The connections are gone: what waits for them is thrown away, and nothing is accepted.
    pub fn end_session(&self) {
        self.session.fetch_add(1, Ordering::AcqRel);
        self.health().opened();
        self.show_state();
        let thrown_away = self.outgoing.clear();
        metrics::counter!(metric::BRIDGE_FRAMES_REFUSED).increment(thrown_away as u64);
    }

    pub fn is_current(&self, session: u64) -> bool {
        self.session.load(Ordering::Acquire) == session
    }

    /// A disconnection was noticed.
    pub fn lost(&self, why: &str) {
        if self.health().lost() {
            tracing::info!(why, "the bridge to the other nodes is down");
        }
        self.show_state();
    }

    pub fn echo(&self, number: u64) {
        let now = self.now();
        let mut health = self.health();
        let Some(echo) = health.echo(number, now) else { return };
        let is_lag_to_tell = health.lagged(echo.lag, now);
        drop(health);
        metrics::histogram!(metric::BRIDGE_LAG_SECONDS).record(echo.lag);
        if echo.came_up {
            self.show_state();
            metrics::counter!(metric::BRIDGE_RECONNECTS).increment(u64::from(echo.again));
            tracing::info!("the bridge to the other nodes is up");
        }
        if echo.came_up || is_lag_to_tell {
            self.be_unsure();
        }
    }

    /// A frame waited `lag` on this node.
    pub fn lagged(&self, lag: Duration) {
        let is_to_tell = self.health().lagged(lag, self.now());
        if is_to_tell {
            self.be_unsure();
        }
    }

    /// The number of the heartbeat to send now; `None` if too many found no echo.
    pub fn beat(&self) -> Option<u64> {
        let now = self.now();
        let mut health = self.health();
        (!health.is_silent(now)).then(|| health.beat(now))
    }

    pub fn beat_every(&self) -> Duration {
        self.health().beat_every()
    }

    /// Frames may be lost: the dispatcher tells the inbox.
    pub fn be_unsure(&self) {
        self.is_unsure.store(true, Ordering::Release);
        self.incoming.wake();
    }

    pub fn take_unsure(&self) -> bool {
        self.is_unsure.swap(false, Ordering::AcqRel)
    }

    fn show_state(&self) {
        // Under the lock, so that of two who tell at once the later state stays.
        let health = self.health();
        self.is_up.store(health.is_up(), Ordering::Release);
        metrics::gauge!(metric::BRIDGE_CONNECTED).set(if health.is_up() { 1.0 } else { 0.0 });
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
