//! What the tests of several nodes stand on: real actors over in-memory ports, a bridge that loses
//! frames, a user's socket.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use schema::wire::{ClientFrame, ServerFrame};
use schema::{ConversationId, NodeId, Sequence, UserId};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::Tree;
use super::tests::{PATIENCE, Recorder, conversation, draft, node_of, send};
use crate::contract::sample;
use crate::conversation::Page;
use crate::memory::{MemoryBridge, MemoryBridgeHub, MemoryStore, ShardOwners};
use crate::node::Node;
use crate::ports::{Bridge, BridgeError, CommitRing as _, Inbox, RosterStore};

/// Loses one frame in every `lose_one_in` (none at zero), and all while it is cut, which it notices,
/// or silent, which it does not.
pub(super) struct LossyBridge {
    inner: MemoryBridge,
    lose_one_in: u64,
    frames: AtomicU64,
    pub is_cut: AtomicBool,
    pub is_silent: AtomicBool,
}

impl LossyBridge {
    fn loses(&self) -> bool {
        let number = self.frames.fetch_add(1, Ordering::Relaxed);
        let is_lost = self.lose_one_in > 0 && number % self.lose_one_in == self.lose_one_in - 1;
        is_lost || self.is_cut.load(Ordering::Relaxed) || self.is_silent.load(Ordering::Relaxed)
    }
}

impl Bridge for LossyBridge {
    fn open(&self, inbox: Arc<dyn Inbox>) {
        self.inner.open(inbox);
    }

    fn send(&self, to: NodeId, frame: Bytes) -> Result<(), BridgeError> {
        if self.loses() { Ok(()) } else { self.inner.send(to, frame) }
    }

    fn send_all(&self, frame: Bytes) -> Result<(), BridgeError> {
        if self.loses() { Ok(()) } else { self.inner.send_all(frame) }
    }

    fn is_connected(&self) -> bool {
        !self.is_cut.load(Ordering::Relaxed)
    }
}

pub(super) struct Cluster {
    pub store: Arc<MemoryStore>,
    pub owners: ShardOwners,
    pub ids: Vec<NodeId>,
    pub hub: MemoryBridgeHub,
    pub bridges: Vec<Arc<LossyBridge>>,
    pub trees: Vec<Arc<Tree>>,
}

impl Cluster {
    pub fn start(nodes: usize, lose_one_in: u64) -> Self {
        let (store, hub) = (Arc::new(MemoryStore::default()), MemoryBridgeHub::default());
        let (owners, mut ids) = (ShardOwners::default(), Vec::new());
        ids.resize_with(nodes, NodeId::generate);
        for shard in 0..store.shape().shards {
            owners.set(shard, Some(ids[shard as usize % nodes]));
        }
        let bridge = |node: &NodeId| {
            let inner = hub.node(*node);
            let frames = AtomicU64::new(0);
            let (is_cut, is_silent) = (AtomicBool::new(false), AtomicBool::new(false));
            Arc::new(LossyBridge { inner, lose_one_in, frames, is_cut, is_silent })
        };
        let bridges: Vec<_> = ids.iter().map(bridge).collect();
        let tree = |(node, bridge): (&NodeId, &Arc<LossyBridge>)| {
            node_of(*node, &store, bridge.clone(), &owners, true)
        };
        let trees = ids.iter().zip(&bridges).map(tree).collect();
        Self { store, owners, ids, hub, bridges, trees }
    }

    pub fn node(&self, at: usize) -> Node {
        Node::new(self.trees[at].clone())
    }

    /// A group with a member online on each node.
    pub async fn group(
        &self,
    ) -> (ConversationId, Vec<UserId>, Vec<mpsc::UnboundedReceiver<Sequence>>) {
        let users: Vec<UserId> = self.trees.iter().map(|_| UserId::generate()).collect();
        let id = conversation(&self.store, &users).await;
        let mut numbers = Vec::new();
        for (tree, user) in self.trees.iter().zip(&users) {
            numbers.push(Recorder::attach(tree, *user).await);
        }
        (id, users, numbers)
    }

    pub fn shard_of(&self, id: ConversationId) -> u32 {
        self.trees[0].sequencers.shard_of(id)
    }

    /// Which node owns it, at first.
    pub fn owner_of(&self, id: ConversationId) -> usize {
        self.shard_of(id) as usize % self.trees.len()
    }
}

pub(super) async fn direct(store: &MemoryStore, one: UserId, other: UserId) -> ConversationId {
    let made = sample::direct(one, other);
    let conversation_id = made.conversation_id;
    RosterStore::create(store, made).await.unwrap();
    conversation_id
}

pub(super) async fn sees_all_once_in_order(
    numbers: &mut mpsc::UnboundedReceiver<Sequence>,
    last: u64,
) {
    for expected in 1..=last {
        let number = timeout(PATIENCE, numbers.recv()).await;
        assert_eq!(number.expect("delivered in time"), Some(Sequence(expected)));
    }
}

pub(super) async fn sends_from_every_node(
    cluster: &Cluster,
    id: ConversationId,
    users: &[UserId],
    each: u64,
) {
    let mut sends = Vec::new();
    for (at, user) in users.iter().enumerate() {
        let (node, user) = (cluster.node(at), *user);
        sends.push(actix::spawn(async move {
            for number in 0..each {
                send(node.clone(), draft(id, user, &format!("{at} {number}"))).await;
            }
        }));
    }
    for send in sends {
        send.await.unwrap();
    }
}

/// A user's socket at a node: the frames it hears that are no entries, and what it says.
pub(super) struct Person {
    frames: mpsc::UnboundedReceiver<ServerFrame>,
    session: actix::Addr<crate::session::Session>,
    connection: schema::ConnectionId,
    numbers: mpsc::UnboundedReceiver<Sequence>,
}

impl Person {
    pub async fn at(tree: &Tree, user: UserId) -> Self {
        let (heard, frames) = mpsc::unbounded_channel();
        let (numbers, session, connection) = Recorder::attach_with(tree, user, Some(heard)).await;
        Self { frames, session, connection, numbers }
    }

    pub fn says(&self, frame: ClientFrame) {
        let connection = self.connection;
        self.session.try_send(crate::session::FromSocket { connection, frame }).unwrap();
    }

    /// Waits until the log has come to the socket as far as `seq`.
    pub async fn has(&mut self, seq: Sequence) {
        let comes = async { while self.numbers.recv().await.expect("the socket is open") < seq {} };
        timeout(PATIENCE, comes).await.expect("delivered in time");
    }

    pub async fn hears<T>(&mut self, wanted: impl Fn(ServerFrame) -> Option<T>) -> T {
        let search = async {
            loop {
                let frame = self.frames.recv().await.expect("the socket is open");
                if let Some(found) = wanted(frame) {
                    return found;
                }
            }
        };
        timeout(PATIENCE, search).await.expect("heard in time")
    }
}

/// How much a node shows of a log, once it shows something.
pub(super) async fn log_at(
    cluster: &Cluster,
    node: usize,
    reader: UserId,
    id: ConversationId,
) -> usize {
    let shown = async {
        loop {
            let page = cluster.node(node).history(reader, id, Page::Newest, 10).await;
            let count = page.map_or(0, |page| page.entries.len());
            if count > 0 {
                return count;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, shown).await.expect("shown in time")
}
