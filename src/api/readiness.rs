//! Whether this node should be given work.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::Notify;

/// Flags that the composition root sets; `/readyz` reads them. Not ready until told so.
#[derive(Debug, Default)]
pub struct Readiness {
    ring: AtomicBool,
    bridge: AtomicBool,
    draining: AtomicBool,
    requests: AtomicUsize,
    drain: Notify,
}

/// A request that is being answered.
#[derive(Debug)]
pub struct Answering(Arc<Readiness>);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.requests.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Readiness {
    /// The node's shards are claimed and replayed (or lost again).
    pub fn set_ring(&self, ready: bool) {
        self.ring.store(ready, Ordering::Release);
    }

    /// This node is known to the others and hears them. A node alone always does.
    pub fn set_bridge(&self, connected: bool) {
        self.bridge.store(connected, Ordering::Release);
    }

    #[must_use]
    pub fn is_bridge_connected(&self) -> bool {
        self.bridge.load(Ordering::Acquire)
    }

    /// The node is going away: no new work from now on.
    pub fn start_draining(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// A request came; it counts until the answer is made.
    #[must_use]
    pub fn answering(self: &Arc<Self>) -> Answering {
        self.requests.fetch_add(1, Ordering::AcqRel);
        Answering(self.clone())
    }

    /// Requests that are being answered.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::Acquire)
    }

    /// An operator asks the node to go away, as SIGTERM does.
    pub fn ask_to_drain(&self) {
        self.drain.notify_one();
    }

    pub async fn asked_to_drain(&self) {
        self.drain.notified().await;
    }

    #[must_use]
    pub fn is_ring_ready(&self) -> bool {
        self.ring.load(Ordering::Acquire)
    }

    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }
}
