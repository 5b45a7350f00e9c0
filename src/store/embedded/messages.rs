//! Reading logs: ranges, heads, sent ids.

use actors::ports::{ExpiredPurge, MaterialisedCommit, MessageStore, PortFuture};
use rusqlite::{Connection, OptionalExtension, params};
use schema::record::Entry;
use schema::{ConversationId, MessageId, Sequence, SequenceRange, UserId};

use super::changes::changes;
use super::failure::Failure;
use super::job::{Write, WriteRows};
use super::materialise::Materialise;
use super::purge_log;
use super::queue::Lane;
use super::rows::{self, entry, sequence, to_column};
use super::store::Store;

/// Largest number that the key of `messages` has room for.
pub(super) const SEQ_MAX: u64 = u32::MAX as u64;

/// The key of an entry in `messages`, from its conversation's number in this store.
pub(super) fn entry_id(conversation_number: i64, seq: u64) -> i64 {
    (conversation_number << 32) | to_column(seq.min(SEQ_MAX))
}

/// A conversation's number in this store and its head; `None` while it has no entries.
pub(super) fn head(
    connection: &Connection,
    conversation: ConversationId,
) -> Result<Option<(i64, Sequence)>, Failure> {
    let sql = "SELECT number, head FROM conversation_heads WHERE conversation_id = ?1";
    let head = connection
        .prepare_cached(sql)?
        .query_row([conversation.as_bytes()], |row| Ok((row.get(0)?, sequence(row, 1)?)));
    Ok(head.optional()?)
}

pub(super) fn range(
    connection: &Connection,
    conversation: ConversationId,
    range: SequenceRange,
) -> Result<Vec<Entry>, Failure> {
    let Some((number, head)) = head(connection, conversation)? else { return Ok(Vec::new()) };
    let (first, last) = (range.first.0.max(1), range.last.0.min(SEQ_MAX));
    if first > last {
        return Ok(Vec::new());
    }
    let sql = "SELECT entry_id & 0xFFFFFFFF, message_id, sender_id, sent_at, event, ordinal
               FROM messages WHERE entry_id BETWEEN ?1 AND ?2 ORDER BY entry_id";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([entry_id(number, first), entry_id(number, last)])?;
    let expected = Sequence(first).back(1).distance_to(head.min(Sequence(last)));
    let mut entries = Vec::with_capacity(usize::try_from(expected).unwrap_or(0).min(1_024));
    while let Some(row) = rows.next()? {
        entries.push(Entry { ordinal: rows::number(row, 5)?, ..entry(conversation, row, 0)? });
    }
    Ok(entries)
}

fn sent(
    connection: &Connection,
    conversation: ConversationId,
    sender: UserId,
    message: MessageId,
) -> Result<Option<Sequence>, Failure> {
    let sql = "SELECT seq FROM sent_index
               WHERE message_id = ?1 AND sender_id = ?2 AND conversation_id = ?3";
    let key = params![message.as_bytes(), sender.as_bytes(), conversation.as_bytes()];
    Ok(connection.prepare_cached(sql)?.query_row(key, |row| sequence(row, 0)).optional()?)
}

impl MessageStore for Store {
    fn materialise(&self, commits: Vec<MaterialisedCommit>) -> PortFuture<()> {
        let work = Materialise::new(commits, self.feed().clone());
        let count = work.count();
        let job = WriteRows::job("materialise", count, move |connection, rows| {
            work.write(connection, rows)
        });
        Box::pin(self.submit(Lane::Background, job))
    }

    fn range(&self, conversation: ConversationId, wanted: SequenceRange) -> PortFuture<Vec<Entry>> {
        let work = move |connection: &Connection| range(connection, conversation, wanted);
        Box::pin(self.read("range", work))
    }

    fn changes(
        &self,
        conversation: ConversationId,
        targets: SequenceRange,
    ) -> PortFuture<Vec<Entry>> {
        let work = move |connection: &Connection| changes(connection, conversation, targets);
        Box::pin(self.read("changes", work))
    }

    fn head(&self, conversation: ConversationId) -> PortFuture<Sequence> {
        let work = move |connection: &Connection| head(connection, conversation);
        let found = self.read("head", work);
        Box::pin(async move { Ok(found.await?.map_or(Sequence::START, |(_, head)| head)) })
    }

    fn sent(
        &self,
        conversation: ConversationId,
        sender: UserId,
        message: MessageId,
    ) -> PortFuture<Option<Sequence>> {
        let work = move |connection: &Connection| sent(connection, conversation, sender, message);
        Box::pin(self.read("sent", work))
    }

    fn purged_up_to(&self, conversation: ConversationId) -> PortFuture<Sequence> {
        let work = move |connection: &Connection| match head(connection, conversation)? {
            Some((number, _)) => purge_log::purged_up_to(connection, number),
            None => Ok(Sequence::START),
        };
        Box::pin(self.read("purged_up_to", work))
    }

    fn purge_expired(
        &self,
        shard: u32,
        after_ms: i64,
        up_to_ms: i64,
        entries_max: u32,
    ) -> PortFuture<ExpiredPurge> {
        let job = Write::job("purge_expired", move |connection: &Connection| {
            purge_log::purge_expired(connection, shard, (after_ms, up_to_ms), entries_max)
        });
        Box::pin(self.submit(Lane::Background, job))
    }

    fn expired_up_to(&self, shard: u32) -> PortFuture<Option<i64>> {
        let work = move |connection: &Connection| purge_log::expired_up_to(connection, shard);
        Box::pin(self.read("expired_up_to", work))
    }

    fn note_expired_up_to(&self, shard: u32, up_to_ms: i64) -> PortFuture<()> {
        let job = Write::job("note_expired_up_to", move |connection: &Connection| {
            purge_log::note_expired_up_to(connection, shard, up_to_ms)
        });
        Box::pin(self.submit(Lane::Background, job))
    }

    fn purge_below(
        &self,
        conversation: ConversationId,
        up_to: Sequence,
        entries_max: u32,
    ) -> PortFuture<bool> {
        let feed = self.feed().clone();
        let job = Write::job("purge_below", move |connection: &Connection| {
            let more = purge_log::purge_below(connection, conversation, up_to, entries_max)?;
            feed.grown(head(connection, conversation)?.map(|(number, _)| number).into_iter());
            Ok(more)
        });
        Box::pin(self.submit(Lane::Background, job))
    }

    fn conversations_after(
        &self,
        after: Option<ConversationId>,
        count_max: u32,
    ) -> PortFuture<Vec<ConversationId>> {
        let work = move |connection: &Connection| {
            purge_log::conversations_after(connection, after, count_max)
        };
        Box::pin(self.read("conversations_after", work))
    }
}
