//! The log's first home: a ring of commits per shard, written only by conditional statements.

use bytes::Bytes;
use schema::{Epoch, OwnerToken};

use super::PortFuture;

/// Sizes that belong to the data, fixed when the store is created.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RingShape {
    /// Conversations hash to one of this many shards.
    pub shards: u32,
    /// Slots of each shard's ring: commits that may wait to be materialised.
    pub slots: u32,
}

/// The guard cells of a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Guard {
    pub owner: OwnerToken,
    pub epoch: Epoch,
    /// Number of the last commit; zero before the first.
    pub head: u64,
    /// Every commit up to here is materialised.
    pub done: u64,
}

/// What one slot holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Slot {
    /// Commit number.
    pub n: u64,
    pub writer: OwnerToken,
    /// Packed entries, see `committer::payload`.
    pub payload: Bytes,
}

/// One commit, complete: resending it means resending exactly this.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Commit {
    pub shard: u32,
    pub owner: OwnerToken,
    /// This commit's number: the head it expects, plus one.
    pub n: u64,
    pub done: u64,
    pub payload: Bytes,
}

/// Whether a conditional statement took effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Applied {
    Yes,
    No,
}

/// The statement's outcome is not known: it may have been applied, or may be later.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("outcome unknown: {0}")]
pub struct RingError(pub String);

/// A totally ordered register per shard.
///
/// Guarantees: statements on one shard take effect one at a time, each wholly or not at all, and
/// `Applied::Yes` means durable. An `Err` says nothing about the effect. Reads see every
/// statement that was answered before they began.
pub trait CommitRing: Send + Sync + 'static {
    fn shape(&self) -> RingShape;

    /// The guard; `None` before the shard was ever created.
    fn guard(&self, shard: u32) -> PortFuture<Option<Guard>, RingError>;

    /// Slot `n % slots`; `None` while it was never written. The caller checks `n`.
    fn slot(&self, shard: u32, n: u64) -> PortFuture<Option<Slot>, RingError>;

    /// Makes the shard owned by `owner`, epoch 1, if it has no guard yet.
    fn create(&self, shard: u32, owner: OwnerToken) -> PortFuture<Applied, RingError>;

    /// Sets the owner and `seen.epoch + 1` if owner, epoch and head are still those of `seen`.
    fn take_over(
        &self,
        shard: u32,
        seen: Guard,
        owner: OwnerToken,
    ) -> PortFuture<Applied, RingError>;

    /// Writes the slot, `head = n` and `done` if `owner` is still the owner and head is `n - 1`.
    fn commit(&self, commit: Commit) -> PortFuture<Applied, RingError>;

    /// Gives the shard up: owner becomes [`OwnerToken::NOBODY`] if it is still `owner`; `done` is
    /// stored with it.
    fn release(&self, shard: u32, owner: OwnerToken, done: u64) -> PortFuture<Applied, RingError>;
}
