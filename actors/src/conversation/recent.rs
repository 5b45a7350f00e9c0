//! The newest entries of a conversation, ready to send. Pure.

use std::collections::VecDeque;
use std::sync::Arc;

use schema::{Sequence, SequenceRange};

use super::messages::LogEntry;

/// Entries kept for pages and reconnects.
pub const KEPT: usize = 128;
/// Entries kept while the store does not show them yet.
const KEPT_MAX: usize = 8192;

/// Consecutive entries up to the head.
#[derive(Debug, Default)]
pub struct Recent {
    entries: VecDeque<Arc<LogEntry>>,
}

impl Recent {
    /// Adds the next entry. `materialised`: what the store shows.
    pub fn push(&mut self, entry: Arc<LogEntry>, materialised: Sequence) {
        debug_assert!(
            self.entries.back().is_none_or(|last| last.entry.seq.next() == entry.entry.seq)
        );
        self.entries.push_back(entry);
        while self.entries.len() > KEPT
            && (self.entries.len() > KEPT_MAX
                || self.entries.front().is_some_and(|first| first.entry.seq <= materialised))
        {
            self.entries.pop_front();
        }
    }

    /// The first number held; `None` when empty.
    #[must_use]
    pub fn first(&self) -> Option<Sequence> {
        self.entries.front().map(|first| first.entry.seq)
    }

    #[must_use]
    pub fn get(&self, seq: Sequence) -> Option<&Arc<LogEntry>> {
        let first = self.first()?;
        let index = usize::try_from(seq.0.checked_sub(first.0)?).ok()?;
        self.entries.get(index)
    }

    /// The part of `range` that is held, and what lies before it. A range that lies beyond what is
    /// held, because entries were missed, is wholly not held.
    #[must_use]
    pub fn split(&self, range: SequenceRange) -> (SequenceRange, Vec<Arc<LogEntry>>) {
        let (Some(first), Some(last)) = (self.first(), self.entries.back()) else {
            return (range, Vec::new());
        };
        if range.first > last.entry.seq {
            return (range, Vec::new());
        }
        let older = SequenceRange::new(range.first, range.last.min(first.back(1)));
        let from = range.first.max(first);
        let held = (from.0..=range.last.0).map_while(|seq| self.get(Sequence(seq)).cloned());
        (older, held.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::committer::tests::entry;

    fn filled(count: u64, materialised: u64) -> Recent {
        let mut recent = Recent::default();
        for seq in 1..=count {
            recent.push(Arc::new(LogEntry::new(entry(1, seq, "x"))), Sequence(materialised));
        }
        recent
    }

    #[test]
    fn keeps_the_newest_and_all_that_the_store_does_not_show() {
        assert_eq!(filled(1000, 1000).first(), Some(Sequence(1000 - KEPT as u64 + 1)));
        assert_eq!(filled(1000, 300).first(), Some(Sequence(301)));
        assert_eq!(filled(20_000, 0).first(), Some(Sequence(20_000 - KEPT_MAX as u64 + 1)));
    }

    #[test]
    fn splits_a_page_between_store_and_memory() {
        let recent = filled(200, 200);
        let (older, held) = recent.split(SequenceRange::new(Sequence(60), Sequence(80)));
        assert_eq!(older, SequenceRange::new(Sequence(60), Sequence(72)));
        assert_eq!(held.len(), 8);
        let (older, held) = recent.split(SequenceRange::new(Sequence(190), Sequence(200)));
        assert!(older.is_empty());
        assert_eq!(held.len(), 11);
        let (older, held) = recent.split(SequenceRange::new(Sequence(1), Sequence(10)));
        assert_eq!((older.len(), held.len()), (10, 0));
        let missed = SequenceRange::new(Sequence(201), Sequence(205));
        assert_eq!(recent.split(missed).0, missed);
    }
}
