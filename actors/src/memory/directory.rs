//! Who owns which shard, as a simulation sets it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use schema::NodeId;

use crate::ports::{Directory, Owner};

/// The owners of all shards, shared by the nodes of a simulation.
#[derive(Clone, Default)]
pub struct ShardOwners {
    owners: Arc<Mutex<BTreeMap<u32, NodeId>>>,
}

impl ShardOwners {
    /// Sets a shard's owner; `None`: nobody.
    pub fn set(&self, shard: u32, owner: Option<NodeId>) {
        let mut owners = self.owners.lock().unwrap_or_else(PoisonError::into_inner);
        match owner {
            Some(node) => owners.insert(shard, node),
            None => owners.remove(&shard),
        };
    }

    /// The owners as `node` sees them.
    #[must_use]
    pub fn seen_by(&self, node: NodeId) -> MemoryDirectory {
        MemoryDirectory { owners: self.clone(), node }
    }
}

/// One node's view of [`ShardOwners`].
#[derive(Clone)]
pub struct MemoryDirectory {
    owners: ShardOwners,
    node: NodeId,
}

impl Directory for MemoryDirectory {
    fn owner(&self, shard: u32) -> Owner {
        let owners = self.owners.owners.lock().unwrap_or_else(PoisonError::into_inner);
        match owners.get(&shard) {
            Some(node) if *node == self.node => Owner::Here,
            Some(node) => Owner::Elsewhere(*node),
            None => Owner::Unknown,
        }
    }
}
