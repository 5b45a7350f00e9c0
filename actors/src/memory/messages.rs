//! Entries by conversation and number, and the index of sent ids.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use schema::record::{Entry, Event, Member, Role};
use schema::{ConversationId, MessageId, Sequence, SequenceRange, UserId};

use super::store::{MemoryStore, Tables, found};
use crate::ports::{ExpiredPurge, MaterialisedCommit, MessageStore, PortFuture};

/// Orders writes of one row: commit number, then index inside the commit.
type CommitOrder = (u64, usize);

#[derive(Default)]
pub(super) struct Messages {
    entries: BTreeMap<ConversationId, BTreeMap<Sequence, (CommitOrder, Entry)>>,
    sent: BTreeMap<(UserId, MessageId, ConversationId), Sequence>,
    has_deletions: BTreeSet<ConversationId>,
    /// Shard, time, entry.
    expiring: BTreeSet<(u32, i64, ConversationId, Sequence)>,
    expired_up_to: BTreeMap<u32, i64>,
    purged_up_to: BTreeMap<ConversationId, Sequence>,
}

impl Messages {
    pub fn last(&self, conversation: ConversationId) -> Option<&Entry> {
        let (_, (_, entry)) = self.entries.get(&conversation)?.last_key_value()?;
        Some(entry)
    }

    pub fn purged_up_to(&self, conversation: ConversationId) -> Sequence {
        self.purged_up_to.get(&conversation).copied().unwrap_or_default()
    }

    fn write(&mut self, order: CommitOrder, entry: &Entry) {
        if entry.seq <= self.purged_up_to(entry.conversation_id) {
            return;
        }
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
        let purged_up_to = self.purged_up_to(conversation);
        let is_meant = |entry: &Entry| {
            let target = entry.event.target();
            target.is_some_and(|it| targets.contains(it) && it > purged_up_to)
        };
        rows.map(|(_, (_, entry))| entry).filter(|entry| is_meant(entry)).cloned().collect()
    }

    fn purge_expired(
        &mut self,
        shard: u32,
        after_ms: i64,
        up_to_ms: i64,
        entries_max: u32,
    ) -> ExpiredPurge {
        let high = ConversationId(uuid::Uuid::max());
        let from = Bound::Excluded((shard, after_ms, high, Sequence(u64::MAX)));
        let up_to = Bound::Included((shard, up_to_ms, high, Sequence(u64::MAX)));
        let due: Vec<_> = self.expiring.range((from, up_to)).copied().collect();
        let mut done = ExpiredPurge { purged: 0, reached_ms: up_to_ms };
        let mut last_ms = None;
        for (_, expires_at, conversation, seq) in due {
            if last_ms.is_some_and(|last| done.purged >= entries_max.into() && expires_at > last) {
                done.reached_ms = last_ms.unwrap_or(up_to_ms);
                break;
            }
            last_ms = Some(expires_at);
            let rows = self.entries.get_mut(&conversation);
            if let Some((_, entry)) = rows.and_then(|rows| rows.get_mut(&seq))
                && entry.says_something()
            {
                entry.event = entry.event.scrubbed();
                done.purged += 1;
            }
        }
        done
    }

    fn purge_below(&mut self, conversation: ConversationId, up_to: Sequence, max: u32) -> bool {
        let purged = self.purged_up_to.entry(conversation).or_default();
        *purged = up_to.max(*purged);
        let Some(rows) = self.entries.get_mut(&conversation) else { return false };
        let going: Vec<Sequence> = rows.range(..=up_to).map(|(seq, _)| *seq).collect();
        for seq in going.iter().take(max as usize) {
            rows.remove(seq);
        }
        going.len() > max as usize
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
            if let Some(at) = entry.expires_at() {
                let row = (commit.shard, at, entry.conversation_id, entry.seq);
                self.messages.expiring.insert(row);
            }
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
                Event::ConversationChanged(change) => self.roster.changed(entry, change),
                Event::BansChanged { banned, unbanned } => {
                    self.roster.members_changed(entry, &[], banned);
                    self.roster.bans_changed(entry, banned, true);
                    self.roster.bans_changed(entry, unbanned, false);
                }
                Event::Joined { .. } => {
                    let member = Member { user_id: entry.sender_id, role: Role::Member };
                    self.roster.members_changed(entry, &[member], &[]);
                }
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

    fn purged_up_to(&self, conversation: ConversationId) -> PortFuture<Sequence> {
        found(self.tables().messages.purged_up_to(conversation))
    }

    fn purge_expired(
        &self,
        shard: u32,
        after_ms: i64,
        up_to_ms: i64,
        entries_max: u32,
    ) -> PortFuture<ExpiredPurge> {
        let messages = &mut self.tables().messages;
        found(messages.purge_expired(shard, after_ms, up_to_ms, entries_max))
    }

    fn expired_up_to(&self, shard: u32) -> PortFuture<Option<i64>> {
        found(self.tables().messages.expired_up_to.get(&shard).copied())
    }

    fn note_expired_up_to(&self, shard: u32, up_to_ms: i64) -> PortFuture<()> {
        let mut tables = self.tables();
        let noted = tables.messages.expired_up_to.entry(shard).or_insert(up_to_ms);
        *noted = up_to_ms.max(*noted);
        found(())
    }

    fn purge_below(
        &self,
        conversation: ConversationId,
        up_to: Sequence,
        entries_max: u32,
    ) -> PortFuture<bool> {
        found(self.tables().messages.purge_below(conversation, up_to, entries_max))
    }

    fn conversations_after(
        &self,
        after: Option<ConversationId>,
        count_max: u32,
    ) -> PortFuture<Vec<ConversationId>> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let tables = self.tables();
        let ids = tables.messages.entries.range((from, Bound::Unbounded));
        found(ids.map(|(id, _)| *id).take(count_max as usize).collect())
    }
}
