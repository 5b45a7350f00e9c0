//! A simulated conversation on one node: submits, delivers, repairs gaps, as the real actor does.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use schema::cluster::envelope::DraftResult;
use schema::record::{Draft, Entry};
use schema::wire::Refusal;
use schema::{ConversationId, Sequence, SequenceRange, UserId};

use super::actor::{Address, Child, Context, Observation};
use super::conversation_open::Opening;
use super::message::{Answered, Message, Reply, ToCommitter, ToConversation, ToInbox};
use super::message::{ToSequencer, ToSession};
use super::range_reads::RangeReads;
use super::store_model::{Answer, Ticket};
use crate::conversation::pending::{Pending, Waiting};
use crate::conversation::recent::Recent;
use crate::node::Submitted;
use crate::sequencer::{self, FromSequencer, News};

const TICK_MS: u64 = 250;

/// What a loaded conversation knows.
pub(super) struct Serving {
    /// Or who stands in for it.
    pub sequencer: Address,
    pub head: Sequence,
    /// The log reaches to here, at least: what lies between is being read.
    pub known_head: Sequence,
    pub repairing_since_ms: Option<u64>,
    pub claim: Option<Claim>,
    pub materialised: Sequence,
    pub recent: Recent,
    pub listeners: BTreeMap<UserId, Address>,
    pub pending: Pending<Reply>,
    pub reads: RangeReads,
    /// The last number that the present sequencer said is stored.
    pub stored: Sequence,
}

/// A reader has more than is known here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim {
    pub position: Sequence,
    pub since_ms: u64,
    /// The store was asked since, and does not show it.
    pub is_doubtful: bool,
}

impl Serving {
    #[must_use]
    pub fn is_here(&self) -> bool {
        matches!(self.sequencer.child, Child::Sequencer(_))
    }

    #[must_use]
    pub fn is_behind(&self) -> bool {
        self.head < self.known_head
    }
}

pub struct Conversation {
    pub(super) id: ConversationId,
    pub(super) opening: Option<Opening>,
    /// What came while a sequencer is looked for: nothing else happens then.
    held: VecDeque<Message>,
    /// `None` until loaded, and when it could not be.
    pub(super) serving: Option<Serving>,
    pub(super) life: u64,
    is_tick_armed: bool,
}

impl Conversation {
    #[must_use]
    pub const fn new(id: ConversationId) -> Self {
        Self {
            id,
            opening: None,
            held: VecDeque::new(),
            serving: None,
            life: 0,
            is_tick_armed: false,
        }
    }

    pub fn started(&mut self, ctx: &mut Context<'_>) {
        self.look_for_sequencer(ctx);
    }

    /// Who waits for a page or calls hears that no answer comes.
    pub fn stopped(&mut self, ctx: &mut Context<'_>) {
        for message in std::mem::take(&mut self.held) {
            if let Some((to, bounced)) = message.bounced(ctx.me) {
                ctx.tell(to, bounced);
            }
        }
        let Some(serving) = &mut self.serving else { return };
        for (session, socket) in serving.reads.pages() {
            ctx.tell(session, Message::no_page(socket, self.id));
        }
        for waiting in serving.pending.take_all() {
            if let Some((to, dropped)) = waiting.reply.dropped() {
                ctx.tell(to, dropped);
            }
        }
    }

    pub fn handle(&mut self, message: Message, ctx: &mut Context<'_>) {
        let for_opening = matches!(
            &message,
            Message::Conversation(ToConversation::Opened { .. } | ToConversation::OpenCheck { .. })
        );
        if self.opening.is_some() && !for_opening {
            return self.held.push_back(message);
        }
        self.take(message, ctx);
        while self.opening.is_none()
            && let Some(message) = self.held.pop_front()
        {
            self.take(message, ctx);
        }
    }

    fn take(&mut self, message: Message, ctx: &mut Context<'_>) {
        match message {
            Message::Answer(ticket, answer) => self.answered(ticket, answer, ctx),
            Message::Conversation(message) => self.told(message, ctx),
            _ => {}
        }
    }

    fn told(&mut self, message: ToConversation, ctx: &mut Context<'_>) {
        match message {
            ToConversation::Submit { draft, reply } => self.submit(draft, reply, ctx),
            ToConversation::News(news) => self.on_news(news, ctx),
            ToConversation::Opened { life, opened } => self.on_opened(life, &opened, ctx),
            ToConversation::OpenCheck { life } => self.check_opening(life, ctx),
            ToConversation::Join { user, session } => self.join(user, session, ctx),
            ToConversation::Leave { user, session } => {
                if let Some(serving) = &mut self.serving
                    && serving.listeners.get(&user) == Some(&session)
                {
                    serving.listeners.remove(&user);
                }
            }
            ToConversation::Read { session, socket, after } => {
                self.read_page(session, socket, after, ctx);
            }
            ToConversation::ReadAgain { first, last } => {
                if let Some(serving) = &self.serving {
                    serving.reads.again(self.id, SequenceRange::new(first, last), ctx);
                }
            }
            ToConversation::Repaired(entries) => self.on_repaired(entries, ctx),
            // Who numbers the entries here knows best.
            ToConversation::Heard(head) => {
                if self.serving.as_ref().is_some_and(|it| !it.is_here()) {
                    self.on_head(head, ctx);
                }
            }
            ToConversation::CheckSequencer => {
                let gone = |it: &Serving| !ctx.registry.is_alive(it.sequencer);
                if self.serving.as_ref().is_some_and(gone) {
                    self.look_for_sequencer(ctx);
                }
            }
            ToConversation::Settle => self.settle(ctx),
            ToConversation::Settled { up_to } => {
                ctx.observe(Observation::Settled { conversation: self.id, up_to });
            }
            ToConversation::Tick => {
                self.is_tick_armed = false;
                self.tick(ctx);
                self.repair(ctx);
                self.arm_tick(ctx);
            }
            ToConversation::Unload => self.unload(ctx),
            ToConversation::Failed => {
                // What came while it lingered reached nobody.
                self.missed(Sequence::START, ctx);
                ctx.stop();
            }
        }
    }

    fn answered(&mut self, ticket: Ticket, answer: Answer, ctx: &mut Context<'_>) {
        let Some(serving) = &mut self.serving else { return };
        match (ticket, answer) {
            (Ticket::Range(range), Answer::Entries(read)) => {
                for (then, entries) in serving.reads.done(range, read.ok(), ctx) {
                    self.after_read(then, entries, ctx);
                }
            }
            (Ticket::Claimed, Answer::Head(Ok(head))) => {
                if let Some(claim) = &mut serving.claim {
                    claim.is_doubtful = head < claim.position;
                }
                self.on_head(head, ctx);
            }
            _ => {}
        }
    }

    pub(super) fn join(&mut self, user: UserId, session: Address, ctx: &mut Context<'_>) {
        let Some(serving) = &mut self.serving else { return };
        let joined = ToSession::Joined { conversation: self.id, head: serving.head };
        if ctx.tell(session, Message::Session(joined)) {
            serving.listeners.insert(user, session);
        }
    }

    fn submit(&mut self, draft: Draft, reply: Reply, ctx: &mut Context<'_>) {
        let now = ctx.instant();
        let Some(serving) = &mut self.serving else {
            let refusal = Refusal::retry_later("the shard is not ready");
            return self.reply(&draft, &reply, Err(refusal), ctx);
        };
        let draft = Arc::new(draft);
        let token = serving.pending.add_at(draft.clone(), reply, now);
        let append = ToSequencer::Append { draft, token };
        if ctx.tell(serving.sequencer, Message::Sequencer(append)) {
            self.arm_tick(ctx);
        } else {
            self.look_for_sequencer(ctx);
        }
    }

    pub(super) fn answer(
        &mut self,
        token: u64,
        result: Result<Submitted, Refusal>,
        ctx: &mut Context<'_>,
    ) {
        let Some(serving) = &mut self.serving else { return };
        if let Some(Waiting { draft, reply, .. }) = serving.pending.take(token) {
            // One that was stored before it was sent again says nothing about the others.
            if result.as_ref().is_ok_and(|submitted| !submitted.duplicate) {
                serving.pending.note_stored(draft.sender_id, token);
            }
            self.reply(&draft, &reply, result, ctx);
        }
    }

    pub(super) fn reply(
        &self,
        draft: &Draft,
        reply: &Reply,
        result: Result<Submitted, Refusal>,
        ctx: &mut Context<'_>,
    ) {
        match *reply {
            Reply::Session { session, socket, reference } => {
                let message_id = draft.message_id;
                let conversation = self.id;
                let answered = Answered { socket, reference, conversation, message_id, result };
                ctx.tell(session, Message::Session(ToSession::Answered(answered)));
            }
            Reply::Job { inbox, job, at } => {
                let result = match result {
                    Ok(Submitted { seq, sent_at, duplicate }) => {
                        DraftResult::Stored { seq, sent_at, duplicate }
                    }
                    Err(refusal) => refusal.into(),
                };
                let answered = ToInbox::Answered { job, at, result };
                ctx.tell(inbox, Message::Inbox(answered));
            }
        }
    }

    fn on_news(&mut self, news: FromSequencer, ctx: &mut Context<'_>) {
        let Some(serving) = &mut self.serving else { return };
        if self.life != news.life {
            return;
        }
        match news.news {
            News::Refused { token, refusal } => self.answer(token, Err(refusal), ctx),
            News::Duplicate { token, known } => {
                let (seq, sent_at) = (known.seq, known.sent_at);
                self.answer(token, Ok(Submitted { seq, sent_at, duplicate: true }), ctx);
            }
            News::Answered(sequencer::Answer { token, known, duplicate }) => {
                let (seq, sent_at) = (known.seq, known.sent_at);
                self.answer(token, Ok(Submitted { seq, sent_at, duplicate }), ctx);
            }
            News::Head(head) => self.on_head(head, ctx),
            News::Stored { entries, answers } => self.stored(&entries, &answers, ctx),
            News::Materialised(seq) => serving.materialised = serving.materialised.max(seq),
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
        let Some(serving) = &mut self.serving else { return };
        serving.stored = entries.last().map_or(serving.stored, |last| last.seq);
        for &sequencer::Answer { token, known, duplicate } in answers {
            let (seq, sent_at) = (known.seq, known.sent_at);
            self.answer(token, Ok(Submitted { seq, sent_at, duplicate }), ctx);
        }
        self.arrive(entries, ctx);
    }

    pub(super) fn arm_tick(&mut self, ctx: &mut Context<'_>) {
        let needed =
            self.serving.as_ref().is_some_and(|it| !it.pending.is_empty() || it.is_behind());
        if !self.is_tick_armed && needed {
            self.is_tick_armed = true;
            ctx.later(TICK_MS, Message::Conversation(ToConversation::Tick));
        }
    }

    fn tick(&mut self, ctx: &mut Context<'_>) {
        let now = ctx.instant();
        let Some(serving) = &mut self.serving else { return };
        for waiting in serving.pending.expired(now) {
            let refusal = Refusal::retry_later("not stored in time");
            self.reply(&waiting.draft, &waiting.reply, Err(refusal), ctx);
        }
    }

    /// As after a long time without traffic.
    fn unload(&self, ctx: &mut Context<'_>) {
        let Some(serving) = &self.serving else { return };
        // The log's end must be in the store before it may leave memory.
        let is_ahead = serving.materialised < serving.head.max(serving.known_head);
        if is_ahead || !serving.pending.is_empty() {
            return;
        }
        let class = if serving.is_here() {
            super::faults::FaultClass::IdleUnload
        } else {
            super::faults::FaultClass::FollowerUnload
        };
        ctx.observe(Observation::Struck(class));
        ctx.tell(serving.sequencer, Message::Sequencer(ToSequencer::StopIdle));
        self.missed(serving.head, ctx);
        ctx.stop();
    }

    fn settle(&self, ctx: &mut Context<'_>) {
        let Some(serving) = self.serving.as_ref().filter(|it| it.is_here()) else { return };
        if let Some(committer) = ctx.committer(ctx.shard_of(self.id)) {
            let ask = ToCommitter::WhenMaterialised { asker: ctx.me, up_to: serving.stored };
            ctx.tell(committer, Message::Committer(ask));
        }
    }
}
