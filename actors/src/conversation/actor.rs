//! One conversation on this node: checks, submits, delivers, answers reads.

use std::sync::Arc;
use std::time::Duration;

use actix::{
    Actor, ActorContext as _, ActorFutureExt as _, AsyncContext as _, Context, Handler, Recipient,
    WrapFuture as _,
};
use schema::record::{Draft, Entry};
use schema::wire::{ErrorCode, Refusal};
use schema::{ConnectionId, ConversationId, Sequence, UserId, metric};
use tokio::time::Instant;

use super::busiest::Busiest;
use super::gap::{Arrival, judge};
use super::gone::Gone;
use super::load::{self, Loaded};
use super::messages::{
    Answered, CheckSequencer, Describe, Heard, Join, Leave, LogEntry, Peek, Purged, Read, Settle,
    Submit, SubmitReply, ToMember,
};
use super::page::Submitted;
use super::pending::Waiting;
use super::reading::Repaired;
use super::registry::Audience;
use super::serving::Serving;
use crate::committer::WhenMaterialised;
use crate::monitor::trace::{self, Station};
use crate::monitor::{DeathNotice, handled};
use crate::personal::Personal;
use crate::ports::{MessageStore, RosterStore, WallClock};
use crate::sequencer::{
    Answer, Append, FromSequencer, News, Opened, SequencerHandle, Sequencers, Stop,
};

const MAILBOX: usize = 4096;
/// How often waiting drafts and lagging sessions are looked at, while there are any.
const TICK: Duration = Duration::from_millis(250);
/// A conversation without traffic for this long is unloaded.
const IDLE: Duration = Duration::from_secs(300);
/// One that does not exist or could not be loaded answers for this long, then goes.
const LINGER: Duration = Duration::from_millis(200);

/// What conversations work with.
pub struct ConversationContext {
    pub sequencers: Arc<Sequencers>,
    pub messages: Arc<dyn MessageStore>,
    pub roster: Arc<dyn RosterStore>,
    pub audience: Arc<dyn Audience>,
    pub personal: Arc<Personal>,
    pub clock: Arc<dyn WallClock>,
    pub busiest: Arc<Busiest>,
    /// How long what was said is kept where a conversation does not say so; zero: for ever.
    pub retention_default_days: u32,
}

/// The actor.
pub struct Conversation {
    pub(super) id: ConversationId,
    pub(super) context: Arc<ConversationContext>,
    /// `Err` until loaded, and when it could not be.
    pub(super) serving: Result<Box<Serving>, Refusal>,
    tick_armed: bool,
    pub(super) active_at: Instant,
    _notice: DeathNotice,
}

impl Conversation {
    #[must_use]
    pub fn new(id: ConversationId, context: Arc<ConversationContext>, notice: DeathNotice) -> Self {
        Self {
            id,
            context,
            serving: Err(Refusal::retry_later("the conversation is loading")),
            tick_armed: false,
            active_at: Instant::now(),
            _notice: notice,
        }
    }

    fn on_loaded(&mut self, loaded: Result<Loaded, Refusal>, ctx: &mut Context<Self>) {
        let loaded = match loaded {
            Ok(loaded) => loaded,
            Err(refusal) => {
                let is_temporary = refusal.code.is_temporary();
                self.serving = Err(refusal);
                ctx.run_later(LINGER, move |actor, ctx| {
                    // What came while it lingered reached nobody.
                    if is_temporary {
                        actor.missed(Sequence::START);
                    }
                    ctx.stop();
                });
                return;
            }
        };
        let mut serving = Box::new(Serving::new(loaded, self.context.busiest.clone()));
        for member in serving.roster.current() {
            if let Some(listener) = self.context.audience.listener(member.user_id) {
                serving.listeners.add(member.user_id, listener, false);
            }
        }
        let joins: Vec<UserId> = serving.roster.current().map(|member| member.user_id).collect();
        joins.into_iter().for_each(|user| serving.tell_joined(self.id, user));
        self.serving = Ok(serving);
        self.check_idle(ctx);
    }

    fn check_idle(&mut self, ctx: &mut Context<Self>) {
        ctx.run_later(IDLE / 5, |actor, ctx| {
            let busy = actor.serving.as_ref().is_ok_and(|it| {
                // The log's end must be in the store before it may leave memory.
                let is_ahead = it.materialised < it.head.max(it.known_head);
                let is_waited_for = !it.pending.is_empty() || !it.judging.is_idle();
                is_ahead || is_waited_for || it.listeners.has_readers()
            });
            if busy || actor.active_at.elapsed() < IDLE {
                return actor.check_idle(ctx);
            }
            if let Ok(serving) = &mut actor.serving {
                serving.send_all_out(actor.id);
                serving.sequencer.stop(Stop::Idle);
                let delivered = serving.head;
                // What waits in the mailbox is lost.
                actor.missed(delivered);
            }
            ctx.stop();
        });
    }

    /// Looks for the next sequencer; nothing else happens meanwhile. What waits is asked again.
    fn reopen(&mut self, ctx: &mut Context<Self>) {
        let Ok(serving) = &self.serving else { return };
        let news = ctx.address().recipient();
        let open = load::open(self.id, self.context.clone(), news, serving.life);
        ctx.wait(open.into_actor(self).map(|opened, actor, ctx| match opened {
            Ok((sequencer, life, opened)) => actor.on_reopened(sequencer, life, &opened, ctx),
            Err(refusal) => {
                tracing::warn!(conversation = %actor.id, %refusal, "no sequencer");
                actor.give_up(&refusal);
                ctx.stop();
            }
        }));
    }

    /// Whoever waits says it again; whoever listens is told by the next life.
    fn give_up(&mut self, refusal: &Refusal) {
        let Ok(serving) = &mut self.serving else { return };
        serving.send_all_out(self.id);
        let delivered = serving.head;
        for waiting in serving.pending.take_all() {
            waiting.reply.answer(self.id, waiting.draft.message_id, Err(refusal.clone()));
        }
        self.missed(delivered);
    }

    /// This life ends and its listeners have entries up to `delivered` only.
    fn missed(&self, delivered: Sequence) {
        self.context.sequencers.committers().peers().missed(self.id, delivered);
    }

    fn on_reopened(
        &mut self,
        sequencer: SequencerHandle,
        life: u64,
        opened: &Opened,
        ctx: &mut Context<Self>,
    ) {
        let Ok(serving) = &mut self.serving else { return };
        (serving.sequencer, serving.life) = (sequencer, life);
        serving.materialised = serving.materialised.max(opened.materialised);
        let news: Arc<[Entry]> =
            opened.recent.iter().filter(|it| it.seq > serving.head).cloned().collect();
        self.arrive(&news, &[], ctx);
        self.on_head(opened.head, ctx);
        self.ask_again();
    }

    /// What waits may have been stored before: asked for as repeats. A draft that a later one of its
    /// sender was stored before is not: it would come after that one unseen.
    fn ask_again(&mut self) {
        let Ok(serving) = &mut self.serving else { return };
        for waiting in serving.pending.take_overtaken() {
            let refusal = Refusal::retry_later("a later one was stored; repeat under the same id");
            waiting.reply.answer(self.id, waiting.draft.message_id, Err(refusal));
        }
        for waiting in serving.pending.take_judged() {
            let refusal = Refusal::retry_later("the shard is moving");
            waiting.reply.answer(self.id, waiting.draft.message_id, Err(refusal));
        }
        for (token, draft) in serving.pending.all() {
            let again = Draft { retry: true, ..(*draft).clone() };
            let append = Append { draft: Arc::new(again), token, verdict: None };
            let _ = serving.sequencer.append(append);
        }
    }

    /// The log reaches to `head`: what is missing before it is read.
    pub(super) fn on_head(&mut self, head: Sequence, ctx: &mut Context<Self>) {
        let Ok(serving) = &mut self.serving else { return };
        serving.known_head = serving.known_head.max(head);
        self.repair(ctx);
        self.arm_tick(ctx);
    }

    /// Checks a draft, with the message that it changes if it changes one, and hands it on.
    pub(super) fn admit(
        &mut self,
        submit: Submit,
        target: Option<&LogEntry>,
        ctx: &mut Context<Self>,
    ) {
        let Submit { mut draft, reply } = submit;
        let target = target.map(|log| self.as_shown(log));
        let checked = match &self.serving {
            Err(refusal) => Err(refusal.clone()),
            Ok(serving) if serving.pending.is_full() => {
                let text = "too many messages wait in this conversation";
                Err(Refusal::new(ErrorCode::Overloaded, text).retry_after_ms(500))
            }
            // Here one may be behind what the sender has seen: the shard's owner decides.
            Ok(serving) if !serving.sequencer.is_here() => Ok(()),
            Ok(serving) => {
                let checked = serving.roster.check(&draft, serving.head);
                checked.and_then(|()| match &target {
                    Some(target) => serving.roster.check_change(&draft, target),
                    None => Ok(()),
                })
            }
        };
        if let (Err(refusal), Some(_)) = (&checked, &target)
            && !refusal.code.is_temporary()
        {
            return self.refuse_unless_stored(Submit { draft, reply }, refusal.clone(), ctx);
        }
        let (Ok(()), Ok(serving)) = (&checked, &mut self.serving) else {
            let refusal = checked.err().unwrap_or_else(Refusal::not_found);
            return reply.answer(self.id, draft.message_id, Err(refusal));
        };
        if serving.sequencer.is_here() {
            serving.roster.complete(&mut draft, target.as_ref());
        }
        trace::enter(draft.message_id, Station::Conversation);
        let draft = Arc::new(draft);
        let token = serving.pending.add(draft.clone(), reply);
        self.append(Append { draft, token, verdict: None }, ctx);
    }

    /// Refuses a draft for what became of the message that it changes or forwards, unless the same
    /// was stored before: its sender did not hear of it then, and asks again.
    pub(super) fn refuse_unless_stored(
        &mut self,
        Submit { draft, reply }: Submit,
        refusal: Refusal,
        ctx: &mut Context<Self>,
    ) {
        let Ok(serving) = &mut self.serving else {
            return reply.answer(self.id, draft.message_id, Err(refusal));
        };
        if serving.pending.is_full() || !serving.sequencer.is_here() {
            let refusal = Refusal::retry_later("too many messages wait, or the shard is moving");
            return reply.answer(self.id, draft.message_id, Err(refusal));
        }
        let draft = Arc::new(draft);
        let token = serving.pending.add_judged(draft.clone(), reply);
        self.append(Append { draft, token, verdict: Some(refusal) }, ctx);
    }

    fn append(&mut self, append: Append, ctx: &mut Context<Self>) {
        let Ok(serving) = &self.serving else { return };
        let token = append.token;
        match serving.sequencer.append(append) {
            Ok(()) => self.arm_tick(ctx),
            Err(actix::prelude::SendError::Full(_)) => {
                let text = "too many messages wait in this conversation";
                let refusal = Refusal::new(ErrorCode::Overloaded, text).retry_after_ms(500);
                self.answer(token, Err(refusal));
            }
            Err(actix::prelude::SendError::Closed(_)) => self.reopen(ctx),
        }
    }

    /// What is gone now.
    pub(super) fn gone(&self) -> Option<Gone> {
        let record = &self.serving.as_ref().ok()?.roster.record;
        let now_ms = self.context.clock.now_ms();
        Some(Gone::at(now_ms, record, self.context.retention_default_days))
    }

    fn as_shown(&self, log: &LogEntry) -> Entry {
        let shown = self.gone().and_then(|gone| gone.shown(&log.entry));
        shown.unwrap_or_else(|| log.entry.clone())
    }

    fn answer(&mut self, token: u64, result: Result<Submitted, Refusal>) {
        let Ok(serving) = &mut self.serving else { return };
        if let Some(Waiting { draft, reply, since, .. }) = serving.pending.take(token) {
            if let Ok(submitted) = &result {
                // One that was stored before it was sent again says nothing about the others.
                if !submitted.duplicate {
                    serving.pending.note_stored(draft.sender_id, token);
                }
                crate::observe!(metric::ACCEPT_SECONDS, since.elapsed());
            }
            trace::leave(draft.message_id, Station::Forward);
            trace::leave(draft.message_id, Station::Conversation);
            reply.answer(self.id, draft.message_id, result);
        }
    }

    /// Entries are stored: answer their senders, then deliver.
    fn stored(&mut self, entries: &Arc<[Entry]>, answers: &[Answer], ctx: &mut Context<Self>) {
        self.active_at = Instant::now();
        let Ok(serving) = &self.serving else { return };
        let mut origins: Vec<(Sequence, ConnectionId)> = Vec::new();
        for answer in answers.iter().filter(|answer| !answer.duplicate) {
            let reply = serving.pending.get(answer.token).map(|waiting| &waiting.reply);
            if let Some(SubmitReply::Session { connection, .. }) = reply {
                origins.push((answer.known.seq, *connection));
            }
        }
        for answer in answers {
            let Answer { token, known, duplicate } = *answer;
            let submitted = Submitted { seq: known.seq, sent_at: known.sent_at, duplicate };
            count_accepted(duplicate);
            self.answer(token, Ok(submitted));
        }
        self.arrive(entries, &origins, ctx);
    }

    /// Entries came, from the sequencer or a repair: deliver them if they are the next ones.
    pub(super) fn arrive(
        &mut self,
        entries: &Arc<[Entry]>,
        origins: &[(Sequence, ConnectionId)],
        ctx: &mut Context<Self>,
    ) {
        let Ok(serving) = &mut self.serving else { return };
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else { return };
        match judge(serving.head, first.seq, last.seq) {
            Arrival::Old => {}
            Arrival::Next { skip } => {
                let skip = usize::try_from(skip).unwrap_or(usize::MAX);
                let audience = self.context.audience.as_ref();
                serving.deliver(self.id, &entries[skip..], origins, audience);
                self.send_out_when_due(ctx);
            }
            Arrival::Gap(_) => {
                serving.known_head = serving.known_head.max(last.seq);
                self.repair(ctx);
            }
        }
        self.arm_tick(ctx);
    }

    /// Hands on what came: now, or when a large room may be told again.
    fn send_out_when_due(&mut self, ctx: &mut Context<Self>) {
        let Ok(serving) = &mut self.serving else { return };
        match serving.send_out_in() {
            Some(Duration::ZERO) => {
                serving.send_out(self.id);
                self.tell_others(ctx);
            }
            Some(wait) if !serving.outgoing_armed => {
                serving.outgoing_armed = true;
                ctx.run_later(wait, |actor, ctx| {
                    if let Ok(serving) = &mut actor.serving {
                        serving.outgoing_armed = false;
                    }
                    actor.send_out_when_due(ctx);
                });
            }
            Some(_) | None => {}
        }
    }

    /// Goes on with a delivery to very many, a turn of the thread later.
    fn tell_others(&mut self, ctx: &mut Context<Self>) {
        if !self.serving.as_ref().is_ok_and(|it| it.listeners.is_under_way()) {
            return;
        }
        let turn = tokio::task::yield_now().into_actor(self);
        ctx.spawn(turn.map(|(), actor, ctx| {
            if let Ok(serving) = &mut actor.serving {
                serving.listeners.go_on();
            }
            actor.tell_others(ctx);
            actor.send_out_when_due(ctx);
        }));
    }

    fn arm_tick(&mut self, ctx: &mut Context<Self>) {
        let is_needed =
            |it: &Serving| !it.pending.is_empty() || it.is_behind() || it.listeners.any_lagging();
        if self.tick_armed || !self.serving.as_ref().is_ok_and(|it| is_needed(it)) {
            return;
        }
        self.tick_armed = true;
        ctx.run_later(TICK, |actor, ctx| {
            actor.tick_armed = false;
            actor.tick();
            actor.repair(ctx);
            actor.arm_tick(ctx);
        });
    }

    fn tick(&mut self) {
        let Ok(serving) = &mut self.serving else { return };
        serving.listeners.nudge(self.id, serving.head);
        for waiting in serving.pending.expired(Instant::now()) {
            let refusal = Refusal::retry_later("not stored in time; repeat under the same id");
            waiting.reply.answer(self.id, waiting.draft.message_id, Err(refusal));
        }
    }

    fn join(&mut self, join: Join) {
        let joined = match &mut self.serving {
            Err(refusal) => Err(refusal.clone()),
            Ok(serving) => serving.join(self.id, &join),
        };
        if let Some(reply) = join.reply {
            let _ = reply.send(joined);
        }
    }

    fn settle(&mut self, settle: Settle, ctx: &mut Context<Self>) {
        let sequencers = &self.context.sequencers;
        if let Ok(serving) = &self.serving
            && !serving.sequencer.is_here()
        {
            let head = serving.head.max(serving.known_head);
            let shown = super::read::shown(self.context.messages.clone(), self.id, head);
            ctx.spawn(shown.into_actor(self).map(|(), _, _| {
                let _ = settle.reply.send(());
            }));
            return;
        }
        let shard = sequencers.shard_of(self.id);
        if let Ok(committer) = sequencers.committers().get_or_start(shard) {
            let _ = committer.try_send(WhenMaterialised { done: settle.reply });
        }
    }
}

fn count_accepted(duplicate: bool) {
    if duplicate {
        crate::count!(metric::SENDS_DUPLICATE, 1);
    } else {
        crate::count!(metric::SENDS_ACCEPTED, 1);
    }
}

impl SubmitReply {
    pub(super) fn answer(
        self,
        conversation: ConversationId,
        message_id: schema::MessageId,
        result: Result<Submitted, Refusal>,
    ) {
        match self {
            Self::Call(reply) => drop(reply.send(result)),
            Self::Session { to, connection, reference } => {
                // A session whose mailbox is full answers `retry_later` at its own deadline.
                let _ = to.try_send(ToMember::Answered(Answered {
                    connection,
                    reference,
                    conversation,
                    message_id,
                    result,
                }));
            }
        }
    }
}

impl Actor for Conversation {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX);
        let news: Recipient<FromSequencer> = ctx.address().recipient();
        let load = load::load(self.id, self.context.clone(), news);
        ctx.wait(load.into_actor(self).map(|loaded, actor, ctx| actor.on_loaded(loaded, ctx)));
    }
}

impl Handler<Submit> for Conversation {
    type Result = ();

    fn handle(&mut self, message: Submit, ctx: &mut Self::Context) {
        handled();
        self.active_at = Instant::now();
        self.refresh_blocks(ctx);
        self.judge(message, ctx);
    }
}

impl Handler<FromSequencer> for Conversation {
    type Result = ();

    fn handle(&mut self, message: FromSequencer, ctx: &mut Self::Context) {
        handled();
        let Ok(serving) = &mut self.serving else { return };
        if serving.life != message.life {
            return;
        }
        match message.news {
            News::Refused { token, refusal } => self.answer(token, Err(refusal)),
            News::Duplicate { token, known } => {
                count_accepted(true);
                let submitted =
                    Submitted { seq: known.seq, sent_at: known.sent_at, duplicate: true };
                self.answer(token, Ok(submitted));
            }
            News::Answered(Answer { token, known, duplicate }) => {
                count_accepted(duplicate);
                let submitted = Submitted { seq: known.seq, sent_at: known.sent_at, duplicate };
                self.answer(token, Ok(submitted));
            }
            News::Head(head) => self.on_head(head, ctx),
            News::Stored { entries, answers } => self.stored(&entries, &answers, ctx),
            News::Materialised(seq) => serving.materialised = serving.materialised.max(seq),
            News::Ended => self.reopen(ctx),
        }
    }
}

crate::answer_probes!(Conversation);

impl Handler<Repaired> for Conversation {
    type Result = ();

    fn handle(&mut self, message: Repaired, ctx: &mut Self::Context) {
        self.on_repaired(message.0, ctx);
    }
}

impl Handler<Join> for Conversation {
    type Result = ();

    fn handle(&mut self, message: Join, _: &mut Self::Context) {
        self.join(message);
    }
}

impl Handler<Leave> for Conversation {
    type Result = ();

    fn handle(&mut self, message: Leave, _: &mut Self::Context) {
        let Ok(serving) = &mut self.serving else { return };
        serving.listeners.remove_if(message.user, &message.listener);
    }
}

impl Handler<Read> for Conversation {
    type Result = ();

    fn handle(&mut self, message: Read, ctx: &mut Self::Context) {
        self.read(message, ctx);
    }
}

impl Handler<Describe> for Conversation {
    type Result = ();

    fn handle(&mut self, message: Describe, _: &mut Self::Context) {
        let described = match &self.serving {
            Ok(serving) => serving.described(message.reader),
            Err(refusal) => Err(refusal.clone()),
        };
        let _ = message.reply.send(described);
    }
}

impl Handler<Peek> for Conversation {
    type Result = ();

    fn handle(&mut self, message: Peek, _: &mut Self::Context) {
        let serving = self.serving.as_ref().ok();
        let mut peeked =
            serving.and_then(|it| it.peek(message.reader, message.seen, &message.here));
        if let Some(last) = peeked.as_mut().and_then(|it| it.last.as_mut()) {
            *last = Arc::new(LogEntry::new(self.as_shown(last)));
        }
        let _ = message.reply.send(peeked);
    }
}

impl Handler<Purged> for Conversation {
    type Result = ();

    fn handle(&mut self, message: Purged, _: &mut Self::Context) {
        let Ok(serving) = &mut self.serving else { return };
        let purged_up_to = &mut serving.roster.record.purged_up_to;
        *purged_up_to = message.up_to.max(*purged_up_to);
    }
}

impl Handler<Settle> for Conversation {
    type Result = ();

    fn handle(&mut self, message: Settle, ctx: &mut Self::Context) {
        self.settle(message, ctx);
    }
}

impl Handler<Heard> for Conversation {
    type Result = ();

    fn handle(&mut self, message: Heard, ctx: &mut Self::Context) {
        // Who numbers the entries here knows best.
        if self.serving.as_ref().is_ok_and(|it| !it.sequencer.is_here()) {
            self.on_head(message.head, ctx);
        }
    }
}

impl Handler<CheckSequencer> for Conversation {
    type Result = ();

    fn handle(&mut self, _: CheckSequencer, ctx: &mut Self::Context) {
        if self.serving.as_ref().is_ok_and(|serving| !serving.sequencer.connected()) {
            self.reopen(ctx);
        }
    }
}
