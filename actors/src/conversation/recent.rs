//! The newest entries of a conversation, ready to send. Pure.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use schema::record::{Entry, Event};
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

    /// Whether everything from `seq` on is held.
    #[must_use]
    pub fn holds_from(&self, seq: Sequence) -> bool {
        self.first().is_some_and(|first| first <= seq)
    }

    #[must_use]
    pub fn get(&self, seq: Sequence) -> Option<&Arc<LogEntry>> {
        let first = self.first()?;
        let index = usize::try_from(seq.0.checked_sub(first.0)?).ok()?;
        self.entries.get(index)
    }

    /// Takes away what a message and its edits said.
    pub fn scrub(&mut self, target: Sequence) {
        for log in &mut self.entries {
            if said(log) == target {
                *log = scrubbed(log);
            }
        }
    }

    /// Messages that entries held here deleted: the store may not show it yet.
    #[must_use]
    pub fn deleted(&self) -> BTreeSet<Sequence> {
        let deleted = self.entries.iter().filter_map(|log| match log.entry.event {
            Event::MessageDeleted { target } => Some(target),
            _ => None,
        });
        deleted.collect()
    }

    /// What the entries held did to the messages of `targets`, less what lies above `up_to`.
    pub fn changes(
        &self,
        targets: SequenceRange,
        up_to: Sequence,
    ) -> impl Iterator<Item = &Arc<LogEntry>> {
        self.entries.iter().filter(move |log| {
            let target = log.entry.event.target();
            log.entry.seq <= up_to && target.is_some_and(|target| targets.contains(target))
        })
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

/// The message that an entry says, or says anew.
fn said(log: &LogEntry) -> Sequence {
    match log.entry.event {
        Event::MessageEdited { target, .. } => target,
        _ => log.entry.seq,
    }
}

fn scrubbed(log: &LogEntry) -> Arc<LogEntry> {
    let event = log.entry.event.scrubbed();
    Arc::new(LogEntry::new(Entry { event, ..log.entry.clone() }))
}

/// The entry without what it says, if it says what one of these messages says.
#[must_use]
pub fn concealed(log: &LogEntry, hidden: &BTreeSet<Sequence>) -> Option<Arc<LogEntry>> {
    let says = matches!(log.entry.event, Event::Message(_) | Event::MessageEdited { .. });
    (says && hidden.contains(&said(log))).then(|| scrubbed(log))
}

/// Takes away what deleted messages and their edits said in a page that was read from the store.
pub fn scrub_page(entries: &mut [Arc<LogEntry>], deleted: &BTreeSet<Sequence>) {
    for log in entries.iter_mut().filter(|log| deleted.contains(&said(log))) {
        *log = scrubbed(log);
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
    fn what_was_deleted_is_gone_with_its_edits() {
        let mut recent = filled(3, 3);
        let change = |seq, event| {
            let entry = Entry { event, ..entry(1, seq, "x") };
            Arc::new(LogEntry::new(entry))
        };
        let content = schema::record::Content::Text { text: "secret".into() };
        let target = Sequence(2);
        let edit = Event::MessageEdited { target, content, mentions: Vec::new(), expires_at: None };
        recent.push(change(4, edit), Sequence(3));
        recent.push(change(5, Event::MessageDeleted { target }), Sequence(3));
        recent.scrub(target);
        for seq in [2, 4] {
            let kept = recent.get(Sequence(seq)).unwrap();
            assert_eq!(kept.entry.event.size(), 0, "{:?}", kept.entry);
        }
        assert!(recent.get(Sequence(1)).unwrap().entry.event.size() > 0);
        let mut page =
            vec![change(2, entry(1, 2, "secret").event), change(3, entry(1, 3, "x").event)];
        scrub_page(&mut page, &recent.deleted());
        assert_eq!((page[0].entry.event.size(), page[1].entry.event.size()), (0, 1));
        let all = SequenceRange::new(Sequence(1), Sequence(3));
        let seqs = |up_to| -> Vec<u64> {
            recent.changes(all, Sequence(up_to)).map(|log| log.entry.seq.0).collect()
        };
        assert_eq!((seqs(5), seqs(4)), (vec![4, 5], vec![4]));
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
