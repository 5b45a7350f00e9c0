//! Entries by conversation and number, and the index of sent ids.

use std::collections::{BTreeMap, BTreeSet};

use schema::record::{Entry, Event};
use schema::{ConversationId, MessageId, Sequence, SequenceRange, UserId};

use super::store::{MemoryStore, Tables, found};
use crate::ports::{MaterialisedCommit, MessageStore, PortFuture};

/// Orders writes of one row: commit number, then index inside the commit.
type CommitOrder = (u64, usize);

#[derive(Default)]
pub(super) struct Messages {
    entries: BTreeMap<ConversationId, BTreeMap<Sequence, (CommitOrder, Entry)>>,
    sent: BTreeMap<(UserId, MessageId, ConversationId), Sequence>,
    has_deletions: BTreeSet<ConversationId>,
}

impl Messages {
    pub fn last(&self, conversation: ConversationId) -> Option<&Entry> {
        let (_, (_, entry)) = self.entries.get(&conversation)?.last_key_value()?;
        Some(entry)
    }

    fn write(&mut self, order: CommitOrder, entry: &Entry) {
        let rows = self.entries.entry(entry.conversation_id).or_default();
        let row = rows.entry(entry.seq).or_insert_with(|| (order, entry.clone()));
        if row.0 < order {
            *row = (order, entry.clone());
        }
        let id = (entry.sender_id, entry.message_id, entry.conversation_id);
        let seq = self.sent.entry(id).or_insert(entry.seq);
        *seq = entry.seq.max(*seq);
    }

    fn range(&self, conversation: ConversationId, range: SequenceRange) -> Vec<Entry> {
        match self.entries.get(&conversation) {
            Some(rows) if !range.is_empty() => {
                rows.range(range.first..=range.last).map(|(_, (_, entry))| entry.clone()).collect()
            }
            _ => Vec::new(),
        }
    }

    /// All of them: to whoever folds them, what was overruled is as good as absent.
    fn changes(&self, conversation: ConversationId, targets: SequenceRange) -> Vec<Entry> {
        let rows = self.entries.get(&conversation).into_iter().flatten();
        let is_meant = |entry: &Entry| entry.event.target().is_some_and(|it| targets.contains(it));
        rows.map(|(_, (_, entry))| entry).filter(|entry| is_meant(entry)).cloned().collect()
    }

    /// What deleted messages and their edits said is gone.
    fn scrub(&mut self, conversation: ConversationId) {
        let Some(rows) = self.entries.get_mut(&conversation) else { return };
        let deleted: BTreeSet<Sequence> = rows
            .values()
            .filter_map(|(_, entry)| match entry.event {
                Event::MessageDeleted { target } => Some(target),
                _ => None,
            })
            .collect();
        for (seq, (_, entry)) in rows.iter_mut() {
            let is_edit = matches!(entry.event, Event::MessageEdited { .. });
            let said = entry.event.target().filter(|_| is_edit).unwrap_or(*seq);
            if deleted.contains(&said) {
                entry.event = entry.event.scrubbed();
            }
        }
    }
}

impl Tables {
    fn materialise(&mut self, commit: &MaterialisedCommit) {
        for (index, entry) in commit.entries.iter().enumerate() {
            self.messages.write((commit.n, index), entry);
            if self.messages.has_deletions.contains(&entry.conversation_id)
                || matches!(entry.event, Event::MessageDeleted { .. })
            {
                self.messages.has_deletions.insert(entry.conversation_id);
                self.messages.scrub(entry.conversation_id);
            }
            match &entry.event {
                Event::MembersChanged { added, removed } => {
                    self.roster.members_changed(entry, added, removed);
                }
                Event::RolesChanged { members } => self.roster.roles_changed(entry, members),
                Event::ConversationChanged { name } => self.roster.renamed(entry, name.as_deref()),
                _ => {}
            }
        }
    }
}

impl MemoryStore {
    /// Every conversation that has entries, in order of id.
    #[must_use]
    pub fn conversations_with_entries(&self) -> Vec<ConversationId> {
        self.tables().messages.entries.keys().copied().collect()
    }

    /// Everything materialised of a conversation, in order of number.
    #[must_use]
    pub fn log(&self, conversation: ConversationId) -> Vec<Entry> {
        let everything = SequenceRange::new(Sequence::START, Sequence(u64::MAX));
        self.tables().messages.range(conversation, everything)
    }
}

impl MessageStore for MemoryStore {
    fn materialise(&self, commits: Vec<MaterialisedCommit>) -> PortFuture<()> {
        let mut tables = self.tables();
        for commit in &commits {
            tables.materialise(commit);
        }
        found(())
    }

    fn range(&self, conversation: ConversationId, range: SequenceRange) -> PortFuture<Vec<Entry>> {
        found(self.tables().messages.range(conversation, range))
    }

    fn changes(
        &self,
        conversation: ConversationId,
        targets: SequenceRange,
    ) -> PortFuture<Vec<Entry>> {
        found(self.tables().messages.changes(conversation, targets))
    }

    fn head(&self, conversation: ConversationId) -> PortFuture<Sequence> {
        let tables = self.tables();
        found(tables.messages.last(conversation).map_or(Sequence::START, |entry| entry.seq))
    }

    fn sent(
        &self,
        conversation: ConversationId,
        sender: UserId,
        message: MessageId,
    ) -> PortFuture<Option<Sequence>> {
        found(self.tables().messages.sent.get(&(sender, message, conversation)).copied())
    }
}
