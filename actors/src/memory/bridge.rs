//! A bridge between simulated nodes: healthy, immediate, in order. Faults are put around it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use schema::NodeId;

use super::store::answer;
use crate::ports::{Announcement, Bridge, BridgeError, PortFuture};

/// What a node does with an announcement. Must not announce in turn.
type Deliver = Arc<dyn Fn(Announcement) + Send + Sync>;

/// Where the nodes meet.
#[derive(Clone, Default)]
pub struct MemoryBridgeHub {
    nodes: Arc<Mutex<BTreeMap<NodeId, Deliver>>>,
}

impl MemoryBridgeHub {
    /// Adds a node; `deliver` is called with what the others announce, in order, one at a time
    /// for each announcing call. A node that joins again replaces its former self.
    pub fn join(
        &self,
        node: NodeId,
        deliver: impl Fn(Announcement) + Send + Sync + 'static,
    ) -> MemoryBridge {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner).insert(node, Arc::new(deliver));
        MemoryBridge { hub: self.clone(), node }
    }

    /// Removes a node: nothing reaches it any more.
    pub fn leave(&self, node: NodeId) {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner).remove(&node);
    }

    fn others(&self, announcing: NodeId) -> Vec<Deliver> {
        let nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        nodes.iter().filter(|(node, _)| **node != announcing).map(|(_, d)| d.clone()).collect()
    }
}

/// One node's end.
#[derive(Clone)]
pub struct MemoryBridge {
    hub: MemoryBridgeHub,
    node: NodeId,
}

impl Bridge for MemoryBridge {
    fn announce(&self, announcements: Vec<Announcement>) -> PortFuture<(), BridgeError> {
        for deliver in self.hub.others(self.node) {
            for announcement in &announcements {
                deliver(announcement.clone());
            }
        }
        answer(Ok(()))
    }
}
