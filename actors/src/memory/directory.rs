//! Who owns which shard, as a simulation sets it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use schema::NodeId;
use tokio::sync::watch;

use crate::ports::{Directory, Owner};

#[derive(Default)]
struct Shards {
    owners: BTreeMap<u32, NodeId>,
    handed_over: BTreeSet<u32>,
}

/// The owners of all shards, shared by the nodes of a simulation.
#[derive(Clone, Default)]
pub struct ShardOwners {
    shards: Arc<Mutex<Shards>>,
    version: watch::Sender<u64>,
}

impl ShardOwners {
    /// Sets a shard's owner; `None`: nobody.
    pub fn set(&self, shard: u32, owner: Option<NodeId>) {
        {
            let mut shards = self.shards();
            match owner {
                Some(node) => shards.owners.insert(shard, node),
                None => shards.owners.remove(&shard),
            };
        }
        self.version.send_modify(|version| *version += 1);
    }

    /// Sets an owner whose predecessor lives and is about to release the shard.
    pub fn hand_over(&self, shard: u32, to: NodeId) {
        self.shards().handed_over.insert(shard);
        self.set(shard, Some(to));
    }

    /// The owners as `node` sees them.
    #[must_use]
    pub fn seen_by(&self, node: NodeId) -> MemoryDirectory {
        MemoryDirectory { owners: self.clone(), node }
    }

    fn shards(&self) -> MutexGuard<'_, Shards> {
        self.shards.lock().unwrap_or_else(PoisonError::into_inner)
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
        match self.owners.shards().owners.get(&shard) {
            Some(node) if *node == self.node => Owner::Here,
            Some(node) => Owner::Elsewhere(*node),
            None => Owner::Unknown,
        }
    }

    fn is_handed_over(&self, shard: u32) -> bool {
        self.owners.shards().handed_over.contains(&shard)
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.owners.version.subscribe()
    }
}
