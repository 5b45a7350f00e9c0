//! Commits that readers' tables do not show yet. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use schema::record::Entry;

/// Commits by number, and how many entries they have together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Unmaterialised {
    commits: BTreeMap<u64, Arc<[Entry]>>,
    entries: usize,
}

impl Unmaterialised {
    pub fn is_empty(&self) -> bool {
        self.commits.is_empty()
    }

    /// Entries of all of them, counted as they come: there may be a thousand commits.
    pub const fn entry_count(&self) -> usize {
        self.entries
    }

    pub fn commits(&self) -> impl Iterator<Item = (u64, &Arc<[Entry]>)> {
        self.commits.iter().map(|(n, entries)| (*n, entries))
    }

    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.commits.values().flat_map(|entries| entries.iter())
    }

    pub fn add(&mut self, n: u64, entries: Arc<[Entry]>) {
        self.entries += entries.len();
        if let Some(replaced) = self.commits.insert(n, entries) {
            self.entries -= replaced.len();
        }
    }

    /// Takes those up to commit `last` away.
    pub fn take_up_to(&mut self, last: u64) -> Self {
        let later = self.commits.split_off(&(last + 1));
        let commits = std::mem::replace(&mut self.commits, later);
        let entries = commits.values().map(|entries| entries.len()).sum();
        self.entries -= entries;
        Self { commits, entries }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::committer::tests::entry;

    fn commit(seqs: std::ops::Range<u64>) -> Arc<[Entry]> {
        seqs.map(|seq| entry(1, seq, "x")).collect()
    }

    #[test]
    fn counts_what_is_added_taken_and_replaced() {
        let mut waiting = Unmaterialised::default();
        for (n, seqs) in [(1, 1..3), (2, 3..4), (3, 4..9)] {
            waiting.add(n, commit(seqs));
        }
        assert_eq!(waiting.entry_count(), 8);
        waiting.add(3, commit(4..8));
        assert_eq!(waiting.entry_count(), 7);
        let taken = waiting.take_up_to(2);
        assert_eq!((taken.entry_count(), taken.entries().count()), (3, 3));
        assert_eq!((waiting.entry_count(), waiting.entries().count()), (4, 4));
        assert_eq!(waiting.commits().map(|(n, _)| n).collect::<Vec<_>>(), [3]);
        assert!(!waiting.is_empty() && waiting.take_up_to(3).entry_count() == 4);
        assert_eq!(waiting, Unmaterialised::default());
    }
}
