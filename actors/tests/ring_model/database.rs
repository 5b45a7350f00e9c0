//! The ring as the database keeps it, and the true order of all that was committed.

use actors::committer::payload;
use actors::ports::{Applied, Commit, Guard, Slot};
use schema::{Epoch, OwnerToken};

use super::entries::{Tag, tags, token};
use super::mutant::Mutant;

/// A statement or read of the ring.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Request {
    Guard,
    Slot(u64),
    Create,
    TakeOver(Guard),
    Commit(Commit),
    Release { done: u64 },
}

impl Request {
    #[must_use]
    pub const fn is_read(&self) -> bool {
        matches!(self, Self::Guard | Self::Slot(_))
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    Guard(Option<Guard>),
    Slot(Option<Slot>),
    Applied(Applied),
}

/// A commit as it took effect.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Logged {
    pub n: u64,
    pub writer: u8,
    pub entries: Vec<Tag>,
}

/// Guard and slots; statements take effect one at a time.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Database {
    pub guard: Option<Guard>,
    /// With the entries that the payload holds.
    slots: Vec<Option<(Slot, Vec<Tag>)>>,
    /// Every commit that ever took effect, in that order.
    pub log: Vec<Logged>,
}

impl Database {
    #[must_use]
    pub fn new(slots: u8, mutant: Mutant) -> Self {
        let slots = if mutant == Mutant::SmallerRing { slots - 1 } else { slots };
        Self { guard: None, slots: vec![None; usize::from(slots)], log: Vec::new() }
    }

    fn index(&self, n: u64) -> usize {
        usize::try_from(n).unwrap() % self.slots.len()
    }

    fn slot(&self, n: u64) -> Option<Slot> {
        self.slots[self.index(n)].as_ref().map(|(slot, _)| slot.clone())
    }

    /// Whether a commit can still be read from its slot.
    #[must_use]
    pub fn holds(&self, commit: &Logged) -> bool {
        self.slots[self.index(commit.n)].as_ref().is_some_and(|(slot, entries)| {
            (slot.n, slot.writer) == (commit.n, token(commit.writer)) && *entries == commit.entries
        })
    }

    /// Whether the condition of a statement holds.
    ///
    /// If it does not hold now it never will: no token owns twice, `head` and `epoch` only grow,
    /// and what a statement names was read before it was sent.
    #[must_use]
    pub fn would_apply(&self, by: u8, request: &Request, mutant: Mutant) -> bool {
        let Some(guard) = self.guard else { return matches!(request, Request::Create) };
        let is_owner = guard.owner == token(by);
        match request {
            Request::Guard | Request::Slot(_) | Request::Create => false,
            Request::TakeOver(seen) => {
                (guard.owner, guard.epoch, guard.head) == (seen.owner, seen.epoch, seen.head)
            }
            Request::Commit(commit) => {
                (is_owner || mutant == Mutant::DropOwner)
                    && (guard.head + 1 == commit.n || mutant == Mutant::DropHead)
            }
            Request::Release { .. } => is_owner,
        }
    }

    /// Carries a statement or read out.
    pub fn carry_out(&mut self, by: u8, request: &Request, mutant: Mutant) -> Answer {
        match request {
            Request::Guard => return Answer::Guard(self.guard),
            Request::Slot(n) => return Answer::Slot(self.slot(*n)),
            _ if !self.would_apply(by, request, mutant) => return Answer::Applied(Applied::No),
            Request::Create => {
                self.guard = Some(Guard { owner: token(by), epoch: Epoch(1), head: 0, done: 0 });
            }
            Request::TakeOver(seen) => {
                let epoch = Epoch(seen.epoch.0 + 1);
                self.guard = self.guard.map(|guard| Guard { owner: token(by), epoch, ..guard });
            }
            Request::Commit(commit) => self.commit(by, commit),
            Request::Release { done } => {
                let owner = OwnerToken::NOBODY;
                self.guard = self.guard.map(|guard| Guard { owner, done: *done, ..guard });
            }
        }
        Answer::Applied(Applied::Yes)
    }

    fn commit(&mut self, by: u8, commit: &Commit) {
        let Commit { n, done, payload, .. } = commit.clone();
        self.guard = self.guard.map(|guard| Guard { head: n, done, ..guard });
        let entries = tags(&payload::split(&payload).unwrap());
        self.log.push(Logged { n, writer: by, entries: entries.clone() });
        let index = self.index(n);
        self.slots[index] = Some((Slot { n, writer: commit.owner, payload }, entries));
    }

    #[must_use]
    pub fn head(&self) -> u64 {
        self.guard.map_or(0, |guard| guard.head)
    }

    #[must_use]
    pub fn done(&self) -> u64 {
        self.guard.map_or(0, |guard| guard.done)
    }

    /// Entries of the log, in the order of commits.
    pub fn entries(&self) -> impl Iterator<Item = Tag> {
        self.log.iter().flat_map(|commit| commit.entries.iter().copied())
    }
}
