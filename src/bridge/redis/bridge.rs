//! The [`Bridge`] over Redis.

use std::sync::Arc;

use actors::ports::{Bridge, BridgeError, Inbox};
use bytes::Bytes;
use schema::{NodeId, metric};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::config::RedisConfig;
use super::peers::Peers;
use super::queue::Bounds;
use super::receive::dispatch;
use super::session::keep_connected;
use super::shared::{Shared, To};

/// How much may wait in this node, each way.
#[derive(Clone, Copy, Debug)]
pub struct BridgeLimits {
    /// More is refused with [`BridgeError::Full`].
    pub outgoing: Bounds,
    /// More is thrown away, and the inbox told to be unsure.
    pub incoming: Bounds,
}

impl Default for BridgeLimits {
    fn default() -> Self {
        Self {
            outgoing: Bounds { items: 16 * 1024, bytes: 16 << 20 },
            incoming: Bounds { items: 16 * 1024, bytes: 32 << 20 },
        }
    }
}

/// Frames through Redis, by publishing to one channel a node. Its tasks end when it is dropped.
pub struct RedisBridge {
    shared: Arc<Shared>,
    peers: watch::Receiver<Peers>,
    tasks: Vec<JoinHandle<()>>,
}

impl RedisBridge {
    /// Begins on the current runtime; it connects once it is opened, and for as long as it lives.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    #[must_use]
    pub fn start(
        config: &RedisConfig,
        node: NodeId,
        peers: watch::Receiver<Peers>,
        limits: BridgeLimits,
    ) -> Self {
        let shared = Arc::new(Shared::new(node, limits));
        let tasks = vec![
            tokio::spawn(keep_connected(shared.clone(), config.clone(), peers.clone())),
            tokio::spawn(dispatch(shared.clone())),
            tokio::spawn(watch_introductions(shared.clone(), peers.clone())),
        ];
        Self { shared, peers, tasks }
    }

    fn queue(&self, to: To, frame: Bytes) -> Result<(), BridgeError> {
        let result = if self.shared.is_up() {
            let size = frame.len();
            self.shared.outgoing.put((to, frame), size).map_err(|_| BridgeError::Full)
        } else {
            Err(BridgeError::Disconnected)
        };
        if result.is_err() {
            metrics::counter!(metric::BRIDGE_FRAMES_REFUSED).increment(1);
        }
        result
    }
}

impl Bridge for RedisBridge {
    fn open(&self, inbox: Arc<dyn Inbox>) {
        if self.shared.inbox.set(inbox).is_err() {
            tracing::error!("the bridge was opened twice; the first inbox stays");
        }
        self.shared.inbox_is_set.notify_waiters();
    }

    fn send(&self, to: NodeId, frame: Bytes) -> Result<(), BridgeError> {
        if to == self.shared.node { Ok(()) } else { self.queue(To::One(to), frame) }
    }

    fn send_all(&self, frame: Bytes) -> Result<(), BridgeError> {
        match &self.peers.borrow().others {
            None => Err(BridgeError::Disconnected),
            Some(others) if others.is_empty() => Ok(()),
            Some(_) => self.queue(To::Others, frame),
        }
    }

    fn is_connected(&self) -> bool {
        self.shared.is_up()
    }
}

impl Drop for RedisBridge {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// What the others sent to all before they knew this node did not come here.
async fn watch_introductions(shared: Arc<Shared>, mut peers: watch::Receiver<Peers>) {
    let mut introduced = peers.borrow_and_update().introduced;
    while peers.changed().await.is_ok() {
        let now = peers.borrow_and_update().introduced;
        if std::mem::replace(&mut introduced, now) != now {
            shared.be_unsure();
        }
    }
}
