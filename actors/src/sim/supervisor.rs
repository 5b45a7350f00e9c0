//! What a node starts, ends and starts again.

use super::actor::{Address, Child};
use super::event::Event;
use super::message::{Message, ToCommitter, ToConversation, ToSequencer};
use super::world::World;
use crate::sequencer::shard_of;

/// A shard or conversation that ended without a panic is tried again after this time.
const RESTART_MS: u64 = 500;

impl World {
    /// The supervisor hears of a death.
    pub(super) fn on_down(&mut self, node: usize, address: Address, has_panicked: bool) {
        let life = self.nodes[node].life;
        let delay_ms = if has_panicked { 0 } else { RESTART_MS };
        match address.child {
            Child::Committer(shard) => {
                self.abandon(node, shard);
                self.queue.push(
                    delay_ms,
                    Event::Restart { node, life, child: address.child, has_panicked },
                );
            }
            Child::Sequencer(id) => {
                let check = Message::Conversation(ToConversation::CheckSequencer);
                if has_panicked {
                    self.tell_child(node, Child::Conversation(id), check);
                }
            }
            Child::Conversation(_) => {
                self.queue.push(
                    delay_ms,
                    Event::Restart { node, life, child: address.child, has_panicked },
                );
            }
            Child::Session(_) => {}
        }
    }

    /// Ends all sequencers of a shard whose committer is gone.
    fn abandon(&mut self, node: usize, shard: u32) {
        let shards = self.schedule.shards;
        let is_of_shard = |it: &Address| matches!(it.child, Child::Sequencer(id) if shard_of(id, shards) == shard);
        let sequencers: Vec<Address> =
            self.nodes[node].registry.all().filter(is_of_shard).collect();
        for sequencer in sequencers {
            self.tell(node, sequencer, Message::Sequencer(ToSequencer::Abandoned));
        }
    }

    pub(super) fn restart(&mut self, node: usize, child: Child, has_panicked: bool) {
        let is_needed = match child {
            Child::Committer(shard) => self.nodes[node].hints[shard as usize] == Some(node),
            // Those with a socket here wait for what other nodes announce.
            _ => {
                has_panicked
                    || !self.schedule.is_embedded
                        && self.nodes[node]
                            .registry
                            .all()
                            .any(|it| matches!(it.child, Child::Session(_)))
            }
        };
        if is_needed {
            self.get_or_start(node, child);
        }
    }

    /// The node learns who should own a shard.
    pub(super) fn on_hint(&mut self, node: usize, shard: u32, owner: usize) {
        if self.nodes[node].hints[shard as usize] == Some(owner) {
            return;
        }
        self.nodes[node].hints[shard as usize] = Some(owner);
        self.trace.line(self.queue.now_ms(), || {
            format!("node {node} believes that node {owner} owns shard {shard}")
        });
        if owner == node {
            self.get_or_start(node, Child::Committer(shard));
        } else {
            let retire = Message::Committer(ToCommitter::Retire);
            self.tell_child(node, Child::Committer(shard), retire);
        }
        for conversation in self.schedule.conversations.clone() {
            if shard_of(conversation, self.schedule.shards) == shard {
                let news = Message::Conversation(ToConversation::RouteChanged);
                self.tell_child(node, Child::Conversation(conversation), news);
            }
        }
    }
}
