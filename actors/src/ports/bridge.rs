//! Frames between nodes.

use std::sync::Arc;

use bytes::Bytes;
use schema::NodeId;

/// The frame did not go out. Nothing is to be repeated: receivers repair what they miss by number,
/// and who waits for an answer asks again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BridgeError {
    #[error("the bridge is not connected")]
    Disconnected,
    /// More waits to go out than is allowed.
    #[error("the bridge is behind")]
    Full,
}

/// What a node does with what the others send. Called from the bridge's own threads: must answer
/// at once and never wait.
pub trait Inbox: Send + Sync + 'static {
    /// A frame for this node, as it was sent.
    fn receive(&self, frame: Bytes);

    /// Frames may have been lost just now, without a trace: after a new connection, after a lag.
    fn unsure(&self);
}

/// Carries frames from node to node.
///
/// Guarantees: at most once each, unchanged, never to the sending node itself. Frames may be lost,
/// and nothing tells the sender; those of one sender to one receiver that do arrive keep their order.
/// Where the bridge itself notices that it may have lost some, it calls [`Inbox::unsure`].
/// `send` and `send_all` answer at once: they only queue, up to a bound.
pub trait Bridge: Send + Sync + 'static {
    /// Begins to receive. Called once, before anything is sent.
    fn open(&self, inbox: Arc<dyn Inbox>);

    /// To one node.
    ///
    /// # Errors
    /// [`BridgeError`] when it is certain that the frame does not go out.
    fn send(&self, to: NodeId, frame: Bytes) -> Result<(), BridgeError>;

    /// To every other node.
    ///
    /// # Errors
    /// [`BridgeError`] when it is certain that the frame does not go out.
    fn send_all(&self, frame: Bytes) -> Result<(), BridgeError>;

    /// False while nothing can be sent or received. A process of its own is always connected.
    fn is_connected(&self) -> bool;
}
