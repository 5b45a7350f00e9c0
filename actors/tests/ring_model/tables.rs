//! The readers' tables: every row keeps the write with the largest timestamp.

use std::collections::BTreeMap;

use super::entries::Tag;

/// A write with its timestamp; the timestamp of an entry is its place in the log of commits.
pub type Stamped = (u64, Tag);

/// A copy of some commits on its way to the tables.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rows(pub Vec<Stamped>);

/// How much of a write arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Nothing,
    /// Messages and ids: heads come after them.
    AllButHeads,
    Everything,
}

/// Messages by number, the head, and the index of sent ids.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Tables {
    messages: BTreeMap<u64, Stamped>,
    head: Option<Stamped>,
    sent: BTreeMap<u8, Stamped>,
}

impl Tables {
    pub fn write(&mut self, rows: &Rows, part: Part) {
        if part == Part::Nothing {
            return;
        }
        for &row in &rows.0 {
            let (_, (id, seq)) = row;
            keep_newest(self.messages.entry(seq).or_insert(row), row);
            keep_newest(self.sent.entry(id).or_insert(row), row);
            if part == Part::Everything {
                keep_newest(self.head.get_or_insert(row), row);
            }
        }
    }

    /// Whether the write would leave everything as it is. Timestamps only grow: then it always will.
    #[must_use]
    pub fn is_spent(&self, rows: &Rows) -> bool {
        let mut after = self.clone();
        after.write(rows, Part::Everything);
        after == *self
    }

    #[must_use]
    pub fn head(&self) -> schema::Sequence {
        schema::Sequence(self.head.map_or(0, |(_, (_, seq))| seq))
    }

    #[must_use]
    pub fn message(&self, seq: u64) -> Option<u8> {
        self.messages.get(&seq).map(|(_, (id, _))| *id)
    }

    /// The row that the index leads to.
    #[must_use]
    pub fn sent(&self, id: u8) -> Option<Tag> {
        self.sent.get(&id).map(|(_, tag)| *tag)
    }

    /// Readers find this entry, and those who count go on above it.
    #[must_use]
    pub fn shows(&self, (id, seq): Tag) -> bool {
        self.message(seq) == Some(id) && self.sent(id) == Some((id, seq)) && self.head().0 >= seq
    }

    /// All messages.
    pub fn tags(&self) -> impl Iterator<Item = Tag> {
        self.messages.iter().map(|(seq, (_, (id, _)))| (*id, *seq))
    }
}

fn keep_newest(row: &mut Stamped, write: Stamped) {
    if row.0 < write.0 {
        *row = write;
    }
}
