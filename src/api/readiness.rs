//! Whether this node should be given work.

use std::sync::atomic::{AtomicBool, Ordering};

/// Flags that the composition root sets; `/readyz` reads them. Not ready until told so.
#[derive(Debug, Default)]
pub struct Readiness {
    ring: AtomicBool,
    bridge: AtomicBool,
    draining: AtomicBool,
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

    #[must_use]
    pub fn is_ring_ready(&self) -> bool {
        self.ring.load(Ordering::Acquire)
    }

    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }
}
