//! A simulated stand-in for a sequencer on another node: forwards drafts to the shard's owner,
//! passes on what it announces, as the real actor does.

use std::sync::Arc;

use schema::cluster::envelope::{NodeFrame, Submit, Submitted};
use schema::record::{Draft, Entry};
use schema::{ConversationId, Sequence, SequenceRange};

use super::actor::{Address, Context, Observation};
use super::faults::FaultClass;
use super::message::{Message, ToConversation, ToSequencer, ToStandIn};
use super::mutants::Forwarded;
use super::store_model::{Answer, Call, Ticket};
use crate::ports::Owner;
use crate::sequencer::forwarding::{Batch, Forwarding, Outcome};
use crate::sequencer::{FromOwner, FromSequencer, News, Opened};

const EARLY_MAX: usize = 1_024;
const MATERIALISED_MS: u64 = 2_000;

pub struct StandIn {
    id: ConversationId,
    shard: u32,
    owner: Owner,
    asker: u64,
    conversation: Option<Address>,
    life: u64,
    is_following: bool,
    /// The log was read and handed over.
    is_open: bool,
    early: Vec<Entry>,
    head: Sequence,
    materialised: Sequence,
    forwarding: Forwarding,
    wake_armed_ms: Option<u64>,
    materialised_armed: bool,
    /// What some mutants must know.
    forwarded: Forwarded,
}

impl StandIn {
    #[must_use]
    pub fn new(id: ConversationId, shard: u32) -> Self {
        Self {
            id,
            shard,
            owner: Owner::Unknown,
            asker: 0,
            conversation: None,
            life: 0,
            is_following: false,
            is_open: false,
            early: Vec::new(),
            head: Sequence::START,
            materialised: Sequence::START,
            forwarding: Forwarding::default(),
            wake_armed_ms: None,
            materialised_armed: false,
            forwarded: Forwarded::default(),
        }
    }

    pub fn started(&mut self, ctx: &mut Context<'_>) {
        ctx.shared.last_asker += 1;
        self.asker = ctx.shared.last_asker;
        self.owner = ctx.owner(self.shard);
    }

    /// Runs also after a panic.
    pub fn stopped(&mut self, ctx: &mut Context<'_>) {
        // What waits in the mailbox is lost with it.
        ctx.missed(self.id, self.head);
        if std::mem::take(&mut self.is_following) {
            ctx.unfollow(self.id);
        }
    }

    pub fn handle(&mut self, message: Message, ctx: &mut Context<'_>) {
        match message {
            Message::Answer(ticket, answer) => self.answered(ticket, answer, ctx),
            Message::Sequencer(ToSequencer::Open { conversation, life }) => {
                if self.conversation.is_some() {
                    return ctx.stop();
                }
                (self.conversation, self.life) = (Some(conversation), life);
                if self.owner == Owner::Here {
                    return self.end(ctx);
                }
                self.open(ctx);
            }
            Message::Sequencer(ToSequencer::Append { draft, token }) => {
                self.forwarded.note(token, &draft, ctx.mutant);
                self.forwarding.push(token, draft, ctx.now_ms);
                self.forward(ctx);
            }
            Message::Sequencer(ToSequencer::StopIdle) if self.forwarding.is_empty() => ctx.stop(),
            Message::StandIn(ToStandIn::FromOwner(news)) => self.hear(news, ctx),
            Message::StandIn(ToStandIn::Wake { at_ms }) => self.wake(at_ms, ctx),
            Message::StandIn(ToStandIn::LookForMaterialised) => {
                ctx.call(Ticket::Poll, Call::Head(self.id));
            }
            _ => {}
        }
    }

    fn hear(&mut self, news: FromOwner, ctx: &mut Context<'_>) {
        match news {
            FromOwner::Announced(entries) => self.announced(entries, ctx),
            FromOwner::Head(seq) if self.is_open && seq > self.head => {
                self.tell(News::Head(seq), ctx);
            }
            FromOwner::Head(_) => {}
            FromOwner::Submitted(submitted) => self.submitted(&submitted, ctx),
            FromOwner::OwnerChanged => self.owner_changed(ctx),
        }
    }

    fn tell(&self, news: News, ctx: &mut Context<'_>) {
        let news = FromSequencer { life: self.life, news };
        if let Some(conversation) = self.conversation
            && !ctx.tell(conversation, Message::Conversation(ToConversation::News(news)))
        {
            ctx.stop();
        }
    }

    fn end(&self, ctx: &mut Context<'_>) {
        self.tell(News::Ended, ctx);
        ctx.stop();
    }

    /// Follows first, reads second: what is stored in between is announced or in the store.
    fn open(&mut self, ctx: &mut Context<'_>) {
        self.is_following = true;
        ctx.follow(self.id, Sequence::START);
        ctx.call(Ticket::NewestHead, Call::Head(self.id));
    }

    fn answered(&mut self, ticket: Ticket, answer: Answer, ctx: &mut Context<'_>) {
        match (ticket, answer) {
            (Ticket::NewestHead, Answer::Head(Ok(head))) => {
                let first = head.back(ctx.schedule.recent - 1).max(Sequence(1));
                let range = SequenceRange::new(first, head);
                if range.is_empty() {
                    return self.begin(head, Vec::new(), ctx);
                }
                ctx.call(Ticket::Newest(head), Call::Range(self.id, range));
            }
            (Ticket::Newest(head), Answer::Entries(Ok(recent))) => self.begin(head, recent, ctx),
            (Ticket::NewestHead | Ticket::Newest(_), _) => self.end(ctx),
            (Ticket::Poll, Answer::Head(head)) => self.materialised(head.ok(), ctx),
            _ => {}
        }
    }

    fn begin(&mut self, head: Sequence, mut recent: Vec<Entry>, ctx: &mut Context<'_>) {
        (self.head, self.materialised, self.is_open) = (head, head, true);
        let mut beyond = head;
        for entry in std::mem::take(&mut self.early) {
            beyond = beyond.max(entry.seq);
            if entry.seq == self.head.next() {
                self.head = entry.seq;
                recent.push(entry);
            }
        }
        let opened = Opened { head: self.head, recent, materialised: head };
        if let Some(conversation) = self.conversation {
            let opened = ToConversation::Opened { life: self.life, opened };
            ctx.tell(conversation, Message::Conversation(opened));
        }
        let heard = ctx.shared.peers.tables.following.head(self.id);
        let beyond = beyond.max(heard.unwrap_or_default());
        if beyond > self.head {
            self.tell(News::Head(beyond), ctx);
        }
        self.look_for_materialised(ctx);
        self.forward(ctx);
    }

    fn announced(&mut self, entries: Arc<[Entry]>, ctx: &mut Context<'_>) {
        let Some(last) = entries.last() else { return };
        if !self.is_open {
            if self.early.len() + entries.len() <= EARLY_MAX {
                self.early.extend(entries.iter().cloned());
            }
            return;
        }
        self.head = self.head.max(last.seq);
        let answers = self.forwarding.announced(&entries);
        self.tell(News::Stored { entries, answers }, ctx);
        self.look_for_materialised(ctx);
    }

    /// What the store shows need not be kept in memory.
    fn look_for_materialised(&mut self, ctx: &mut Context<'_>) {
        if self.materialised_armed || self.materialised >= self.head {
            return;
        }
        self.materialised_armed = true;
        ctx.later(MATERIALISED_MS, Message::StandIn(ToStandIn::LookForMaterialised));
    }

    fn materialised(&mut self, head: Option<Sequence>, ctx: &mut Context<'_>) {
        self.materialised_armed = false;
        if let Some(head) = head.filter(|head| *head > self.materialised) {
            self.materialised = head;
            self.tell(News::Materialised(head), ctx);
        }
        self.look_for_materialised(ctx);
    }

    /// Sends what waits, if nothing is on its way and the owner is known.
    fn forward(&mut self, ctx: &mut Context<'_>) {
        let Owner::Elsewhere(_) = self.owner else { return };
        if self.is_open
            && let Some(batch) = self.forwarding.next(ctx.now_ms)
        {
            self.send(batch, ctx);
        }
        self.arm_wake(ctx);
    }

    fn send(&self, batch: Batch, ctx: &mut Context<'_>) {
        let Owner::Elsewhere(owner) = self.owner else { return };
        if batch.attempt > 0 {
            ctx.observe(Observation::Struck(FaultClass::BatchRepeated));
        }
        let mut drafts: Vec<Draft> = batch.drafts;
        self.forwarded.unmark(&mut drafts, ctx.mutant);
        let submit = Submit {
            conversation_id: self.id,
            asker: self.asker,
            batch: batch.number,
            attempt: batch.attempt,
            activation: batch.activation,
            drafts,
            traces: Vec::new(),
        };
        ctx.tell_node(owner, &NodeFrame::Submit(submit));
    }

    fn arm_wake(&mut self, ctx: &mut Context<'_>) {
        let Some(at_ms) = self.forwarding.wake_at_ms() else { return };
        if self.wake_armed_ms.is_some_and(|armed| armed <= at_ms) {
            return;
        }
        self.wake_armed_ms = Some(at_ms);
        let wait_ms = at_ms.saturating_sub(ctx.now_ms);
        ctx.later(wait_ms, Message::StandIn(ToStandIn::Wake { at_ms }));
    }

    fn wake(&mut self, at_ms: u64, ctx: &mut Context<'_>) {
        self.wake_armed_ms.take_if(|armed| *armed == at_ms);
        self.owner_changed(ctx);
        self.forwarding.expire(ctx.now_ms);
        if let Some(batch) = self.forwarding.due(ctx.now_ms) {
            self.send(batch, ctx);
        }
        self.forward(ctx);
    }

    fn settle(&mut self, outcomes: Vec<Outcome>, ctx: &mut Context<'_>) {
        for outcome in outcomes {
            match outcome {
                Outcome::Answered(answer) => self.tell(News::Answered(answer), ctx),
                Outcome::Refused { token, refusal } => {
                    if let Some(draft) = self.forwarded.overtaken(token, &refusal, ctx.mutant) {
                        self.forwarding.push(token, draft, ctx.now_ms);
                        continue;
                    }
                    self.tell(News::Refused { token, refusal }, ctx);
                }
            }
        }
    }

    fn submitted(&mut self, submitted: &Submitted, ctx: &mut Context<'_>) {
        if submitted.asker != self.asker {
            return;
        }
        let outcomes = self.forwarding.answered(submitted, ctx.now_ms);
        let reached = outcomes.iter().filter_map(|outcome| match outcome {
            Outcome::Answered(answer) => Some(answer.known.seq),
            Outcome::Refused { .. } => None,
        });
        let reached = reached.max().unwrap_or_default();
        self.settle(outcomes, ctx);
        // The announcement of these may have been lost.
        if reached > self.head {
            self.tell(News::Head(reached), ctx);
        }
        self.forward(ctx);
    }

    fn owner_changed(&mut self, ctx: &mut Context<'_>) {
        let owner = ctx.owner(self.shard);
        if owner == self.owner {
            return;
        }
        self.owner = owner;
        if owner == Owner::Here {
            return self.end(ctx);
        }
        let outcomes = self.forwarding.owner_changed();
        self.settle(outcomes, ctx);
        self.forward(ctx);
    }
}
