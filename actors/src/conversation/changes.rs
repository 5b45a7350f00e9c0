//! Changes of messages: judged by the message that they change, shown with the pages that hold it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use actix::{ActorFutureExt as _, AsyncContext as _, Context, WrapFuture as _};
use schema::record::{Entry, Event, MessageBody, MessageState, message_state};
use schema::wire::{ErrorCode, Refusal};
use schema::{ConversationId, Sequence, SequenceRange, UserId};
use tokio::time::timeout;

use super::actor::Conversation;
use super::blocks;
use super::forward;
use super::load;
use super::messages::{LogEntry, Submit};
use super::read::{self, RangeRead};
use crate::ports::{MessageStore, StoreError};

/// Drafts of one conversation that may wait for the messages they change, and behind those.
const HELD_MAX: usize = 1_024;
/// Changes of a page are read within this time.
const DEADLINE: Duration = Duration::from_secs(5);

/// Senders whose change waits for the message that it changes, with what they sent since.
#[derive(Default)]
pub(super) struct Judging {
    held: BTreeMap<UserId, VecDeque<Submit>>,
    count: usize,
}

impl Judging {
    pub fn is_idle(&self) -> bool {
        self.held.is_empty()
    }

    fn is_full(&self) -> bool {
        self.count >= HELD_MAX
    }

    /// Keeps a draft behind the one of its sender that waits; gives it back when none does.
    fn behind(&mut self, submit: Submit) -> Option<Submit> {
        let Some(queue) = self.held.get_mut(&submit.draft.sender_id) else { return Some(submit) };
        queue.push_back(submit);
        self.count += 1;
        None
    }

    fn hold(&mut self, submit: Submit) {
        self.held.entry(submit.draft.sender_id).or_default().push_back(submit);
        self.count += 1;
    }

    fn take(&mut self, sender: UserId) -> VecDeque<Submit> {
        let queue = self.held.remove(&sender).unwrap_or_default();
        self.count -= queue.len();
        queue
    }
}

impl Conversation {
    /// Passes a draft on once the message that it changes is at hand. What one sender sends keeps
    /// its order.
    pub(super) fn judge(&mut self, submit: Submit, ctx: &mut Context<Self>) {
        let Ok(serving) = &mut self.serving else { return self.admit(submit, None, ctx) };
        // The owner of the shard judges.
        if !serving.sequencer.is_here() {
            return self.admit(submit, None, ctx);
        }
        if serving.judging.is_full() {
            let text = "too many messages wait in this conversation";
            let refusal = Refusal::new(ErrorCode::Overloaded, text).retry_after_ms(500);
            return self.refuse(submit, refusal);
        }
        let Some(submit) = serving.judging.behind(submit) else { return };
        if let Some(read) = self.read_blocks() {
            return self.judge_after(read, submit, ctx);
        }
        let Ok(serving) = &mut self.serving else { return };
        let (draft, head) = (&submit.draft, serving.head);
        if let Event::Message(MessageBody { forwarded_from: Some(original), content, .. }) =
            &draft.event
        {
            if let Err(refusal) = serving.roster.check(draft, head) {
                return self.refuse(submit, refusal);
            }
            let (sender, context) = (draft.sender_id, self.context.clone());
            let checked = forward::check(context, sender, **original, content.clone());
            serving.judging.hold(submit);
            ctx.spawn(checked.into_actor(self).map(move |checked, actor, ctx| {
                actor.on_judged(sender, ctx, |actor, first, ctx| match checked {
                    Ok(()) => actor.admit(first, None, ctx),
                    Err(refusal) if refusal.code.is_temporary() => actor.refuse(first, refusal),
                    Err(refusal) => actor.refuse_unless_stored(first, refusal, ctx),
                });
            }));
            return;
        }
        let Some(target) = draft.event.target() else { return self.admit(submit, None, ctx) };
        if let Err(refusal) = serving.roster.check(draft, head) {
            return self.refuse(submit, refusal);
        }
        if let Some(log) = serving.recent.get(target).cloned() {
            return self.admit(submit, Some(&log), ctx);
        }
        let sender = draft.sender_id;
        serving.judging.hold(submit);
        let range = SequenceRange::new(target, target);
        let looked = read::range(self.context.messages.clone(), self.id, range);
        ctx.spawn(
            looked.into_actor(self).map(move |read, actor, ctx| actor.on_looked(sender, read, ctx)),
        );
    }

    /// Judges a draft once it is known who is blocked.
    fn judge_after(
        &mut self,
        read: impl Future<Output = blocks::Found> + 'static,
        submit: Submit,
        ctx: &mut Context<Self>,
    ) {
        let Ok(serving) = &mut self.serving else { return };
        let sender = submit.draft.sender_id;
        serving.judging.hold(submit);
        ctx.spawn(read.into_actor(self).map(move |found, actor, ctx| {
            let noted = actor.note_blocks(found);
            actor.on_judged(sender, ctx, |actor, first, ctx| match noted {
                Ok(()) => actor.judge(first, ctx),
                Err(error) => actor.refuse(first, load::unavailable(&error)),
            });
        }));
    }

    /// The message that a sender's first held draft changes was read.
    fn on_looked(&mut self, sender: UserId, read: RangeRead, ctx: &mut Context<Self>) {
        self.on_judged(sender, ctx, |actor, first, ctx| {
            match read.as_ref().map(|entries| entries.first()) {
                Ok(Some(log)) => actor.admit(first, Some(log), ctx),
                Ok(None) => actor.refuse_unless_stored(first, Refusal::not_found(), ctx),
                Err(error) => actor.refuse(first, load::unavailable(error)),
            }
        });
    }

    /// What a sender's first held draft waited for is known: it goes on, and those behind it.
    fn on_judged(
        &mut self,
        sender: UserId,
        ctx: &mut Context<Self>,
        decide: impl FnOnce(&mut Self, Submit, &mut Context<Self>),
    ) {
        let Ok(serving) = &mut self.serving else { return };
        let mut queue = serving.judging.take(sender);
        if let Some(first) = queue.pop_front() {
            decide(self, first, ctx);
        }
        for submit in queue {
            self.judge(submit, ctx);
        }
    }

    fn refuse(&self, submit: Submit, refusal: Refusal) {
        submit.reply.answer(self.id, submit.draft.message_id, Err(refusal));
    }

    /// Where to find what was done to the messages of a range; `None`: nothing was.
    pub(super) fn changes_of(&self, range: SequenceRange, up_to: Sequence) -> Option<ChangesOf> {
        let serving = self.serving.as_ref().ok()?;
        let recent: Vec<Arc<LogEntry>> = serving.recent.changes(range, up_to).cloned().collect();
        // Changes come after what they change: all of memory's are in memory.
        let is_held = serving.recent.holds_from(range.first);
        if recent.is_empty() && is_held {
            return None;
        }
        let messages = (!is_held).then(|| self.context.messages.clone());
        Some(ChangesOf { conversation: self.id, range, up_to, recent, messages })
    }
}

/// What was done to the messages of a range.
pub(super) struct ChangesOf {
    conversation: ConversationId,
    range: SequenceRange,
    up_to: Sequence,
    recent: Vec<Arc<LogEntry>>,
    /// Where older changes are, when memory does not hold all.
    messages: Option<Arc<dyn MessageStore>>,
}

impl ChangesOf {
    /// Tells the states, at once or when the store has answered.
    pub fn answer(self, then: impl FnOnce(Result<Vec<MessageState>, StoreError>) + 'static) {
        let Self { conversation, range, up_to, recent, messages } = self;
        let Some(messages) = messages else { return then(Ok(states(&[], &recent, up_to))) };
        actix::spawn(async move {
            let read = timeout(DEADLINE, messages.changes(conversation, range)).await;
            then(match read {
                Ok(Ok(stored)) => Ok(states(&stored, &recent, up_to)),
                Ok(Err(error)) => Err(error),
                Err(_) => Err(StoreError::Unavailable("changes were not read in time".into())),
            });
        });
    }
}

fn states(stored: &[Entry], recent: &[Arc<LogEntry>], up_to: Sequence) -> Vec<MessageState> {
    let stored = stored.iter().filter(|entry| entry.seq <= up_to);
    message_state::states(stored.chain(recent.iter().map(|log| &log.entry)))
}
