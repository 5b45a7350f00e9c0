//! The threads that actors live on.

use actix::ArbiterHandle;

/// One arbiter a worker thread. A shard's committer, sequencers and conversations share one, so
/// that a message meets no other thread between its conversation and its committer.
#[derive(Clone, Debug)]
pub struct Workers {
    arbiters: Vec<ArbiterHandle>,
}

impl Workers {
    /// # Panics
    /// With no arbiter there is nowhere to live.
    #[must_use]
    pub fn new(arbiters: Vec<ArbiterHandle>) -> Self {
        assert!(!arbiters.is_empty(), "at least one worker");
        Self { arbiters }
    }

    /// Where everything of a shard lives.
    #[must_use]
    pub fn of_shard(&self, shard: u32) -> &ArbiterHandle {
        &self.arbiters[shard as usize % self.arbiters.len()]
    }

    #[must_use]
    pub fn all(&self) -> &[ArbiterHandle] {
        &self.arbiters
    }
}
