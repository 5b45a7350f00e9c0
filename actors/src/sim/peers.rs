//! A node's tables about the other nodes, driven as the real room of peers drives them.

use std::collections::BTreeMap;
use std::sync::Arc;

use schema::cluster::envelope::{self, Announce, Follow, Head, NodeFrame};
use schema::record::Entry;
use schema::{ConversationId, Epoch, NodeId, Sequence};

use super::actor::{Action, Context};
use super::inbox;
use super::mutants::{AskedOnce, Mutant};
use crate::peers::batches::Batches;
use crate::peers::followers::Followers;
use crate::peers::following::Following;
use crate::peers::outgoing;
use crate::peers::recent_heads::RecentHeads;
use crate::ports::Owner;

const HEADS_MS: u64 = 5_000;
const CUT_OFF_MS: u64 = 5_000;
const EXPIRE_MS: u64 = 10_000;

/// Entries of one conversation from one commit.
type Stored = (ConversationId, Arc<[Entry]>);

/// The tables.
#[derive(Default)]
pub struct Peers {
    pub followers: Followers,
    pub following: Following,
    pub recent: RecentHeads,
    pub batches: Batches,
    heads_at_ms: u64,
    expire_at_ms: u64,
    cut_off_at_ms: u64,
    /// See `Mutant::FollowsOnce`.
    pub asked_once: AskedOnce,
}

impl Peers {
    fn heads_due(&mut self, now_ms: u64) -> BTreeMap<NodeId, Vec<Head>> {
        let mut by_node: BTreeMap<NodeId, Vec<Head>> = BTreeMap::new();
        if now_ms < self.heads_at_ms {
            return by_node;
        }
        self.heads_at_ms = now_ms + HEADS_MS;
        for (conversation_id, seq) in self.recent.iter() {
            for node in self.followers.of(conversation_id) {
                by_node.entry(node).or_default().push(Head { conversation_id, seq });
            }
        }
        by_node
    }

    fn expire_due(&mut self, now_ms: u64) {
        if now_ms >= self.expire_at_ms {
            self.expire_at_ms = now_ms + EXPIRE_MS;
            self.followers.expire(now_ms);
            self.recent.expire(now_ms);
            self.batches.expire(now_ms);
        }
    }

    /// A node wants news: the heads of those that had traffic lately.
    pub fn on_follow(
        &mut self,
        from: NodeId,
        conversations: &[ConversationId],
        now_ms: u64,
    ) -> Vec<Head> {
        let mut heads = Vec::new();
        for conversation_id in conversations {
            self.followers.follow(from, *conversation_id, now_ms);
            let head = self.recent.of(*conversation_id);
            heads.extend(head.map(|seq| Head { conversation_id: *conversation_id, seq }));
        }
        heads
    }

    fn owner_changed(&mut self, shard: u32, mutant: Mutant) {
        if mutant != Mutant::FollowsOnce {
            self.following.owner_changed(shard);
        }
    }

    pub fn doubt_all(&mut self, mutant: Mutant) {
        if mutant != Mutant::FollowsOnce {
            self.following.doubt_all();
        }
    }
}

/// Who gives numbers says so.
pub(super) const fn says(shard: u32, epoch: Epoch) -> NodeFrame {
    NodeFrame::Announce(Announce { shard, epoch, news: Vec::new(), heads: Vec::new() })
}

impl Context<'_> {
    pub fn tell_node(&mut self, to: NodeId, frame: &NodeFrame) {
        let frame = envelope::encode(self.shared.id, frame);
        self.actions.push(Action::Bus { to: Some(to), frame });
    }

    fn tell_all_nodes(&mut self, frame: &NodeFrame) {
        if !self.schedule.is_embedded {
            let frame = envelope::encode(self.shared.id, frame);
            self.actions.push(Action::Bus { to: None, frame });
        }
    }

    /// An activation of the shard serves, here or elsewhere.
    pub fn serves(&mut self, shard: u32, epoch: Epoch) {
        if self.mutant != Mutant::EpochsIgnored {
            self.shared.peers.following.serves(shard, epoch);
        }
    }

    /// Tells followers of stored entries of a shard owned here.
    pub fn announce(&mut self, shard: u32, epoch: Epoch, groups: &[Stored]) {
        if self.schedule.is_embedded {
            return;
        }
        let mut by_node: BTreeMap<NodeId, Vec<&Stored>> = BTreeMap::new();
        for group in groups {
            if let Some(last) = group.1.last() {
                self.note_recent(shard, group.0, last.seq);
            }
            for node in self.shared.peers.followers.of(group.0) {
                by_node.entry(node).or_default().push(group);
            }
        }
        for (node, groups) in by_node {
            for frame in outgoing::announce(shard, epoch, groups.into_iter()) {
                self.tell_node(node, &frame);
            }
        }
    }

    fn note_recent(&mut self, shard: u32, conversation: ConversationId, head: Sequence) {
        if self.mutant != Mutant::HeadsNeverAnnounced {
            self.shared.peers.recent.stored(shard, conversation, head, self.now_ms);
        }
    }

    /// A shard was claimed: its last commits may be news to all who listen, here and elsewhere.
    pub fn replayed(&mut self, shard: u32, epoch: Epoch, heads: &[(ConversationId, Sequence)]) {
        self.serves(shard, epoch);
        self.tell_all_nodes(&says(shard, epoch));
        for (conversation, head) in heads {
            if !self.schedule.is_embedded {
                self.note_recent(shard, *conversation, *head);
            }
            inbox::wake(*conversation, *head, self);
        }
    }

    /// Notes heads; returns those that are news.
    pub fn heard(
        &mut self,
        heads: impl IntoIterator<Item = (ConversationId, Sequence)>,
    ) -> Vec<(ConversationId, Sequence)> {
        let following = &mut self.shared.peers.following;
        heads.into_iter().filter(|(id, head)| following.heard(*id, *head)).collect()
    }

    /// Keeps this node interested in a conversation.
    pub fn follow(&mut self, conversation: ConversationId, head: Sequence) {
        if !self.schedule.is_embedded {
            let shard = self.shard_of(conversation);
            self.shared.peers.following.follow(conversation, shard, head);
        }
    }

    pub fn unfollow(&mut self, conversation: ConversationId) {
        if !self.schedule.is_embedded {
            self.shared.peers.following.unfollow(conversation);
        }
    }

    /// What listens here has entries up to `head` only.
    pub fn missed(&mut self, conversation: ConversationId, head: Sequence) {
        if self.mutant != Mutant::MissedUntold {
            self.shared.peers.following.missed(conversation, head);
        }
    }

    pub fn follow_new_owner(&mut self, shard: u32) {
        self.shared.peers.owner_changed(shard, self.mutant);
    }

    /// Says what is due: what is followed, what is not any more, where logs end.
    pub fn tick_peers(&mut self) {
        let now_ms = self.now_ms;
        let (peers, view) = (&mut self.shared.peers, &self.shared.view);
        let owner = |shard| match view.owner(shard) {
            Owner::Elsewhere(node) => Some(node),
            Owner::Here | Owner::Unknown => None,
        };
        if !self.shared.is_connected && now_ms >= peers.cut_off_at_ms {
            peers.cut_off_at_ms = now_ms + CUT_OFF_MS;
            peers.doubt_all(self.mutant);
        }
        let requests = peers.following.requests(now_ms, owner);
        let unfollowed = peers.following.take_unfollowed();
        let unfollowed: Vec<_> =
            unfollowed.into_iter().filter_map(|(shard, ids)| Some((owner(shard)?, ids))).collect();
        let heads = peers.heads_due(now_ms);
        peers.expire_due(now_ms);
        for request in requests {
            let (request, shard, to, conversations) =
                (request.request, request.shard, request.to, request.conversations);
            let asked_once = &mut self.shared.peers.asked_once;
            if self.mutant == Mutant::FollowsOnce && !asked_once.asks(request, &conversations) {
                continue;
            }
            self.tell_node(to, &NodeFrame::Follow(Follow { request, shard, conversations }));
        }
        for (to, conversations) in unfollowed {
            self.shared.peers.asked_once.forget(&conversations);
            self.tell_node(to, &NodeFrame::Unfollow { conversations });
        }
        for (node, heads) in heads {
            self.tell_node(node, &NodeFrame::Heads { heads });
        }
    }
}
