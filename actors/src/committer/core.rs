//! The life of one activation of a shard, decided purely.
//!
//! ```text
//! Claiming -> Replaying -> Ready <-> Committing -> Resolving -> Ready
//!     \___________\___________________\________________\____-> Ended
//! ```
//!
//! Events go in by the `on_*` methods, effects come out; whoever drives it (the actor, the
//! simulator) carries them out and reports back. Times are milliseconds on any monotonic clock.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use schema::record::Entry;
use schema::{ConversationId, Epoch, OwnerToken, Sequence};

use super::batch::{self, BatchLimits, PackedEntry};
use super::payload;
use super::unmaterialised::Unmaterialised;
use crate::ports::{Applied, Commit, Guard, MaterialisedCommit, RingError, RingShape, Slot};

/// Tries to claim before giving the shard up for now.
const CLAIM_TRIES_MAX: u32 = 5;
/// A commit in doubt for longer ends the activation.
pub const RESOLVE_GIVE_UP_MS: u64 = 15_000;
/// Commits wait this long to be materialised together: rows of one partition then share a
/// statement, and a head is written once for many entries.
pub const MATERIALISE_DELAY_MS: u64 = 250;
/// After a failure commits wait this long at first.
const MATERIALISE_AGAIN_MS: u64 = 20;
/// Entries that are worth materialising at once.
const MATERIALISE_ENTRIES: usize = 2048;
/// Entries that are materialised together at most, unless one commit has more.
const MATERIALISE_ENTRIES_MAX: usize = 4096;

/// What the driver is to do.
#[derive(Clone, Debug)]
pub enum Effect {
    ReadGuard,
    Create,
    TakeOver(Guard),
    ReadSlot(u64),
    /// The one statement in flight.
    Commit(Commit),
    Materialise(Vec<MaterialisedCommit>),
    /// Call [`CommitterCore::on_wake`] after a time between the two, chosen at random.
    Wake {
        ms_min: u64,
        ms_max: u64,
    },
    /// Call [`CommitterCore::on_gathered`] once what is on its way already was enqueued.
    Gather,
    /// Call [`CommitterCore::on_materialise_due`] after this time.
    WakeToMaterialise {
        ms: u64,
    },
    /// Claimed and replayed: sequencers may start.
    Ready(Epoch),
    /// Stored for good: acknowledge and announce, in this order.
    Stored {
        n: u64,
        entries: Arc<[Entry]>,
    },
    /// Every commit up to `done` is in the readers' tables.
    Materialised {
        done: u64,
    },
    Ended(EndReason),
}

/// Why an activation is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// Another activation owns the shard.
    Fenced,
    /// The ring shows what cannot be: stop, touch nothing, raise the alarm.
    Broken,
    /// The store did not answer for too long.
    GaveUp,
    /// The shard could not be claimed: someone else keeps claiming it.
    NotClaimed,
}

/// A commit that is written down and not settled.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct InDoubt {
    commit: Commit,
    entries: Arc<[Entry]>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum State {
    Claiming {
        tries: u32,
        /// The claim took effect: whoever owns the shard now came after.
        has_claimed: bool,
    },
    Replaying {
        next: u64,
    },
    Ready,
    Committing(InDoubt),
    /// Reading the guard, then the slot, or waiting to.
    Resolving {
        doubt: InDoubt,
        since_ms: u64,
        tries: u32,
        guard: Option<Guard>,
    },
    Ended,
}

/// One activation of one shard.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct CommitterCore {
    shard: u32,
    owner: OwnerToken,
    shape: RingShape,
    limits: BatchLimits,
    state: State,
    epoch: Epoch,
    head: u64,
    done: u64,
    waiting: VecDeque<PackedEntry>,
    is_gathering: bool,
    /// Commits of (done, head], with their entries.
    unmaterialised: Unmaterialised,
    materialising: Option<u64>,
    wake_armed: bool,
    materialise_tries: u32,
    /// Highest number of each conversation that was materialised since last asked.
    materialised_heads: BTreeMap<ConversationId, Sequence>,
}

impl CommitterCore {
    #[must_use]
    pub fn new(shard: u32, owner: OwnerToken, shape: RingShape, limits: BatchLimits) -> Self {
        Self {
            shard,
            owner,
            shape,
            limits,
            state: State::Claiming { tries: 0, has_claimed: false },
            epoch: Epoch::default(),
            head: 0,
            done: 0,
            waiting: VecDeque::new(),
            is_gathering: false,
            unmaterialised: Unmaterialised::default(),
            materialising: None,
            wake_armed: false,
            materialise_tries: 0,
            materialised_heads: BTreeMap::new(),
        }
    }

    #[must_use]
    pub const fn owner(&self) -> OwnerToken {
        self.owner
    }

    #[must_use]
    pub const fn done(&self) -> u64 {
        self.done
    }

    /// Number of the last commit.
    #[must_use]
    pub const fn head(&self) -> u64 {
        self.head
    }

    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Commits not materialised yet.
    #[must_use]
    pub const fn ring_depth(&self) -> u64 {
        self.head - self.done
    }

    #[must_use]
    pub const fn is_ready(&self) -> bool {
        matches!(self.state, State::Ready | State::Committing(_) | State::Resolving { .. })
    }

    #[must_use]
    pub const fn is_ended(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    /// Nothing in flight, in doubt or waiting: the shard may be released.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        matches!(self.state, State::Ready) && self.waiting.is_empty() && self.head == self.done
    }

    /// Entries of a conversation that the readers' tables may not show yet, in order: those of
    /// (done, head] (true: stored), then the commit in doubt and what waits (false).
    #[must_use]
    pub fn entries_of(&self, conversation: ConversationId) -> Vec<(Entry, bool)> {
        let in_doubt = match &self.state {
            State::Committing(doubt) | State::Resolving { doubt, .. } => Some(&doubt.entries),
            _ => None,
        };
        let stored = self.unmaterialised.entries();
        let doubted = in_doubt.into_iter().flat_map(|entries| entries.iter());
        let waiting = self.waiting.iter().map(|packed| &packed.entry);
        stored
            .map(|entry| (entry, true))
            .chain(doubted.chain(waiting).map(|entry| (entry, false)))
            .filter(|(entry, _)| entry.conversation_id == conversation)
            .map(|(entry, stored)| (entry.clone(), stored))
            .collect()
    }

    /// For each conversation materialised since the last call: up to which number.
    pub fn take_materialised_heads(&mut self) -> BTreeMap<ConversationId, Sequence> {
        std::mem::take(&mut self.materialised_heads)
    }

    /// Begins to claim.
    pub fn start(&mut self) -> Vec<Effect> {
        vec![Effect::ReadGuard]
    }

    /// A sequencer numbered an entry. Ignored once ended.
    pub fn enqueue(&mut self, entry: Entry) -> Vec<Effect> {
        if self.is_ended() {
            return Vec::new();
        }
        self.waiting.push_back(PackedEntry::new(entry));
        if self.is_gathering || !self.may_commit() {
            return Vec::new();
        }
        // What was sent together is committed together: no timer, what is there already is enough.
        self.is_gathering = true;
        vec![Effect::Gather]
    }

    /// Answer to [`Effect::Gather`].
    pub fn on_gathered(&mut self) -> Vec<Effect> {
        self.is_gathering = false;
        self.commit_next()
    }

    /// Answer to [`Effect::ReadGuard`].
    pub fn on_guard(
        &mut self,
        answer: Result<Option<Guard>, RingError>,
        now_ms: u64,
    ) -> Vec<Effect> {
        match (&mut self.state, answer) {
            (State::Claiming { .. }, Err(_)) => self.claim_again(),
            (State::Claiming { .. }, Ok(None)) => vec![Effect::Create],
            (State::Claiming { .. }, Ok(Some(guard))) if guard.owner == self.owner => {
                self.begin_replay(guard)
            }
            // Claiming again would displace the other one in turn, without end.
            (State::Claiming { has_claimed: true, .. }, Ok(Some(_))) => self.end(EndReason::Fenced),
            (State::Claiming { .. }, Ok(Some(guard))) => vec![Effect::TakeOver(guard)],
            // A slot did not hold what the guard promised: someone else's doing, or a broken ring.
            (State::Replaying { .. }, Ok(Some(guard))) if guard.owner != self.owner => {
                self.end(EndReason::Fenced)
            }
            (State::Replaying { .. }, Ok(_)) => self.end(EndReason::Broken),
            (State::Replaying { .. }, Err(_)) => self.end(EndReason::GaveUp),
            (State::Resolving { guard, doubt, .. }, Ok(Some(seen))) => {
                *guard = Some(seen);
                vec![Effect::ReadSlot(doubt.commit.n)]
            }
            (State::Resolving { .. }, Ok(None)) => self.end(EndReason::Broken),
            (State::Resolving { .. }, Err(_)) => self.resolve_later(now_ms),
            _ => Vec::new(),
        }
    }

    /// Answer to [`Effect::Create`] and [`Effect::TakeOver`]. Whatever it says, the guard tells:
    /// an error may have been applied all the same.
    pub fn on_claim(&mut self, answer: &Result<Applied, RingError>) -> Vec<Effect> {
        let State::Claiming { has_claimed, .. } = &mut self.state else { return Vec::new() };
        match answer {
            Ok(Applied::Yes) => {
                *has_claimed = true;
                vec![Effect::ReadGuard]
            }
            Ok(Applied::No) | Err(_) => self.claim_again(),
        }
    }

    fn claim_again(&mut self) -> Vec<Effect> {
        let State::Claiming { tries, .. } = &mut self.state else { return Vec::new() };
        *tries += 1;
        if *tries >= CLAIM_TRIES_MAX {
            return self.end(EndReason::NotClaimed);
        }
        vec![Effect::Wake { ms_min: 20, ms_max: 200 }]
    }

    fn begin_replay(&mut self, guard: Guard) -> Vec<Effect> {
        (self.epoch, self.head, self.done) = (guard.epoch, guard.head, guard.done);
        self.state = State::Replaying { next: guard.done + 1 };
        self.replay_next()
    }

    fn replay_next(&mut self) -> Vec<Effect> {
        let State::Replaying { next } = self.state else { return Vec::new() };
        if next <= self.head {
            return vec![Effect::ReadSlot(next)];
        }
        if self.unmaterialised.is_empty() {
            self.state = State::Ready;
            return vec![Effect::Ready(self.epoch)];
        }
        self.materialise_now()
    }

    /// Answer to [`Effect::ReadSlot`].
    pub fn on_slot(&mut self, answer: Result<Option<Slot>, RingError>, now_ms: u64) -> Vec<Effect> {
        match &self.state {
            State::Replaying { next } => self.on_replayed(*next, answer),
            State::Resolving { .. } => match answer {
                Ok(slot) => self.resolve(slot.as_ref()),
                Err(_) => self.resolve_later(now_ms),
            },
            _ => Vec::new(),
        }
    }

    fn on_replayed(&mut self, n: u64, answer: Result<Option<Slot>, RingError>) -> Vec<Effect> {
        let Ok(slot) = answer else { return self.end(EndReason::GaveUp) };
        let Some(slot) = slot.filter(|slot| slot.n == n) else {
            return vec![Effect::ReadGuard];
        };
        let Ok(entries) = payload::split(&slot.payload) else {
            return self.end(EndReason::Broken);
        };
        self.unmaterialised.add(n, entries.into());
        self.state = State::Replaying { next: n + 1 };
        self.replay_next()
    }

    /// Answer to [`Effect::Commit`].
    pub fn on_committed(
        &mut self,
        answer: &Result<Applied, RingError>,
        now_ms: u64,
    ) -> Vec<Effect> {
        let State::Committing(doubt) = &mut self.state else { return Vec::new() };
        let doubt = doubt.clone();
        if matches!(answer, Ok(Applied::Yes)) {
            return self.stored(doubt);
        }
        self.state = State::Resolving { doubt, since_ms: now_ms, tries: 0, guard: None };
        vec![Effect::ReadGuard]
    }

    /// The guard, read now and then while nothing is to be committed. Without it an idle owner
    /// would not notice that another one came and went, and nobody would replay what that one left.
    pub fn on_look(&mut self, guard: Option<Guard>) -> Vec<Effect> {
        let is_foreign = guard.is_some_and(|guard| guard.owner != self.owner);
        if is_foreign && matches!(self.state, State::Ready) {
            return self.end(EndReason::Fenced);
        }
        Vec::new()
    }

    /// What two serial reads, guard first, say about the commit in doubt.
    fn resolve(&mut self, slot: Option<&Slot>) -> Vec<Effect> {
        let State::Resolving { doubt, guard: Some(guard), .. } = &self.state else {
            return self.end(EndReason::Broken);
        };
        let (doubt, guard) = (doubt.clone(), *guard);
        let n = doubt.commit.n;
        let still_mine = guard.owner == self.owner;
        let is_in_slot = slot.is_some_and(|slot| slot.n == n && slot.writer == self.owner);
        // Between the two reads another owner may have come and used the slot again: the guard
        // that was still mine tells that the commit was applied.
        let is_overwritten = slot.is_some_and(|slot| slot.n > n);
        let applied = is_in_slot || still_mine && guard.head == n && is_overwritten;
        if applied {
            let mut effects = self.stored(doubt);
            if !still_mine {
                effects.retain(|effect| matches!(effect, Effect::Stored { .. }));
                effects.extend(self.end(EndReason::Fenced));
            }
            effects
        } else if still_mine && guard.head + 1 == n {
            let commit = doubt.commit.clone();
            self.state = State::Committing(doubt);
            vec![Effect::Commit(commit)]
        } else if still_mine {
            self.end(EndReason::Broken)
        } else {
            self.end(EndReason::Fenced)
        }
    }

    fn resolve_later(&mut self, now_ms: u64) -> Vec<Effect> {
        let State::Resolving { since_ms, tries, .. } = &mut self.state else { return Vec::new() };
        if now_ms.saturating_sub(*since_ms) > RESOLVE_GIVE_UP_MS {
            return self.end(EndReason::GaveUp);
        }
        let ms = (200_u64 << (*tries).min(5)).min(5_000);
        *tries += 1;
        vec![Effect::Wake { ms_min: ms, ms_max: ms }]
    }

    /// The time of an [`Effect::Wake`] has come.
    pub fn on_wake(&mut self) -> Vec<Effect> {
        match self.state {
            State::Claiming { .. } | State::Resolving { .. } => vec![Effect::ReadGuard],
            _ => Vec::new(),
        }
    }

    fn stored(&mut self, doubt: InDoubt) -> Vec<Effect> {
        let n = doubt.commit.n;
        self.head = n;
        self.unmaterialised.add(n, doubt.entries.clone());
        self.state = State::Ready;
        let mut effects = vec![Effect::Stored { n, entries: doubt.entries }];
        effects.extend(self.commit_next());
        effects.extend(self.materialise_soon());
        effects
    }

    fn may_commit(&self) -> bool {
        let ring_is_full = self.ring_depth() >= u64::from(self.shape.slots);
        matches!(self.state, State::Ready) && !self.waiting.is_empty() && !ring_is_full
    }

    fn commit_next(&mut self) -> Vec<Effect> {
        if !self.may_commit() {
            return Vec::new();
        }
        let batch = batch::take(&mut self.waiting, &self.limits);
        let payload = payload::join(batch.iter().map(|packed| packed.bytes.as_slice()));
        let commit = Commit {
            shard: self.shard,
            owner: self.owner,
            n: self.head + 1,
            done: self.done,
            payload,
        };
        let entries = batch.into_iter().map(|packed| packed.entry).collect();
        self.state = State::Committing(InDoubt { commit: commit.clone(), entries });
        vec![Effect::Commit(commit)]
    }

    /// Commits are materialised in groups: now when there are many, else after a moment.
    fn materialise_soon(&mut self) -> Vec<Effect> {
        if self.materialising.is_some() || self.unmaterialised.is_empty() {
            return Vec::new();
        }
        let entries = self.unmaterialised.entry_count();
        let half_full = self.ring_depth() * 2 >= u64::from(self.shape.slots);
        if entries >= MATERIALISE_ENTRIES || half_full {
            return self.materialise_now();
        }
        if self.wake_armed {
            return Vec::new();
        }
        self.wake_armed = true;
        vec![Effect::WakeToMaterialise { ms: MATERIALISE_DELAY_MS }]
    }

    /// The time of an [`Effect::WakeToMaterialise`] has come, or someone waits for it.
    pub fn on_materialise_due(&mut self) -> Vec<Effect> {
        self.wake_armed = false;
        // A replay reads all slots first: an answer in between would make it read one twice.
        let reads_slots = matches!(self.state, State::Replaying { next } if next <= self.head);
        let has_nothing = self.unmaterialised.is_empty() || self.is_ended();
        if self.materialising.is_some() || reads_slots || has_nothing {
            return Vec::new();
        }
        self.materialise_now()
    }

    fn materialise_now(&mut self) -> Vec<Effect> {
        let mut group = Vec::new();
        let mut entries_in_group = 0;
        for (n, entries) in self.unmaterialised.commits() {
            if !group.is_empty() && entries_in_group + entries.len() > MATERIALISE_ENTRIES_MAX {
                break;
            }
            entries_in_group += entries.len();
            group.push(MaterialisedCommit { shard: self.shard, n, entries: entries.clone() });
        }
        self.materialising = group.last().map(|commit| commit.n);
        vec![Effect::Materialise(group)]
    }

    /// Answer to [`Effect::Materialise`].
    pub fn on_materialised(&mut self, succeeded: bool) -> Vec<Effect> {
        let Some(last) = self.materialising.take() else { return Vec::new() };
        if self.is_ended() {
            return Vec::new();
        }
        if !succeeded {
            let ms = (MATERIALISE_AGAIN_MS << self.materialise_tries.min(8)).min(5_000);
            self.materialise_tries += 1;
            self.wake_armed = true;
            return vec![Effect::WakeToMaterialise { ms }];
        }
        self.materialise_tries = 0;
        self.done = last;
        for entry in self.unmaterialised.take_up_to(last).entries() {
            self.materialised_heads.insert(entry.conversation_id, entry.seq);
        }
        let mut effects = vec![Effect::Materialised { done: last }];
        if matches!(self.state, State::Replaying { .. }) {
            effects.extend(self.replay_next());
            return effects;
        }
        effects.extend(self.commit_next());
        effects.extend(self.materialise_soon());
        effects
    }

    fn end(&mut self, reason: EndReason) -> Vec<Effect> {
        self.state = State::Ended;
        self.waiting.clear();
        self.unmaterialised = Unmaterialised::default();
        vec![Effect::Ended(reason)]
    }
}
