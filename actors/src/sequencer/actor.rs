//! Carries out what [`super::core`] decides: recovers, numbers, answers once stored.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use actix::{
    Actor, ActorContext as _, ActorFutureExt as _, Addr, AsyncContext as _, Context, Handler,
    Recipient, WrapFuture as _,
};
use schema::record::{Content, Entry, Event, MessageBody};
use schema::wire::{ErrorCode, Refusal};
use schema::{ConversationId, MessageId, Sequence, SequenceRange, UserId};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::core::{Decision, Found, Recovered, SequencerCore};
use super::dedupe::Known;
use super::messages::{Answer, Append, FromSequencer, News, Open, Opened, Stop};
use super::turned_away::{AWAY_MS, TurnedAway};
use super::turns::{OfSender, Ticket, Turns};
use crate::committer::{
    Budget, Committer, Committers, Enqueue, FromCommitter, Register, Registered, Room, Unregister,
    event_size,
};
use crate::monitor::trace::{self, Station};
use crate::monitor::{DeathNotice, handled};
use crate::ports::{MessageStore, Owner, StoreError, WallClock};

/// Entries read at the start: for the memory of ids, and for the conversation's recent cache.
const RECENT: u64 = 128;
/// Drafts that may wait at once; capacity of the mailbox.
const MAILBOX: usize = 4096;
/// Clocks prove ids new only from this long after recovery: late copies have come by then.
const TRUST: Duration = Duration::from_secs(60);

/// What a sequencer works with.
#[derive(Clone)]
pub struct SequencerContext {
    pub committers: Arc<Committers>,
    pub messages: Arc<dyn MessageStore>,
    pub clock: Arc<dyn WallClock>,
}

impl SequencerContext {
    /// Who numbers a shard's drafts, as this node can tell. Here means that it may: the shard is
    /// assigned to this node and was not lost.
    #[must_use]
    pub fn owner(&self, shard: u32) -> Owner {
        match self.committers.peers().directory().owner(shard) {
            Owner::Here if !self.committers.is_assigned(shard) => Owner::Unknown,
            owner => owner,
        }
    }
}

/// A draft that has its turn, and room.
struct Roomy {
    append: Append,
    room: Room,
}

impl OfSender for Roomy {
    fn sender(&self) -> UserId {
        self.append.draft.sender_id
    }
}

/// What it takes to number: there once recovered.
struct Running {
    core: SequencerCore,
    budget: Arc<Budget>,
}

/// The maker of one conversation's numbers.
pub struct Sequencer {
    conversation_id: ConversationId,
    shard: u32,
    context: SequencerContext,
    committer: Option<Addr<Committer>>,
    conversation: Option<Recipient<FromSequencer>>,
    life: u64,
    running: Option<Running>,
    /// What [`Opened`] will say, once recovered and not said yet.
    opened: Option<Opened>,
    /// Where it is to be said.
    open_reply: Option<oneshot::Sender<Opened>>,
    /// News that came during recovery.
    early_news: Vec<FromCommitter>,
    /// Drafts that came before recovery was done.
    parked: Vec<Append>,
    /// Drafts in order, some of which wait for the durable index.
    turns: Turns<Roomy, Result<Found, StoreError>>,
    turned_away: TurnedAway,
    began: Instant,
    /// Who waits for which number to be stored.
    unanswered: BTreeMap<Sequence, Vec<Answer>>,
    _notice: DeathNotice,
}

impl Sequencer {
    #[must_use]
    pub fn new(
        conversation_id: ConversationId,
        shard: u32,
        context: SequencerContext,
        notice: DeathNotice,
    ) -> Self {
        Self {
            conversation_id,
            shard,
            context,
            committer: None,
            conversation: None,
            life: 0,
            running: None,
            opened: None,
            open_reply: None,
            early_news: Vec::new(),
            parked: Vec::new(),
            turns: Turns::default(),
            turned_away: TurnedAway::default(),
            began: Instant::now(),
            unanswered: BTreeMap::new(),
            _notice: notice,
        }
    }

    fn tell(&self, news: News, ctx: &mut Context<Self>) {
        let news = FromSequencer { life: self.life, news };
        let told = self.conversation.as_ref().is_some_and(|it| it.try_send(news).is_ok());
        if !told && self.conversation.is_some() {
            // A conversation that missed news starts over with the next sequencer.
            ctx.stop();
        }
    }

    fn refuse(&self, token: u64, refusal: Refusal, ctx: &mut Context<Self>) {
        self.tell(News::Refused { token, refusal }, ctx);
    }

    fn end(&mut self, ctx: &mut Context<Self>) {
        if let Some(conversation) = &self.conversation {
            let ended = FromSequencer { life: self.life, news: News::Ended };
            let _ = conversation.try_send(ended);
        }
        ctx.stop();
    }

    /// Committer's memory first, store second: what is committed in between is in one of them.
    fn recover(&mut self, registered: Registered, ctx: &mut Context<Self>) {
        let messages = self.context.messages.clone();
        let read = read_newest(messages, self.conversation_id);
        ctx.spawn(read.into_actor(self).map(move |newest, actor, ctx| match newest {
            Ok((head, recent)) => actor.run(registered, head, recent, ctx),
            Err(error) => {
                tracing::warn!(%error, "a sequencer could not recover");
                actor.end(ctx);
            }
        }));
    }

    fn run(
        &mut self,
        registered: Registered,
        head: Sequence,
        recent: Vec<Entry>,
        ctx: &mut Context<Self>,
    ) {
        let recovered = Recovered { head, recent, pending: registered.entries };
        let mut core = SequencerCore::recover(self.conversation_id, &recovered);
        core.look_up_all(true);
        ctx.run_later(TRUST, |actor, _| {
            if let Some(running) = &mut actor.running {
                running.core.look_up_all(false);
            }
        });
        let mut newest = recovered.recent;
        let stored = recovered.pending.into_iter().filter(|(_, stored)| *stored);
        newest.extend(stored.map(|(entry, _)| entry).filter(|entry| entry.seq > head));
        self.opened = Some(Opened { head: core.head(), recent: newest, materialised: head });
        self.running = Some(Running { core, budget: registered.budget });
        self.open();
        for news in std::mem::take(&mut self.early_news) {
            self.on_news(news, ctx);
        }
        // Those that found no room while it loaded came after the ones that did.
        let turned_away = std::mem::take(&mut self.turned_away);
        for append in std::mem::take(&mut self.parked) {
            self.append(append, ctx);
        }
        self.turned_away.merge(turned_away);
    }

    fn open(&mut self) {
        if let Some(opened) = self.opened.take() {
            match self.open_reply.take() {
                Some(reply) => drop(reply.send(opened)),
                None => self.opened = Some(opened),
            }
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// There is no room for a draft: its sender's later ones are not served before it either.
    fn turn_away(&mut self, append: &Append, text: &'static str, ctx: &mut Context<Self>) {
        self.turned_away.note(append.draft.sender_id, self.now_ms());
        let refusal = Refusal::new(ErrorCode::Overloaded, text).retry_after_ms(AWAY_MS);
        self.refuse(append.token, refusal, ctx);
    }

    fn append(&mut self, append: Append, ctx: &mut Context<Self>) {
        trace::enter(append.draft.message_id, Station::Sequence);
        let now_ms = self.now_ms();
        let Some(running) = &mut self.running else {
            if self.parked.len() < MAILBOX {
                return self.parked.push(append);
            }
            return self.turn_away(&append, "the conversation is loading", ctx);
        };
        let (sender, message) = (append.draft.sender_id, append.draft.message_id);
        let is_full = self.turns.len() >= MAILBOX || self.turned_away.is_away(sender, now_ms);
        let size = event_size(&append.draft.event);
        let room = if is_full { None } else { Room::acquire(&running.budget, size) };
        let Some(room) = room else {
            return self.turn_away(&append, "the store is behind", ctx);
        };
        let needs_look_up = running.core.needs_look_up(&append.draft);
        let ticket = self.turns.push(Roomy { append, room }, needs_look_up);
        if needs_look_up {
            self.look_up(ticket, sender, message, ctx);
        }
        self.take_turns(ctx);
    }

    /// Decides on drafts in the order they came, as far as their look-ups are answered.
    fn take_turns(&mut self, ctx: &mut Context<Self>) {
        let now_ms = self.context.clock.now_ms();
        while let Some((roomy, found)) = self.turns.next() {
            let Some(running) = &mut self.running else { return };
            let Append { draft, verdict, .. } = &roomy.append;
            let decision = match (verdict, &found) {
                (None, None) => running.core.submit(draft, now_ms),
                (None, Some(Ok(found))) => running.core.after_lookup(draft, found, now_ms),
                (Some(refusal), None | Some(Ok(_))) => {
                    let found = found.as_ref().and_then(|found| found.as_ref().ok());
                    let Some(decision) = running.core.recall(draft, found) else {
                        let refusal = refusal.clone();
                        self.refuse(roomy.append.token, refusal, ctx);
                        continue;
                    };
                    decision
                }
                (_, Some(Err(error))) => {
                    tracing::warn!(%error, "an id could not be looked up");
                    let refusal = Refusal::retry_later("the store did not answer");
                    self.refuse(roomy.append.token, refusal, ctx);
                    continue;
                }
            };
            self.settle(roomy, decision, ctx);
        }
    }

    fn settle(&mut self, roomy: Roomy, decision: Decision, ctx: &mut Context<Self>) {
        let token = roomy.append.token;
        match decision {
            Decision::Append(entry) => self.enqueue(entry, token, roomy.room, ctx),
            // The id was remembered when its turn came and is not any more: to be said again.
            Decision::LookUp => {
                self.refuse(token, Refusal::retry_later("repeat under the same id"), ctx);
            }
            Decision::Duplicate(known) => {
                self.tell(News::Duplicate { token, known }, ctx);
            }
            Decision::Pending(known) => self.wait_for(known, token, true),
            Decision::Reused(known) => {
                let refusal = Refusal::new(
                    ErrorCode::MessageIdReused,
                    "this message_id was stored with other content",
                );
                self.refuse(token, refusal.with_seq(known.seq), ctx);
            }
        }
    }

    fn enqueue(&mut self, entry: Entry, token: u64, room: Room, ctx: &mut Context<Self>) {
        trace::leave(entry.message_id, Station::Sequence);
        trace::enter(entry.message_id, Station::Commit);
        let known = Known { seq: entry.seq, sent_at: entry.sent_at, digest: 0 };
        let sent = self.committer.as_ref().is_some_and(|it| it.try_send(Enqueue { entry }).is_ok());
        if sent {
            room.hand_on();
            self.wait_for(known, token, false);
        } else {
            // The shard moves. The number is spent in this life only, so nothing may follow it: the
            // next sequencer starts from what is stored, and is asked for what waits.
            self.running = None;
            self.end(ctx);
        }
    }

    fn wait_for(&mut self, known: Known, token: u64, duplicate: bool) {
        self.unanswered.entry(known.seq).or_default().push(Answer { token, known, duplicate });
    }

    fn look_up(
        &mut self,
        ticket: Ticket,
        sender: UserId,
        message: MessageId,
        ctx: &mut Context<Self>,
    ) {
        let messages = self.context.messages.clone();
        let found = find(messages, self.conversation_id, sender, message);
        ctx.spawn(found.into_actor(self).map(move |found, actor, ctx| {
            actor.turns.answer(ticket, found);
            actor.take_turns(ctx);
        }));
    }

    fn on_news(&mut self, news: FromCommitter, ctx: &mut Context<Self>) {
        match (news, &mut self.running) {
            (FromCommitter::Registered(registered), _) => self.recover(registered, ctx),
            (FromCommitter::Ended, _) => self.end(ctx),
            (news, None) => self.early_news.push(news),
            (FromCommitter::Stored(stored), Some(_)) => self.stored(stored.entries, ctx),
            (FromCommitter::Materialised(seq), Some(running)) => {
                running.core.on_materialised(seq);
                self.tell(News::Materialised(seq), ctx);
            }
        }
    }

    fn stored(&mut self, entries: Arc<[Entry]>, ctx: &mut Context<Self>) {
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

pub(super) async fn read_newest(
    messages: Arc<dyn MessageStore>,
    conversation: ConversationId,
) -> Result<(Sequence, Vec<Entry>), StoreError> {
    let head = messages.head(conversation).await?;
    let range = SequenceRange::new(head.back(RECENT - 1).max(Sequence(1)), head);
    let recent =
        if range.is_empty() { Vec::new() } else { messages.range(conversation, range).await? };
    Ok((head, recent))
}

async fn find(
    messages: Arc<dyn MessageStore>,
    conversation: ConversationId,
    sender: UserId,
    message: MessageId,
) -> Result<Found, StoreError> {
    let Some(seq) = messages.sent(conversation, sender, message).await? else {
        return Ok(Found::Absent);
    };
    let mut entries = messages.range(conversation, SequenceRange::new(seq, seq)).await?;
    match entries.pop() {
        Some(entry) => Ok(Found::Stored(Box::new(entry))),
        None if seq <= messages.purged_up_to(conversation).await? => {
            Ok(Found::Stored(Box::new(removed(conversation, seq, sender, message))))
        }
        None => Err(StoreError::Damaged(format!("number {seq} is indexed and not there"))),
    }
}

/// What is left of an entry that is kept no longer.
fn removed(
    conversation_id: ConversationId,
    seq: Sequence,
    sender_id: UserId,
    message_id: MessageId,
) -> Entry {
    let sent_at = message_id.unix_ms().unwrap_or_default();
    let event = Event::Message(MessageBody::new(Content::Deleted {}));
    Entry { conversation_id, seq, message_id, sender_id, sent_at, ordinal: 0, event }
}

impl Actor for Sequencer {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX);
        let register =
            Register { conversation: self.conversation_id, sequencer: ctx.address().recipient() };
        let committer = self.context.committers.get_or_start(self.shard).ok();
        let registered = committer.as_ref().is_some_and(|it| it.try_send(register).is_ok());
        self.committer = committer;
        if !registered {
            self.end(ctx);
        }
    }

    fn stopped(&mut self, ctx: &mut Self::Context) {
        if let Some(committer) = &self.committer {
            let _ = committer.try_send(Unregister {
                conversation: self.conversation_id,
                sequencer: ctx.address().recipient(),
            });
        }
    }
}

impl Handler<Open> for Sequencer {
    type Result = ();

    fn handle(&mut self, message: Open, ctx: &mut Self::Context) {
        if self.conversation.is_some() {
            // A second life of the conversation wants the whole picture: the next sequencer has it.
            return ctx.stop();
        }
        (self.conversation, self.life) = (Some(message.conversation), message.life);
        self.open_reply = Some(message.opened);
        self.open();
    }
}

impl Handler<Append> for Sequencer {
    type Result = ();

    fn handle(&mut self, message: Append, ctx: &mut Self::Context) {
        handled();
        self.append(message, ctx);
    }
}

crate::answer_probes!(Sequencer);

impl Handler<Stop> for Sequencer {
    type Result = ();

    fn handle(&mut self, message: Stop, ctx: &mut Self::Context) {
        let settled = self.running.as_ref().is_none_or(|running| running.core.is_settled());
        match message {
            Stop::Abandoned => self.end(ctx),
            Stop::Idle if settled && self.parked.is_empty() && self.turns.is_empty() => ctx.stop(),
            Stop::Idle => {}
        }
    }
}

impl Handler<FromCommitter> for Sequencer {
    type Result = ();

    fn handle(&mut self, message: FromCommitter, ctx: &mut Self::Context) {
        handled();
        self.on_news(message, ctx);
    }
}
