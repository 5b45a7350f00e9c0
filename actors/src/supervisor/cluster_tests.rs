//! Real actors of several nodes over in-memory ports: a bridge that loses frames, shards that move.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use schema::cluster::envelope::{self, Announce, NodeFrame};
use schema::record::{
    Content, ConversationKind, Due, Event, Fact, FactWrite, Member, Role, ScheduledMessage,
    ScheduledState, Visibility,
};
use schema::wire::{
    ClientFrame, ErrorCode, PresenceStatus, ReadReceipt, ServerFrame, SetPresence,
    SubscribePresence, TypingIndicator, TypingState,
};
use schema::{ConversationId, DeviceId, Epoch, MessageId, NodeId, ScheduledId, Sequence, UserId};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::Tree;
use super::tests::{
    Explode, PATIENCE, Recorder, all_stored_once, conversation, draft, node_of, send,
};
use crate::conversation::{Heard, Page};
use crate::memory::{MemoryBridge, MemoryBridgeHub, MemoryStore, ShardOwners};
use crate::node::Node;
use crate::personal::SettingsPatch;
use crate::ports::{
    Bridge, BridgeError, CommitRing as _, Identity, Inbox, NewConversation, PersonalStore as _,
    RosterStore,
};

/// Loses one frame in every `lose_one_in` (none at zero), and all while it is cut, which it notices,
/// or silent, which it does not.
struct LossyBridge {
    inner: MemoryBridge,
    lose_one_in: u64,
    frames: AtomicU64,
    is_cut: AtomicBool,
    is_silent: AtomicBool,
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
    owners: ShardOwners,
    ids: Vec<NodeId>,
    hub: MemoryBridgeHub,
    bridges: Vec<Arc<LossyBridge>>,
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
    async fn group(&self) -> (ConversationId, Vec<UserId>, Vec<mpsc::UnboundedReceiver<Sequence>>) {
        let users: Vec<UserId> = self.trees.iter().map(|_| UserId::generate()).collect();
        let id = conversation(&self.store, &users).await;
        let mut numbers = Vec::new();
        for (tree, user) in self.trees.iter().zip(&users) {
            numbers.push(Recorder::attach(tree, *user).await);
        }
        (id, users, numbers)
    }

    fn shard_of(&self, id: ConversationId) -> u32 {
        self.trees[0].sequencers.shard_of(id)
    }

    /// Which node owns it, at first.
    fn owner_of(&self, id: ConversationId) -> usize {
        self.shard_of(id) as usize % self.trees.len()
    }
}

pub(super) async fn direct(store: &MemoryStore, one: UserId, other: UserId) -> ConversationId {
    let conversation_id = ConversationId::generate();
    let member = |user_id| Member { user_id, role: Role::Member };
    let made = NewConversation {
        conversation_id,
        kind: ConversationKind::Direct,
        name: None,
        created_by: one,
        created_at: 0,
        members: vec![member(one), member(other)],
    };
    RosterStore::create(store, made).await.unwrap();
    conversation_id
}

async fn sees_all_once_in_order(numbers: &mut mpsc::UnboundedReceiver<Sequence>, last: u64) {
    for expected in 1..=last {
        let number = timeout(PATIENCE, numbers.recv()).await;
        assert_eq!(number.expect("delivered in time"), Some(Sequence(expected)));
    }
}

async fn sends_from_every_node(cluster: &Cluster, id: ConversationId, users: &[UserId], each: u64) {
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

#[actix::test]
async fn members_on_every_node_see_one_order_once() {
    let cluster = Cluster::start(3, 0);
    let (id, users, mut numbers) = cluster.group().await;
    sends_from_every_node(&cluster, id, &users, 30).await;
    for numbers in &mut numbers {
        sees_all_once_in_order(numbers, 90).await;
    }
    for (at, user) in users.iter().enumerate() {
        all_stored_once(&cluster.node(at), *user, id, 90).await;
    }
}

#[actix::test]
async fn a_bridge_that_loses_frames_delays_and_loses_nothing() {
    let cluster = Cluster::start(3, 4);
    let (id, users, mut numbers) = cluster.group().await;
    sends_from_every_node(&cluster, id, &users, 8).await;
    for numbers in &mut numbers {
        sees_all_once_in_order(numbers, 24).await;
    }
    all_stored_once(&cluster.node(0), users[0], id, 24).await;
}

#[actix::test]
async fn a_shard_moves_under_load_and_back() {
    let cluster = Cluster::start(3, 0);
    let (id, users, mut numbers) = cluster.group().await;
    let (owners, ids, shard) = (cluster.owners.clone(), cluster.ids.clone(), cluster.shard_of(id));
    let moving = actix::spawn(async move {
        for round in 0..12_usize {
            tokio::time::sleep(Duration::from_millis(60)).await;
            let to = ids[round % ids.len()];
            if round % 2 == 0 {
                owners.hand_over(shard, to);
            } else {
                owners.set(shard, Some(to));
            }
        }
    });
    sends_from_every_node(&cluster, id, &users, 150).await;
    moving.await.unwrap();
    for numbers in &mut numbers {
        sees_all_once_in_order(numbers, 450).await;
    }
    all_stored_once(&cluster.node(1), users[1], id, 450).await;
}

#[actix::test]
async fn without_a_bridge_the_owner_goes_on_and_the_others_follow_the_store() {
    let cluster = Cluster::start(2, 0);
    let (id, users, mut numbers) = cluster.group().await;
    let owner = usize::from(cluster.shard_of(id) % 2 == 1);
    send(cluster.node(owner), draft(id, users[owner], "before")).await;
    for numbers in &mut numbers {
        sees_all_once_in_order(numbers, 1).await;
    }
    for bridge in &cluster.bridges {
        bridge.is_cut.store(true, Ordering::Relaxed);
    }
    send(cluster.node(owner), draft(id, users[owner], "during")).await;
    let other = 1 - owner;
    let number = timeout(PATIENCE, numbers[other].recv()).await.expect("read from the store");
    assert_eq!(number, Some(Sequence(2)));
    let held = actix::spawn(send(cluster.node(other), draft(id, users[other], "held")));
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!held.is_finished(), "nobody can be asked for a number");
    for bridge in &cluster.bridges {
        bridge.is_cut.store(false, Ordering::Relaxed);
    }
    assert_eq!(held.await.unwrap(), Sequence(3));
}

/// A node that writes down what it is told.
struct Stranger(mpsc::UnboundedSender<NodeFrame>);

impl Inbox for Stranger {
    fn receive(&self, frame: Bytes) {
        let (_, frame) = envelope::decode(&frame).unwrap();
        let _ = self.0.send(frame);
    }

    fn unsure(&self) {}
}

/// The announcement is lost without a trace, and whoever said it says nothing any more.
#[actix::test]
async fn the_last_news_of_an_activation_are_found_by_the_next() {
    let cluster = Cluster::start(2, 0);
    let (id, users, mut numbers) = cluster.group().await;
    let (owner, shard) = (cluster.owner_of(id), cluster.shard_of(id));
    send(cluster.node(owner), draft(id, users[owner], "heard")).await;
    for numbers in &mut numbers {
        sees_all_once_in_order(numbers, 1).await;
    }
    cluster.bridges[owner].is_silent.store(true, Ordering::Relaxed);
    send(cluster.node(owner), draft(id, users[owner], "not heard")).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let next = NodeId::generate();
    let (news, heads) = (Vec::new(), Vec::new());
    let serves =
        NodeFrame::Announce(Announce { shard, epoch: Epoch(99), news, heads, traces: Vec::new() });
    let bridge = cluster.hub.node(next);
    bridge.send(cluster.ids[1 - owner], envelope::encode(next, &serves)).unwrap();
    let number = timeout(PATIENCE, numbers[1 - owner].recv()).await.expect("compared in time");
    assert_eq!(number, Some(Sequence(2)));
}

#[actix::test]
async fn an_activation_says_that_it_serves_and_says_it_to_each_that_follows() {
    let cluster = Cluster::start(1, 0);
    let stranger = NodeId::generate();
    let (heard, mut frames) = mpsc::unbounded_channel();
    let bridge = cluster.hub.node(stranger);
    bridge.open(Arc::new(Stranger(heard)));
    let mut epoch_said = async || {
        loop {
            let frame = timeout(PATIENCE, frames.recv()).await.expect("said in time").unwrap();
            if let NodeFrame::Announce(Announce { shard: 0, epoch, .. }) = frame {
                return epoch;
            }
        }
    };
    while cluster.trees[0].committers.activation(0).is_none() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let committer = cluster.trees[0].committers.get_or_start(0).unwrap();
    committer.try_send(Explode).unwrap();
    let mut epoch = epoch_said().await;
    if epoch == Epoch(1) {
        // Of the activation before.
        epoch = epoch_said().await;
    }
    assert_eq!(epoch, Epoch(2));
    let follow = envelope::Follow { request: 1, shard: 0, conversations: Vec::new() };
    let follow = envelope::encode(stranger, &NodeFrame::Follow(follow));
    bridge.send(cluster.ids[0], follow).unwrap();
    assert_eq!(epoch_said().await, Epoch(2));
}

/// Two nodes that both run a conversation of two users, one of whom is on each. The first entry came
/// to both, the second was stored by the owner, returned last, whose bridge is silent since then.
async fn one_that_was_not_heard() -> (Cluster, ConversationId, Vec<UserId>, usize) {
    let cluster = Cluster::start(2, 0);
    let users = vec![UserId::generate(), UserId::generate()];
    let id = conversation(&cluster.store, &users).await;
    let owner = cluster.owner_of(id);
    let other = 1 - owner;
    send(cluster.node(other), draft(id, users[other], "starts both")).await;
    cluster.bridges[owner].is_silent.store(true, Ordering::Relaxed);
    send(cluster.node(owner), draft(id, users[owner], "not heard")).await;
    (cluster, id, users, owner)
}

/// Heads find a stand-in also where nobody has a socket: REST callers read there.
#[actix::test]
async fn a_head_reaches_a_conversation_that_nobody_listens_to() {
    let (cluster, id, users, owner) = one_that_was_not_heard().await;
    let other = 1 - owner;
    cluster.bridges[owner].is_silent.store(false, Ordering::Relaxed);
    let reads_both = async {
        loop {
            let page = cluster.node(other).history(users[other], id, Page::Newest, 9).await;
            if page.is_ok_and(|page| page.head == Sequence(2)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, reads_both).await.expect("the owner says where its logs end");
}

/// It may own the shard no more and not know it: the device comes from the node that does.
#[actix::test]
async fn an_owner_too_waits_for_what_a_device_claims_to_have() {
    let cluster = Cluster::start(2, 0);
    let (id, users, _numbers) = cluster.group().await;
    let owner = cluster.owner_of(id);
    let (node, user) = (cluster.node(owner), users[owner]);
    send(node.clone(), draft(id, user, "first")).await;
    let claim = || node.history(user, id, Page::After(Sequence(2)), 9);
    let refusal = claim().await.expect_err("nobody knows better yet");
    assert!(refusal.code.is_temporary(), "{refusal:?}");
    send(node.clone(), draft(id, user, "second")).await;
    assert!(claim().await.expect("it has come").entries.is_empty());
}

/// As after a drain: the device moved to a node that hears of the newest entries a moment later.
#[actix::test]
async fn a_page_waits_for_what_is_still_on_its_way_here() {
    let cluster = Cluster::start(2, 0);
    let (id, users, _numbers) = cluster.group().await;
    let owner = cluster.owner_of(id);
    let (node, user) = (cluster.node(owner), users[owner]);
    send(node.clone(), draft(id, user, "first")).await;
    let (reader, other) = (users[1 - owner], cluster.node(1 - owner));
    cluster.bridges[owner].is_silent.store(true, Ordering::Relaxed);
    let after = || other.history(reader, id, Page::After(Sequence(2)), 9);
    let (page, ()) = tokio::join!(after(), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        send(node, draft(id, user, "second")).await;
    });
    let page = page.expect("held until the second was there");
    assert!(page.entries.is_empty() && page.head == Sequence(2), "{page:?}");
    let begun = tokio::time::Instant::now();
    let beyond = other.history(reader, id, Page::After(Sequence(9)), 9).await;
    assert!(beyond.expect_err("there is no such thing").code.is_temporary());
    assert!(begun.elapsed() < Duration::from_secs(5), "never longer than a moment");
}

/// Whoever was told of an entry, on whatever node, finds it on one that has heard of it as well.
#[actix::test]
async fn a_page_shows_all_that_its_node_has_heard_of() {
    let (cluster, id, users, owner) = one_that_was_not_heard().await;
    let other = 1 - owner;
    let running = cluster.trees[other].conversations.get_or_start(id).unwrap();
    let node = cluster.node(other);
    let newest = || node.history(users[other], id, Page::Newest, 9);
    running.send(Heard { head: Sequence(2) }).await.unwrap();
    let page = newest().await.expect("held until it is in the tables");
    assert_eq!((page.head, page.entries.len()), (Sequence(2), 2));
    running.send(Heard { head: Sequence(9) }).await.unwrap();
    let begun = tokio::time::Instant::now();
    let page = newest().await.expect("what never comes is waited for for a moment only");
    assert_eq!(page.head, Sequence(2));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[actix::test]
async fn a_member_added_from_another_node_hears_of_it() {
    use schema::record::{Draft, Event, Member, Role};
    let cluster = Cluster::start(3, 0);
    let (owner, added) = (UserId::generate(), UserId::generate());
    let id = ConversationId::generate();
    let made = crate::ports::NewConversation {
        conversation_id: id,
        kind: schema::record::ConversationKind::Group,
        name: None,
        created_by: owner,
        created_at: 0,
        members: vec![Member { user_id: owner, role: Role::Owner }],
    };
    crate::ports::RosterStore::create(&*cluster.store, made).await.unwrap();
    let mut numbers = Recorder::attach(&cluster.trees[2], added).await;
    let member = Member { user_id: added, role: Role::Member };
    let event = Event::MembersChanged { added: vec![member], removed: Vec::new() };
    send(cluster.node(0), Draft { event, ..draft(id, owner, "") }).await;
    send(cluster.node(1), draft(id, owner, "welcome")).await;
    sees_all_once_in_order(&mut numbers, 2).await;
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

    fn says(&self, frame: ClientFrame) {
        let connection = self.connection;
        self.session.try_send(crate::session::FromSocket { connection, frame }).unwrap();
    }

    /// Waits until the log has come to the socket as far as `seq`.
    async fn has(&mut self, seq: Sequence) {
        let comes = async { while self.numbers.recv().await.expect("the socket is open") < seq {} };
        timeout(PATIENCE, comes).await.expect("delivered in time");
    }

    async fn hears<T>(&mut self, wanted: impl Fn(ServerFrame) -> Option<T>) -> T {
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

/// Typing, positions and presence reach members on every node, whoever owns the shard.
#[actix::test]
async fn signals_cross_nodes() {
    let cluster = Cluster::start(3, 0);
    let users: Vec<UserId> = cluster.trees.iter().map(|_| UserId::generate()).collect();
    let id = conversation(&cluster.store, &users).await;
    let mut people = Vec::new();
    for (tree, user) in cluster.trees.iter().zip(&users) {
        people.push(Person::at(tree, *user).await);
    }
    // Each writes once: from now on every node follows.
    for (at, user) in users.iter().enumerate() {
        send(cluster.node(at), draft(id, *user, "here")).await;
    }
    for at in 0..3 {
        let other = (at + 1) % 3;
        let watch = SubscribePresence { user_ids: vec![users[other]] };
        people[at].says(ClientFrame::SubscribePresence(watch));
        let is_online = |frame| match frame {
            ServerFrame::UserOnline(it) if it.status == PresenceStatus::Online => Some(it.user_id),
            _ => None,
        };
        assert_eq!(people[at].hears(is_online).await, users[other]);
        people[other].says(ClientFrame::SetPresence(SetPresence { status: PresenceStatus::Away }));
        let is_away = |frame| match frame {
            ServerFrame::UserOnline(it) if it.status == PresenceStatus::Away => Some(it.user_id),
            _ => None,
        };
        assert_eq!(people[at].hears(is_away).await, users[other]);
        people[other]
            .says(ClientFrame::SetPresence(SetPresence { status: PresenceStatus::Online }));

        let state = TypingState::Typing;
        let typing = TypingIndicator { conversation_id: id, state };
        people[at].says(ClientFrame::TypingIndicator(typing));
        // News to read, from every other node.
        let mut seq = Sequence::START;
        for sender in [(at + 2) % 3, other] {
            seq = send(cluster.node(sender), draft(id, users[sender], "read this")).await;
        }
        // A receipt counts up to what its node has heard of.
        people[at].has(seq).await;
        let read = ReadReceipt { conversation_id: id, seq, thread: None };
        people[at].says(ClientFrame::ReadReceipt(read));
        for (hearer, person) in people.iter_mut().enumerate().filter(|(it, _)| *it != at) {
            let types = |frame| match frame {
                ServerFrame::TypingUpdate(it) if it.user_id == users[at] => Some(()),
                _ => None,
            };
            person.hears(types).await;
            let has_read = |frame| match frame {
                ServerFrame::MessageStatus(it) if it.user_id == users[at] => {
                    it.read.filter(|read| *read == seq)
                }
                ServerFrame::MessageStatuses(it) => {
                    let mine = it.statuses.iter().filter(|it| it.user_id == users[at]);
                    mine.filter_map(|it| it.read).find(|read| *read == seq)
                }
                _ => None,
            };
            assert_eq!(person.hears(has_read).await, seq, "{at} to {hearer}");
        }
    }
}

/// How much a node shows of a log, once it shows something.
async fn log_at(cluster: &Cluster, node: usize, reader: UserId, id: ConversationId) -> usize {
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

/// What one device does, the others hear of on every node; who is blocked is so on every node.
#[actix::test]
async fn what_is_ones_own_crosses_nodes() {
    let cluster = Cluster::start(3, 0);
    let [anna, bert] = [UserId::generate(), UserId::generate()];
    let id = direct(&cluster.store, anna, bert).await;
    let mut phone = Person::at(&cluster.trees[0], anna).await;
    let mut desk = Person::at(&cluster.trees[1], anna).await;
    let seq = send(cluster.node(2), draft(id, bert, "hello")).await;
    let by = Identity { user_id: anna, device_id: DeviceId::generate() };
    let at = |node: usize| cluster.trees[node].personal.clone();

    let patch = SettingsPatch { presence: Some(Visibility::Nobody), ..SettingsPatch::default() };
    at(2).change_settings(by, patch).await.unwrap();
    for device in [&mut phone, &mut desk] {
        let settings = |frame| match frame {
            ServerFrame::SettingsChanged(it) => Some(it.presence),
            _ => None,
        };
        assert_eq!(device.hears(settings).await, Visibility::Nobody);
    }
    at(0).set_draft(anna, Some(by.device_id), id, "not yet".into(), None).await.unwrap();
    let text = |frame| match frame {
        ServerFrame::DraftChanged(it) => Some(it.text),
        _ => None,
    };
    assert_eq!(desk.hears(text).await, "not yet");
    assert_eq!(at(2).draft(anna, id).await.unwrap().map(|it| it.text), Some("not yet".into()));

    for node in 0..3 {
        log_at(&cluster, node, bert, id).await;
    }
    cluster.node(1).hide(anna, by.device_id, id, seq).await.unwrap();
    let hidden = |frame| match frame {
        ServerFrame::MessageHidden(it) => Some(it.seq),
        _ => None,
    };
    assert_eq!(phone.hears(hidden).await, seq);
    for node in 0..3 {
        let page = cluster.node(node).history(anna, id, Page::Newest, 10).await.unwrap();
        let Event::Message(body) = &page.entries[0].event else { panic!() };
        assert_eq!(body.content, Content::Deleted {}, "at node {node}");
    }
    let page = cluster.node(0).history(bert, id, Page::Newest, 10).await.unwrap();
    let Event::Message(body) = &page.entries[0].event else { panic!() };
    assert_ne!(body.content, Content::Deleted {}, "of the other one nothing is hidden");

    for (on, expected) in [(true, Err(ErrorCode::Forbidden)), (false, Ok(()))] {
        at(0).block(by, bert, on).await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        for node in 0..3 {
            let sent = cluster.node(node).submit(draft(id, bert, "again")).await;
            let sent = sent.map(drop).map_err(|refusal| refusal.code);
            assert_eq!(sent, expected, "at node {node}, blocked: {on}");
        }
    }
}

/// Every node looks at what is due, one sends it, and sending again changes nothing.
#[actix::test]
async fn a_scheduled_message_is_sent_once_by_one_of_several_nodes() {
    let cluster = Cluster::start(3, 0);
    let anna = UserId::generate();
    let store = cluster.store.clone();
    let clock = cluster.trees[0].ports.clock.now_ms();
    let mut conversations = Vec::new();
    for number in 0..6 {
        let id = conversation(&store, &[anna]).await;
        let send_at = clock - 10 - number;
        let message = ScheduledMessage {
            scheduled_id: ScheduledId::generate(),
            conversation_id: id,
            message_id: MessageId::made_at(send_at),
            content: Content::Text { text: "now".into() },
            reply_to: None,
            mentions: Vec::new(),
            send_at,
            created_at: 0,
            state: ScheduledState::Pending,
            failure: None,
        };
        let (scheduled_id, conversation_id) = (message.scheduled_id, id);
        if number == 0 {
            // Sent before a crash, and still said to be due.
            let mut known = draft(id, anna, "now");
            known.message_id = message.message_id;
            send(cluster.node(0), known).await;
        }
        let due = Due { send_at, scheduled_id, user_id: anna, conversation_id };
        store.add_due(due).await.unwrap();
        let fact = Fact::Scheduled(message);
        let write = FactWrite { user_id: anna, stamp: 1, fact, is_gone: false };
        store.write_facts(vec![write]).await.unwrap();
        conversations.push(id);
    }
    for node in 0..3 {
        actix::spawn(crate::scheduling::run(cluster.node(node)));
    }
    let all_sent = async {
        while !store.due(0, i64::MAX, 10).await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, all_sent).await.expect("all is sent in time");
    assert!(cluster.trees[1].personal.scheduled(anna).await.unwrap().is_empty());
    for id in conversations {
        assert_eq!(log_at(&cluster, 1, anna, id).await, 1, "sent once");
    }
}
