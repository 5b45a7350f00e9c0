//! Announcements between nodes.

use std::sync::Arc;

use schema::record::Entry;
use schema::{ConversationId, Epoch};

use super::PortFuture;

/// Entries of one conversation that are stored, from one commit.
#[derive(Clone, Debug)]
pub struct Announcement {
    pub shard: u32,
    pub epoch: Epoch,
    pub conversation: ConversationId,
    /// Consecutive numbers.
    pub entries: Arc<[Entry]>,
}

/// The announcement did not go out. Receivers find the gap by number; nothing is to be repeated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the bridge is unavailable: {0}")]
pub struct BridgeError(pub String);

/// Carries announcements to the *other* nodes that serve a conversation.
///
/// Guarantees: at most once each, never to the announcing node itself. Lost or reordered
/// announcements are normal: receivers repair them by sequence.
pub trait Bridge: Send + Sync + 'static {
    fn announce(&self, announcements: Vec<Announcement>) -> PortFuture<(), BridgeError>;
}
