//! What the actors of a simulated node share: its view of who owns which shard, which shards are
//! its own, and its tables about the other nodes.

use schema::NodeId;

use super::peers::Peers;
use crate::committer::Ownership;
use crate::ports::Owner;

/// The directory of one node: a hint, perhaps wrong.
pub struct View {
    owners: Vec<Owner>,
    /// By shard that came here: until when its owner before is expected to release it.
    handed_over_until_ms: Vec<u64>,
}

impl View {
    #[must_use]
    pub fn new(shards: u32, owner: Owner) -> Self {
        let shards = shards as usize;
        Self { owners: vec![owner; shards], handed_over_until_ms: vec![0; shards] }
    }

    #[must_use]
    pub fn owner(&self, shard: u32) -> Owner {
        self.owners[shard as usize]
    }

    #[must_use]
    pub fn is_handed_over(&self, shard: u32, now_ms: u64) -> bool {
        now_ms < self.handed_over_until_ms[shard as usize]
    }

    pub fn set(&mut self, shard: u32, owner: Owner, handed_over_until_ms: u64) {
        self.owners[shard as usize] = owner;
        self.handed_over_until_ms[shard as usize] = handed_over_until_ms;
    }
}

/// See the module.
pub struct Shared {
    /// A new one for each process.
    pub id: NodeId,
    pub view: View,
    pub ownership: Ownership,
    pub peers: Peers,
    /// What the bridge says of itself.
    pub is_connected: bool,
    /// Stand-ins number themselves.
    pub last_asker: u64,
}

impl Shared {
    #[must_use]
    pub fn new(id: NodeId, shards: u32, owner: Owner) -> Self {
        Self {
            id,
            view: View::new(shards, owner),
            ownership: Ownership::new(shards),
            peers: Peers::default(),
            is_connected: true,
            last_asker: 0,
        }
    }
}

/// The id of a node's process.
#[must_use]
pub fn node_id(node: usize, life: u64) -> NodeId {
    let number = ((node as u128) << 64) | u128::from(life + 1);
    NodeId(uuid::Uuid::from_u128(number))
}
