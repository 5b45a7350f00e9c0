//! The commit ring as a database would keep it, and the true order of everything committed.

use std::collections::BTreeMap;

use schema::record::Entry;
use schema::{ConversationId, Epoch, OwnerToken, Sequence};

use super::mutants::Mutant;
use crate::committer::payload;
use crate::ports::{Applied, Commit, Guard, Slot};

/// One shard's guard and slots. Statements take effect one at a time.
pub struct RingModel {
    slots: u64,
    mutant: Mutant,
    guards: BTreeMap<u32, Guard>,
    cells: BTreeMap<(u32, u64), Slot>,
    /// What took effect, in order: what the readers' tables must come to show.
    pub log: BTreeMap<ConversationId, Vec<Entry>>,
    pub commits: u64,
}

impl RingModel {
    #[must_use]
    pub const fn new(slots: u32, mutant: Mutant) -> Self {
        Self {
            slots: slots as u64,
            mutant,
            guards: BTreeMap::new(),
            cells: BTreeMap::new(),
            log: BTreeMap::new(),
            commits: 0,
        }
    }

    #[must_use]
    pub fn guard(&self, shard: u32) -> Option<Guard> {
        self.guards.get(&shard).copied()
    }

    #[must_use]
    pub fn slot(&self, shard: u32, n: u64) -> Option<Slot> {
        self.cells.get(&(shard, n % self.slots)).cloned()
    }

    pub fn create(&mut self, shard: u32, owner: OwnerToken) -> Applied {
        if self.guards.contains_key(&shard) {
            return Applied::No;
        }
        self.guards.insert(shard, Guard { owner, epoch: Epoch(1), head: 0, done: 0 });
        Applied::Yes
    }

    pub fn take_over(&mut self, shard: u32, seen: Guard, owner: OwnerToken) -> Applied {
        match self.guards.get_mut(&shard) {
            Some(guard)
                if (guard.owner, guard.epoch, guard.head)
                    == (seen.owner, seen.epoch, seen.head) =>
            {
                guard.owner = owner;
                guard.epoch = Epoch(seen.epoch.0 + 1);
                Applied::Yes
            }
            _ => Applied::No,
        }
    }

    pub fn commit(&mut self, commit: &Commit) -> Applied {
        let &Commit { shard, owner, n, done, .. } = commit;
        let Some(guard) = self.guards.get_mut(&shard) else { return Applied::No };
        let is_owner = guard.owner == owner || self.mutant == Mutant::DropOwner;
        let is_next = guard.head + 1 == n || self.mutant == Mutant::DropHead;
        if !is_owner || !is_next {
            return Applied::No;
        }
        guard.head = n;
        guard.done = done;
        let slot = Slot { n, writer: owner, payload: commit.payload.clone() };
        self.cells.insert((shard, n % self.slots), slot);
        self.commits += 1;
        for entry in payload::split(&commit.payload).unwrap_or_default() {
            self.log.entry(entry.conversation_id).or_default().push(entry);
        }
        Applied::Yes
    }

    pub fn release(&mut self, shard: u32, owner: OwnerToken, done: u64) -> Applied {
        match self.guards.get_mut(&shard) {
            Some(guard) if guard.owner == owner => {
                guard.owner = OwnerToken::NOBODY;
                guard.done = done;
                Applied::Yes
            }
            _ => Applied::No,
        }
    }

    /// The last number that was committed.
    #[must_use]
    pub fn last(&self, conversation: ConversationId) -> Sequence {
        let entries = self.log.get(&conversation);
        entries.and_then(|it| it.last()).map(|entry| entry.seq).unwrap_or_default()
    }
}
