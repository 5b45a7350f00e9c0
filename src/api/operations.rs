//! What operators ask of the running node, behind a trait so that handlers are tested without one.

use futures_util::future::LocalBoxFuture;
use schema::{ConnectionId, ConversationId, DeviceId, NodeId, UserId};
use serde::{Deserialize, Serialize};

/// A node of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeView {
    pub node_id: NodeId,
    /// Where its internal listener is.
    pub internal: String,
    /// serving, leaving
    pub state: String,
    /// Milliseconds since 1970 UTC.
    pub started_at: i64,
    /// The one that answers.
    pub is_this: bool,
}

/// A part of the conversations, and who numbers their messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardView {
    pub shard: u32,
    /// As this node believes; `None` while nobody is known.
    pub owner: Option<NodeId>,
    pub is_here: bool,
    /// Claimed and replayed here.
    pub is_ready: bool,
    /// Of the activation here.
    pub epoch: Option<u64>,
    /// The node that an operator gave it to.
    pub pinned: Option<NodeId>,
}

/// Why a shard was not moved.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoveError {
    #[error("this server is alone: there is no other node")]
    Alone,
    #[error("there are shards 0 to {0}")]
    NoSuchShard(u32),
    #[error("no such node is serving")]
    NoSuchNode,
    #[error("the other nodes could not be told: {0}")]
    Untold(String),
}

/// The mailboxes of one kind of actor, as probes found them within the last minute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailboxView {
    pub kind: String,
    pub probes: u64,
    /// Messages that waited before a probe, at the most.
    pub depth_max: u64,
    /// How long a probe waited, at the most.
    pub age_max_ms: u64,
    /// Since the node started.
    pub panics: u64,
    pub restarts: u64,
}

/// A conversation that makes this node work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BusyView {
    pub conversation_id: ConversationId,
    pub shard: u32,
    /// Within the last one to two minutes.
    pub entries: u64,
    /// Entries times those who listened on this node.
    pub deliveries: u64,
    /// The place may be owed to others: entries and deliveries together may have been as many more.
    pub too_high_by: u64,
}

/// How many actors of each kind live here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActorsView {
    pub sessions: usize,
    pub conversations: usize,
    pub sequencers: usize,
    /// Stand-ins of sequencers on other nodes.
    pub remote_sequencers: usize,
    pub committers: usize,
}

/// A socket of this node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionView {
    pub connection_id: ConnectionId,
    pub user_id: UserId,
    pub device_id: DeviceId,
    pub is_away: bool,
}

/// See the module.
pub trait Operations: Send + Sync + 'static {
    fn nodes(&self) -> Vec<NodeView>;

    fn shards(&self) -> Vec<ShardView>;

    /// Gives a shard to a serving node, or back to the rules; how this node sees it then.
    fn move_shard(
        &self,
        shard: u32,
        to: Option<NodeId>,
    ) -> LocalBoxFuture<'_, Result<ShardView, MoveError>>;

    fn actors(&self) -> ActorsView;

    fn mailboxes(&self) -> Vec<MailboxView>;

    /// Busiest first.
    fn busiest(&self, count: usize) -> Vec<BusyView>;

    /// Sockets of one user, or of at most `users_max` users; and how many users are online here.
    fn connections(
        &self,
        user: Option<UserId>,
        users_max: usize,
    ) -> LocalBoxFuture<'_, (Vec<ConnectionView>, usize)>;
}
