//! A simulated sequencer: recovers, numbers, answers once stored, as the real actor does.

use std::collections::BTreeMap;
use std::sync::Arc;

use schema::record::Entry;
use schema::wire::Refusal;
use schema::{ConversationId, Sequence, SequenceRange};

use super::actor::{Address, Context};
use super::message::{Message, ToCommitter, ToConversation, ToSequencer};
use super::mutants::Mutant;
use super::sequencer_turns::Append;
use super::store_model::{Answer, Call, Ticket};
use crate::committer::{Budget, FromCommitter, Registered};
use crate::ports::StoreError;
use crate::sequencer::core::{Found, Recovered, SequencerCore};
use crate::sequencer::turned_away::TurnedAway;
use crate::sequencer::turns::{self, Turns};
use crate::sequencer::{self, FromSequencer, News, Opened};

/// Clocks prove ids new only this long after recovery.
const TRUST_MS: u64 = 60_000;

pub(super) struct Running {
    pub(super) core: SequencerCore,
    pub(super) budget: Arc<Budget>,
}

pub struct Sequencer {
    pub(super) id: ConversationId,
    shard: u32,
    committer: Option<Address>,
    conversation: Option<Address>,
    life: u64,
    pub(super) running: Option<Running>,
    opened: Option<Opened>,
    is_asked_to_open: bool,
    /// What the committer said, while the store is read.
    registered: Option<Registered>,
    early_news: Vec<FromCommitter>,
    pub(super) parked: Vec<Append>,
    /// Drafts in order, some of which are looked up.
    pub(super) turns: Turns<Append, Result<Found, StoreError>>,
    pub(super) turned_away: TurnedAway,
    /// Look-ups under way, by number.
    pub(super) look_ups: BTreeMap<u64, turns::Ticket>,
    pub(super) look_ups_begun: u64,
    /// See `Mutant::LookUpsOvertake`.
    pub(super) overtaking: BTreeMap<u64, Append>,
    pub(super) unanswered: BTreeMap<Sequence, Vec<sequencer::Answer>>,
    /// Read too early: see `Mutant::StoreBeforeMemory`.
    newest: Option<(Sequence, Vec<Entry>)>,
    /// See `Mutant::NumbersContinueAfterFence`.
    kept: Option<SequencerCore>,
}

impl Sequencer {
    #[must_use]
    pub fn new(id: ConversationId, shard: u32, kept: Option<SequencerCore>) -> Self {
        Self {
            id,
            shard,
            committer: None,
            conversation: None,
            life: 0,
            running: None,
            opened: None,
            is_asked_to_open: false,
            registered: None,
            early_news: Vec::new(),
            parked: Vec::new(),
            turns: Turns::default(),
            turned_away: TurnedAway::default(),
            look_ups: BTreeMap::new(),
            look_ups_begun: 0,
            overtaking: BTreeMap::new(),
            unanswered: BTreeMap::new(),
            newest: None,
            kept,
        }
    }

    pub fn started(&mut self, ctx: &mut Context<'_>) {
        self.committer = ctx.committer(self.shard);
        if ctx.mutant == Mutant::StoreBeforeMemory {
            return ctx.call(Ticket::NewestHead, Call::Head(self.id));
        }
        self.register(ctx);
    }

    fn register(&mut self, ctx: &mut Context<'_>) {
        let register = ToCommitter::Register { conversation: self.id, sequencer: ctx.me };
        if !self.tell_committer(register, ctx) {
            self.end(ctx);
        }
    }

    pub(super) fn tell_committer(&self, message: ToCommitter, ctx: &mut Context<'_>) -> bool {
        self.committer.is_some_and(|it| ctx.tell(it, Message::Committer(message)))
    }

    /// Runs also after a panic.
    pub fn stopped(&self, ctx: &mut Context<'_>) {
        let sequencer = ctx.me;
        self.tell_committer(ToCommitter::Unregister { conversation: self.id, sequencer }, ctx);
    }

    /// What `Mutant::NumbersContinueAfterFence` carries into the next life.
    pub fn into_core(self) -> Option<SequencerCore> {
        self.running.map(|running| running.core)
    }

    /// Drafts wait for their turn, and hold room.
    #[must_use]
    pub fn decides(&self) -> bool {
        !self.turns.is_empty()
    }

    pub fn handle(&mut self, message: Message, ctx: &mut Context<'_>) {
        match message {
            Message::Answer(ticket, answer) => self.answered(ticket, answer, ctx),
            Message::Sequencer(ToSequencer::Open { conversation, life }) => {
                if self.conversation.is_some() {
                    return ctx.stop();
                }
                (self.conversation, self.life) = (Some(conversation), life);
                self.is_asked_to_open = true;
                self.open(ctx);
            }
            Message::Sequencer(ToSequencer::Append { draft, token }) => {
                self.append(Append { draft, token, room: None }, ctx);
            }
            Message::Sequencer(ToSequencer::StopIdle) => {
                let is_settled = self.running.as_ref().is_none_or(|it| it.core.is_settled());
                if is_settled && self.parked.is_empty() && self.turns.is_empty() {
                    ctx.stop();
                }
            }
            Message::Sequencer(ToSequencer::TrustClocks) => {
                if let Some(running) = &mut self.running {
                    running.core.look_up_all(false);
                }
            }
            Message::Sequencer(ToSequencer::Abandoned) => self.end(ctx),
            Message::Sequencer(ToSequencer::News(news)) => self.on_news(news, ctx),
            _ => {}
        }
    }

    pub(super) fn tell(&self, news: News, ctx: &mut Context<'_>) {
        let Some(conversation) = self.conversation else { return };
        let news = FromSequencer { life: self.life, news };
        if !ctx.tell(conversation, Message::Conversation(ToConversation::News(news))) {
            ctx.stop();
        }
    }

    pub(super) fn refuse(&self, token: u64, refusal: Refusal, ctx: &mut Context<'_>) {
        self.tell(News::Refused { token, refusal }, ctx);
    }

    pub(super) fn end(&self, ctx: &mut Context<'_>) {
        self.tell(News::Ended, ctx);
        ctx.stop();
    }

    fn answered(&mut self, ticket: Ticket, answer: Answer, ctx: &mut Context<'_>) {
        match (ticket, answer) {
            (Ticket::NewestHead, Answer::Head(Ok(head))) => self.read_recent(head, ctx),
            (Ticket::Newest(head), Answer::Entries(Ok(recent))) => self.recover(head, recent, ctx),
            (Ticket::NewestHead | Ticket::Newest(_), _) => self.end(ctx),
            (Ticket::LookUp(turn), Answer::Sent(Ok(Some(seq)))) => {
                let range = SequenceRange::new(seq, seq);
                ctx.call(Ticket::LookUpRow(turn), Call::Range(self.id, range));
            }
            (Ticket::LookUp(turn), Answer::Sent(Ok(None))) => {
                self.found(turn, Ok(Found::Absent), ctx);
            }
            (Ticket::LookUpRow(turn), Answer::Entries(Ok(mut entries))) => {
                let found = entries.pop().map(|entry| Found::Stored(Box::new(entry)));
                let missing = || StoreError::Damaged("indexed and not there".to_owned());
                self.found(turn, found.ok_or_else(missing), ctx);
            }
            (Ticket::LookUp(turn) | Ticket::LookUpRow(turn), _) => {
                self.found(turn, Err(StoreError::Unavailable(String::new())), ctx);
            }
            _ => {}
        }
    }

    fn read_recent(&mut self, head: Sequence, ctx: &mut Context<'_>) {
        let first = head.back(ctx.schedule.recent - 1).max(Sequence(1));
        let range = SequenceRange::new(first, head);
        if range.is_empty() {
            return self.recover(head, Vec::new(), ctx);
        }
        ctx.call(Ticket::Newest(head), Call::Range(self.id, range));
    }

    fn recover(&mut self, head: Sequence, recent: Vec<Entry>, ctx: &mut Context<'_>) {
        match self.registered.take() {
            Some(registered) => self.run(registered, head, recent, ctx),
            None => {
                self.newest = Some((head, recent));
                self.register(ctx);
            }
        }
    }

    fn run(
        &mut self,
        registered: Registered,
        head: Sequence,
        recent: Vec<Entry>,
        ctx: &mut Context<'_>,
    ) {
        let recovered = Recovered { head, recent, pending: registered.entries };
        let mut core =
            self.kept.take().unwrap_or_else(|| SequencerCore::recover(self.id, &recovered));
        core.look_up_all(ctx.mutant != Mutant::RepeatsUnmarked);
        ctx.later(TRUST_MS, Message::Sequencer(ToSequencer::TrustClocks));
        let mut newest = recovered.recent;
        let stored = recovered.pending.into_iter().filter(|(_, stored)| *stored);
        newest.extend(stored.map(|(entry, _)| entry).filter(|entry| entry.seq > head));
        self.opened = Some(Opened { head: core.head(), recent: newest, materialised: head });
        self.running = Some(Running { core, budget: registered.budget });
        self.open(ctx);
        for news in std::mem::take(&mut self.early_news) {
            self.on_news(news, ctx);
        }
        for append in std::mem::take(&mut self.parked) {
            self.append(append, ctx);
        }
    }

    fn open(&mut self, ctx: &mut Context<'_>) {
        let (Some(conversation), true) = (self.conversation, self.is_asked_to_open) else { return };
        if let Some(opened) = self.opened.take() {
            self.is_asked_to_open = false;
            let opened = ToConversation::Opened { life: self.life, opened };
            ctx.tell(conversation, Message::Conversation(opened));
        }
    }

    fn on_news(&mut self, news: FromCommitter, ctx: &mut Context<'_>) {
        match (news, &mut self.running) {
            (FromCommitter::Registered(registered), _) => self.on_registered(registered, ctx),
            (FromCommitter::Ended, _) => self.end(ctx),
            (news, None) => self.early_news.push(news),
            (FromCommitter::Stored(stored), Some(_)) => self.stored(stored.entries, ctx),
            (FromCommitter::Materialised(seq), Some(running)) => {
                running.core.on_materialised(seq);
                self.tell(News::Materialised(seq), ctx);
            }
        }
    }

    /// Committer's memory first, store second: what is committed in between is in one of them.
    fn on_registered(&mut self, registered: Registered, ctx: &mut Context<'_>) {
        if let Some((head, recent)) = self.newest.take() {
            return self.run(registered, head, recent, ctx);
        }
        self.registered = Some(registered);
        ctx.call(Ticket::NewestHead, Call::Head(self.id));
    }

    fn stored(&mut self, entries: Arc<[Entry]>, ctx: &mut Context<'_>) {
        let (Some(running), Some(last)) = (&mut self.running, entries.last()) else { return };
        running.core.on_stored(last.seq);
        let later = self.unanswered.split_off(&last.seq.next());
        let answered = std::mem::replace(&mut self.unanswered, later);
        let answers = answered.into_values().flatten().collect();
        // Recovery may not have been told yet: it is part of what was opened then.
        if let Some(opened) = &mut self.opened {
            opened.head = last.seq;
            opened.recent.extend(entries.iter().cloned());
        }
        self.tell(News::Stored { entries, answers }, ctx);
    }
}
