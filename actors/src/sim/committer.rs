//! A simulated committer: carries out what the core decides, as the real actor does.

use std::collections::BTreeMap;
use std::sync::Arc;

use schema::record::Entry;
use schema::{ConversationId, OwnerToken, Sequence};

use super::actor::{Action, Address, Context, Observation};
use super::message::{Message, ToCommitter, ToConversation, ToSequencer};
use super::mutants::{Driver, Mutant};
use super::schedule::Schedule;
use super::store_model::{Answer, Call, Ticket};
use super::table_model::RowWrites;
use crate::committer::core::{Effect, EndReason};
use crate::committer::{Budget, FromCommitter, Registered, StoredEntries, event_size};

/// How often a committer looks whether the shard is still its own.
const LOOK_MS: u64 = 3_000;

pub struct Committer {
    shard: u32,
    driver: Driver,
    budget: Arc<Budget>,
    sequencers: BTreeMap<ConversationId, Address>,
    /// Sequencers that came before the shard was replayed.
    early: Vec<(ConversationId, Address)>,
    /// Who waits for which commit, and up to which number of its conversation.
    waiters: Vec<(u64, Address, Sequence)>,
    /// Where the logs end that the replay went through, until it is done.
    replayed: BTreeMap<ConversationId, Sequence>,
    is_serving: bool,
    is_retiring: bool,
    is_releasing: bool,
}

impl Committer {
    #[must_use]
    pub fn new(shard: u32, owner: OwnerToken, schedule: &Schedule, mutant: Mutant) -> Self {
        Self {
            shard,
            driver: Driver::new(shard, owner, schedule.shape(), schedule.batch, mutant),
            budget: Arc::new(Budget::new()),
            sequencers: BTreeMap::new(),
            early: Vec::new(),
            waiters: Vec::new(),
            replayed: BTreeMap::new(),
            is_serving: false,
            is_retiring: false,
            is_releasing: false,
        }
    }

    /// Room is taken though nothing is under way.
    #[must_use]
    pub fn leaks_room(&self) -> bool {
        let is_taken = format!("{:?}", self.budget) != format!("{:?}", Budget::new());
        self.driver.is_quiet() && is_taken
    }

    pub fn started(&mut self, ctx: &mut Context<'_>) {
        let effects = self.driver.start();
        self.carry_out(effects, ctx);
        if !ctx.schedule.is_embedded {
            ctx.later(LOOK_MS, Message::Committer(ToCommitter::Look));
        }
    }

    /// Runs also after a panic.
    pub fn stopped(&self, ctx: &mut Context<'_>) {
        ctx.shared.ownership.ended(self.shard, self.driver.core().owner());
        ctx.shared.peers.tables.recent.forget_shard(self.shard);
    }

    /// Looks now and then whether the shard is still its own.
    fn look(&self, ctx: &mut Context<'_>) {
        ctx.later(LOOK_MS, Message::Committer(ToCommitter::Look));
        if self.driver.is_quiet() {
            ctx.call(Ticket::Look, Call::Guard(self.shard));
        }
    }

    pub fn handle(&mut self, message: Message, ctx: &mut Context<'_>) {
        match message {
            Message::Answer(Ticket::Release, _) => ctx.stop(),
            // Nothing else is heard while the release is under way.
            _ if self.is_releasing => {}
            Message::Answer(ticket, answer) => {
                let effects = self.answered(ticket, answer, ctx.now_ms);
                self.carry_out(effects, ctx);
            }
            Message::Committer(message) => self.told(message, ctx),
            _ => {}
        }
    }

    fn answered(&mut self, ticket: Ticket, answer: Answer, now_ms: u64) -> Vec<Effect> {
        match (ticket, answer) {
            (Ticket::Look, Answer::Guard(Ok(guard))) => self.driver.on_look(guard),
            (Ticket::Look, _) => Vec::new(),
            (_, Answer::Guard(answer)) => self.driver.on_guard(answer, now_ms),
            (_, Answer::Slot(answer)) => self.driver.on_slot(answer, now_ms),
            (Ticket::Claim, Answer::Applied(answer)) => self.driver.on_claim(&answer),
            (Ticket::Commit, Answer::Applied(answer)) => self.driver.on_committed(&answer, now_ms),
            (_, Answer::Written(succeeded)) => self.driver.on_materialised(succeeded),
            _ => Vec::new(),
        }
    }

    fn told(&mut self, message: ToCommitter, ctx: &mut Context<'_>) {
        let effects = match message {
            // Nothing new is taken: what is left out here and what follows it is asked of the next
            // owner, once its sequencer ends.
            ToCommitter::Enqueue(entry) if self.is_retiring => {
                return self.budget.release(event_size(&entry.event));
            }
            ToCommitter::Enqueue(entry) => self.driver.enqueue(entry),
            ToCommitter::Wake => self.driver.on_wake(),
            ToCommitter::Look => return self.look(ctx),
            ToCommitter::Gathered => self.driver.on_gathered(),
            ToCommitter::MaterialiseDue => self.driver.on_materialise_due(),
            ToCommitter::Retire => {
                self.is_retiring = true;
                self.driver.on_materialise_due()
            }
            ToCommitter::WhenMaterialised { asker, up_to } => {
                return self.when_materialised(asker, up_to, ctx);
            }
            ToCommitter::Register { conversation, sequencer } => {
                if self.driver.is_ready() {
                    self.register(conversation, sequencer, ctx);
                } else {
                    self.early.push((conversation, sequencer));
                }
                return;
            }
            ToCommitter::Unregister { conversation, sequencer } => {
                if self.sequencers.get(&conversation) == Some(&sequencer) {
                    self.sequencers.remove(&conversation);
                }
                return;
            }
        };
        self.carry_out(effects, ctx);
    }

    fn when_materialised(&mut self, asker: Address, up_to: Sequence, ctx: &mut Context<'_>) {
        // While the shard is claimed its depth is not known yet: answered once it is replayed.
        if self.driver.is_ready() && self.driver.core().ring_depth() == 0 {
            ctx.tell(asker, Message::Conversation(ToConversation::Settled { up_to }));
            return;
        }
        self.waiters.push((self.driver.core().head(), asker, up_to));
        let effects = self.driver.on_materialise_due();
        self.carry_out(effects, ctx);
    }

    fn carry_out(&mut self, effects: Vec<Effect>, ctx: &mut Context<'_>) {
        for effect in effects {
            self.carry_out_one(effect, ctx);
        }
        self.finish_if_quiet(ctx);
    }

    fn carry_out_one(&mut self, effect: Effect, ctx: &mut Context<'_>) {
        let (shard, owner) = (self.shard, self.driver.core().owner());
        match effect {
            Effect::ReadGuard => ctx.call(Ticket::Guard, Call::Guard(shard)),
            Effect::ReadSlot(n) => ctx.call(Ticket::Slot, Call::Slot(shard, n)),
            Effect::Create => ctx.call(Ticket::Claim, Call::Create(shard, owner)),
            Effect::TakeOver(seen) => {
                ctx.call(Ticket::Claim, Call::TakeOver(shard, seen, owner));
            }
            Effect::Commit(commit) => ctx.call(Ticket::Commit, Call::Commit(commit)),
            Effect::Materialise(commits) => {
                let by_clock = ctx.mutant == Mutant::WallClockTimestamps;
                let stamp_ms = by_clock.then_some(ctx.calendar_ms.unsigned_abs());
                let writes = RowWrites { commits, stamp_ms, mask: u64::MAX };
                ctx.call(Ticket::Materialise, Call::Rows(writes));
            }
            Effect::Wake { ms_min, ms_max } => {
                let message = Message::Committer(ToCommitter::Wake);
                ctx.actions.push(Action::Later { ms_min, ms_max, message });
            }
            Effect::Gather => ctx.later(0, Message::Committer(ToCommitter::Gathered)),
            Effect::WakeToMaterialise { ms } => {
                ctx.later(ms, Message::Committer(ToCommitter::MaterialiseDue));
            }
            Effect::Ready(_) => self.ready(ctx),
            Effect::Stored { entries, .. } => self.stored(&entries, ctx),
            Effect::Materialised { .. } => self.materialised(ctx),
            Effect::Ended(reason) => self.ended(reason, ctx),
        }
    }

    fn ready(&mut self, ctx: &mut Context<'_>) {
        ctx.observe(Observation::TakeOver);
        let core = self.driver.core();
        ctx.shared.ownership.ready(self.shard, core.owner(), core.epoch());
        for (conversation, sequencer) in std::mem::take(&mut self.early) {
            self.register(conversation, sequencer, ctx);
        }
        self.is_serving = true;
        self.materialised(ctx);
        let heads: Vec<_> = std::mem::take(&mut self.replayed).into_iter().collect();
        ctx.replayed(self.shard, self.driver.core().epoch(), &heads);
    }

    fn register(&mut self, conversation: ConversationId, to: Address, ctx: &mut Context<'_>) {
        let entries = self.driver.entries_of(conversation);
        let owner = self.driver.core().owner();
        let registered = Registered { owner, entries, budget: self.budget.clone() };
        let news = ToSequencer::News(FromCommitter::Registered(registered));
        if ctx.tell(to, Message::Sequencer(news)) {
            self.sequencers.insert(conversation, to);
        }
    }

    fn stored(&mut self, entries: &Arc<[Entry]>, ctx: &mut Context<'_>) {
        let slots = u64::from(ctx.schedule.slots);
        if self.driver.core().ring_depth() >= slots {
            ctx.observe(Observation::RingFull);
        }
        let groups = by_conversation(entries);
        // Before the senders hear of it: on other nodes the entry then comes ahead of the answer.
        ctx.announce(self.shard, self.driver.core().epoch(), &groups);
        for (conversation, group) in groups {
            for entry in group.iter() {
                self.budget.release(event_size(&entry.event));
            }
            let news = FromCommitter::Stored(StoredEntries { entries: group });
            self.tell(conversation, news, ctx);
        }
    }

    fn materialised(&mut self, ctx: &mut Context<'_>) {
        let heads = self.driver.core_mut().take_materialised_heads();
        if !self.is_serving {
            // Those who wait asked for all of the replay, whatever its depth.
            return self.replayed.extend(heads);
        }
        for (conversation, seq) in heads {
            self.tell(conversation, FromCommitter::Materialised(seq), ctx);
        }
        let done = self.driver.core().done();
        for (_, asker, up_to) in self.waiters.extract_if(.., |(n, ..)| *n <= done) {
            ctx.tell(asker, Message::Conversation(ToConversation::Settled { up_to }));
        }
    }

    pub(super) fn tell(
        &mut self,
        conversation: ConversationId,
        news: FromCommitter,
        ctx: &mut Context<'_>,
    ) {
        let Some(&sequencer) = self.sequencers.get(&conversation) else { return };
        if !ctx.tell(sequencer, Message::Sequencer(ToSequencer::News(news))) {
            self.sequencers.remove(&conversation);
        }
    }

    fn ended(&mut self, reason: EndReason, ctx: &mut Context<'_>) {
        if reason == EndReason::Fenced {
            ctx.shared.ownership.fenced(self.shard);
        }
        ctx.observe(match reason {
            EndReason::Broken => Observation::Broken { shard: self.shard },
            EndReason::Fenced => Observation::Fenced,
            EndReason::GaveUp => Observation::GaveUp,
            EndReason::NotClaimed => Observation::NotClaimed,
        });
        let early = std::mem::take(&mut self.early).into_iter().map(|(_, sequencer)| sequencer);
        let registered = std::mem::take(&mut self.sequencers).into_values();
        for sequencer in registered.chain(early) {
            ctx.tell(sequencer, Message::Sequencer(ToSequencer::News(FromCommitter::Ended)));
        }
        ctx.stop();
    }

    fn finish_if_quiet(&mut self, ctx: &mut Context<'_>) {
        if !self.is_retiring || self.is_releasing || !self.driver.is_quiet() {
            return;
        }
        self.is_releasing = true;
        let core = self.driver.core();
        ctx.call(Ticket::Release, Call::Release(self.shard, core.owner(), core.done()));
    }
}

/// Splits a commit by conversation, keeping each one's order.
fn by_conversation(entries: &Arc<[Entry]>) -> Vec<(ConversationId, Arc<[Entry]>)> {
    let mut groups: Vec<(ConversationId, Vec<Entry>)> = Vec::new();
    for entry in entries.iter() {
        match groups.iter_mut().find(|(id, _)| *id == entry.conversation_id) {
            Some((_, group)) => group.push(entry.clone()),
            None => groups.push((entry.conversation_id, vec![entry.clone()])),
        }
    }
    groups.into_iter().map(|(id, group)| (id, group.into())).collect()
}
