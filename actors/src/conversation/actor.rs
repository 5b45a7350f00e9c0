//! One conversation on this node: checks, submits, delivers, answers reads.

use std::sync::Arc;
use std::time::Duration;

use actix::{
    Actor, ActorContext as _, ActorFutureExt as _, Addr, AsyncContext as _, Context, Handler,
    Recipient, WrapFuture as _,
};
use schema::record::{Entry, Event};
use schema::wire::{ErrorCode, Refusal};
use schema::{ConnectionId, ConversationId, Sequence, SequenceRange, UserId, metric};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::fan_out::Listeners;
use super::gap::{Arrival, judge};
use super::load::{self, Loaded};
use super::messages::{
    Answered, CheckSequencer, Delivery, DeliveryItem, Describe, Described, Join, Joined, Leave,
    LogEntry, PageRead, Peek, Read, Settle, Submit, SubmitReply, ToMember,
};
use super::pending::{Pending, Waiting};
use super::read::{self, RangeRead, Reads};
use super::recent::Recent;
use super::registry::Audience;
use super::roster::{Roster, Visible};
use crate::committer::WhenMaterialised;
use crate::monitor::DeathNotice;
use crate::node::{HISTORY_PAGE_MAX, Page, Submitted};
use crate::ports::{MessageStore, RosterStore};
use crate::sequencer::{Answer, Append, FromSequencer, News, Opened, Sequencer, Sequencers, Stop};

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
}

/// A conversation that serves.
struct Serving {
    roster: Roster,
    sequencer: Addr<Sequencer>,
    life: u64,
    head: Sequence,
    materialised: Sequence,
    recent: Recent,
    listeners: Listeners,
    pending: Pending,
    reads: Reads,
}

/// The actor.
pub struct Conversation {
    id: ConversationId,
    context: Arc<ConversationContext>,
    /// `Err` until loaded, and when it could not be.
    serving: Result<Box<Serving>, Refusal>,
    tick_armed: bool,
    active_at: Instant,
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
                self.serving = Err(refusal);
                ctx.run_later(LINGER, |_, ctx| ctx.stop());
                return;
            }
        };
        let mut serving = Box::new(Serving {
            roster: loaded.roster,
            sequencer: loaded.sequencer,
            life: loaded.life,
            head: Sequence::START,
            materialised: loaded.opened.materialised,
            recent: Recent::default(),
            listeners: Listeners::default(),
            pending: Pending::default(),
            reads: Reads::default(),
        });
        serving.take_over_log(&loaded.opened);
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
            let busy = actor
                .serving
                .as_ref()
                .is_ok_and(|it| !it.pending.is_empty() || it.listeners.has_readers());
            if busy || actor.active_at.elapsed() < IDLE {
                return actor.check_idle(ctx);
            }
            if let Ok(serving) = &actor.serving {
                let _ = serving.sequencer.try_send(Stop::Idle);
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
                // What waits is answered `retry_later` at its deadline or by the next life.
                ctx.stop();
            }
        }));
    }

    fn on_reopened(
        &mut self,
        sequencer: Addr<Sequencer>,
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
        let Ok(serving) = &self.serving else { return };
        for (token, draft) in serving.pending.all() {
            let mut again = (*draft).clone();
            again.retry = true;
            let _ = serving.sequencer.try_send(Append { draft: Arc::new(again), token });
        }
    }

    fn submit(&mut self, submit: Submit, ctx: &mut Context<Self>) {
        self.active_at = Instant::now();
        let Submit { draft, reply } = submit;
        let checked = match &self.serving {
            Err(refusal) => Err(refusal.clone()),
            Ok(serving) if serving.pending.is_full() => {
                let text = "too many messages wait in this conversation";
                Err(Refusal::new(ErrorCode::Overloaded, text).retry_after_ms(500))
            }
            Ok(serving) => serving.roster.check(&draft, serving.head),
        };
        let (Ok(()), Ok(serving)) = (&checked, &mut self.serving) else {
            let refusal = checked.err().unwrap_or_else(Refusal::not_found);
            return reply.answer(self.id, draft.message_id, Err(refusal));
        };
        let draft = Arc::new(draft);
        let token = serving.pending.add(draft.clone(), reply);
        match serving.sequencer.try_send(Append { draft, token }) {
            Ok(()) => self.arm_tick(ctx),
            Err(actix::prelude::SendError::Full(_)) => {
                let text = "too many messages wait in this conversation";
                let refusal = Refusal::new(ErrorCode::Overloaded, text).retry_after_ms(500);
                self.answer(token, Err(refusal));
            }
            Err(actix::prelude::SendError::Closed(_)) => self.reopen(ctx),
        }
    }

    fn answer(&mut self, token: u64, result: Result<Submitted, Refusal>) {
        let Ok(serving) = &mut self.serving else { return };
        if let Some(Waiting { draft, reply, .. }) = serving.pending.take(token) {
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
    fn arrive(
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
            }
            Arrival::Gap(missing) => {
                metrics::counter!(metric::GAP_REPAIRS).increment(1);
                let all = SequenceRange::new(missing.first, last.seq);
                self.read_range(all, ctx, Repair);
            }
        }
        self.arm_tick(ctx);
    }

    fn arm_tick(&mut self, ctx: &mut Context<Self>) {
        let needed = self
            .serving
            .as_ref()
            .is_ok_and(|it| !it.pending.is_empty() || it.listeners.any_lagging());
        if self.tick_armed || !needed {
            return;
        }
        self.tick_armed = true;
        ctx.run_later(TICK, |actor, ctx| {
            actor.tick_armed = false;
            actor.tick();
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

    fn read(&mut self, read: Read, ctx: &mut Context<Self>) {
        self.active_at = Instant::now();
        let range = match self.readable(read.reader, read.page, read.limit) {
            Ok(range) => range,
            Err(refusal) => return drop(read.reply.send(Err(refusal))),
        };
        let (range, head) = range;
        self.read_range(range, ctx, PageAnswer { reply: read.reply, head });
    }

    /// The numbers that a page holds, and the last one that the reader may see.
    fn readable(
        &self,
        reader: UserId,
        page: Page,
        limit: u64,
    ) -> Result<(SequenceRange, Sequence), Refusal> {
        let serving = self.serving.as_ref().map_err(Clone::clone)?;
        let Visible { after, up_to } =
            serving.roster.visible(reader, serving.head).ok_or_else(Refusal::not_found)?;
        let limit = limit.clamp(1, HISTORY_PAGE_MAX);
        let range = match page {
            Page::After(position) => SequenceRange::above(position.max(after), limit, up_to),
            Page::Before(position) => {
                SequenceRange::below(position.min(up_to.next()), limit, after.next())
            }
            Page::Newest => SequenceRange::below(up_to.next(), limit, after.next()),
        };
        Ok((range, up_to))
    }

    /// Gives a stored range to `then`, from memory and, for what is older, the store.
    fn read_range(&mut self, range: SequenceRange, ctx: &mut Context<Self>, then: impl AfterRead) {
        let Ok(serving) = &mut self.serving else { return };
        let (older, held) =
            if range.is_empty() { (range, Vec::new()) } else { serving.recent.split(range) };
        if older.is_empty() {
            return then.go(self, Ok(held), ctx);
        }
        if serving.reads.is_full() {
            let full = crate::ports::StoreError::Unavailable("too many reads wait".into());
            return then.go(self, Err(full), ctx);
        }
        let address = ctx.address();
        let waiter = Box::new(move |read: RangeRead| {
            let read = read.map(|mut entries| {
                entries.extend(held);
                entries
            });
            then.later(&address, read);
        });
        if serving.reads.wait(older, waiter) {
            let read = read::range(self.context.messages.clone(), self.id, older);
            ctx.spawn(read.into_actor(self).map(move |read, actor, _| {
                if let Ok(serving) = &mut actor.serving {
                    serving.reads.done(older, &read);
                }
            }));
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

    fn settle(&mut self, settle: Settle) {
        let sequencers = &self.context.sequencers;
        let shard = sequencers.shard_of(self.id);
        if let Ok(committer) = sequencers.committers().get_or_start(shard) {
            let _ = committer.try_send(WhenMaterialised { done: settle.reply });
        }
    }
}

fn count_accepted(duplicate: bool) {
    let name = if duplicate { metric::SENDS_DUPLICATE } else { metric::SENDS_ACCEPTED };
    metrics::counter!(name).increment(1);
}

impl Serving {
    /// Starts from what the sequencer handed over: nobody listens yet.
    fn take_over_log(&mut self, opened: &Opened) {
        for entry in &opened.recent {
            self.roster.apply(entry);
            self.recent.push(Arc::new(LogEntry::new(entry.clone())), self.materialised);
        }
        self.head = opened.head;
    }

    fn deliver(
        &mut self,
        id: ConversationId,
        entries: &[Entry],
        origins: &[(Sequence, ConnectionId)],
        audience: &dyn Audience,
    ) {
        let mut items = Vec::with_capacity(entries.len());
        let mut removed: Vec<UserId> = Vec::new();
        for entry in entries {
            self.head = entry.seq;
            self.roster.apply(entry);
            let log = Arc::new(LogEntry::new(entry.clone()));
            self.recent.push(log.clone(), self.materialised);
            let origin = origins.iter().find(|(seq, _)| *seq == entry.seq).map(|(_, it)| *it);
            items.push(DeliveryItem { log, origin });
            if let Event::MembersChanged { added, removed: gone } = &entry.event {
                for member in added {
                    self.welcome(id, member.user_id, audience);
                }
                removed.extend(gone);
            }
        }
        self.listeners.deliver(&Delivery { conversation: id, items: items.into() });
        for user in removed.into_iter().filter(|user| !self.roster.is_member(*user)) {
            if let Some(listener) = self.listeners.remove(user) {
                let _ = listener.try_send(ToMember::Left { conversation: id });
            }
        }
    }

    /// A new member who is online hears of it before the entry that says so.
    fn welcome(&mut self, id: ConversationId, user: UserId, audience: &dyn Audience) {
        if let Some(listener) = audience.listener(user) {
            self.listeners.add(user, listener, false);
            self.tell_joined(id, user);
        }
    }

    fn tell_joined(&mut self, id: ConversationId, user: UserId) {
        if let Some(joined) = self.joined(id, user) {
            self.listeners.tell(user, ToMember::Joined(joined));
        }
    }

    fn joined(&self, id: ConversationId, user: UserId) -> Option<Joined> {
        let visible = self.roster.visible(user, self.head)?;
        Some(Joined {
            conversation: id,
            generation: self.roster.record.generation,
            head: visible.up_to,
            visible_after: visible.after,
        })
    }

    fn join(&mut self, id: ConversationId, join: &Join) -> Result<Joined, Refusal> {
        let member = self.roster.is_member(join.user);
        let may_read = member || (join.as_reader && self.may_read_channel(join.user));
        let joined = self.joined(id, join.user).filter(|_| may_read);
        let joined = joined.ok_or_else(Refusal::not_found)?;
        self.listeners.add(join.user, join.listener.clone(), !member);
        if join.reply.is_none() {
            self.listeners.tell(join.user, ToMember::Joined(joined));
        }
        Ok(joined)
    }

    /// Channels are open to all, but not to those who were removed.
    fn may_read_channel(&self, user: UserId) -> bool {
        self.roster.record.kind == schema::record::ConversationKind::Channel
            && self.roster.get(user).is_none()
    }

    fn described(&self, reader: UserId) -> Result<Described, Refusal> {
        let membership = self.roster.get(reader).filter(|it| it.is_current()).copied();
        if membership.is_none() && !self.may_read_channel(reader) {
            return Err(Refusal::not_found());
        }
        let members = match membership {
            Some(_) => self.roster.current().copied().collect(),
            None => Vec::new(),
        };
        Ok(Described { record: self.roster.record.clone(), membership, members, head: self.head })
    }
}

impl SubmitReply {
    fn answer(
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

/// What happens with a range once read.
trait AfterRead: 'static {
    fn go(self, actor: &mut Conversation, read: RangeRead, ctx: &mut Context<Conversation>);
    /// The same, when the answer comes from the store.
    fn later(self, actor: &Addr<Conversation>, read: RangeRead);
}

/// A reader waits.
struct PageAnswer {
    reply: oneshot::Sender<Result<PageRead, Refusal>>,
    head: Sequence,
}

impl PageAnswer {
    fn answer(self, read: RangeRead) {
        let page = match read {
            Ok(entries) => Ok(PageRead { entries, head: self.head }),
            Err(error) => Err(load::unavailable(&error)),
        };
        let _ = self.reply.send(page);
    }
}

impl AfterRead for PageAnswer {
    fn go(self, _: &mut Conversation, read: RangeRead, _: &mut Context<Conversation>) {
        self.answer(read);
    }

    fn later(self, _: &Addr<Conversation>, read: RangeRead) {
        self.answer(read);
    }
}

/// The conversation itself missed entries.
struct Repair;

impl AfterRead for Repair {
    fn go(self, actor: &mut Conversation, read: RangeRead, ctx: &mut Context<Conversation>) {
        if let Ok(entries) = read {
            let entries: Arc<[Entry]> = entries.iter().map(|log| log.entry.clone()).collect();
            actor.arrive(&entries, &[], ctx);
        }
    }

    fn later(self, actor: &Addr<Conversation>, read: RangeRead) {
        if let Ok(entries) = read {
            let _ = actor.try_send(Repaired(entries));
        }
    }
}

/// A missing range was read.
#[derive(actix::Message)]
#[rtype(result = "()")]
struct Repaired(Vec<Arc<LogEntry>>);

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
        self.submit(message, ctx);
    }
}

impl Handler<FromSequencer> for Conversation {
    type Result = ();

    fn handle(&mut self, message: FromSequencer, ctx: &mut Self::Context) {
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
            News::Stored { entries, answers } => self.stored(&entries, &answers, ctx),
            News::Materialised(seq) => serving.materialised = serving.materialised.max(seq),
            News::Ended => self.reopen(ctx),
        }
    }
}

impl Handler<Repaired> for Conversation {
    type Result = ();

    fn handle(&mut self, message: Repaired, ctx: &mut Self::Context) {
        Repair.go(self, Ok(message.0), ctx);
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
        let peeked = self.serving.as_ref().ok().and_then(|serving| {
            let visible = serving.roster.visible(message.reader, serving.head)?;
            Some((visible.up_to, serving.recent.get(visible.up_to).cloned()))
        });
        let _ = message.reply.send(peeked);
    }
}

impl Handler<Settle> for Conversation {
    type Result = ();

    fn handle(&mut self, message: Settle, _: &mut Self::Context) {
        self.settle(message);
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
