//! Counting and finding in logs: here by reading them.

use std::collections::{BTreeMap, BTreeSet};

use schema::record::{Content, Entry, Event};
use schema::{ConversationId, Sequence, SequenceRange, UserId};

use super::store::{MemoryStore, found};
use crate::ports::{COUNTED_MAX, LogIndex, MentionsWithin, PortFuture, ThreadReply};

/// Whether a message mentions the user or everyone, as it or its edits say.
fn mentions(log: &[Entry], message: &Entry, user: UserId, here: &BTreeSet<Sequence>) -> bool {
    let Event::Message(body) = &message.event else { return false };
    if body.content == (Content::Deleted {}) {
        return false;
    }
    let edits = log.iter().filter_map(|entry| match &entry.event {
        Event::MessageEdited { target, mentions, .. } if *target == message.seq => Some(mentions),
        _ => None,
    });
    let mut said = edits.chain([&body.mentions]).flatten();
    let was_here = here.contains(&message.seq);
    said.any(|it| it.means(user, was_here))
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

    fn mentions(&self, user: UserId, within: Vec<MentionsWithin>) -> PortFuture<Vec<u64>> {
        let count = |MentionsWithin { conversation, range, here }| {
            let log = self.log(conversation);
            let is_meant = |it: &&Entry| range.contains(it.seq) && mentions(&log, it, user, &here);
            let meant = log.iter().filter(is_meant);
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
