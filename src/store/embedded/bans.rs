//! Who may not be a member of a conversation.

use rusqlite::{Connection, Row, params};
use schema::record::{Ban, Entry};
use schema::{ConversationId, UserId};

use super::failure::Failure;
use super::rows::{id, sequence, to_column};

/// Notes what an entry says of a user; the later word is kept.
pub(super) fn write(
    connection: &Connection,
    entry: &Entry,
    user: UserId,
    is_banned: bool,
) -> Result<(), Failure> {
    let (seq, banned_by, banned_at) = (entry.seq, entry.sender_id, entry.sent_at);
    let said = Ban { user_id: user, seq, banned_by, banned_at };
    note(connection, entry.conversation_id, &said, is_banned)
}

/// The same, whatever said so.
pub(super) fn note(
    connection: &Connection,
    conversation: ConversationId,
    said: &Ban,
    is_banned: bool,
) -> Result<(), Failure> {
    let sql = "INSERT INTO bans (conversation_id, user_id, seq, is_banned, said_by, said_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6)
               ON CONFLICT DO UPDATE
               SET seq = excluded.seq, is_banned = excluded.is_banned,
                   said_by = excluded.said_by, said_at = excluded.said_at
               WHERE excluded.seq > bans.seq";
    connection.prepare_cached(sql)?.execute(params![
        conversation.as_bytes(),
        said.user_id.as_bytes(),
        to_column(said.seq.0),
        is_banned,
        said.banned_by.as_bytes(),
        said.banned_at
    ])?;
    Ok(())
}

pub(super) fn bans(
    connection: &Connection,
    conversation: ConversationId,
) -> Result<Vec<Ban>, Failure> {
    let sql = "SELECT user_id, seq, said_by, said_at FROM bans
               WHERE conversation_id = ?1 AND is_banned ORDER BY user_id";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([conversation.as_bytes()], ban_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// A ban from its columns, which come first.
pub(super) fn ban_row(row: &Row<'_>) -> rusqlite::Result<Ban> {
    Ok(Ban {
        user_id: id(row, 0, UserId::from_bytes)?,
        seq: sequence(row, 1)?,
        banned_by: id(row, 2, UserId::from_bytes)?,
        banned_at: row.get(3)?,
    })
}
