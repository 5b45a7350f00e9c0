//! How a simulated sequencer takes drafts: in order, with room for each, looked up where needed.

use std::sync::Arc;

use schema::UserId;
use schema::record::{Draft, Entry};
use schema::wire::{ErrorCode, Refusal};

use super::actor::{Context, Observation};
use super::faults::FaultClass;
use super::message::ToCommitter;
use super::mutants::Mutant;
use super::sequencer::Sequencer;
use super::store_model::{Call, Ticket};
use crate::committer::{Room, event_size};
use crate::ports::StoreError;
use crate::sequencer::core::{Decision, Found};
use crate::sequencer::turns::OfSender;
use crate::sequencer::{self, Known, News};

pub(super) struct Append {
    pub(super) draft: Arc<Draft>,
    pub(super) token: u64,
    /// From when it has its turn.
    pub(super) room: Option<Room>,
}

impl OfSender for Append {
    fn sender(&self) -> UserId {
        self.draft.sender_id
    }
}

impl Sequencer {
    pub(super) fn append(&mut self, mut append: Append, ctx: &mut Context<'_>) {
        let Some(running) = &mut self.running else { return self.parked.push(append) };
        if !ctx.strikes(FaultClass::NoRoom) {
            append.room = Room::acquire(&running.budget, event_size(&append.draft.event));
        }
        let sender = append.draft.sender_id;
        let is_away = self.turned_away.is_away(sender, ctx.now_ms);
        if append.room.is_none() || is_away && !ctx.mutant.serves_later_drafts() {
            self.turned_away.note(sender, ctx.now_ms);
            let refusal = Refusal::new(ErrorCode::Overloaded, "the store is behind");
            return self.refuse(append.token, refusal, ctx);
        }
        let draft = append.draft.clone();
        let needs_look_up = running.core.needs_look_up(&draft);
        if needs_look_up && ctx.mutant == Mutant::LookUpsOvertake {
            self.overtaking.insert(self.look_ups_begun + 1, append);
            return self.look_up(&draft, ctx);
        }
        let turn = self.turns.push(append, needs_look_up);
        if needs_look_up && ctx.mutant == Mutant::NoSentIndex {
            self.turns.answer(turn, Ok(Found::Absent));
        } else if needs_look_up {
            self.look_ups.insert(self.look_ups_begun + 1, turn);
            self.look_up(&draft, ctx);
        }
        self.take_turns(ctx);
    }

    fn look_up(&mut self, draft: &Draft, ctx: &mut Context<'_>) {
        ctx.observe(Observation::LookUp);
        self.look_ups_begun += 1;
        let call = Call::Sent(self.id, draft.sender_id, draft.message_id);
        ctx.call(Ticket::LookUp(self.look_ups_begun), call);
    }

    /// Decides on drafts in the order they came, as far as their look-ups are answered.
    fn take_turns(&mut self, ctx: &mut Context<'_>) {
        while let Some((append, found)) = self.turns.next() {
            self.decide(append, found, ctx);
        }
    }

    fn decide(
        &mut self,
        append: Append,
        found: Option<Result<Found, StoreError>>,
        ctx: &mut Context<'_>,
    ) {
        let Some(running) = &mut self.running else { return };
        let decision = match found {
            None => running.core.submit(&append.draft, ctx.calendar_ms),
            Some(Ok(found)) => running.core.after_lookup(&append.draft, &found, ctx.calendar_ms),
            Some(Err(_)) => {
                let refusal = Refusal::retry_later("the store did not answer");
                return self.refuse(append.token, refusal, ctx);
            }
        };
        self.settle(append, decision, ctx);
    }

    fn settle(&mut self, append: Append, decision: Decision, ctx: &mut Context<'_>) {
        let token = append.token;
        match decision {
            Decision::Append(entry) => self.enqueue(entry, append, ctx),
            Decision::LookUp => self.refuse(token, Refusal::retry_later("once more"), ctx),
            Decision::Duplicate(known) => self.tell(News::Duplicate { token, known }, ctx),
            Decision::Pending(known) => self.wait_for(known, token, true),
            Decision::Reused(known) => {
                let refusal = Refusal::new(ErrorCode::MessageIdReused, "other content");
                self.refuse(token, refusal.with_seq(known.seq), ctx);
            }
        }
    }

    fn enqueue(&mut self, entry: Entry, append: Append, ctx: &mut Context<'_>) {
        let Append { token, room, .. } = append;
        let known = Known { seq: entry.seq, sent_at: entry.sent_at, digest: 0 };
        if self.tell_committer(ToCommitter::Enqueue(entry), ctx) {
            room.into_iter().for_each(Room::hand_on);
            self.wait_for(known, token, false);
        } else {
            self.running = None;
            self.refuse(token, Refusal::retry_later("the shard is moving"), ctx);
            self.end(ctx);
        }
    }

    fn wait_for(&mut self, known: Known, token: u64, duplicate: bool) {
        let answer = sequencer::Answer { token, known, duplicate };
        self.unanswered.entry(known.seq).or_default().push(answer);
    }

    pub(super) fn found(
        &mut self,
        look_up: u64,
        found: Result<Found, StoreError>,
        ctx: &mut Context<'_>,
    ) {
        if let Some(append) = self.overtaking.remove(&look_up) {
            return self.decide(append, Some(found), ctx);
        }
        if let Some(turn) = self.look_ups.remove(&look_up) {
            self.turns.answer(turn, found);
        }
        self.take_turns(ctx);
    }
}
