//! The bridge of a single process: there is nobody else to tell.

use std::sync::Arc;

use actors::ports::{Bridge, BridgeError, Inbox};
use bytes::Bytes;
use schema::NodeId;

/// Sends to no one.
#[derive(Clone, Copy, Debug, Default)]
pub struct LocalBridge;

impl Bridge for LocalBridge {
    fn open(&self, _inbox: Arc<dyn Inbox>) {}

    fn send(&self, _to: NodeId, _frame: Bytes) -> Result<(), BridgeError> {
        Ok(())
    }

    fn send_all(&self, _frame: Bytes) -> Result<(), BridgeError> {
        Ok(())
    }

    fn is_connected(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use actors::contract;
    use actors::contract::bridge::BridgeNode;
    use schema::NodeId;

    use super::LocalBridge;

    #[tokio::test]
    async fn keeps_the_contract_of_the_bridge() {
        contract::bridge::run(async || {
            vec![BridgeNode::open(NodeId::generate(), Arc::new(LocalBridge))]
        })
        .await;
    }
}
