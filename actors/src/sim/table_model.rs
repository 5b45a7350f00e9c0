//! The readers' tables: every row keeps the write with the largest timestamp, as Cassandra does.

use std::collections::BTreeMap;

use schema::record::{Entry, Event};
use schema::{ConversationId, MessageId, Sequence, SequenceRange, UserId};

use crate::ports::MaterialisedCommit;

/// Orders writes of one row.
type Timestamp = u64;

/// A row's newest write.
type Row<T> = (Timestamp, T);

/// What a copy of some commits does to the tables.
#[derive(Clone, Debug)]
pub struct RowWrites {
    pub commits: Vec<MaterialisedCommit>,
    /// `None`: each entry's place in the log of commits. Else the writer's calendar, milliseconds,
    /// which is wrong: see `Mutant::WallClockTimestamps`.
    pub stamp_ms: Option<u64>,
    /// Bit `i % 64` is clear: entry `i` did not arrive.
    pub mask: u64,
}

impl RowWrites {
    fn entries(&self) -> impl Iterator<Item = (Timestamp, &Entry)> {
        let numbered = self.commits.iter().flat_map(move |commit| {
            commit.entries.iter().enumerate().map(move |(index, entry)| {
                let base = self.stamp_ms.unwrap_or(commit.n);
                (base * 1024 + index as u64, entry)
            })
        });
        numbered.enumerate().filter(|(at, _)| self.mask >> (at % 64) & 1 == 1).map(|(_, it)| it)
    }
}

/// Messages, heads, the index of sent ids, and conversations' names.
#[derive(Default)]
pub struct TableModel {
    messages: BTreeMap<ConversationId, BTreeMap<Sequence, Row<Entry>>>,
    heads: BTreeMap<ConversationId, Row<Sequence>>,
    sent: BTreeMap<(UserId, MessageId, ConversationId), Row<Sequence>>,
    names: BTreeMap<ConversationId, Row<Option<String>>>,
}

fn write<T>(row: Option<&mut Row<T>>, stamp: Timestamp, value: T) -> Option<Row<T>> {
    match row {
        None => Some((stamp, value)),
        Some(row) => {
            if row.0 < stamp {
                *row = (stamp, value);
            }
            None
        }
    }
}

impl TableModel {
    /// Everything but heads, which are written after it.
    pub fn write_rows(&mut self, writes: &RowWrites) {
        for (stamp, entry) in writes.entries() {
            let id = entry.conversation_id;
            let rows = self.messages.entry(id).or_default();
            if let Some(row) = write(rows.get_mut(&entry.seq), stamp, entry.clone()) {
                rows.insert(entry.seq, row);
            }
            let key = (entry.sender_id, entry.message_id, id);
            if let Some(row) = write(self.sent.get_mut(&key), stamp, entry.seq) {
                self.sent.insert(key, row);
            }
            if let Event::ConversationChanged(change) = &entry.event
                && let Some(row) = write(self.names.get_mut(&id), stamp, change.name.clone())
            {
                self.names.insert(id, row);
            }
        }
    }

    pub fn write_heads(&mut self, writes: &RowWrites) {
        for (stamp, entry) in writes.entries() {
            let id = entry.conversation_id;
            if let Some(row) = write(self.heads.get_mut(&id), stamp, entry.seq) {
                self.heads.insert(id, row);
            }
        }
    }

    #[must_use]
    pub fn head(&self, conversation: ConversationId) -> Sequence {
        self.heads.get(&conversation).map(|row| row.1).unwrap_or_default()
    }

    #[must_use]
    pub fn range(&self, conversation: ConversationId, range: SequenceRange) -> Vec<Entry> {
        match self.messages.get(&conversation) {
            Some(rows) if !range.is_empty() => {
                rows.range(range.first..=range.last).map(|(_, row)| row.1.clone()).collect()
            }
            _ => Vec::new(),
        }
    }

    #[must_use]
    pub fn log(&self, conversation: ConversationId) -> Vec<Entry> {
        self.range(conversation, SequenceRange::new(Sequence(1), Sequence(u64::MAX)))
    }

    #[must_use]
    pub fn sent(
        &self,
        conversation: ConversationId,
        sender: UserId,
        message: MessageId,
    ) -> Option<Sequence> {
        self.sent.get(&(sender, message, conversation)).map(|row| row.1)
    }

    #[must_use]
    pub fn name(&self, conversation: ConversationId) -> Option<String> {
        self.names.get(&conversation).and_then(|row| row.1.clone())
    }
}
