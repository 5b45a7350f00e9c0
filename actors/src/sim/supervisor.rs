//! What a simulated node starts again.

use super::actor::{Address, Child, Context};
use super::event::Event;
use super::keeper::tell_stand_ins;
use super::message::{Message, ToConversation, ToSequencer};
use super::world::World;

/// A shard that could not be claimed is tried again after this time.
const RECLAIM_MS: u64 = 500;

impl World {
    /// The supervisor hears of a death.
    pub(super) fn on_down(&mut self, node: usize, address: Address, has_panicked: bool) {
        let life = self.nodes[node].life;
        match address.child {
            Child::Committer(shard) => {
                let is_needed =
                    self.with_context(node, address, |ctx| committer_is_down(shard, ctx));
                if is_needed {
                    let delay_ms = if has_panicked { 0 } else { RECLAIM_MS };
                    self.queue.push(delay_ms, Event::Restart { node, life, child: address.child });
                }
            }
            // The next one starts when its conversation asks for it.
            Child::Sequencer(id) | Child::StandIn(id) if has_panicked => {
                let check = Message::Conversation(ToConversation::CheckSequencer);
                self.tell_child(node, Child::Conversation(id), check);
            }
            // Its members are waiting.
            Child::Conversation(_) if has_panicked => {
                self.queue.push(0, Event::Restart { node, life, child: address.child });
            }
            _ => {}
        }
    }

    pub(super) fn restart(&mut self, node: usize, child: Child) {
        match child {
            Child::Committer(shard) => {
                let nobody = Address { child, incarnation: 0 };
                self.with_context(node, nobody, |ctx| ctx.committer(shard));
            }
            _ => drop(self.get_or_start(node, child)),
        }
    }
}

/// Without its committer a shard stands still: its sequencers end. True when it is claimed anew.
fn committer_is_down(shard: u32, ctx: &mut Context<'_>) -> bool {
    let sequencers: Vec<Address> = ctx
        .registry
        .all()
        .filter(|it| matches!(it.child, Child::Sequencer(id) if ctx.shard_of(id) == shard))
        .collect();
    for sequencer in sequencers {
        ctx.tell(sequencer, Message::Sequencer(ToSequencer::Abandoned));
    }
    if ctx.shared.ownership.was_fenced(shard) && !ctx.shared.is_connected {
        // Cut off, this node cannot tell who is meant to own it: it does not fight.
        ctx.shared.ownership.unassign(shard);
        tell_stand_ins(shard, ctx);
    }
    ctx.shared.ownership.is_assigned(shard)
}
