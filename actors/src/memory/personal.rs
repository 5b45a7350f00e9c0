//! Facts of users, and due messages.

use std::collections::{BTreeMap, BTreeSet};

use schema::UserId;
use schema::record::{Due, Fact, FactKey, FactRange, FactWrite};

use super::store::{MemoryStore, found};
use crate::ports::{PersonalStore, PortFuture};

#[derive(Default)]
pub(super) struct Personal {
    /// Those that are gone keep their stamp.
    facts: BTreeMap<(UserId, FactKey), (i64, Option<Fact>)>,
    due: BTreeSet<Due>,
}

impl Personal {
    fn write(&mut self, write: FactWrite) {
        let FactWrite { user_id, stamp, fact, is_gone } = write;
        let row = self.facts.entry((user_id, fact.key())).or_insert((i64::MIN, None));
        if row.0 <= stamp {
            *row = (stamp, (!is_gone).then_some(fact));
        }
    }

    fn facts(&self, user: UserId, range: &FactRange) -> Vec<(UserId, Fact)> {
        let rows = self.facts.range((user, range.from.clone())..(user, range.to.clone()));
        let facts = rows.filter_map(|(_, (_, fact))| Some((user, fact.clone()?)));
        facts.take(range.limit).collect()
    }
}

impl PersonalStore for MemoryStore {
    fn write_facts(&self, writes: Vec<FactWrite>) -> PortFuture<()> {
        let mut tables = self.tables();
        writes.into_iter().for_each(|write| tables.personal.write(write));
        found(())
    }

    fn note_seen(&self, seen: Vec<(UserId, i64)>) -> PortFuture<()> {
        let write = |(user_id, at)| FactWrite {
            user_id,
            stamp: at,
            fact: Fact::LastSeen(at),
            is_gone: false,
        };
        self.write_facts(seen.into_iter().map(write).collect())
    }

    fn facts(&self, users: Vec<UserId>, range: FactRange) -> PortFuture<Vec<(UserId, Fact)>> {
        let personal = &self.tables().personal;
        found(users.into_iter().flat_map(|user| personal.facts(user, &range)).collect())
    }

    fn add_due(&self, due: Due) -> PortFuture<()> {
        self.tables().personal.due.insert(due);
        found(())
    }

    fn remove_due(&self, due: Due) -> PortFuture<()> {
        self.tables().personal.due.remove(&due);
        found(())
    }

    fn due(&self, from_ms: i64, to_ms: i64, limit: usize) -> PortFuture<Vec<Due>> {
        let tables = self.tables();
        let due = tables.personal.due.iter();
        let is_meant = |due: &&Due| (from_ms..=to_ms).contains(&due.send_at);
        found(due.filter(is_meant).take(limit).copied().collect())
    }
}
