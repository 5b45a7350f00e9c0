//! Counting and finding in logs: ordinals, mentions, threads.

use std::collections::{BTreeMap, BTreeSet};

use actors::ports::{COUNTED_MAX, LogIndex, MentionsWithin, PortFuture, ThreadReply};
use schema::record::{Entry, Event};
use schema::{ConversationId, Sequence, SequenceRange, UserId};
use uuid::Uuid;

use super::failure::Failure;
use super::materialise::split_all;
use super::rows::{bucket, number, sequence, to_column};
use super::store::{Store, all, answer};

const ROW_BYTES: usize = 64;

type MentionRow = (Uuid, Uuid, i64, i64);
type ReplyRow = (Uuid, i64, i64, Uuid, i64);
type ThreadRow = (Uuid, i64, i64, i64);

/// Rows of the indexes, by partition.
#[derive(Default)]
pub(super) struct IndexPlan {
    mentions: BTreeMap<(UserId, ConversationId), Vec<MentionRow>>,
    replies: BTreeMap<(ConversationId, Sequence), Vec<ReplyRow>>,
    threads: BTreeMap<ConversationId, Vec<ThreadRow>>,
}

impl IndexPlan {
    /// What an entry says about mentions and threads.
    pub fn add(&mut self, entry: &Entry, order: i64) {
        match &entry.event {
            Event::Message(body) => {
                self.mention(entry, entry.seq, &body.mentions, order);
                if let Some(root) = body.thread {
                    self.reply(entry, root, order);
                }
            }
            Event::MessageEdited { target, mentions, .. } => {
                self.mention(entry, *target, mentions, order);
            }
            _ => {}
        }
    }

    fn mention(&mut self, entry: &Entry, seq: Sequence, users: &[UserId], order: i64) {
        let id = entry.conversation_id;
        for user in users {
            let row = (user.0, id.0, to_column(seq.0), order);
            self.mentions.entry((*user, id)).or_default().push(row);
        }
    }

    fn reply(&mut self, entry: &Entry, root: Sequence, order: i64) {
        let (id, seq) = (entry.conversation_id, to_column(entry.seq.0));
        let row = (id.0, to_column(root.0), seq, entry.sender_id.0, order);
        self.replies.entry((id, root)).or_default().push(row);
        self.threads.entry(id).or_default().push((id.0, to_column(root.0), seq, order));
    }
}

impl Store {
    pub(super) async fn write_index(&self, plan: IndexPlan) -> Result<(), Failure> {
        let statements = self.statements();
        let mentions = split_all(plan.mentions, |_| ROW_BYTES).collect::<Vec<_>>();
        let replies = split_all(plan.replies, |_| ROW_BYTES).collect::<Vec<_>>();
        let threads = split_all(plan.threads, |_| ROW_BYTES).collect::<Vec<_>>();
        let mentions =
            mentions.iter().map(|rows| self.write_batch(&statements.insert_mention, rows));
        let replies = replies.iter().map(|rows| self.write_batch(&statements.insert_reply, rows));
        let threads = threads.iter().map(|rows| self.write_batch(&statements.insert_thread, rows));
        tokio::try_join!(all(mentions.collect()), all(replies.collect()), all(threads.collect()))?;
        Ok(())
    }

    /// Forgets whom a message that is being deleted, and its edits, mentioned.
    pub(super) async fn forget_mentions(
        &self,
        id: ConversationId,
        target: Sequence,
        edits: &[Sequence],
        order: i64,
    ) -> Result<(), Failure> {
        let saying = [target].into_iter().chain(edits.iter().copied());
        // Not by range: heads are written last, and what is above them does not show there.
        let saying = saying.map(|seq| {
            let key = (id.0, to_column(bucket(seq)), to_column(seq.0));
            self.row::<(Option<Vec<u8>>,)>(&self.statements().event, key)
        });
        let mut users = BTreeSet::new();
        let events = all(saying.collect()).await?;
        for event in events.into_iter().flatten().filter_map(|(event,)| event) {
            let event = rmp_serde::from_slice(&event).map_err(|error| {
                Failure::Damaged(format!("an event of {id} cannot be read: {error}"))
            })?;
            match event {
                Event::Message(body) => users.extend(body.mentions),
                Event::MessageEdited { mentions, .. } => users.extend(mentions),
                _ => {}
            }
        }
        let statement = &self.statements().delete_mention;
        let deletions = users
            .into_iter()
            .map(|user| self.write(statement, (order, user.0, id.0, to_column(target.0))));
        all(deletions.collect()).await?;
        Ok(())
    }

    async fn ordinal(&self, id: ConversationId, seq: Sequence) -> Result<Option<u64>, Failure> {
        if seq == Sequence::START {
            return Ok(Some(0));
        }
        let key = (id.0, to_column(bucket(seq)), to_column(seq.0));
        let row = self.row::<(Option<i64>, Option<Uuid>)>(&self.statements().ordinal, key).await?;
        // A row without a sender is not there yet: something took its words away before it came.
        match row {
            Some((ordinal, Some(_))) => Ok(Some(number(ordinal.unwrap_or(0))?)),
            _ => Ok(None),
        }
    }

    async fn count_mentions(
        &self,
        user: UserId,
        MentionsWithin { conversation, range, here }: &MentionsWithin,
    ) -> Result<u64, Failure> {
        let limit = i32::try_from(COUNTED_MAX).unwrap_or(i32::MAX);
        let statement = &self.statements().mentions;
        let wanted = [user, UserId::EVERYONE, UserId::HERE].into_iter();
        let wanted = wanted.filter(|it| *it != UserId::HERE || !here.is_empty());
        let reads = wanted.map(|meant| async move {
            let range = (to_column(range.first.0), to_column(range.last.0));
            let key = (meant.0, conversation.0, range.0, range.1, limit);
            Ok::<_, Failure>((meant, self.rows::<(i64,)>(statement, key).await?))
        });
        let mut found = BTreeSet::new();
        for (meant, rows) in all(reads.collect()).await? {
            for (seq,) in rows {
                let seq = sequence(seq)?;
                if meant.means(user, here.contains(&seq)) {
                    found.insert(seq);
                }
            }
        }
        Ok(found.len().min(COUNTED_MAX) as u64)
    }

    async fn read_threads(
        &self,
        id: ConversationId,
        below: Sequence,
        limit: usize,
    ) -> Result<Vec<(Sequence, Sequence)>, Failure> {
        let limit = i32::try_from(limit).unwrap_or(i32::MAX);
        let key = (id.0, to_column(below.0), limit);
        let rows = self.rows::<(i64, i64)>(&self.statements().threads, key).await?;
        rows.into_iter().map(|(root, last)| Ok((sequence(root)?, sequence(last)?))).collect()
    }

    async fn read_replies(
        &self,
        id: ConversationId,
        root: Sequence,
        range: SequenceRange,
        limit: usize,
        newest: bool,
    ) -> Result<Vec<ThreadReply>, Failure> {
        let statements = self.statements();
        let statement =
            if newest { &statements.newest_replies } else { &statements.oldest_replies };
        let limit = i32::try_from(limit).unwrap_or(i32::MAX);
        let (first, last) = (to_column(range.first.0), to_column(range.last.0));
        let key = (id.0, to_column(root.0), first, last, limit);
        let mut replies = Vec::new();
        for (seq, sender) in self.rows::<(i64, Uuid)>(statement, key).await? {
            replies.push(ThreadReply { seq: sequence(seq)?, sender_id: UserId(sender) });
        }
        replies.sort_unstable_by_key(|reply| reply.seq);
        Ok(replies)
    }
}

impl LogIndex for Store {
    fn ordinals(&self, at: Vec<(ConversationId, Sequence)>) -> PortFuture<Vec<Option<u64>>> {
        let store = self.clone();
        Box::pin(async move {
            let reads = at.iter().map(|(id, seq)| store.ordinal(*id, *seq));
            answer("ordinals", all(reads.collect())).await
        })
    }

    fn mentions(&self, user: UserId, within: Vec<MentionsWithin>) -> PortFuture<Vec<u64>> {
        let store = self.clone();
        Box::pin(async move {
            let reads = within.iter().map(|it| store.count_mentions(user, it));
            answer("mentions", all(reads.collect())).await
        })
    }

    fn threads(
        &self,
        conversation: ConversationId,
        below: Sequence,
        limit: usize,
    ) -> PortFuture<Vec<(Sequence, Sequence)>> {
        let store = self.clone();
        Box::pin(
            async move { answer("threads", store.read_threads(conversation, below, limit)).await },
        )
    }

    fn thread_replies(
        &self,
        conversation: ConversationId,
        root: Sequence,
        range: SequenceRange,
        limit: usize,
        newest: bool,
    ) -> PortFuture<Vec<ThreadReply>> {
        let store = self.clone();
        Box::pin(async move {
            let read = store.read_replies(conversation, root, range, limit, newest);
            answer("thread_replies", read).await
        })
    }
}
