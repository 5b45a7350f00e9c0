//! What operators ask of the running node, behind a trait so that handlers are tested without one.

use futures_util::future::LocalBoxFuture;
use schema::{ConnectionId, DeviceId, NodeId, UserId};
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

    fn actors(&self) -> ActorsView;

    /// Sockets of one user, or of at most `users_max` users; and how many users are online here.
    fn connections(
        &self,
        user: Option<UserId>,
        users_max: usize,
    ) -> LocalBoxFuture<'_, (Vec<ConnectionView>, usize)>;
}
