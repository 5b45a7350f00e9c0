//! What operators ask, answered from the running tree.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actors::conversation::Busy;
use actors::monitor::MailboxesOfKind;
use actors::ports::wall_clock::SystemClock;
use actors::ports::{Owner, WallClock as _};
use actors::session::DescribeSockets;
use actors::supervisor::Tree;
use futures_util::future::{LocalBoxFuture, join_all};
use schema::{ConversationId, NodeId, UserId};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::api::operations::{
    ActorsView, BusyView, ConnectionView, MailboxView, MoveError, NodeView, Operations, ShardView,
};
use crate::coordination::redis::Members;
use crate::coordination::view::NodeState;

/// A session that is busy for longer is left out.
const ANSWER_MAX: Duration = Duration::from_secs(2);

pub struct OfTree {
    tree: Arc<Tree>,
    node: NodeId,
    internal: SocketAddr,
    started_at: i64,
    members: Option<Members>,
}

impl OfTree {
    pub fn new(
        tree: Arc<Tree>,
        node: NodeId,
        internal: SocketAddr,
        members: Option<Members>,
    ) -> Self {
        Self { tree, node, internal, started_at: SystemClock.now_ms(), members }
    }

    fn shard(&self, shard: u32, pinned: Option<NodeId>) -> ShardView {
        let committers = &self.tree.committers;
        ShardView {
            shard,
            owner: match self.tree.ports.directory.owner(shard) {
                Owner::Here => Some(self.node),
                Owner::Elsewhere(node) => Some(node),
                Owner::Unknown => None,
            },
            is_here: committers.is_assigned(shard),
            is_ready: committers.activation(shard).is_some(),
            epoch: committers.ownership().epoch(shard).map(|epoch| epoch.0),
            pinned,
        }
    }
}

impl Operations for OfTree {
    fn nodes(&self) -> Vec<NodeView> {
        let Some(members) = &self.members else {
            return vec![NodeView {
                node_id: self.node,
                internal: self.internal.to_string(),
                state: "serving".to_owned(),
                started_at: self.started_at,
                is_this: true,
            }];
        };
        let view = |member: crate::coordination::redis::Member| NodeView {
            node_id: member.node,
            internal: member.address,
            state: match member.state {
                NodeState::Serving => "serving".to_owned(),
                NodeState::Leaving => "leaving".to_owned(),
            },
            started_at: member.started_at_ms,
            is_this: member.node == self.node,
        };
        members.list().into_iter().map(view).collect()
    }

    fn shards(&self) -> Vec<ShardView> {
        let pins = self.members.as_ref().map(Members::pins).unwrap_or_default();
        let view = |shard| self.shard(shard, pins.get(&shard).copied());
        (0..self.tree.committers.shards()).map(view).collect()
    }

    fn move_shard(
        &self,
        shard: u32,
        to: Option<NodeId>,
    ) -> LocalBoxFuture<'_, Result<ShardView, MoveError>> {
        Box::pin(async move {
            let members = self.members.as_ref().ok_or(MoveError::Alone)?;
            let shards = self.tree.committers.shards();
            if shard >= shards {
                return Err(MoveError::NoSuchShard(shards.saturating_sub(1)));
            }
            let serves = |node| {
                members.list().iter().any(|it| it.node == node && it.state == NodeState::Serving)
            };
            if to.is_some_and(|to| !serves(to)) {
                return Err(MoveError::NoSuchNode);
            }
            let told = members.pin(shard, to).await;
            told.map_err(|error| MoveError::Untold(error.to_string()))?;
            Ok(self.shard(shard, to))
        })
    }

    fn actors(&self) -> ActorsView {
        let (sequencers, remote_sequencers) = self.tree.sequencers.counts();
        ActorsView {
            sessions: self.tree.sessions.online().len(),
            conversations: self.tree.conversations.count(),
            sequencers,
            remote_sequencers,
            committers: self.tree.committers.count(),
        }
    }

    fn mailboxes(&self) -> Vec<MailboxView> {
        let view = |(kind, of_kind): (&'static str, MailboxesOfKind)| MailboxView {
            kind: kind.to_owned(),
            probes: of_kind.found.probes,
            depth_max: of_kind.found.depth_max,
            age_max_ms: u64::try_from(of_kind.found.age_max.as_millis()).unwrap_or(u64::MAX),
            panics: of_kind.panics,
            restarts: of_kind.restarts,
        };
        self.tree.mailboxes.by_kind().into_iter().map(view).collect()
    }

    fn busiest(&self, count: usize) -> Vec<BusyView> {
        let view = |(conversation_id, busy): (ConversationId, Busy)| BusyView {
            conversation_id,
            shard: self.tree.sequencers.shard_of(conversation_id),
            entries: busy.entries,
            deliveries: busy.deliveries,
            too_high_by: busy.too_high_by,
        };
        self.tree.busiest.top(count).into_iter().map(view).collect()
    }

    fn connections(
        &self,
        user: Option<UserId>,
        users_max: usize,
    ) -> LocalBoxFuture<'_, (Vec<ConnectionView>, usize)> {
        Box::pin(async move {
            let online = self.tree.sessions.online();
            let mut sessions = match user {
                Some(user) => online.get(user).map(|session| (user, session)).into_iter().collect(),
                None => online.all(),
            };
            sessions.sort_by_key(|(user, _)| *user);
            sessions.truncate(users_max);
            let asked = sessions.into_iter().map(async |(user_id, session)| {
                let (reply, answer) = oneshot::channel();
                session.try_send(DescribeSockets { reply }).ok()?;
                let facts = timeout(ANSWER_MAX, answer).await.ok()?.ok()?;
                let view = move |facts: actors::session::SocketFacts| ConnectionView {
                    connection_id: facts.connection,
                    user_id,
                    device_id: facts.device,
                    is_away: facts.is_away,
                };
                Some(facts.into_iter().map(view).collect::<Vec<_>>())
            });
            let found = join_all(asked).await;
            (found.into_iter().flatten().flatten().collect(), online.len())
        })
    }
}
