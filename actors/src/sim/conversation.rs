//! A simulated conversation on one node: submits, delivers, repairs gaps, as the real actor does.
//! Where its shard's owner is another node, it forwards drafts there and lives on announcements.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use schema::record::{Draft, Entry};
use schema::wire::Refusal;
use schema::{ConversationId, Sequence, SequenceRange, UserId};

use super::actor::{Address, Child, Context, Observation};
use super::conversation_route::{Forwarding, Opening, Route};
use super::message::{Answered, Message, Reply, ToCommitter, ToConversation};
use super::message::{ToSequencer, ToSession};
use super::range_reads::RangeReads;
use super::store_model::{Answer, Call, Ticket};
use crate::conversation::LogEntry;
use crate::conversation::recent::Recent;
use crate::node::Submitted;
use crate::sequencer::{self, FromSequencer, News, Opened};

const TICK_MS: u64 = 250;
/// A draft unanswered for longer is answered `retry_later`.
const DEADLINE_MS: u64 = 10_000;
/// How often the head is told to the other nodes, or read from the store.
const BEAT_MS: u64 = 2_000;
/// One that could not be loaded answers for this long, then goes.
const LINGER_MS: u64 = 200;

/// One draft and who asked.
pub(super) struct Waiting {
    pub draft: Draft,
    pub reply: Reply,
    pub deadline_ms: u64,
}

pub struct Conversation {
    pub(super) id: ConversationId,
    pub(super) route: Route,
    pub(super) opening: Option<Opening>,
    /// What came while a sequencer is looked for: nothing else happens then.
    held: VecDeque<Message>,
    pub(super) is_loaded: bool,
    has_failed: bool,
    pub(super) life: u64,
    pub(super) head: Sequence,
    pub(super) materialised: Sequence,
    pub(super) recent: Recent,
    pub(super) listeners: BTreeMap<UserId, Address>,
    pub(super) pending: BTreeMap<u64, Waiting>,
    last_token: u64,
    pub(super) reads: RangeReads,
    pub(super) forwarding: Forwarding,
    /// The last number that the present sequencer said is stored.
    stored: Sequence,
    is_tick_armed: bool,
}

impl Conversation {
    #[must_use]
    pub fn new(id: ConversationId) -> Self {
        Self {
            id,
            route: Route::Nowhere,
            opening: None,
            held: VecDeque::new(),
            is_loaded: false,
            has_failed: false,
            life: 0,
            head: Sequence::START,
            materialised: Sequence::START,
            recent: Recent::default(),
            listeners: BTreeMap::new(),
            pending: BTreeMap::new(),
            last_token: 0,
            reads: RangeReads::default(),
            forwarding: Forwarding::default(),
            stored: Sequence::START,
            is_tick_armed: false,
        }
    }

    pub fn started(&mut self, ctx: &mut Context<'_>) {
        self.look_for_sequencer(ctx);
        if !ctx.schedule.is_embedded {
            ctx.later(BEAT_MS, Message::Conversation(ToConversation::Beat));
        }
    }

    /// Who waits for a page hears that none comes.
    pub fn stopped(&mut self, ctx: &mut Context<'_>) {
        for (session, socket) in self.reads.pages() {
            ctx.tell(session, Message::no_page(socket, self.id));
        }
        for message in std::mem::take(&mut self.held) {
            if let Some((to, bounced)) = message.bounced(ctx.me) {
                ctx.tell(to, bounced);
            }
        }
    }

    pub fn handle(&mut self, message: Message, ctx: &mut Context<'_>) {
        let for_opening = matches!(
            &message,
            Message::Conversation(ToConversation::Opened { .. } | ToConversation::OpenCheck { .. })
                | Message::Answer(Ticket::NewestHead | Ticket::Newest(_), _)
        );
        if self.opening.is_some() && !for_opening {
            return self.hold(message);
        }
        self.take(message, ctx);
        while self.opening.is_none()
            && let Some(message) = self.held.pop_front()
        {
            self.take(message, ctx);
        }
    }

    /// A draft that came before its sequencer may have been stored by another owner since, when its
    /// client sent it again elsewhere: the sequencer must look.
    fn hold(&mut self, mut message: Message) {
        if let Message::Conversation(ToConversation::Submit { draft, .. }) = &mut message {
            draft.retry = true;
        }
        self.held.push_back(message);
    }

    fn take(&mut self, message: Message, ctx: &mut Context<'_>) {
        match message {
            Message::Answer(ticket, answer) => self.answered(ticket, answer, ctx),
            Message::Conversation(message) => self.told(message, ctx),
            _ => {}
        }
    }

    fn told(&mut self, message: ToConversation, ctx: &mut Context<'_>) {
        if !self.is_loaded && !message.is_for_unloaded() {
            return;
        }
        match message {
            ToConversation::Submit { draft, reply } => self.submit(draft, reply, ctx),
            ToConversation::News(news) => self.on_news(news, ctx),
            ToConversation::Opened { life, opened } => self.on_opened(life, &opened, ctx),
            ToConversation::OpenCheck { life } => self.check_opening(life, ctx),
            ToConversation::Join { user, session } => self.join(user, session, ctx),
            ToConversation::Leave { user, session } => {
                if self.listeners.get(&user) == Some(&session) {
                    self.listeners.remove(&user);
                }
            }
            ToConversation::Read { session, socket, after } => {
                self.read_page(session, socket, after, ctx);
            }
            ToConversation::ReadAgain { first, last } => {
                self.reads.again(self.id, SequenceRange::new(first, last), ctx);
            }
            ToConversation::CheckSequencer => {
                if let Route::Here(sequencer) = self.route
                    && !ctx.registry.is_alive(sequencer)
                {
                    self.look_for_sequencer(ctx);
                }
            }
            ToConversation::Settle => self.settle(ctx),
            ToConversation::Settled { up_to } => {
                ctx.observe(Observation::Settled { conversation: self.id, up_to });
            }
            ToConversation::Announced(entries) => self.arrive(&entries, ctx),
            ToConversation::Head(head) => self.hear_of(head, ctx),
            ToConversation::RouteChanged => self.follow_hint(ctx),
            ToConversation::Forwarded { token, result } => {
                self.on_forwarded(token, result, ctx);
            }
            ToConversation::Moved { batch } => self.on_moved(batch, ctx),
            ToConversation::ForwardAgain { batch } => self.forward_again(batch, ctx),
            ToConversation::Tick => self.tick(ctx),
            ToConversation::Beat => self.beat(ctx),
            ToConversation::Unload => self.unload(ctx),
            ToConversation::Failed => ctx.stop(),
        }
    }

    fn answered(&mut self, ticket: Ticket, answer: Answer, ctx: &mut Context<'_>) {
        match (ticket, answer) {
            (Ticket::Range(range), Answer::Entries(read)) => {
                for (then, entries) in self.reads.done(range, read.ok(), ctx) {
                    self.after_read(then, entries, ctx);
                }
            }
            (Ticket::Poll, Answer::Head(Ok(head))) => self.hear_of(head, ctx),
            (ticket, answer) => self.on_loaded_elsewhere(ticket, answer, ctx),
        }
    }

    /// No sequencer was found in time.
    pub(super) fn fail(&mut self, ctx: &mut Context<'_>) {
        if self.is_loaded {
            return ctx.stop();
        }
        self.has_failed = true;
        ctx.later(LINGER_MS, Message::Conversation(ToConversation::Failed));
    }

    /// Starts from what the sequencer or the store says, or goes on from it.
    pub(super) fn start_from(&mut self, opened: &Opened, ctx: &mut Context<'_>) {
        self.materialised = self.materialised.max(opened.materialised);
        self.stored = opened.head;
        if self.is_loaded {
            let news: Arc<[Entry]> =
                opened.recent.iter().filter(|it| it.seq > self.head).cloned().collect();
            self.arrive(&news, ctx);
            return self.ask_again(ctx);
        }
        self.is_loaded = true;
        for entry in &opened.recent {
            self.recent.push(Arc::new(LogEntry::new(entry.clone())), self.materialised);
        }
        self.head = opened.head;
        let sessions: Vec<Address> = ctx.registry.all().collect();
        for session in sessions {
            if let Child::Session(user) = session.child {
                self.join(user, session, ctx);
            }
        }
    }

    fn join(&mut self, user: UserId, session: Address, ctx: &mut Context<'_>) {
        if !self.is_loaded {
            return;
        }
        let joined = ToSession::Joined { conversation: self.id, head: self.head };
        if ctx.tell(session, Message::Session(joined)) {
            self.listeners.insert(user, session);
        }
    }

    fn submit(&mut self, draft: Draft, reply: Reply, ctx: &mut Context<'_>) {
        if self.has_failed {
            let refusal = Refusal::retry_later("the shard is not ready");
            return self.reply(&draft, reply, Err(refusal), ctx);
        }
        self.last_token += 1;
        let token = self.last_token;
        let deadline_ms = ctx.now_ms + DEADLINE_MS;
        self.pending.insert(token, Waiting { draft: draft.clone(), reply, deadline_ms });
        self.arm_tick(ctx);
        match self.route {
            Route::Here(sequencer) => {
                let append = ToSequencer::Append { draft: Arc::new(draft), token };
                if !ctx.tell(sequencer, Message::Sequencer(append)) {
                    self.look_for_sequencer(ctx);
                }
            }
            Route::Elsewhere(_) => self.forward(ctx),
            Route::Nowhere => {}
        }
    }

    pub(super) fn answer(
        &mut self,
        token: u64,
        result: Result<Submitted, Refusal>,
        ctx: &mut Context<'_>,
    ) {
        if let Some(Waiting { draft, reply, .. }) = self.pending.remove(&token) {
            self.reply(&draft, reply, result, ctx);
        }
    }

    fn reply(
        &self,
        draft: &Draft,
        reply: Reply,
        result: Result<Submitted, Refusal>,
        ctx: &mut Context<'_>,
    ) {
        match reply {
            Reply::Session { session, socket, reference } => {
                let message_id = draft.message_id;
                let conversation = self.id;
                let answered = Answered { socket, reference, conversation, message_id, result };
                ctx.tell(session, Message::Session(ToSession::Answered(answered)));
            }
            Reply::Node { node, asker, token } => ctx.forwarded(node, asker, token, result),
        }
    }

    fn on_news(&mut self, news: FromSequencer, ctx: &mut Context<'_>) {
        if self.life != news.life || !matches!(self.route, Route::Here(_)) {
            return;
        }
        match news.news {
            // Only stand-ins for other nodes say these; forwarding is simulated by itself.
            News::Answered(_) | News::Head(_) => {}
            News::Refused { token, refusal } => self.answer(token, Err(refusal), ctx),
            News::Duplicate { token, known } => {
                let (seq, sent_at) = (known.seq, known.sent_at);
                self.answer(token, Ok(Submitted { seq, sent_at, duplicate: true }), ctx);
            }
            News::Stored { entries, answers } => self.stored(&entries, &answers, ctx),
            News::Materialised(seq) => self.materialised = self.materialised.max(seq),
            News::Ended => self.look_for_sequencer(ctx),
        }
    }

    /// Entries are stored: answer their senders, then deliver.
    fn stored(
        &mut self,
        entries: &Arc<[Entry]>,
        answers: &[sequencer::Answer],
        ctx: &mut Context<'_>,
    ) {
        self.stored = entries.last().map_or(self.stored, |last| last.seq);
        for &sequencer::Answer { token, known, duplicate } in answers {
            let (seq, sent_at) = (known.seq, known.sent_at);
            self.answer(token, Ok(Submitted { seq, sent_at, duplicate }), ctx);
        }
        self.arrive(entries, ctx);
    }

    fn arm_tick(&mut self, ctx: &mut Context<'_>) {
        if !self.is_tick_armed && !self.pending.is_empty() {
            self.is_tick_armed = true;
            ctx.later(TICK_MS, Message::Conversation(ToConversation::Tick));
        }
    }

    fn tick(&mut self, ctx: &mut Context<'_>) {
        self.is_tick_armed = false;
        let now_ms = ctx.now_ms;
        let expired: Vec<u64> = self
            .pending
            .iter()
            .filter(|(_, waiting)| waiting.deadline_ms <= now_ms)
            .map(|(token, _)| *token)
            .collect();
        for token in expired {
            self.answer(token, Err(Refusal::retry_later("not stored in time")), ctx);
        }
        self.arm_tick(ctx);
    }

    /// Announces the head from the shard's owner, and reads it from the store: an owner that has
    /// nothing to commit does not notice that it is none any more.
    fn beat(&mut self, ctx: &mut Context<'_>) {
        ctx.later(BEAT_MS, Message::Conversation(ToConversation::Beat));
        if matches!(self.route, Route::Here(_)) {
            ctx.announce_head(self.id, self.head);
        }
        ctx.call(Ticket::Poll, Call::Head(self.id));
    }

    fn unload(&self, ctx: &mut Context<'_>) {
        // Who comes while it is unloaded learns from the tables how far the log goes.
        let is_shown = self.head <= self.materialised || !matches!(self.route, Route::Here(_));
        if !self.pending.is_empty() || !is_shown {
            return;
        }
        if let Route::Here(sequencer) = self.route {
            ctx.tell(sequencer, Message::Sequencer(ToSequencer::StopIdle));
        }
        ctx.stop();
    }

    fn settle(&self, ctx: &mut Context<'_>) {
        if self.is_loaded && matches!(self.route, Route::Here(_)) {
            let committer = ctx.registry.get_or_start(Child::Committer(ctx.shard_of(self.id)));
            let ask = ToCommitter::WhenMaterialised { asker: ctx.me, up_to: self.stored };
            ctx.tell(committer, Message::Committer(ask));
        }
    }
}
