//! Rules broken on purpose: each must be noticed, or the simulation proves nothing.
//!
//! The cores themselves stay as they are. A mutant lives in the model of the store, in a shell, or
//! in the [`Driver`] round a committer's core.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use schema::record::{Draft, Entry};
use schema::wire::Refusal;
use schema::{ConversationId, Epoch, OwnerToken};

use super::faults::FaultClass;
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
    /// Drafts are asked for again though a later one of their sender is stored.
    AskAgainBehindStored,
    /// A sender's later drafts find room though an earlier one did not.
    LaterDraftsServed,
    /// Drafts handed to another node are not marked as repeats, whoever worked on them before.
    RepeatsUnmarked,
    /// Copies of drafts handed over by other nodes are worked on again.
    NoBatchGuard,
    /// News are asked for once, of whoever owns the shard then.
    FollowsOnce,
    /// Owners do not say where their logs end.
    HeadsNeverAnnounced,
    /// Conversations take what other nodes announce, whatever is missing before it.
    FollowersDeliverOverGaps,
    /// Nodes do not mind who speaks for a shard.
    EpochsIgnored,
    /// A conversation that ends does not say what its listeners lack.
    MissedUntold,
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
        Self::AskAgainBehindStored,
        Self::LaterDraftsServed,
        Self::RepeatsUnmarked,
        Self::NoBatchGuard,
        Self::FollowsOnce,
        Self::HeadsNeverAnnounced,
        Self::FollowersDeliverOverGaps,
        Self::EpochsIgnored,
        Self::MissedUntold,
    ];

    /// While an earlier draft waits outside, later ones are not served: that alone would hide what
    /// some mutants break.
    #[must_use]
    pub const fn serves_later_drafts(self) -> bool {
        matches!(self, Self::LaterDraftsServed | Self::AskAgainBehindStored | Self::NoBatchGuard)
    }

    /// Without these faults the broken rule rarely shows.
    #[must_use]
    pub const fn shows_under(self) -> &'static [FaultClass] {
        match self {
            Self::AskAgainBehindStored | Self::LaterDraftsServed | Self::NoBatchGuard => {
                &[FaultClass::NoRoom, FaultClass::HandOver, FaultClass::BridgeDrop]
            }
            Self::MissedUntold => &[
                FaultClass::StoreDown,
                FaultClass::FollowerUnload,
                FaultClass::ReadFailed,
                FaultClass::StandInPanic,
            ],
            _ => &[],
        }
    }
}

/// Which news were asked for, and which of it successfully: for [`Mutant::FollowsOnce`].
#[derive(Default)]
pub struct AskedOnce {
    open: BTreeMap<u64, Vec<ConversationId>>,
    confirmed: BTreeSet<ConversationId>,
}

impl AskedOnce {
    /// Whether the request goes out.
    pub fn asks(&mut self, request: u64, conversations: &[ConversationId]) -> bool {
        self.open.insert(request, conversations.to_vec());
        conversations.iter().any(|id| !self.confirmed.contains(id))
    }

    pub fn answered(&mut self, request: u64) {
        self.confirmed.extend(self.open.remove(&request).unwrap_or_default());
    }

    pub fn forget(&mut self, conversations: &[ConversationId]) {
        self.confirmed.retain(|id| !conversations.contains(id));
    }
}

/// The drafts that a stand-in was given: for mutants that ask for them in other ways than it would.
#[derive(Default)]
pub struct Forwarded {
    drafts: BTreeMap<u64, Arc<Draft>>,
}

impl Forwarded {
    pub fn note(&mut self, token: u64, draft: &Arc<Draft>, mutant: Mutant) {
        if matches!(mutant, Mutant::AskAgainBehindStored | Mutant::RepeatsUnmarked) {
            self.drafts.insert(token, draft.clone());
        }
    }

    /// Makes drafts look as they did when they came.
    pub fn unmark(&self, drafts: &mut [Draft], mutant: Mutant) {
        if mutant == Mutant::RepeatsUnmarked {
            for draft in drafts {
                let is_it = |it: &&Arc<Draft>| it.message_id == draft.message_id;
                draft.retry = self.drafts.values().find(is_it).is_some_and(|it| it.retry);
            }
        }
    }

    /// A draft to be asked for though a later one is stored.
    #[must_use]
    pub fn overtaken(&self, token: u64, refusal: &Refusal, mutant: Mutant) -> Option<Arc<Draft>> {
        let is_overtaken = refusal.message.starts_with("a later one was stored");
        let draft = self.drafts.get(&token)?;
        let asks = mutant == Mutant::AskAgainBehindStored && is_overtaken;
        asks.then(|| Arc::new(Draft { retry: true, ..(**draft).clone() }))
    }
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

    pub fn on_gathered(&mut self) -> Vec<Effect> {
        let effects = self.core.on_gathered();
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

    fn enlarged(&self, n: u64, entries: &Arc<[Entry]>) -> Arc<[Entry]> {
        match self.added.get(&n) {
            None => entries.clone(),
            Some(added) => entries.iter().chain(added).cloned().collect(),
        }
    }
}
