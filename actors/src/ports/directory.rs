//! Which node owns a shard.

use schema::NodeId;
use tokio::sync::watch;

/// Where a shard's sequencers live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    Here,
    Elsewhere(NodeId),
    /// Nobody yet: ask again later.
    Unknown,
}

/// A hint, never a proof: the fence is in the commit ring.
///
/// Guarantees: answers at once, from memory.
pub trait Directory: Send + Sync + 'static {
    fn owner(&self, shard: u32) -> Owner;

    /// The shard is this node's, and the node that had it before lives and is about to release
    /// it: worth waiting for a moment.
    fn is_handed_over(&self, shard: u32) -> bool;

    /// Changes whenever an answer may have changed.
    fn changes(&self) -> watch::Receiver<u64>;
}
