//! Everything that lives on a node, wired once.

use std::sync::{Arc, OnceLock};

use actix::{Actor as _, Recipient};
use schema::NodeId;
use schema::wire::Limits;

use super::actor::Supervisor;
use crate::committer::{BatchLimits, CommitterContext, Committers};
use crate::connection::ConnectionContext;
use crate::conversation::{ConversationContext, Conversations};
use crate::monitor::{Down, Workers};
use crate::ports::{Authenticator, Bridge, CommitRing, MessageStore, RosterStore, WallClock};
use crate::sequencer::{SequencerContext, Sequencers};
use crate::session::{Online, SendLimit, SessionContext, Sessions};

/// The world, as the actors see it.
#[derive(Clone)]
pub struct Ports {
    pub ring: Arc<dyn CommitRing>,
    pub messages: Arc<dyn MessageStore>,
    pub roster: Arc<dyn RosterStore>,
    pub bridge: Arc<dyn Bridge>,
    pub authenticator: Arc<dyn Authenticator>,
    pub clock: Arc<dyn WallClock>,
}

/// What an operator may set.
#[derive(Clone, Copy, Debug)]
pub struct TreeConfig {
    pub node: NodeId,
    pub heartbeat_ms: u64,
    pub limits: Limits,
    pub send_limit: SendLimit,
    pub batch: BatchLimits,
}

/// The registries of a node.
pub struct Tree {
    pub ports: Ports,
    pub committers: Arc<Committers>,
    pub sequencers: Arc<Sequencers>,
    pub conversations: Arc<Conversations>,
    pub sessions: Arc<Sessions>,
    pub connections: Arc<ConnectionContext>,
}

/// Builds the tree and starts its supervisor and committers. Call on an actix arbiter.
#[must_use]
pub fn start(ports: Ports, config: TreeConfig, workers: &Workers) -> Arc<Tree> {
    let home = Arc::new(OnceLock::new());
    let supervisor = Supervisor::new(home.clone());
    let watcher: Recipient<Down> =
        Supervisor::start_in_arbiter(workers.of_shard(0), |_| supervisor).recipient();
    let tree = Arc::new(build(ports, config, workers, &watcher));
    let _ = home.set(Arc::downgrade(&tree));
    for shard in 0..tree.committers.shards() {
        let _ = tree.committers.get_or_start(shard);
    }
    tree
}

fn build(ports: Ports, config: TreeConfig, workers: &Workers, watcher: &Recipient<Down>) -> Tree {
    let committer = CommitterContext {
        ring: ports.ring.clone(),
        messages: ports.messages.clone(),
        bridge: ports.bridge.clone(),
        limits: config.batch,
        ready_shards: Arc::default(),
    };
    let committers = Arc::new(Committers::new(committer, workers.clone(), watcher.clone()));
    let sequencer = SequencerContext {
        committers: committers.clone(),
        messages: ports.messages.clone(),
        clock: ports.clock.clone(),
    };
    let sequencers = Arc::new(Sequencers::new(sequencer, workers.clone(), watcher.clone()));
    let online = Arc::new(Online::default());
    let conversation = Arc::new(ConversationContext {
        sequencers: sequencers.clone(),
        messages: ports.messages.clone(),
        roster: ports.roster.clone(),
        audience: online.clone(),
    });
    let conversations =
        Arc::new(Conversations::new(conversation, workers.clone(), watcher.clone()));
    let session = Arc::new(SessionContext {
        conversations: conversations.clone(),
        roster: ports.roster.clone(),
        clock: ports.clock.clone(),
        node: config.node,
        heartbeat_ms: config.heartbeat_ms,
        limits: config.limits,
        send_limit: config.send_limit,
    });
    let sessions = Arc::new(Sessions::new(online, session, watcher.clone()));
    let connections = Arc::new(ConnectionContext {
        sessions: sessions.clone(),
        authenticator: ports.authenticator.clone(),
    });
    Tree { ports, committers, sequencers, conversations, sessions, connections }
}
