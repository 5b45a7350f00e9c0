//! A bridge between simulated nodes: healthy, immediate, in order. Faults are put around it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use schema::NodeId;

use crate::ports::{Bridge, BridgeError, Inbox};

type Inboxes = BTreeMap<NodeId, Arc<dyn Inbox>>;

/// Where the nodes meet.
#[derive(Clone, Default)]
pub struct MemoryBridgeHub {
    nodes: Arc<Mutex<Inboxes>>,
}

impl MemoryBridgeHub {
    /// A node's end; frames reach it once it is opened.
    #[must_use]
    pub fn node(&self, node: NodeId) -> MemoryBridge {
        MemoryBridge { hub: self.clone(), node }
    }

    /// Removes a node: nothing reaches it any more.
    pub fn leave(&self, node: NodeId) {
        self.inboxes().remove(&node);
    }

    fn inboxes(&self) -> MutexGuard<'_, Inboxes> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One node's end.
#[derive(Clone)]
pub struct MemoryBridge {
    hub: MemoryBridgeHub,
    node: NodeId,
}

impl Bridge for MemoryBridge {
    fn open(&self, inbox: Arc<dyn Inbox>) {
        self.hub.inboxes().insert(self.node, inbox);
    }

    fn send(&self, to: NodeId, frame: Bytes) -> Result<(), BridgeError> {
        if to != self.node {
            let inbox = self.hub.inboxes().get(&to).cloned();
            if let Some(inbox) = inbox {
                inbox.receive(frame);
            }
        }
        Ok(())
    }

    fn send_all(&self, frame: Bytes) -> Result<(), BridgeError> {
        let others: Vec<_> = self
            .hub
            .inboxes()
            .iter()
            .filter(|(node, _)| **node != self.node)
            .map(|(_, inbox)| inbox.clone())
            .collect();
        for inbox in others {
            inbox.receive(frame.clone());
        }
        Ok(())
    }

    fn is_connected(&self) -> bool {
        self.hub.inboxes().contains_key(&self.node)
    }
}
