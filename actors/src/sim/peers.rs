//! A node's tables about the other nodes, driven as the real room of peers drives them.

use schema::cluster::envelope::{self, Follow, NodeFrame};
use schema::{ConversationId, Epoch, NodeId, Sequence};

use super::actor::{Action, Context};
use super::inbox;
use super::mutants::{AskedOnce, Mutant};
use crate::peers::outgoing::{self, says};
use crate::peers::tables::{Stored, Tables};
use crate::ports::Owner;

/// The tables, less what a mutant leaves out.
#[derive(Default)]
pub struct Peers {
    pub tables: Tables,
    /// See `Mutant::FollowsOnce`.
    pub asked_once: AskedOnce,
}

impl Peers {
    fn owner_changed(&mut self, shard: u32, mutant: Mutant) {
        if mutant != Mutant::FollowsOnce {
            self.tables.following.owner_changed(shard);
        }
    }

    pub fn doubt_all(&mut self, mutant: Mutant) {
        if mutant != Mutant::FollowsOnce {
            self.tables.following.doubt_all();
        }
    }
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
            self.shared.peers.tables.following.serves(shard, epoch);
        }
    }

    /// Tells followers of stored entries of a shard owned here.
    pub fn announce(&mut self, shard: u32, epoch: Epoch, groups: &[Stored]) {
        if self.schedule.is_embedded {
            return;
        }
        for (conversation, entries) in groups {
            if let Some(last) = entries.last() {
                self.note_recent(shard, *conversation, last.seq);
            }
        }
        for (node, groups) in self.shared.peers.tables.by_follower(groups) {
            for frame in outgoing::announce(shard, epoch, groups.into_iter()) {
                self.tell_node(node, &frame);
            }
        }
    }

    fn note_recent(&mut self, shard: u32, conversation: ConversationId, head: Sequence) {
        if self.mutant != Mutant::HeadsNeverAnnounced {
            self.shared.peers.tables.recent.stored(shard, conversation, head, self.now_ms);
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
        let following = &mut self.shared.peers.tables.following;
        heads.into_iter().filter(|(id, head)| following.heard(*id, *head)).collect()
    }

    /// Keeps this node interested in a conversation.
    pub fn follow(&mut self, conversation: ConversationId, head: Sequence) {
        if !self.schedule.is_embedded {
            let shard = self.shard_of(conversation);
            self.shared.peers.tables.following.follow(conversation, shard, head);
        }
    }

    pub fn unfollow(&mut self, conversation: ConversationId) {
        if !self.schedule.is_embedded {
            self.shared.peers.tables.following.unfollow(conversation);
        }
    }

    /// What listens here has entries up to `head` only.
    pub fn missed(&mut self, conversation: ConversationId, head: Sequence) {
        if self.mutant != Mutant::MissedUntold {
            self.shared.peers.tables.following.missed(conversation, head);
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
        if peers.tables.is_doubt_due(self.shared.is_connected, now_ms) {
            peers.doubt_all(self.mutant);
        }
        let requests = peers.tables.following.requests(now_ms, owner);
        let unfollowed = peers.tables.following.take_unfollowed();
        let unfollowed: Vec<_> =
            unfollowed.into_iter().filter_map(|(shard, ids)| Some((owner(shard)?, ids))).collect();
        let heads = peers.tables.heads_due(now_ms);
        peers.tables.expire_due(now_ms);
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
