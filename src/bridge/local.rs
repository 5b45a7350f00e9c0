//! The bridge of a single process: there is nobody else to tell.

use actors::ports::{Announcement, Bridge, BridgeError, PortFuture};

/// Announces to no one.
#[derive(Clone, Copy, Debug, Default)]
pub struct LocalBridge;

impl Bridge for LocalBridge {
    fn announce(&self, _announcements: Vec<Announcement>) -> PortFuture<(), BridgeError> {
        Box::pin(std::future::ready(Ok(())))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use actors::contract;
    use actors::contract::bridge::BridgeNode;

    use super::LocalBridge;

    #[tokio::test]
    async fn keeps_the_contract_of_the_bridge() {
        contract::bridge::run(async || {
            vec![BridgeNode { bridge: Arc::new(LocalBridge), received: Arc::default() }]
        })
        .await;
    }
}
