//! Taking away what entries said once their time is over, and entries that are kept no longer.
//!
//! An entry that expired keeps its row. Its write is given half a step after that of the commit
//! that brought it: no late copy of the commit brings back what it said, and a later commit that
//! changes the row still wins.

use actors::ports::ExpiredPurge;
use rusqlite::{Connection, OptionalExtension as _, params};
use schema::record::Event;
use schema::{ConversationId, Sequence};

use super::failure::Failure;
use super::materialise::pack;
use super::messages::{entry_id, head};
use super::rows::{id, sequence, to_column, unpack};

/// Between two orders of one commit's entries and those of the next: see `COMMIT_ENTRIES_MAX`.
const HALF_STEP: i64 = 512;
/// What expired stays listed for this long, for the search index.
const LISTED_MS: i64 = 24 * 60 * 60 * 1_000;

/// Entries of a conversation up to here were removed.
pub(super) fn purged_up_to(connection: &Connection, number: i64) -> Result<Sequence, Failure> {
    let sql = "SELECT purged_up_to FROM conversation_heads WHERE number = ?1";
    let found = connection.prepare_cached(sql)?.query_row([number], |row| sequence(row, 0));
    Ok(found.optional()?.unwrap_or_default())
}

/// Takes away what expired above `after_ms` and up to `up_to_ms`.
pub(super) fn purge_expired(
    connection: &Connection,
    shard: u32,
    (after_ms, up_to_ms): (i64, i64),
    entries_max: u32,
) -> Result<ExpiredPurge, Failure> {
    let sql = "SELECT expires_at FROM expiring
               WHERE shard = ?1 AND expires_at > ?2 AND expires_at <= ?3
               ORDER BY expires_at, entry_id LIMIT 1 OFFSET ?4";
    let bite = params![shard, after_ms, up_to_ms, entries_max.saturating_sub(1)];
    let full: Option<i64> =
        connection.prepare_cached(sql)?.query_row(bite, |row| row.get(0)).optional()?;
    let reached_ms = full.unwrap_or(up_to_ms);
    let sql = "SELECT entry_id FROM expiring
               WHERE shard = ?1 AND expires_at > ?2 AND expires_at <= ?3";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(params![shard, after_ms, reached_ms], |row| row.get(0))?;
    let ids = rows.collect::<Result<Vec<i64>, _>>()?;
    let mut purged = 0;
    for id in ids {
        purged += u64::from(silence(connection, id)?);
    }
    let sql = "DELETE FROM expiring WHERE shard = ?1 AND expires_at < ?2";
    connection.prepare_cached(sql)?.execute(params![shard, reached_ms - LISTED_MS])?;
    Ok(ExpiredPurge { purged, reached_ms })
}

/// Takes away what one entry said; false when there was nothing.
fn silence(connection: &Connection, entry: i64) -> Result<bool, Failure> {
    let sql = "SELECT event, commit_order FROM messages WHERE entry_id = ?1";
    let row = connection
        .prepare_cached(sql)?
        .query_row([entry], |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, i64>(1)?)));
    let Some((event, order)) = row.optional()? else { return Ok(false) };
    let (event, scrubbed) = {
        let event = unpack(&event)?;
        let scrubbed = event.scrubbed();
        (event, scrubbed)
    };
    if event == scrubbed {
        return Ok(false);
    }
    let mut packed = Vec::with_capacity(64);
    pack(&scrubbed, &mut packed)?;
    let sql = "UPDATE messages SET event = ?2, commit_order = ?3 WHERE entry_id = ?1";
    connection.prepare_cached(sql)?.execute(params![entry, packed, order | HALF_STEP])?;
    if let Event::MessageEdited { target, .. } = event {
        let number = entry >> 32;
        let sql = "UPDATE message_changes SET event = ?3 WHERE target_id = ?1 AND seq = ?2";
        let change = params![entry_id(number, target.0), entry & 0xFFFF_FFFF, packed];
        connection.prepare_cached(sql)?.execute(change)?;
    }
    Ok(true)
}

/// Removes the oldest entries up to `up_to`, `entries_max` numbers at most; true while there are
/// more.
pub(super) fn purge_below(
    connection: &Connection,
    conversation: ConversationId,
    up_to: Sequence,
    entries_max: u32,
) -> Result<bool, Failure> {
    let Some((number, head)) = head(connection, conversation)? else { return Ok(false) };
    let up_to = up_to.min(head);
    let sql = "UPDATE conversation_heads SET purged_up_to = max(purged_up_to, ?2)
               WHERE number = ?1";
    connection.prepare_cached(sql)?.execute(params![number, to_column(up_to.0)])?;
    let (first, last) = (entry_id(number, 0), entry_id(number, up_to.0));
    let sql = "SELECT min(entry_id) FROM messages WHERE entry_id BETWEEN ?1 AND ?2";
    let oldest: Option<i64> =
        connection.prepare_cached(sql)?.query_row(params![first, last], |row| row.get(0))?;
    let Some(oldest) = oldest else { return Ok(false) };
    let end = last.min(oldest + i64::from(entries_max.max(1)) - 1);
    let sql = "DELETE FROM messages WHERE entry_id BETWEEN ?1 AND ?2";
    connection.prepare_cached(sql)?.execute(params![first, end])?;
    let sql = "DELETE FROM message_changes WHERE target_id BETWEEN ?1 AND ?2";
    connection.prepare_cached(sql)?.execute(params![first, end])?;
    Ok(end < last)
}

pub(super) fn conversations_after(
    connection: &Connection,
    after: Option<ConversationId>,
    count_max: u32,
) -> Result<Vec<ConversationId>, Failure> {
    let sql = "SELECT conversation_id FROM conversation_heads WHERE conversation_id > ?1
               ORDER BY conversation_id LIMIT ?2";
    let after = after.map_or_else(Vec::new, |it| it.as_bytes().to_vec());
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement
        .query_map(params![after, count_max], |row| id(row, 0, ConversationId::from_bytes))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn expired_up_to(connection: &Connection, shard: u32) -> Result<Option<i64>, Failure> {
    let sql = "SELECT up_to FROM expired_up_to WHERE shard = ?1";
    Ok(connection.prepare_cached(sql)?.query_row([shard], |row| row.get(0)).optional()?)
}

pub(super) fn note_expired_up_to(
    connection: &Connection,
    shard: u32,
    up_to_ms: i64,
) -> Result<(), Failure> {
    let sql = "INSERT INTO expired_up_to (shard, up_to) VALUES (?1, ?2)
               ON CONFLICT DO UPDATE SET up_to = max(up_to, excluded.up_to)";
    connection.prepare_cached(sql)?.execute(params![shard, up_to_ms])?;
    Ok(())
}
