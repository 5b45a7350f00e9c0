//! Taking out of the index what is gone from the logs for another reason than a deletion: because it
//! expired, or is kept no longer.

use rusqlite::{Connection, OptionalExtension as _, params};

use crate::store::embedded::failure::Failure;
use crate::store::embedded::messages::entry_id;

/// What expired is listed a little after it was stored.
const LATE_MS: i64 = 10 * 60 * 1_000;

/// Takes out what expired by `now_ms`, from `swept_ms` on; returns where to go on.
pub(super) fn expired(connection: &Connection, swept_ms: i64, now_ms: i64) -> Result<i64, Failure> {
    let sql = "DELETE FROM message_text WHERE rowid IN (
                   SELECT entry_id FROM store.expiring
                   WHERE shard = ?1 AND expires_at > ?2 AND expires_at <= ?3)";
    let shards: u32 =
        connection
            .query_row("SELECT shards FROM store.store WHERE id = 1", [], |row| row.get(0))?;
    let mut statement = connection.prepare_cached(sql)?;
    for shard in 0..shards {
        statement.execute(params![shard, swept_ms, now_ms])?;
    }
    Ok(now_ms - LATE_MS)
}

/// Takes entries of a log that are kept no longer out of the table `text`; returns the last number of them.
pub(super) fn removed(
    connection: &Connection,
    text: &str,
    number: i64,
    indexed: i64,
) -> Result<i64, Failure> {
    let sql = "SELECT purged_up_to FROM store.conversation_heads WHERE number = ?1";
    let purged: Option<i64> =
        connection.prepare_cached(sql)?.query_row([number], |row| row.get(0)).optional()?;
    let Some(purged) = purged.filter(|purged| *purged > 0) else { return Ok(0) };
    if indexed > 0 {
        let sql = format!(
            "DELETE FROM {text} WHERE rowid IN (
                 SELECT rowid FROM {text} WHERE rowid BETWEEN ?1 AND ?2)"
        );
        let first = entry_id(number, 0);
        connection.prepare_cached(&sql)?.execute(params![first, first + purged])?;
    }
    Ok(purged)
}
