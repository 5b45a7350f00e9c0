//! Everything that lives on a node, wired once.

use std::sync::{Arc, OnceLock};

use actix::Actor as _;
use schema::NodeId;
use schema::wire::Limits;

use super::actor::Supervisor;
use super::ownership::OwnershipKeeper;
use crate::committer::{BatchLimits, CommitterContext, Committers, Ownership};
use crate::connection::ConnectionContext;
use crate::conversation::{Busiest, ConversationContext, Conversations};
use crate::inbox::{self, NodeInbox};
use crate::monitor::{Mailboxes, Watcher, Workers};
use crate::peers::Peers;
use crate::personal::Personal;
use crate::ports::{
    Authenticator, Bridge, CommitRing, Directory, LogIndex, MessageStore, PersonalStore,
    RosterStore, WallClock,
};
use crate::presence::Presence;
use crate::sequencer::{SequencerContext, Sequencers};
use crate::session::{Online, SendLimit, SendLimitInForce, SessionContext, Sessions};

/// The world, as the actors see it.
#[derive(Clone)]
pub struct Ports {
    pub ring: Arc<dyn CommitRing>,
    pub messages: Arc<dyn MessageStore>,
    pub roster: Arc<dyn RosterStore>,
    pub index: Arc<dyn LogIndex>,
    pub personal: Arc<dyn PersonalStore>,
    pub bridge: Arc<dyn Bridge>,
    pub directory: Arc<dyn Directory>,
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
    /// How long what was said is kept where a conversation does not say so, days; zero: for ever.
    pub retention_default_days: u32,
    /// There may be other nodes.
    pub clustered: bool,
}

/// The registries of a node.
pub struct Tree {
    pub ports: Ports,
    pub peers: Arc<Peers>,
    pub committers: Arc<Committers>,
    pub sequencers: Arc<Sequencers>,
    pub conversations: Arc<Conversations>,
    pub sessions: Arc<Sessions>,
    pub presence: Arc<Presence>,
    pub personal: Arc<Personal>,
    pub connections: Arc<ConnectionContext>,
    /// May be set while the node runs.
    pub send_limit: Arc<SendLimitInForce>,
    /// What probes found, and deaths.
    pub mailboxes: Arc<Mailboxes>,
    pub busiest: Arc<Busiest>,
}

/// Builds the tree and starts its supervisor and committers. Call on an actix arbiter.
#[must_use]
pub fn start(ports: Ports, config: TreeConfig, workers: &Workers) -> Arc<Tree> {
    let home = Arc::new(OnceLock::new());
    let supervisor = Supervisor::new(home.clone());
    let watcher: Arc<dyn Watcher> =
        Arc::new(Supervisor::start_in_arbiter(workers.of_shard(0), |_| supervisor));
    let tree = Arc::new(build(ports, config, workers, &watcher));
    let _ = home.set(Arc::downgrade(&tree));
    listen(&tree, workers);
    let mut keeper = OwnershipKeeper::new(&tree);
    keeper.settle();
    workers.of_shard(0).spawn(keeper.run());
    workers.of_shard(0).spawn(Presence::run(Arc::downgrade(&tree.presence)));
    workers.of_shard(0).spawn(Personal::run(Arc::downgrade(&tree.personal)));
    tree
}

/// Hears the other nodes.
fn listen(tree: &Arc<Tree>, workers: &Workers) {
    let inbox = Arc::new(NodeInbox::new(
        tree.peers.clone(),
        tree.sequencers.clone(),
        tree.conversations.clone(),
        tree.sessions.clone(),
        tree.presence.clone(),
        tree.personal.clone(),
        workers.clone(),
    ));
    tree.peers.on_wake(inbox.clone());
    tree.personal.open(inbox.clone());
    tree.ports.bridge.open(inbox.clone());
    if tree.peers.is_clustered() {
        workers.of_shard(0).spawn(inbox::keep_up(inbox, tree.ports.messages.clone()));
    }
}

fn build(ports: Ports, config: TreeConfig, workers: &Workers, watcher: &Arc<dyn Watcher>) -> Tree {
    let peers = Arc::new(Peers::new(
        config.node,
        ports.bridge.clone(),
        ports.directory.clone(),
        config.clustered,
    ));
    let committer = CommitterContext {
        ring: ports.ring.clone(),
        messages: ports.messages.clone(),
        peers: peers.clone(),
        limits: config.batch,
        ownership: Arc::new(Ownership::new(ports.ring.shape().shards)),
        budgets: Arc::default(),
    };
    let committers = Arc::new(Committers::new(committer, workers.clone(), watcher.clone()));
    let sequencer = SequencerContext {
        committers: committers.clone(),
        messages: ports.messages.clone(),
        clock: ports.clock.clone(),
    };
    let sequencers = Arc::new(Sequencers::new(sequencer, workers.clone(), watcher.clone()));
    let online = Arc::new(Online::default());
    let personal = Arc::new(Personal::new(
        ports.personal.clone(),
        ports.roster.clone(),
        ports.clock.clone(),
        peers.clone(),
    ));
    let busiest = Arc::new(Busiest::default());
    let conversation = Arc::new(ConversationContext {
        sequencers: sequencers.clone(),
        messages: ports.messages.clone(),
        roster: ports.roster.clone(),
        audience: online.clone(),
        personal: personal.clone(),
        clock: ports.clock.clone(),
        busiest: busiest.clone(),
        retention_default_days: config.retention_default_days,
    });
    let conversations =
        Arc::new(Conversations::new(conversation, workers.clone(), watcher.clone()));
    let presence = Arc::new(Presence::new(
        peers.clone(),
        online.clone(),
        ports.clock.clone(),
        personal.clone(),
    ));
    let send_limit = Arc::new(SendLimitInForce::new(config.send_limit));
    let session = Arc::new(SessionContext {
        conversations: conversations.clone(),
        presence: presence.clone(),
        roster: ports.roster.clone(),
        personal: personal.clone(),
        clock: ports.clock.clone(),
        node: config.node,
        heartbeat_ms: config.heartbeat_ms,
        limits: config.limits,
        send_limit: send_limit.clone(),
    });
    let sessions = Arc::new(Sessions::new(online, session, watcher.clone()));
    let connections = Arc::new(ConnectionContext {
        sessions: sessions.clone(),
        authenticator: ports.authenticator.clone(),
        clock: ports.clock.clone(),
    });
    Tree {
        ports,
        peers,
        committers,
        sequencers,
        conversations,
        sessions,
        presence,
        personal,
        connections,
        send_limit,
        mailboxes: Arc::default(),
        busiest,
    }
}
