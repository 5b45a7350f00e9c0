//! Which shards a simulated node claims and which it hands over, as its view changes.

use std::collections::BTreeMap;

use schema::OwnerToken;

use super::actor::{Child, Context};
use super::message::{Message, ToCommitter, ToKeeper, ToStandIn};
use super::store_model::{Answer, Call, Ticket};
use crate::ports::Owner;
use crate::sequencer::FromOwner;

const LOOK_MS: u64 = 500;
const HAND_OVER_MS_MAX: u64 = 3_000;
const HAND_OVER_LOOK_MS: u64 = 40;

/// Follows the node's view.
pub struct Keeper {
    seen: Vec<Option<Owner>>,
    /// Shards that are waited for, and until when.
    waiting: BTreeMap<u32, u64>,
}

impl Keeper {
    #[must_use]
    pub fn new(shards: u32) -> Self {
        Self { seen: vec![None; shards as usize], waiting: BTreeMap::new() }
    }

    pub fn handle(&mut self, message: Message, ctx: &mut Context<'_>) {
        match message {
            Message::Keeper(ToKeeper::Look) => self.started(ctx),
            Message::Keeper(ToKeeper::Settle) => self.settle(ctx),
            Message::Keeper(ToKeeper::WaitOn(shard)) => self.wait_on(shard, ctx),
            Message::Answer(Ticket::HandOver(shard), Answer::Guard(guard)) => match guard {
                Ok(Some(guard)) if guard.owner != OwnerToken::NOBODY => {
                    Self::look_again(shard, ctx)
                }
                Ok(_) => self.waited(shard, ctx),
                Err(_) => Self::look_again(shard, ctx),
            },
            _ => {}
        }
    }

    pub fn started(&mut self, ctx: &mut Context<'_>) {
        self.settle(ctx);
        ctx.later(LOOK_MS, Message::Keeper(ToKeeper::Look));
    }

    /// Claims and hands over what the view says now.
    fn settle(&mut self, ctx: &mut Context<'_>) {
        for shard in 0..ctx.schedule.shards {
            let owner = ctx.shared.view.owner(shard);
            match (owner, ctx.shared.ownership.is_assigned(shard)) {
                (Owner::Here, false) if ctx.shared.is_connected => self.claim(shard, ctx),
                (Owner::Elsewhere(_), true) => hand_over(shard, ctx),
                _ => {}
            }
            let seen = &mut self.seen[shard as usize];
            if *seen != Some(owner) {
                *seen = Some(owner);
                ctx.follow_new_owner(shard);
                tell_stand_ins(shard, ctx);
            }
        }
    }

    fn claim(&mut self, shard: u32, ctx: &mut Context<'_>) {
        if !ctx.shared.view.is_handed_over(shard, ctx.now_ms) {
            return assign(shard, ctx);
        }
        if self.waiting.contains_key(&shard) {
            return;
        }
        self.waiting.insert(shard, ctx.now_ms + HAND_OVER_MS_MAX);
        self.wait_on(shard, ctx);
    }

    /// Waits until the shard's owner has released it, for a while.
    fn wait_on(&mut self, shard: u32, ctx: &mut Context<'_>) {
        let view = &ctx.shared.view;
        let is_still_handed_over =
            view.owner(shard) == Owner::Here && view.is_handed_over(shard, ctx.now_ms);
        let is_over = self.waiting.get(&shard).is_none_or(|until_ms| ctx.now_ms >= *until_ms);
        if is_over || !is_still_handed_over {
            return self.waited(shard, ctx);
        }
        ctx.call(Ticket::HandOver(shard), Call::Guard(shard));
    }

    fn look_again(shard: u32, ctx: &mut Context<'_>) {
        ctx.later(HAND_OVER_LOOK_MS, Message::Keeper(ToKeeper::WaitOn(shard)));
    }

    fn waited(&mut self, shard: u32, ctx: &mut Context<'_>) {
        self.waiting.remove(&shard);
        if ctx.shared.view.owner(shard) == Owner::Here {
            assign(shard, ctx);
        }
    }
}

fn assign(shard: u32, ctx: &mut Context<'_>) {
    ctx.shared.ownership.assign(shard);
    ctx.committer(shard);
    tell_stand_ins(shard, ctx);
}

/// What is in flight is finished, then the shard is released.
fn hand_over(shard: u32, ctx: &mut Context<'_>) {
    ctx.shared.ownership.unassign(shard);
    if let Some(committer) = ctx.registry.get(Child::Committer(shard)) {
        ctx.tell(committer, Message::Committer(ToCommitter::Retire));
    }
}

/// Tells all stand-ins of a shard that its owner may be another one.
pub(super) fn tell_stand_ins(shard: u32, ctx: &mut Context<'_>) {
    let stand_ins: Vec<_> = ctx
        .registry
        .all()
        .filter(|it| matches!(it.child, Child::StandIn(id) if ctx.shard_of(id) == shard))
        .collect();
    for stand_in in stand_ins {
        let news = ToStandIn::FromOwner(FromOwner::OwnerChanged);
        ctx.tell(stand_in, Message::StandIn(news));
    }
}
