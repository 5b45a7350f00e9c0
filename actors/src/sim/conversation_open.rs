//! How a simulated conversation finds whoever numbers its drafts, and starts from what that one
//! says.

use std::collections::BTreeMap;
use std::sync::Arc;

use schema::Sequence;
use schema::record::{Draft, Entry};
use schema::wire::Refusal;

use super::actor::{Address, Child, Context};
use super::conversation::{Conversation, Serving};
use super::message::{Message, ToConversation, ToSequencer};
use super::mutants::Mutant;
use super::range_reads::RangeReads;
use crate::conversation::LogEntry;
use crate::conversation::pending::Pending;
use crate::conversation::recent::Recent;
use crate::sequencer::Opened;

/// Looking for a sequencer ends after this time.
const DEADLINE_MS: u64 = 5_000;
const PAUSE_MS_MAX: u64 = 200;
/// One that could not be loaded answers for this long, then goes.
const LINGER_MS: u64 = 200;

/// The search for whoever numbers drafts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opening {
    sequencer: Option<Address>,
    deadline_ms: u64,
    pause_ms: u64,
}

impl Conversation {
    /// Nothing else happens until it is found. What waits is asked again then.
    pub(super) fn look_for_sequencer(&mut self, ctx: &mut Context<'_>) {
        let deadline_ms = ctx.now_ms + DEADLINE_MS;
        self.opening = Some(Opening { sequencer: None, deadline_ms, pause_ms: 5 });
        self.open(ctx);
    }

    fn open(&mut self, ctx: &mut Context<'_>) {
        self.life += 1;
        let sequencer = ctx.sequencer(self.id);
        let open = ToSequencer::Open { conversation: ctx.me, life: self.life };
        ctx.tell(sequencer, Message::Sequencer(open));
        if let Some(opening) = &mut self.opening {
            opening.sequencer = Some(sequencer);
        }
        self.check_later(ctx);
    }

    fn check_later(&mut self, ctx: &mut Context<'_>) {
        let life = self.life;
        let Some(opening) = &mut self.opening else { return };
        ctx.later(opening.pause_ms, Message::Conversation(ToConversation::OpenCheck { life }));
        opening.pause_ms = (opening.pause_ms * 2).min(PAUSE_MS_MAX);
    }

    pub(super) fn check_opening(&mut self, life: u64, ctx: &mut Context<'_>) {
        let Some(opening) = self.opening.filter(|_| life == self.life) else { return };
        if ctx.now_ms >= opening.deadline_ms {
            self.opening = None;
            return self.fail(ctx);
        }
        match opening.sequencer {
            Some(sequencer) if ctx.registry.is_alive(sequencer) => self.check_later(ctx),
            _ => self.open(ctx),
        }
    }

    /// No sequencer was found in time.
    fn fail(&mut self, ctx: &mut Context<'_>) {
        let Some(serving) = &mut self.serving else {
            return ctx.later(LINGER_MS, Message::Conversation(ToConversation::Failed));
        };
        let delivered = serving.head;
        for waiting in serving.pending.take_all() {
            let refusal = Refusal::retry_later("the shard is not ready");
            self.reply(&waiting.draft, &waiting.reply, Err(refusal), ctx);
        }
        self.missed(delivered, ctx);
        ctx.stop();
    }

    /// This life ends and its listeners have entries up to `delivered` only.
    pub(super) fn missed(&self, delivered: Sequence, ctx: &mut Context<'_>) {
        ctx.missed(self.id, delivered);
    }

    pub(super) fn on_opened(&mut self, life: u64, opened: &Opened, ctx: &mut Context<'_>) {
        let Some(opening) = self.opening.filter(|_| life == self.life) else { return };
        let Some(sequencer) = opening.sequencer else { return };
        self.opening = None;
        match &mut self.serving {
            None => self.load(sequencer, opened, ctx),
            Some(serving) => {
                serving.sequencer = sequencer;
                serving.materialised = serving.materialised.max(opened.materialised);
                serving.stored = opened.head;
                let news: Arc<[Entry]> =
                    opened.recent.iter().filter(|it| it.seq > serving.head).cloned().collect();
                self.arrive(&news, ctx);
                self.on_head(opened.head, ctx);
                self.ask_again(ctx);
            }
        }
    }

    fn load(&mut self, sequencer: Address, opened: &Opened, ctx: &mut Context<'_>) {
        let mut recent = Recent::default();
        for entry in &opened.recent {
            recent.push(Arc::new(LogEntry::new(entry.clone())), opened.materialised);
        }
        self.serving = Some(Serving {
            sequencer,
            head: opened.head,
            known_head: Sequence::START,
            repairing_since_ms: None,
            claim: None,
            materialised: opened.materialised,
            recent,
            listeners: BTreeMap::new(),
            pending: Pending::default(),
            reads: RangeReads::default(),
            stored: opened.head,
        });
        let sessions: Vec<Address> = ctx.registry.all().collect();
        for session in sessions {
            if let Child::Session(user) = session.child {
                self.join(user, session, ctx);
            }
        }
    }

    /// What waits may have been stored before: asked for as repeats. A draft that a later one of
    /// its sender was stored before is not: it would come after that one unseen.
    fn ask_again(&mut self, ctx: &mut Context<'_>) {
        let Some(serving) = &mut self.serving else { return };
        let mut overtaken = Vec::new();
        if ctx.mutant != Mutant::AskAgainBehindStored {
            overtaken = serving.pending.take_overtaken();
        }
        for (token, draft) in serving.pending.all() {
            let draft = Arc::new(Draft { retry: true, ..(*draft).clone() });
            let append = ToSequencer::Append { draft, token };
            ctx.tell(serving.sequencer, Message::Sequencer(append));
        }
        for waiting in overtaken {
            let refusal = Refusal::retry_later("a later one was stored");
            self.reply(&waiting.draft, &waiting.reply, Err(refusal), ctx);
        }
    }
}
