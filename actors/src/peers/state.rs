//! The tables of the room behind one lock, and the frames that come of them.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use schema::cluster::envelope::{self, DraftResult, Followed, NodeFrame, Submit};
use schema::record::{Entry, Event};
use schema::{ConversationId, Epoch, NodeId, OwnerToken, Sequence, UserId, metric};
use tokio::time::Instant;

use super::batches::Arrived;
use super::outgoing::{self, says};
use super::tables::{Stored, Tables};
use crate::monitor::trace::{self, Station};
use crate::ports::{Bridge, Directory, Owner};

/// Heads of one frame.
const HEADS_MAX: usize = 1_000;

/// Wakes conversations that have news: implemented above, where conversations are known.
pub trait Wake: Send + Sync + 'static {
    /// The conversation's log reaches to `head`.
    fn wake(&self, conversation: ConversationId, head: Sequence);
}

/// The other nodes, as this one sees them. Callable from any thread.
pub struct Peers {
    node: NodeId,
    bridge: Arc<dyn Bridge>,
    directory: Arc<dyn Directory>,
    /// False for a process of its own: nobody follows, and nothing is to be followed.
    clustered: bool,
    began: Instant,
    state: Mutex<Tables>,
    asking: Mutex<()>,
    wake: OnceLock<Arc<dyn Wake>>,
}

/// Keeps this node interested in a conversation until dropped.
pub struct Follow {
    peers: Arc<Peers>,
    conversation: ConversationId,
}

impl Drop for Follow {
    fn drop(&mut self) {
        self.peers.state().following.unfollow(self.conversation);
    }
}

/// Traces of what is announced go along.
fn note_traces(frame: &mut NodeFrame) {
    let NodeFrame::Announce(announce) = frame else { return };
    if !trace::is_any() {
        return;
    }
    let entries = || announce.news.iter().flat_map(|news| &news.entries).map(|it| it.message_id);
    entries().for_each(|message| trace::enter(message, Station::Announce));
    entries().for_each(|message| trace::leave(message, Station::Announce));
    announce.traces = trace::contexts(entries(), Station::Announce);
}

impl Peers {
    #[must_use]
    pub fn new(
        node: NodeId,
        bridge: Arc<dyn Bridge>,
        directory: Arc<dyn Directory>,
        clustered: bool,
    ) -> Self {
        Self {
            node,
            bridge,
            directory,
            clustered,
            began: Instant::now(),
            state: Mutex::default(),
            asking: Mutex::default(),
            wake: OnceLock::new(),
        }
    }

    /// Says who wakes conversations. Once.
    pub fn on_wake(&self, wake: Arc<dyn Wake>) {
        let _ = self.wake.set(wake);
    }

    #[must_use]
    pub const fn is_clustered(&self) -> bool {
        self.clustered
    }

    /// This node and the others can hear each other.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.bridge.is_connected()
    }

    #[must_use]
    pub fn directory(&self) -> &dyn Directory {
        self.directory.as_ref()
    }

    fn state(&self) -> MutexGuard<'_, Tables> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    pub fn tell(&self, to: NodeId, frame: &NodeFrame) {
        if self.bridge.send(to, envelope::encode(self.node, frame)).is_err() {
            metrics::counter!(metric::BRIDGE_FRAMES_REFUSED).increment(1);
        }
    }

    pub fn tell_all(&self, frame: &NodeFrame) {
        if self.clustered && self.bridge.send_all(envelope::encode(self.node, frame)).is_err() {
            metrics::counter!(metric::BRIDGE_FRAMES_REFUSED).increment(1);
        }
    }

    // --- owner's side ---

    /// Tells followers of stored entries of a shard owned here.
    pub fn announce(&self, shard: u32, epoch: Epoch, groups: &[Stored]) {
        if !self.clustered {
            return;
        }
        let now_ms = self.now_ms();
        let by_node = {
            let mut state = self.state();
            for (conversation, entries) in groups {
                if let Some(last) = entries.last() {
                    state.recent.stored(shard, *conversation, last.seq, now_ms);
                }
            }
            state.by_follower(groups)
        };
        for (node, groups) in by_node {
            for mut frame in outgoing::announce(shard, epoch, groups.into_iter()) {
                note_traces(&mut frame);
                self.tell(node, &frame);
            }
        }
        for (conversation_id, entries) in groups {
            self.tell_added(*conversation_id, entries);
        }
    }

    /// New members may be online on nodes that do not follow the conversation yet.
    fn tell_added(&self, conversation_id: ConversationId, entries: &[Entry]) {
        let added = |entry: &Entry| match &entry.event {
            Event::MembersChanged { added, .. } => added.iter().map(|it| it.user_id).collect(),
            _ => Vec::new(),
        };
        let users: Vec<UserId> = entries.iter().flat_map(added).collect();
        if !users.is_empty() {
            self.tell_all(&NodeFrame::Added { conversation_id, users });
        }
    }

    /// A shard was claimed: its last commits may be news to all who listen, here and elsewhere.
    pub fn replayed(&self, shard: u32, epoch: Epoch, heads: &[(ConversationId, Sequence)]) {
        let now_ms = self.now_ms();
        if self.clustered {
            let mut state = self.state();
            state.following.serves(shard, epoch);
            for (conversation, head) in heads {
                state.recent.stored(shard, *conversation, *head, now_ms);
            }
        }
        self.tell_all(&says(shard, epoch));
        if let Some(wake) = self.wake.get() {
            heads.iter().for_each(|(conversation, head)| wake.wake(*conversation, *head));
        }
    }

    /// Nodes that want the news of a conversation of this node's shards.
    #[must_use]
    pub fn followers(&self, conversation: ConversationId) -> Vec<NodeId> {
        if self.clustered { self.state().followers.of(conversation).collect() } else { Vec::new() }
    }

    /// The shard is not owned here any more.
    pub fn released(&self, shard: u32) {
        self.state().recent.forget_shard(shard);
    }

    /// A node wants news: it is told the heads of those that had traffic lately, and who serves.
    pub fn on_follow(&self, from: NodeId, follow: &envelope::Follow, epoch: Epoch) {
        let now_ms = self.now_ms();
        let heads = self.state().on_follow(from, &follow.conversations, now_ms);
        self.tell(from, &NodeFrame::Followed(Followed { request: follow.request, heads }));
        self.tell(from, &says(follow.shard, epoch));
    }

    pub fn on_unfollow(&self, from: NodeId, conversations: &[ConversationId]) {
        let mut state = self.state();
        conversations.iter().for_each(|it| state.followers.unfollow(from, *it));
    }

    /// Notes a batch of drafts from another node. Also: whether the one before it is remembered.
    pub fn batch_arrived(
        &self,
        from: NodeId,
        submit: &Submit,
        activation: OwnerToken,
    ) -> (Arrived, bool) {
        let now_ms = self.now_ms();
        let batches = &mut self.state().batches;
        let follows = batches.follows(from, submit);
        (batches.arrived(from, submit, Some(activation), now_ms), follows)
    }

    pub fn batch_done(&self, from: NodeId, submit: &Submit, results: &[DraftResult]) {
        self.state().batches.done(from, submit, results);
    }

    // --- follower's side ---

    /// Keeps this node interested in a conversation; `None` where there is no other node.
    #[must_use]
    pub fn follow(
        self: &Arc<Self>,
        conversation: ConversationId,
        shard: u32,
        head: Sequence,
    ) -> Option<Follow> {
        if !self.clustered {
            return None;
        }
        self.state().following.follow(conversation, shard, head);
        Some(Follow { peers: self.clone(), conversation })
    }

    #[must_use]
    pub fn is_followed(&self, conversation: ConversationId) -> bool {
        self.state().following.contains(conversation)
    }

    /// The last number heard of a followed conversation.
    #[must_use]
    pub fn head(&self, conversation: ConversationId) -> Option<Sequence> {
        self.state().following.head(conversation)
    }

    /// Whether the conversation's owner, on another node, said where its log ends: see
    /// [`head`](Self::head). One that was not asked yet is asked now.
    #[must_use]
    pub fn is_told(&self, conversation: ConversationId) -> bool {
        let is_told = self.state().following.is_told(conversation);
        if !is_told {
            self.ask();
        }
        is_told
    }

    /// Notes heads; returns those that are news.
    pub fn heard(
        &self,
        heads: impl IntoIterator<Item = (ConversationId, Sequence)>,
    ) -> Vec<(ConversationId, Sequence)> {
        let mut state = self.state();
        heads.into_iter().filter(|(id, head)| state.following.heard(*id, *head)).collect()
    }

    /// A conversation's life ended and what listens here has entries up to `head` only.
    pub fn missed(&self, conversation: ConversationId, head: Sequence) {
        self.state().following.missed(conversation, head);
    }

    pub fn followed(&self, request: u64) {
        self.state().following.answered(request);
    }

    pub fn owner_changed(&self, shard: u32) {
        self.state().following.owner_changed(shard);
    }

    /// An activation of the shard serves elsewhere.
    pub fn serves(&self, shard: u32, epoch: Epoch) {
        self.state().following.serves(shard, epoch);
    }

    /// Frames may have been lost.
    pub fn doubt_all(&self) {
        metrics::counter!(metric::BRIDGE_UNSURE).increment(1);
        self.state().following.doubt_all();
    }

    /// Conversations whose head is to be read from the store now.
    #[must_use]
    pub fn take_unsure(&self, count: usize) -> Vec<ConversationId> {
        self.state().following.take_unsure(count)
    }

    pub fn still_unsure(&self, conversation: ConversationId) {
        self.state().following.still_unsure(conversation);
    }

    /// Tells owners what is followed and what is not any more, where that is due.
    fn ask(&self) {
        // One at a time: a conversation given up and wanted again is asked for after it was given up.
        let _turn = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
        let now_ms = self.now_ms();
        let owner = |shard| match self.directory.owner(shard) {
            Owner::Elsewhere(node) => Some(node),
            Owner::Here | Owner::Unknown => None,
        };
        let (requests, unfollowed) = {
            let following = &mut self.state().following;
            (following.requests(now_ms, owner), following.take_unfollowed())
        };
        for (shard, conversations) in unfollowed {
            if let Some(to) = owner(shard) {
                self.tell(to, &NodeFrame::Unfollow { conversations });
            }
        }
        for request in requests {
            let (request, shard, to, conversations) =
                (request.request, request.shard, request.to, request.conversations);
            let follow = envelope::Follow { request, shard, conversations };
            self.tell(to, &NodeFrame::Follow(follow));
        }
    }

    /// Says what is due: what is followed, what is not any more, where logs end.
    pub fn tick(&self) {
        if !self.clustered {
            return;
        }
        let now_ms = self.now_ms();
        let heads = {
            let mut state = self.state();
            #[expect(clippy::cast_precision_loss, reason = "for display")]
            metrics::gauge!(metric::CONVERSATIONS_FOLLOWED).set(state.following.len() as f64);
            if state.is_doubt_due(self.bridge.is_connected(), now_ms) {
                state.following.doubt_all();
            }
            let heads = state.heads_due(now_ms);
            state.expire_due(now_ms);
            heads
        };
        self.ask();
        for (node, heads) in heads {
            for heads in heads.chunks(HEADS_MAX) {
                self.tell(node, &NodeFrame::Heads { heads: heads.to_vec() });
            }
        }
    }
}
