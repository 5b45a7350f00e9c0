//! Stands in for a sequencer on another node: forwards drafts to the shard's owner, passes on
//! what it announces.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix::{
    Actor, ActorContext as _, ActorFutureExt as _, AsyncContext as _, Context, Handler, Message,
    Recipient, WrapFuture as _,
};
use schema::cluster::envelope::{NodeFrame, Submit, Submitted};
use schema::record::Entry;
use schema::wire::{ErrorCode, Refusal};
use schema::{ConversationId, Sequence, metric};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::actor::{SequencerContext, read_newest};
use super::forwarding::{Batch, Forwarding, Outcome};
use super::messages::{Append, FromSequencer, News, Open, Opened, Stop};
use crate::monitor::trace::{self, Station};
use crate::monitor::{DeathNotice, handled};
use crate::peers::Follow;
use crate::ports::Owner;

const MAILBOX: usize = 4096;
/// Entries announced before the log was read; what comes beyond is read from the store.
const EARLY_MAX: usize = 1_024;
/// The store shows announced entries after about this time: then they need not be kept here.
const MATERIALISED: Duration = Duration::from_secs(2);

/// Later askers have larger numbers, so that an owner can tell old batches from new ones.
static LAST_ASKER: AtomicU64 = AtomicU64::new(0);

/// What other nodes say about one conversation.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub enum FromOwner {
    /// Consecutive stored entries.
    Announced(Arc<[Entry]>),
    /// The log reaches to here.
    Head(Sequence),
    /// The answer to a batch.
    Submitted(Submitted),
    /// The shard may have another owner now.
    OwnerChanged,
}

/// The stand-in.
pub struct RemoteSequencer {
    conversation_id: ConversationId,
    shard: u32,
    context: SequencerContext,
    owner: Owner,
    asker: u64,
    began: Instant,
    conversation: Option<Recipient<FromSequencer>>,
    life: u64,
    /// The log was read and handed over.
    is_open: bool,
    early: Vec<Entry>,
    head: Sequence,
    materialised: Sequence,
    forwarding: Forwarding,
    wake_armed_ms: Option<u64>,
    materialised_armed: bool,
    follow: Option<Follow>,
    _notice: DeathNotice,
}

impl RemoteSequencer {
    #[must_use]
    pub fn new(
        conversation_id: ConversationId,
        shard: u32,
        context: SequencerContext,
        notice: DeathNotice,
    ) -> Self {
        let owner = context.owner(shard);
        Self {
            conversation_id,
            shard,
            context,
            owner,
            asker: LAST_ASKER.fetch_add(1, Ordering::Relaxed) + 1,
            began: Instant::now(),
            conversation: None,
            life: 0,
            is_open: false,
            early: Vec::new(),
            head: Sequence::START,
            materialised: Sequence::START,
            forwarding: Forwarding::default(),
            wake_armed_ms: None,
            materialised_armed: false,
            follow: None,
            _notice: notice,
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn tell(&self, news: News, ctx: &mut Context<Self>) {
        let news = FromSequencer { life: self.life, news };
        if self.conversation.as_ref().is_some_and(|it| it.try_send(news).is_err()) {
            // A conversation that missed news starts over with the next one.
            ctx.stop();
        }
    }

    fn end(&self, ctx: &mut Context<Self>) {
        self.tell(News::Ended, ctx);
        ctx.stop();
    }

    /// Follows first, reads second: what is stored in between is announced or in the store.
    fn open(&mut self, opened: oneshot::Sender<Opened>, ctx: &mut Context<Self>) {
        let peers = self.context.committers.peers();
        self.follow = peers.follow(self.conversation_id, self.shard, Sequence::START);
        let read = read_newest(self.context.messages.clone(), self.conversation_id);
        ctx.spawn(read.into_actor(self).map(move |newest, actor, ctx| match newest {
            Ok((head, recent)) => actor.begin(head, recent, opened, ctx),
            Err(error) => {
                tracing::warn!(%error, "a log could not be read");
                actor.end(ctx);
            }
        }));
    }

    fn begin(
        &mut self,
        head: Sequence,
        mut recent: Vec<Entry>,
        opened: oneshot::Sender<Opened>,
        ctx: &mut Context<Self>,
    ) {
        (self.head, self.materialised, self.is_open) = (head, head, true);
        let mut beyond = head;
        for entry in std::mem::take(&mut self.early) {
            beyond = beyond.max(entry.seq);
            if entry.seq == self.head.next() {
                self.head = entry.seq;
                recent.push(entry);
            }
        }
        let _ = opened.send(Opened { head: self.head, recent, materialised: head });
        let heard = self.context.committers.peers().head(self.conversation_id);
        let beyond = beyond.max(heard.unwrap_or_default());
        if beyond > self.head {
            self.tell(News::Head(beyond), ctx);
        }
        self.look_for_materialised(ctx);
        self.forward(ctx);
    }

    fn announced(&mut self, entries: Arc<[Entry]>, ctx: &mut Context<Self>) {
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
    fn look_for_materialised(&mut self, ctx: &mut Context<Self>) {
        if self.materialised_armed || self.materialised >= self.head {
            return;
        }
        self.materialised_armed = true;
        ctx.run_later(MATERIALISED, |actor, ctx| {
            let head = actor.context.messages.head(actor.conversation_id);
            ctx.spawn(head.into_actor(actor).map(|head, actor, ctx| {
                actor.materialised_armed = false;
                if let Ok(head) = head
                    && head > actor.materialised
                {
                    actor.materialised = head;
                    actor.tell(News::Materialised(head), ctx);
                }
                actor.look_for_materialised(ctx);
            }));
        });
    }

    fn append(&mut self, append: Append, ctx: &mut Context<Self>) {
        if self.forwarding.len() >= MAILBOX {
            let text = "the shard's owner is behind";
            let refusal = Refusal::new(ErrorCode::Overloaded, text).retry_after_ms(500);
            return self.tell(News::Refused { token: append.token, refusal }, ctx);
        }
        trace::enter(append.draft.message_id, Station::Forward);
        self.forwarding.push(append.token, append.draft, self.now_ms());
        self.forward(ctx);
    }

    /// Sends what waits, if nothing is on its way and the owner is known.
    fn forward(&mut self, ctx: &mut Context<Self>) {
        let Owner::Elsewhere(_) = self.owner else { return };
        if self.is_open
            && let Some(batch) = self.forwarding.next(self.now_ms())
        {
            self.send(batch);
        }
        self.arm_wake(ctx);
    }

    fn send(&self, batch: Batch) {
        let Owner::Elsewhere(owner) = self.owner else { return };
        let name =
            if batch.attempt == 0 { metric::SENDS_FORWARDED } else { metric::FORWARDS_REPEATED };
        metrics::counter!(name).increment(if batch.attempt == 0 {
            batch.drafts.len() as u64
        } else {
            1
        });
        let messages = batch.drafts.iter().map(|draft| draft.message_id);
        let traces = trace::contexts(messages, Station::Forward);
        let submit = Submit {
            conversation_id: self.conversation_id,
            asker: self.asker,
            batch: batch.number,
            attempt: batch.attempt,
            activation: batch.activation,
            drafts: batch.drafts,
            traces,
        };
        self.context.committers.peers().tell(owner, &NodeFrame::Submit(submit));
    }

    fn arm_wake(&mut self, ctx: &mut Context<Self>) {
        let Some(at_ms) = self.forwarding.wake_at_ms() else { return };
        if self.wake_armed_ms.is_some_and(|armed| armed <= at_ms) {
            return;
        }
        self.wake_armed_ms = Some(at_ms);
        let wait = Duration::from_millis(at_ms.saturating_sub(self.now_ms()));
        ctx.run_later(wait, move |actor, ctx| {
            if actor.wake_armed_ms == Some(at_ms) {
                actor.wake_armed_ms = None;
            }
            actor.owner_changed(ctx);
            let now_ms = actor.now_ms();
            actor.forwarding.expire(now_ms);
            if let Some(batch) = actor.forwarding.due(now_ms) {
                actor.send(batch);
            }
            actor.forward(ctx);
        });
    }

    fn settle(&self, outcomes: Vec<Outcome>, ctx: &mut Context<Self>) {
        for outcome in outcomes {
            match outcome {
                Outcome::Answered(answer) => self.tell(News::Answered(answer), ctx),
                Outcome::Refused { token, refusal } => {
                    self.tell(News::Refused { token, refusal }, ctx);
                }
            }
        }
    }

    fn submitted(&mut self, submitted: &Submitted, ctx: &mut Context<Self>) {
        if submitted.asker != self.asker {
            return;
        }
        let outcomes = self.forwarding.answered(submitted, self.now_ms());
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

    fn owner_changed(&mut self, ctx: &mut Context<Self>) {
        let owner = self.context.owner(self.shard);
        if owner == self.owner {
            return;
        }
        self.owner = owner;
        if owner == Owner::Here {
            return self.end(ctx);
        }
        let outcomes = self.forwarding.owner_changed();
        self.settle(outcomes, ctx);
        metrics::counter!(metric::FORWARDS_REPEATED).increment(1);
        self.forward(ctx);
    }
}

impl Drop for RemoteSequencer {
    fn drop(&mut self) {
        // What waits in the mailbox is lost with it.
        self.context.committers.peers().missed(self.conversation_id, self.head);
    }
}

impl Actor for RemoteSequencer {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX);
        // It may have changed before this actor could be told.
        self.owner_changed(ctx);
    }
}

impl Handler<Open> for RemoteSequencer {
    type Result = ();

    fn handle(&mut self, message: Open, ctx: &mut Self::Context) {
        if self.conversation.is_some() {
            // A second life of the conversation wants the whole picture: the next one has it.
            return ctx.stop();
        }
        (self.conversation, self.life) = (Some(message.conversation), message.life);
        if self.owner == Owner::Here {
            return self.end(ctx);
        }
        self.open(message.opened, ctx);
    }
}

impl Handler<Append> for RemoteSequencer {
    type Result = ();

    fn handle(&mut self, message: Append, ctx: &mut Self::Context) {
        handled();
        self.append(message, ctx);
    }
}

crate::answer_probes!(RemoteSequencer);

impl Handler<Stop> for RemoteSequencer {
    type Result = ();

    fn handle(&mut self, message: Stop, ctx: &mut Self::Context) {
        match message {
            Stop::Abandoned => self.end(ctx),
            Stop::Idle if self.forwarding.is_empty() => ctx.stop(),
            Stop::Idle => {}
        }
    }
}

impl Handler<FromOwner> for RemoteSequencer {
    type Result = ();

    fn handle(&mut self, message: FromOwner, ctx: &mut Self::Context) {
        handled();
        match message {
            FromOwner::Announced(entries) => self.announced(entries, ctx),
            FromOwner::Head(seq) if self.is_open && seq > self.head => {
                self.tell(News::Head(seq), ctx);
            }
            FromOwner::Head(_) => {}
            FromOwner::Submitted(submitted) => self.submitted(&submitted, ctx),
            FromOwner::OwnerChanged => self.owner_changed(ctx),
        }
    }
}
