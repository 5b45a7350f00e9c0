//! Real actors over in-memory ports, made to panic.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Arbiter, Context, Handler, Message};
use schema::record::{Content, ConversationKind, Draft, Event, Member, MessageBody, Role};
use schema::wire::{CloseCode, Limits, ServerFrame};
use schema::{ConnectionId, ConversationId, DeviceId, MessageId, NodeId, Sequence, UserId};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::{Ports, Tree, TreeConfig, start};
use crate::committer::{BatchLimits, Committer};
use crate::conversation::{Conversation, Page};
use crate::memory::{ManualClock, MemoryAuthenticator, MemoryBridgeHub, MemoryStore, ShardOwners};
use crate::monitor::Workers;
use crate::node::Node;
use crate::ports::{Bridge, CommitRing as _, NewConversation, RosterStore};
use crate::sequencer::Sequencer;
use crate::sequencer::SequencerHandle;
use crate::session::{Attach, SendLimit, Session, ToSocket};

pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// Makes an actor panic.
#[derive(Clone, Copy, Message)]
#[rtype(result = "()")]
pub(super) struct Explode;

macro_rules! explodes {
    ($($actor:ty),+) => {$(
        impl Handler<Explode> for $actor {
            type Result = ();

            fn handle(&mut self, _: Explode, _: &mut Self::Context) {
                panic!("on purpose");
            }
        }
    )+};
}

explodes!(Committer, Sequencer, Conversation, Session);

/// A socket that writes down the numbers it is handed.
pub(super) struct Recorder {
    seen: mpsc::UnboundedSender<Sequence>,
    /// Frames that are no entries.
    frames: Option<mpsc::UnboundedSender<ServerFrame>>,
    session: Option<Arc<actix::Addr<Session>>>,
    connection: ConnectionId,
    notice: Option<crate::monitor::DeathNotice>,
}

impl Recorder {
    /// A user's socket at a node, and the numbers it is handed.
    pub(super) async fn attach(tree: &Tree, user: UserId) -> mpsc::UnboundedReceiver<Sequence> {
        Self::attach_with(tree, user, None).await.0
    }

    /// The same with other frames, and the session to speak to.
    pub(super) async fn attach_with(
        tree: &Tree,
        user: UserId,
        frames: Option<mpsc::UnboundedSender<ServerFrame>>,
    ) -> (mpsc::UnboundedReceiver<Sequence>, actix::Addr<Session>, ConnectionId) {
        let (seen, numbers) = mpsc::unbounded_channel();
        let connection = ConnectionId::generate();
        let recorder = Self { seen, frames, session: None, connection, notice: None }.start();
        let session = tree.sessions.get_or_start(user, &Arbiter::current()).unwrap();
        let (taken, was_taken) = oneshot::channel();
        let attach = Attach {
            connection,
            device: DeviceId::generate(),
            socket: recorder.recipient(),
            abandoned: Arc::default(),
            positions: Vec::new(),
            taken,
        };
        session.try_send(attach).unwrap();
        was_taken.await.unwrap();
        (numbers, session, connection)
    }

    fn saw(&self, seq: Sequence) {
        self.seen.send(seq).unwrap();
    }
}

impl Actor for Recorder {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        // One that falls behind is cut off; here that is not meant.
        ctx.set_mailbox_capacity(4096);
    }
}

impl Handler<ToSocket> for Recorder {
    type Result = ();

    fn handle(&mut self, message: ToSocket, _: &mut Self::Context) {
        match message {
            ToSocket::Welcome { session, notice, .. } => {
                (self.session, self.notice) = (Some(session), Some(notice));
            }
            ToSocket::Deliver { batch, skip } => {
                batch.items().iter().skip(skip).for_each(|item| self.saw(item.log.entry.seq));
            }
            ToSocket::Page { conversation, entries } => {
                entries.iter().for_each(|log| self.saw(log.entry.seq));
                let drained = crate::session::Drained { connection: self.connection, conversation };
                if let Some(session) = &self.session {
                    session.try_send(drained).unwrap();
                }
            }
            ToSocket::Frame(frame) => {
                if let Some(frames) = &self.frames {
                    let _ = frames.send(frame);
                }
            }
            ToSocket::Close { .. } | ToSocket::Probe(_) => {}
        }
    }
}

fn explode(sequencer: &SequencerHandle) {
    let SequencerHandle::Here(sequencer) = sequencer else { panic!("{sequencer:?}") };
    sequencer.try_send(Explode).unwrap();
}

fn tree() -> (Arc<Tree>, Arc<MemoryStore>) {
    let store = Arc::new(MemoryStore::default());
    let (node, owners) = (NodeId::generate(), ShardOwners::default());
    for shard in 0..store.shape().shards {
        owners.set(shard, Some(node));
    }
    let bridge = Arc::new(MemoryBridgeHub::default().node(node));
    (node_of(node, &store, bridge, &owners, false), store)
}

pub(super) fn node_of(
    node: NodeId,
    store: &Arc<MemoryStore>,
    bridge: Arc<dyn Bridge>,
    owners: &ShardOwners,
    clustered: bool,
) -> Arc<Tree> {
    let ports = Ports {
        ring: store.clone(),
        messages: store.clone(),
        roster: store.clone(),
        index: store.clone(),
        personal: store.clone(),
        bridge,
        directory: Arc::new(owners.seen_by(node)),
        authenticator: Arc::new(MemoryAuthenticator::default()),
        clock: Arc::new(ManualClock::at(1_800_000_000_000)),
    };
    let many = NonZeroU32::new(1_000_000).unwrap();
    let config = TreeConfig {
        retention_default_days: 0,
        node,
        heartbeat_ms: 25_000,
        limits: Limits {
            frame_bytes_max: 1,
            text_bytes_max: 1,
            history_page_max: 200,
            sends_per_second: 1,
            sends_burst: 1,
        },
        send_limit: SendLimit { per_second: many, burst: many },
        batch: BatchLimits::default(),
        clustered,
    };
    let workers = Workers::new(vec![Arbiter::new().handle(), Arbiter::new().handle()]);
    start(ports, config, &workers)
}

pub(super) async fn conversation(store: &MemoryStore, members: &[UserId]) -> ConversationId {
    let conversation_id = ConversationId::generate();
    let member = |user_id: &UserId| Member { user_id: *user_id, role: Role::Member };
    let made = NewConversation {
        conversation_id,
        kind: ConversationKind::Group,
        name: None,
        created_by: members[0],
        created_at: 0,
        members: members.iter().map(member).collect(),
    };
    RosterStore::create(store, made).await.unwrap();
    conversation_id
}

pub(super) fn draft(conversation_id: ConversationId, sender_id: UserId, text: &str) -> Draft {
    Draft {
        conversation_id,
        message_id: MessageId::generate(),
        sender_id,
        event: Event::Message(MessageBody::new(Content::Text { text: text.into() })),
        retry: false,
    }
}

/// As a client does: again under the same id until it has its number.
pub(super) async fn send(node: Node, mut draft: Draft) -> Sequence {
    let send = async {
        loop {
            match node.submit(draft.clone()).await {
                Ok(submitted) => return submitted.seq,
                Err(refusal) => assert!(refusal.code.is_temporary(), "{refusal}"),
            }
            draft.retry = true;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, send).await.expect("a number in time")
}

pub(super) async fn all_stored_once(
    node: &Node,
    reader: UserId,
    id: ConversationId,
    expected: u64,
) {
    let mut seqs = Vec::new();
    loop {
        let after = Page::After(Sequence(seqs.len() as u64));
        let page = node.history(reader, id, after, 200).await.unwrap();
        seqs.extend(page.entries.iter().map(|entry| (entry.seq, entry.message_id)));
        if seqs.len() as u64 >= page.head.0 {
            break;
        }
    }
    let numbers: Vec<u64> = seqs.iter().map(|(seq, _)| seq.0).collect();
    assert_eq!(numbers, (1..=expected).collect::<Vec<u64>>());
    let mut ids: Vec<MessageId> = seqs.iter().map(|(_, id)| *id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len() as u64, expected);
}

#[actix::test]
async fn whoever_panics_nothing_acknowledged_is_lost_and_work_goes_on() {
    let (tree, store) = tree();
    let node = Node::new(tree.clone());
    let sender = UserId::generate();
    let id = conversation(&store, &[sender]).await;
    let shard = tree.sequencers.shard_of(id);
    let mut sent = 0;
    for round in 0..6 {
        let drafts = (0..30).map(|number| draft(id, sender, &format!("{round} {number}")));
        let sends: Vec<_> = drafts.map(|draft| actix::spawn(send(node.clone(), draft))).collect();
        tokio::time::sleep(Duration::from_millis(2)).await;
        match round % 3 {
            0 => tree.conversations.get_or_start(id).unwrap().try_send(Explode).unwrap(),
            1 => explode(&tree.sequencers.get_or_start(id).unwrap()),
            _ => tree.committers.get_or_start(shard).unwrap().try_send(Explode).unwrap(),
        }
        for send in sends {
            send.await.unwrap();
            sent += 1;
        }
    }
    all_stored_once(&node, sender, id, sent).await;
}

#[actix::test]
async fn after_a_panic_of_its_conversation_a_socket_still_sees_every_number_once() {
    let (tree, store) = tree();
    let node = Node::new(tree.clone());
    let (sender, reader) = (UserId::generate(), UserId::generate());
    let id = conversation(&store, &[sender, reader]).await;
    let mut numbers = Recorder::attach(&tree, reader).await;
    for round in 0..4_u64 {
        for number in 0..20 {
            send(node.clone(), draft(id, sender, &format!("{round} {number}"))).await;
        }
        tree.conversations.get_or_start(id).unwrap().try_send(Explode).unwrap();
    }
    for expected in 1..=80 {
        let number = timeout(PATIENCE, numbers.recv()).await.expect("delivered in time");
        assert_eq!(number, Some(Sequence(expected)));
    }
}

#[actix::test]
async fn a_session_that_panics_is_gone_and_the_next_one_starts_from_the_store() {
    let (tree, store) = tree();
    let node = Node::new(tree.clone());
    let user = UserId::generate();
    let id = conversation(&store, &[user]).await;
    let session = tree.sessions.get_or_start(user, &Arbiter::current()).unwrap();
    session.try_send(Explode).unwrap();
    let gone = async {
        while session.connected() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, gone).await.expect("the session ends");
    assert!(tree.sessions.get_or_start(user, &Arbiter::current()).unwrap().connected());
    assert_eq!(send(node.clone(), draft(id, user, "still served")).await, Sequence(1));
    node.disconnect_all(CloseCode::Draining);
}

#[actix::test]
async fn a_retired_node_releases_its_shards_and_another_takes_them_over() {
    let (tree, store) = tree();
    let node = Node::new(tree.clone());
    let user = UserId::generate();
    let id = conversation(&store, &[user]).await;
    send(node, draft(id, user, "one")).await;
    timeout(PATIENCE, tree.committers.retire()).await.expect("released");
    use crate::ports::CommitRing as _;
    for shard in 0..store.shape().shards {
        let guard = store.guard(shard).await.unwrap().unwrap();
        assert_eq!(guard.owner, schema::OwnerToken::NOBODY);
        assert_eq!(guard.done, guard.head);
    }
}
