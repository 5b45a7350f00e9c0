//! Counting and finding in logs: here by reading them.

use std::collections::BTreeMap;

use schema::record::{Content, Entry, Event};
use schema::{ConversationId, Sequence, SequenceRange, UserId};

use super::store::{MemoryStore, found};
use crate::ports::{COUNTED_MAX, LogIndex, PortFuture, ThreadReply};

/// Whether a message mentions the user or everyone, as it or its edits say.
fn mentions(log: &[Entry], message: &Entry, user: UserId) -> bool {
    let Event::Message(body) = &message.event else { return false };
    if body.content == (Content::Deleted {}) {
        return false;
    }
    let edits = log.iter().filter_map(|entry| match &entry.event {
        Event::MessageEdited { target, mentions, .. } if *target == message.seq => Some(mentions),
        _ => None,
    });
    let mut said = edits.chain([&body.mentions]).flatten();
    said.any(|it| *it == user || it.is_group())
}

fn thread_of(entry: &Entry) -> Option<Sequence> {
    match &entry.event {
        Event::Message(body) => body.thread,
        _ => None,
    }
}

impl LogIndex for MemoryStore {
    fn ordinals(&self, at: Vec<(ConversationId, Sequence)>) -> PortFuture<Vec<Option<u64>>> {
        let ordinal = |(id, seq)| {
            if seq == Sequence::START {
                return Some(0);
            }
            self.log(id).iter().find(|entry| entry.seq == seq).map(|entry| entry.ordinal)
        };
        found(at.into_iter().map(ordinal).collect())
    }

    fn mentions(
        &self,
        user: UserId,
        within: Vec<(ConversationId, SequenceRange)>,
    ) -> PortFuture<Vec<u64>> {
        let count = |(id, range): (ConversationId, SequenceRange)| {
            let log = self.log(id);
            let meant = log.iter().filter(|it| range.contains(it.seq) && mentions(&log, it, user));
            meant.take(COUNTED_MAX).count() as u64
        };
        found(within.into_iter().map(count).collect())
    }

    fn threads(
        &self,
        conversation: ConversationId,
        below: Sequence,
        limit: usize,
    ) -> PortFuture<Vec<(Sequence, Sequence)>> {
        let mut last: BTreeMap<Sequence, Sequence> = BTreeMap::new();
        for entry in self.log(conversation) {
            if let Some(root) = thread_of(&entry).filter(|root| *root < below) {
                last.insert(root, entry.seq);
            }
        }
        found(last.into_iter().rev().take(limit).collect())
    }

    fn thread_replies(
        &self,
        conversation: ConversationId,
        root: Sequence,
        range: SequenceRange,
        limit: usize,
        newest: bool,
    ) -> PortFuture<Vec<ThreadReply>> {
        let log = self.log(conversation);
        let meant = |it: &&Entry| range.contains(it.seq) && thread_of(it) == Some(root);
        let replies = log.iter().filter(meant);
        let mut replies: Vec<ThreadReply> =
            replies.map(|it| ThreadReply { seq: it.seq, sender_id: it.sender_id }).collect();
        if newest {
            replies.drain(..replies.len().saturating_sub(limit));
        }
        replies.truncate(limit);
        found(replies)
    }
}
