//! A committer's core as it is, and the mutants that concern it.

use std::collections::BTreeMap;
use std::sync::Arc;

use actors::committer::core::{CommitterCore, Effect};
use actors::committer::{BatchLimits, payload};
use actors::ports::{Applied, Commit, Guard, RingError, RingShape, Slot};
use schema::ConversationId;
use schema::record::Entry;

use super::entries::token;
use super::mutant::Mutant;

/// What a core can be told.
#[derive(Clone, Debug)]
pub enum Event {
    Start,
    Enqueue(Entry),
    Claimed(Result<Applied, RingError>),
    Guard(Result<Option<Guard>, RingError>),
    /// The answer to a read of the guard that the core did not ask for.
    Look(Option<Guard>),
    Slot(Result<Option<Slot>, RingError>),
    /// The same two, failed after a time that ends an activation in doubt.
    GuardTooLate(RingError),
    SlotTooLate(RingError),
    Committed(Result<Applied, RingError>),
    Wake,
    MaterialiseDue,
    Materialised(bool),
}

/// Longer than any commit may be in doubt, milliseconds.
const TOO_LATE_MS: u64 = actors::committer::core::RESOLVE_GIVE_UP_MS + 1;

/// One activation's core.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Driver {
    pub core: CommitterCore,
    is_claimed: bool,
    /// `RetryWithOtherBytes`: what came while a commit was in flight, and what was added to which.
    held: Vec<Entry>,
    added: BTreeMap<u64, Vec<Entry>>,
    in_flight: Option<u64>,
}

impl Driver {
    #[must_use]
    pub fn new(activation: u8, slots: u8) -> Self {
        let shape = RingShape { shards: 1, slots: u32::from(slots) };
        Self {
            core: CommitterCore::new(0, token(activation), shape, BatchLimits::default()),
            is_claimed: false,
            held: Vec::new(),
            added: BTreeMap::new(),
            in_flight: None,
        }
    }

    /// Drafts may be numbered.
    #[must_use]
    pub const fn is_serving(&self, mutant: Mutant) -> bool {
        self.core.is_ready() || self.is_claimed && matches!(mutant, Mutant::ServeBeforeReplayed)
    }

    #[must_use]
    pub fn entries_of(&self, conversation: ConversationId) -> Vec<(Entry, bool)> {
        let mut entries = self.core.entries_of(conversation);
        let (head, done) = (self.core.head(), self.core.done());
        let added = self.added.range(done + 1..);
        let added = added.flat_map(|(n, entries)| entries.iter().map(move |it| (it, *n <= head)));
        let more = added.chain(self.held.iter().map(|entry| (entry, false)));
        entries.extend(more.map(|(entry, stored)| (entry.clone(), stored)));
        entries.sort_by_key(|(entry, _)| entry.seq);
        entries
    }

    pub fn handle(&mut self, event: Event, mutant: Mutant) -> Vec<Effect> {
        match (mutant, event) {
            (Mutant::AckBeforeResolve, Event::Committed(Err(_))) => {
                self.tell(Event::Committed(Ok(Applied::Yes)))
            }
            (Mutant::DoneBeforeMaterialised, Event::Materialised(_)) => Vec::new(),
            (Mutant::DoneBeforeMaterialised, event) => {
                let effects = self.tell(event);
                self.done_early(effects)
            }
            (Mutant::RetryWithOtherBytes, Event::Enqueue(entry)) if self.in_flight.is_some() => {
                self.held.push(entry);
                Vec::new()
            }
            (Mutant::RetryWithOtherBytes, event) => {
                let effects = self.tell(event);
                self.with_additions(effects)
            }
            (_, event) => self.tell(event),
        }
    }

    /// The core itself.
    fn tell(&mut self, event: Event) -> Vec<Effect> {
        let core = &mut self.core;
        let effects = match event {
            Event::Start => core.start(),
            // Gathers nothing: each moment between is a state in which less is known, and the
            // simulator goes through those.
            Event::Enqueue(entry) => match core.enqueue(entry)[..] {
                [Effect::Gather] => core.on_gathered(),
                _ => Vec::new(),
            },
            Event::Claimed(answer) => core.on_claim(&answer),
            Event::Guard(answer) => core.on_guard(answer, 0),
            Event::Look(guard) => core.on_look(guard),
            Event::Slot(answer) => core.on_slot(answer, 0),
            Event::GuardTooLate(error) => core.on_guard(Err(error), TOO_LATE_MS),
            Event::SlotTooLate(error) => core.on_slot(Err(error), TOO_LATE_MS),
            Event::Committed(answer) => core.on_committed(&answer, 0),
            Event::Wake => core.on_wake(),
            Event::MaterialiseDue => core.on_materialise_due(),
            Event::Materialised(succeeded) => core.on_materialised(succeeded),
        };
        self.is_claimed |= matches!(effects[..], [Effect::ReadSlot(_)]);
        effects
    }

    fn done_early(&mut self, effects: Vec<Effect>) -> Vec<Effect> {
        let mut changed = Vec::new();
        for effect in effects {
            let begins = matches!(effect, Effect::Materialise(_));
            changed.push(effect);
            if begins {
                let more = self.tell(Event::Materialised(true));
                changed.extend(self.done_early(more));
            }
        }
        changed
    }

    fn with_additions(&mut self, effects: Vec<Effect>) -> Vec<Effect> {
        let mut changed = Vec::new();
        for effect in effects {
            match effect {
                Effect::Commit(commit) => changed.push(Effect::Commit(self.repacked(commit))),
                Effect::Stored { n, entries } => {
                    self.in_flight = None;
                    changed.push(Effect::Stored { n, entries: self.enlarged(n, &entries) });
                    for entry in std::mem::take(&mut self.held) {
                        changed.extend(
                            self.handle(Event::Enqueue(entry), Mutant::RetryWithOtherBytes),
                        );
                    }
                }
                Effect::Materialise(mut commits) => {
                    for commit in &mut commits {
                        commit.entries = self.enlarged(commit.n, &commit.entries);
                    }
                    changed.push(Effect::Materialise(commits));
                }
                other => changed.push(other),
            }
        }
        changed
    }

    /// Adds what is held to a commit that is sent again.
    fn repacked(&mut self, mut commit: Commit) -> Commit {
        let is_again = self.in_flight.replace(commit.n) == Some(commit.n);
        if is_again && !self.held.is_empty() {
            self.added.entry(commit.n).or_default().append(&mut self.held);
        }
        if let Some(added) = self.added.get(&commit.n) {
            let mut bytes = commit.payload.to_vec();
            bytes.extend(added.iter().flat_map(payload::encode_entry));
            commit.payload = bytes.into();
        }
        commit
    }

    fn enlarged(&self, n: u64, entries: &Arc<[Entry]>) -> Arc<[Entry]> {
        match self.added.get(&n) {
            None => entries.clone(),
            Some(added) => entries.iter().chain(added).cloned().collect(),
        }
    }
}
