//! Counting and finding in logs: ordinals, mentions, threads.

use std::collections::BTreeSet;

use actors::ports::{COUNTED_MAX, LogIndex, MentionsWithin, PortFuture, ThreadReply};
use rusqlite::{Connection, OptionalExtension, params};
use schema::record::{Entry, Event};
use schema::{ConversationId, Sequence, SequenceRange, UserId};

use super::failure::Failure;
use super::messages::{entry_id, head};
use super::rows::{id, number, sequence, to_column, unpack};
use super::store::Store;

/// Notes whom an entry mentions and which thread it belongs to.
pub(super) fn write(connection: &Connection, entry: &Entry) -> Result<(), Failure> {
    match &entry.event {
        Event::Message(body) => {
            write_mentions(connection, entry.conversation_id, entry.seq, &body.mentions)?;
            match body.thread {
                Some(root) => write_reply(connection, entry, root),
                None => Ok(()),
            }
        }
        Event::MessageEdited { target, mentions, .. } => {
            write_mentions(connection, entry.conversation_id, *target, mentions)
        }
        _ => Ok(()),
    }
}

fn write_mentions(
    connection: &Connection,
    conversation: ConversationId,
    seq: Sequence,
    users: &[UserId],
) -> Result<(), Failure> {
    let sql = "INSERT OR IGNORE INTO mentions (user_id, conversation_id, seq) VALUES (?1, ?2, ?3)";
    for user in users {
        let row = params![user.as_bytes(), conversation.as_bytes(), to_column(seq.0)];
        connection.prepare_cached(sql)?.execute(row)?;
    }
    Ok(())
}

fn write_reply(connection: &Connection, entry: &Entry, root: Sequence) -> Result<(), Failure> {
    let (id, root) = (entry.conversation_id.as_bytes(), to_column(root.0));
    let seq = to_column(entry.seq.0);
    let sql = "INSERT OR REPLACE INTO thread_replies (conversation_id, root, seq, sender_id)
               VALUES (?1, ?2, ?3, ?4)";
    connection.prepare_cached(sql)?.execute(params![id, root, seq, entry.sender_id.as_bytes()])?;
    let sql = "INSERT INTO threads (conversation_id, root, last_seq) VALUES (?1, ?2, ?3)
               ON CONFLICT DO UPDATE SET last_seq = max(last_seq, excluded.last_seq)";
    connection.prepare_cached(sql)?.execute(params![id, root, seq])?;
    Ok(())
}

/// Forgets whom the event of a deleted message, or of one of its edits, mentioned. Called before
/// its words are taken away.
pub(super) fn forget_mentions(
    connection: &Connection,
    conversation_number: i64,
    target: Sequence,
    event: &[u8],
) -> Result<(), Failure> {
    let mentions = match unpack(event)? {
        Event::Message(body) => body.mentions,
        Event::MessageEdited { mentions, .. } => mentions,
        _ => Vec::new(),
    };
    let sql = "DELETE FROM mentions WHERE user_id = ?1 AND seq = ?3 AND conversation_id =
                   (SELECT conversation_id FROM conversation_heads WHERE number = ?2)";
    for user in mentions {
        let row = params![user.as_bytes(), conversation_number, to_column(target.0)];
        connection.prepare_cached(sql)?.execute(row)?;
    }
    Ok(())
}

fn ordinal(
    connection: &Connection,
    conversation: ConversationId,
    seq: Sequence,
) -> Result<Option<u64>, Failure> {
    if seq == Sequence::START {
        return Ok(Some(0));
    }
    let Some((conversation_number, _)) = head(connection, conversation)? else { return Ok(None) };
    let sql = "SELECT ordinal FROM messages WHERE entry_id = ?1";
    let id = entry_id(conversation_number, seq.0);
    Ok(connection.prepare_cached(sql)?.query_row([id], |row| number(row, 0)).optional()?)
}

fn mentions(
    connection: &Connection,
    user: UserId,
    MentionsWithin { conversation, range, here }: &MentionsWithin,
) -> Result<u64, Failure> {
    let sql = "SELECT seq FROM mentions
               WHERE user_id = ?1 AND conversation_id = ?2 AND seq BETWEEN ?3 AND ?4
               ORDER BY seq LIMIT ?5";
    let mut statement = connection.prepare_cached(sql)?;
    let mut found = BTreeSet::new();
    for meant in [user, UserId::EVERYONE, UserId::HERE] {
        if meant == UserId::HERE && here.is_empty() {
            continue;
        }
        let rows = statement.query_map(
            params![
                meant.as_bytes(),
                conversation.as_bytes(),
                to_column(range.first.0),
                to_column(range.last.0),
                to_column(COUNTED_MAX as u64)
            ],
            |row| sequence(row, 0),
        )?;
        for seq in rows {
            let seq = seq?;
            if meant.means(user, here.contains(&seq)) {
                found.insert(seq);
            }
        }
    }
    Ok(found.len().min(COUNTED_MAX) as u64)
}

fn threads(
    connection: &Connection,
    conversation: ConversationId,
    below: Sequence,
    limit: usize,
) -> Result<Vec<(Sequence, Sequence)>, Failure> {
    let sql = "SELECT root, last_seq FROM threads
               WHERE conversation_id = ?1 AND root < ?2 ORDER BY root DESC LIMIT ?3";
    let mut statement = connection.prepare_cached(sql)?;
    let bounds = params![conversation.as_bytes(), to_column(below.0), to_column(limit as u64)];
    let rows = statement.query_map(bounds, |row| Ok((sequence(row, 0)?, sequence(row, 1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn thread_replies(
    connection: &Connection,
    conversation: ConversationId,
    root: Sequence,
    range: SequenceRange,
    limit: usize,
    newest: bool,
) -> Result<Vec<ThreadReply>, Failure> {
    const LOWEST: &str = "SELECT seq, sender_id FROM thread_replies
        WHERE conversation_id = ?1 AND root = ?2 AND seq BETWEEN ?3 AND ?4
        ORDER BY seq LIMIT ?5";
    const HIGHEST: &str = "SELECT seq, sender_id FROM thread_replies
        WHERE conversation_id = ?1 AND root = ?2 AND seq BETWEEN ?3 AND ?4
        ORDER BY seq DESC LIMIT ?5";
    let mut statement = connection.prepare_cached(if newest { HIGHEST } else { LOWEST })?;
    let rows = statement.query_map(
        params![
            conversation.as_bytes(),
            to_column(root.0),
            to_column(range.first.0),
            to_column(range.last.0),
            to_column(limit as u64)
        ],
        |row| {
            Ok(ThreadReply { seq: sequence(row, 0)?, sender_id: id(row, 1, UserId::from_bytes)? })
        },
    )?;
    let mut replies: Vec<ThreadReply> = rows.collect::<Result<_, _>>()?;
    replies.sort_unstable_by_key(|reply| reply.seq);
    Ok(replies)
}

impl LogIndex for Store {
    fn ordinals(&self, at: Vec<(ConversationId, Sequence)>) -> PortFuture<Vec<Option<u64>>> {
        Box::pin(self.read("ordinals", move |connection| {
            at.iter().map(|(id, seq)| ordinal(connection, *id, *seq)).collect()
        }))
    }

    fn mentions(&self, user: UserId, within: Vec<MentionsWithin>) -> PortFuture<Vec<u64>> {
        Box::pin(self.read("mentions", move |connection| {
            within.iter().map(|it| mentions(connection, user, it)).collect()
        }))
    }

    fn threads(
        &self,
        conversation: ConversationId,
        below: Sequence,
        limit: usize,
    ) -> PortFuture<Vec<(Sequence, Sequence)>> {
        Box::pin(
            self.read("threads", move |connection| threads(connection, conversation, below, limit)),
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
        Box::pin(self.read("thread_replies", move |connection| {
            thread_replies(connection, conversation, root, range, limit, newest)
        }))
    }
}
