//! Rules broken on purpose: each must be noticed, or the simulation proves nothing.
//!
//! The cores themselves stay as they are. A mutant lives in the model of the store, in a shell, or
//! in the [`Driver`] round a committer's core.

use std::collections::BTreeMap;

use schema::record::Entry;
use schema::{ConversationId, Epoch, OwnerToken};

use crate::committer::core::{CommitterCore, Effect};
use crate::committer::{BatchLimits, payload};
use crate::ports::{Applied, Commit, Guard, RingError, RingShape, Slot};

/// Which rule is broken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mutant {
    #[default]
    None,
    /// A commit does not ask for the head that it expects.
    DropHead,
    /// A commit does not ask who owns the shard.
    DropOwner,
    /// A commit in doubt is sent again with what came meanwhile.
    RetryWithOtherBytes,
    /// A commit of unknown outcome counts as stored.
    AckBeforeResolve,
    /// `done` moves when materialising begins.
    DoneBeforeMaterialised,
    /// Rows are ordered by their writers' clocks.
    WallClockTimestamps,
    /// Numbers are given while the ring is still being replayed.
    ServeBeforeReplayed,
    /// Ids that memory does not know count as new.
    NoSentIndex,
    /// A sequencer reads the store, then asks its committer.
    StoreBeforeMemory,
    /// A sequencer goes on counting where a fenced one stopped.
    NumbersContinueAfterFence,
    /// Looked-up drafts are numbered in the order of the store's answers.
    LookUpsOvertake,
    /// Conversations and sockets take what comes, whatever is missing before it.
    DeliverOverGaps,
    /// Pages show a socket its own accepted messages again.
    PagesRepeatAccepted,
}

impl Mutant {
    pub const ALL: &'static [Self] = &[
        Self::DropHead,
        Self::DropOwner,
        Self::RetryWithOtherBytes,
        Self::AckBeforeResolve,
        Self::DoneBeforeMaterialised,
        Self::WallClockTimestamps,
        Self::ServeBeforeReplayed,
        Self::NoSentIndex,
        Self::StoreBeforeMemory,
        Self::NumbersContinueAfterFence,
        Self::LookUpsOvertake,
        Self::DeliverOverGaps,
        Self::PagesRepeatAccepted,
    ];
}

/// A committer's core, and the mutants that concern it.
pub struct Driver {
    core: CommitterCore,
    mutant: Mutant,
    is_claimed: bool,
    /// `RetryWithOtherBytes`: what came while a commit was in doubt, and what was added to which.
    held: Vec<Entry>,
    added: BTreeMap<u64, Vec<Entry>>,
    in_flight: Option<Commit>,
}

impl Driver {
    #[must_use]
    pub fn new(
        shard: u32,
        owner: OwnerToken,
        shape: RingShape,
        limits: BatchLimits,
        mutant: Mutant,
    ) -> Self {
        Self {
            core: CommitterCore::new(shard, owner, shape, limits),
            mutant,
            is_claimed: false,
            held: Vec::new(),
            added: BTreeMap::new(),
            in_flight: None,
        }
    }

    #[must_use]
    pub const fn core(&self) -> &CommitterCore {
        &self.core
    }

    pub const fn core_mut(&mut self) -> &mut CommitterCore {
        &mut self.core
    }

    #[must_use]
    pub const fn is_ready(&self) -> bool {
        let early = matches!(self.mutant, Mutant::ServeBeforeReplayed) && self.is_claimed;
        self.core.is_ready() || early && !self.core.is_ended()
    }

    #[must_use]
    pub fn entries_of(&self, conversation: ConversationId) -> Vec<(Entry, bool)> {
        let mut entries = self.core.entries_of(conversation);
        let (head, done) = (self.core.head(), self.core.done());
        let added = self.added.range(done + 1..);
        let added = added.flat_map(|(n, entries)| entries.iter().map(move |it| (it, *n <= head)));
        let more = added.chain(self.held.iter().map(|entry| (entry, false)));
        let mine = more.filter(|(entry, _)| entry.conversation_id == conversation);
        entries.extend(mine.map(|(entry, stored)| (entry.clone(), stored)));
        entries.sort_by_key(|(entry, _)| entry.seq);
        entries
    }

    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.core.is_quiet() && self.held.is_empty()
    }

    pub fn start(&mut self) -> Vec<Effect> {
        self.core.start()
    }

    pub fn enqueue(&mut self, entry: Entry) -> Vec<Effect> {
        if self.mutant == Mutant::RetryWithOtherBytes && self.in_flight.is_some() {
            self.held.push(entry);
            return Vec::new();
        }
        let effects = self.core.enqueue(entry);
        self.changed(effects)
    }

    pub fn on_guard(
        &mut self,
        answer: Result<Option<Guard>, RingError>,
        now_ms: u64,
    ) -> Vec<Effect> {
        let effects = self.core.on_guard(answer, now_ms);
        let goes_on = matches!(effects[..], [Effect::ReadSlot(_) | Effect::Ready(_)]);
        let mut effects = self.changed(effects);
        if goes_on && !self.is_claimed {
            self.is_claimed = true;
            if self.mutant == Mutant::ServeBeforeReplayed && !self.core.is_ready() {
                effects.insert(0, Effect::Ready(Epoch(0)));
            }
        }
        effects
    }

    pub fn on_slot(&mut self, answer: Result<Option<Slot>, RingError>, now_ms: u64) -> Vec<Effect> {
        let effects = self.core.on_slot(answer, now_ms);
        self.changed(effects)
    }

    pub fn on_look(&mut self, guard: Option<Guard>) -> Vec<Effect> {
        self.core.on_look(guard)
    }

    pub fn on_claim(&mut self, answer: &Result<Applied, RingError>) -> Vec<Effect> {
        self.core.on_claim(answer)
    }

    pub fn on_committed(
        &mut self,
        answer: &Result<Applied, RingError>,
        now_ms: u64,
    ) -> Vec<Effect> {
        let hopes = self.mutant == Mutant::AckBeforeResolve && answer.is_err();
        let effects = if hopes {
            self.core.on_committed(&Ok(Applied::Yes), now_ms)
        } else {
            self.core.on_committed(answer, now_ms)
        };
        self.changed(effects)
    }

    pub fn on_wake(&mut self) -> Vec<Effect> {
        let effects = self.core.on_wake();
        self.changed(effects)
    }

    pub fn on_materialise_due(&mut self) -> Vec<Effect> {
        let effects = self.core.on_materialise_due();
        self.changed(effects)
    }

    pub fn on_materialised(&mut self, succeeded: bool) -> Vec<Effect> {
        if self.mutant == Mutant::DoneBeforeMaterialised {
            return Vec::new();
        }
        let effects = self.core.on_materialised(succeeded);
        self.changed(effects)
    }

    /// Changes what the core wants into what the mutant does.
    fn changed(&mut self, effects: Vec<Effect>) -> Vec<Effect> {
        match self.mutant {
            Mutant::DoneBeforeMaterialised => self.done_early(effects),
            Mutant::RetryWithOtherBytes => self.with_additions(effects),
            _ => effects,
        }
    }

    fn done_early(&mut self, effects: Vec<Effect>) -> Vec<Effect> {
        let mut changed = Vec::new();
        for effect in effects {
            let begins = matches!(effect, Effect::Materialise(_));
            changed.push(effect);
            if begins {
                let more = self.core.on_materialised(true);
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
                    let entries = self.enlarged(n, &entries);
                    changed.push(Effect::Stored { n, entries });
                    for entry in std::mem::take(&mut self.held) {
                        changed.extend(self.enqueue(entry));
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
        let is_again = self.in_flight.as_ref().is_some_and(|it| it.n == commit.n);
        if is_again && !self.held.is_empty() {
            self.added.entry(commit.n).or_default().append(&mut self.held);
        }
        if let Some(added) = self.added.get(&commit.n) {
            let mut bytes = commit.payload.to_vec();
            bytes.extend(added.iter().flat_map(payload::encode_entry));
            commit.payload = bytes.into();
        }
        self.in_flight = Some(commit.clone());
        commit
    }

    fn enlarged(&self, n: u64, entries: &std::sync::Arc<[Entry]>) -> std::sync::Arc<[Entry]> {
        match self.added.get(&n) {
            None => entries.clone(),
            Some(added) => entries.iter().chain(added).cloned().collect(),
        }
    }
}
