//! Where a simulated conversation's drafts are numbered: by a sequencer here, or on another node.

use std::collections::BTreeSet;
use std::sync::Arc;

use schema::record::Draft;
use schema::wire::Refusal;
use schema::{ConversationId, Sequence, SequenceRange};

use super::actor::{Action, Address, Child, Context};
use super::bus_model::BusFrame;
use super::conversation::Conversation;
use super::message::{Message, ToConversation, ToSequencer};
use super::store_model::{Answer, Call, Ticket};
use crate::node::Submitted;
use crate::sequencer::Opened;

/// Looking for a sequencer ends after this time.
const OPEN_DEADLINE_MS: u64 = 5_000;
const ELSEWHERE_PAUSE_MS: u64 = 100;
const OPEN_PAUSE_MS_MAX: u64 = 200;
/// A forwarded batch unanswered for longer is asked again.
const FORWARD_DEADLINE_MS: u64 = 1_000;
/// After "moved", the next owner is asked after this time.
const MOVED_PAUSE_MS: u64 = 100;

/// Who numbers drafts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    Nowhere,
    Here(Address),
    Elsewhere(usize),
}

/// The search for whoever numbers drafts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opening {
    sequencer: Option<Address>,
    deadline_ms: u64,
    pause_ms: u64,
}

/// Drafts on their way to the owner: one batch at a time, so that they keep their order.
#[derive(Default)]
pub(super) struct Forwarding {
    batch: u64,
    unanswered: BTreeSet<u64>,
}

impl Context<'_> {
    pub fn forwarded(
        &mut self,
        node: usize,
        asker: Address,
        token: u64,
        result: Result<Submitted, Refusal>,
    ) {
        let frame = BusFrame::Forwarded { asker, token, result };
        self.actions.push(Action::Bus { to: Some(node), frame });
    }

    pub fn announce_head(&mut self, conversation: ConversationId, head: Sequence) {
        let frame = BusFrame::Head { conversation, head };
        self.actions.push(Action::Bus { to: None, frame });
    }
}

impl Conversation {
    /// Nothing else happens until it is found. What waits is asked again then.
    pub(super) fn look_for_sequencer(&mut self, ctx: &mut Context<'_>) {
        let deadline_ms = ctx.now_ms + OPEN_DEADLINE_MS;
        self.opening = Some(Opening { sequencer: None, deadline_ms, pause_ms: 5 });
        self.open(ctx);
    }

    fn open(&mut self, ctx: &mut Context<'_>) {
        self.life += 1;
        let life = self.life;
        match ctx.owner_of(self.id) {
            Some(node) if node == ctx.node => {
                let sequencer = ctx.registry.get_or_start(Child::Sequencer(self.id));
                let open = ToSequencer::Open { conversation: ctx.me, life };
                ctx.tell(sequencer, Message::Sequencer(open));
                if let Some(opening) = &mut self.opening {
                    opening.sequencer = Some(sequencer);
                }
            }
            Some(node) => {
                self.route = Route::Elsewhere(node);
                ctx.call(Ticket::NewestHead, Call::Head(self.id));
                if let Some(opening) = &mut self.opening {
                    opening.pause_ms = opening.pause_ms.max(ELSEWHERE_PAUSE_MS);
                }
            }
            None => {}
        }
        self.check_later(ctx);
    }

    fn check_later(&mut self, ctx: &mut Context<'_>) {
        let life = self.life;
        let Some(opening) = &mut self.opening else { return };
        ctx.later(opening.pause_ms, Message::Conversation(ToConversation::OpenCheck { life }));
        opening.pause_ms = (opening.pause_ms * 2).min(OPEN_PAUSE_MS_MAX);
    }

    pub(super) fn check_opening(&mut self, life: u64, ctx: &mut Context<'_>) {
        let Some(opening) = self.opening.filter(|_| life == self.life) else { return };
        if ctx.now_ms >= opening.deadline_ms {
            self.opening = None;
            return self.fail(ctx);
        }
        match opening.sequencer {
            Some(sequencer) if ctx.registry.is_alive(sequencer) => self.check_later(ctx),
            _ => {
                if let Some(opening) = &mut self.opening {
                    opening.sequencer = None;
                }
                self.open(ctx);
            }
        }
    }

    pub(super) fn on_opened(&mut self, life: u64, opened: &Opened, ctx: &mut Context<'_>) {
        let Some(opening) = self.opening.filter(|_| life == self.life) else { return };
        let Some(sequencer) = opening.sequencer else { return };
        self.route = Route::Here(sequencer);
        self.opening = None;
        self.start_from(opened, ctx);
    }

    /// The store says where a log stands whose owner is another node.
    pub(super) fn on_loaded_elsewhere(
        &mut self,
        ticket: Ticket,
        answer: Answer,
        ctx: &mut Context<'_>,
    ) {
        if self.opening.is_none() || !matches!(self.route, Route::Elsewhere(_)) {
            return;
        }
        match (ticket, answer) {
            (Ticket::NewestHead, Answer::Head(Ok(head))) => {
                let first = head.back(ctx.schedule.recent - 1).max(Sequence(1));
                let range = SequenceRange::new(first, head);
                if range.is_empty() {
                    self.begin_elsewhere(head, Vec::new(), ctx);
                } else {
                    ctx.call(Ticket::Newest(head), Call::Range(self.id, range));
                }
            }
            (Ticket::Newest(head), Answer::Entries(Ok(recent))) => {
                self.begin_elsewhere(head, recent, ctx);
            }
            _ => {}
        }
    }

    fn begin_elsewhere(
        &mut self,
        head: Sequence,
        recent: Vec<schema::record::Entry>,
        ctx: &mut Context<'_>,
    ) {
        self.opening = None;
        self.start_from(&Opened { head, recent, materialised: head }, ctx);
    }

    /// The owner is believed to be another one than before.
    pub(super) fn follow_hint(&mut self, ctx: &mut Context<'_>) {
        let is_followed = match (self.route, ctx.owner_of(self.id)) {
            // Its sequencer says when it ends.
            (Route::Here(_), _) | (_, None) => true,
            (Route::Elsewhere(node), Some(owner)) => node == owner,
            (Route::Nowhere, Some(_)) => false,
        };
        if !is_followed {
            self.look_for_sequencer(ctx);
        }
    }

    /// Asks for everything that waits again: it may have been stored before.
    pub(super) fn ask_again(&mut self, ctx: &mut Context<'_>) {
        match self.route {
            Route::Here(sequencer) => {
                for (&token, waiting) in &self.pending {
                    let draft = Arc::new(Draft { retry: true, ..waiting.draft.clone() });
                    let append = ToSequencer::Append { draft, token };
                    ctx.tell(sequencer, Message::Sequencer(append));
                }
            }
            Route::Elsewhere(_) => {
                self.forwarding.unanswered.clear();
                self.send_batch(ctx);
            }
            Route::Nowhere => {}
        }
    }

    /// Sends what waits to the owner, unless a batch is on its way.
    pub(super) fn forward(&mut self, ctx: &mut Context<'_>) {
        let pending = &self.pending;
        self.forwarding.unanswered.retain(|token| pending.contains_key(token));
        if self.forwarding.unanswered.is_empty() {
            self.send_batch(ctx);
        }
    }

    fn send_batch(&mut self, ctx: &mut Context<'_>) {
        let Route::Elsewhere(owner) = self.route else { return };
        if self.pending.is_empty() {
            return;
        }
        self.forwarding.batch += 1;
        let batch = self.forwarding.batch;
        self.forwarding.unanswered = self.pending.keys().copied().collect();
        // The frame may arrive late and twice, long after the next one was answered: whoever numbers
        // it must look, whatever the clocks say.
        let draft =
            |waiting: &super::conversation::Waiting| Draft { retry: true, ..waiting.draft.clone() };
        let drafts = self.pending.iter().map(|(token, it)| (*token, draft(it))).collect();
        let (node, asker, conversation) = (ctx.node, ctx.me, self.id);
        let frame = BusFrame::Forward { node, asker, conversation, batch, drafts };
        ctx.actions.push(Action::Bus { to: Some(owner), frame });
        let again = ToConversation::ForwardAgain { batch };
        ctx.later(FORWARD_DEADLINE_MS, Message::Conversation(again));
    }

    pub(super) fn on_forwarded(
        &mut self,
        token: u64,
        result: Result<Submitted, Refusal>,
        ctx: &mut Context<'_>,
    ) {
        if !matches!(self.route, Route::Elsewhere(_)) || !self.pending.contains_key(&token) {
            return;
        }
        if result.is_ok() {
            self.give_up_before(token, ctx);
        }
        self.answer(token, result, ctx);
        self.forward(ctx);
    }

    /// A draft was accepted: those of its sender that came before it and were not may not be asked
    /// for again, or they would come after it unseen. Their client sends them again.
    pub(super) fn give_up_before(&mut self, token: u64, ctx: &mut Context<'_>) {
        let Some(sender) = self.pending.get(&token).map(|it| it.draft.sender_id) else { return };
        let earlier = self.pending.range(..token).filter(|(_, it)| it.draft.sender_id == sender);
        let earlier: Vec<u64> = earlier.map(|(token, _)| *token).collect();
        for token in earlier {
            self.answer(token, Err(Refusal::retry_later("a later one was stored")), ctx);
        }
    }

    /// Who was asked does not own the shard: the next one is asked a little later.
    pub(super) fn on_moved(&self, batch: u64, ctx: &mut Context<'_>) {
        if batch == self.forwarding.batch {
            let again = ToConversation::ForwardAgain { batch };
            ctx.later(MOVED_PAUSE_MS, Message::Conversation(again));
        }
    }

    /// A batch was not answered in time, or the owner has moved.
    pub(super) fn forward_again(&mut self, batch: u64, ctx: &mut Context<'_>) {
        if batch == self.forwarding.batch && !self.pending.is_empty() {
            self.look_for_sequencer(ctx);
        }
    }
}
