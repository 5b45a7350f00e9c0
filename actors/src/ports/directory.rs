//! Which node owns a shard.

use schema::NodeId;

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
}
