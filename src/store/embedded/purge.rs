//! Removing what has served its time, in small bites between other work.

use actors::ports::PortFuture;
use rusqlite::{Connection, OptionalExtension, params};
use schema::MessageId;

use super::failure::Failure;
use super::invites;
use super::job::Write;
use super::queue::Lane;
use super::rows::{id, to_column};
use super::store::Store;

/// The end of the next `rows_max` rows above `after`; `None` when there are fewer.
fn bite_end(
    connection: &Connection,
    after: MessageId,
    rows_max: u64,
) -> Result<Option<MessageId>, Failure> {
    let sql = "SELECT message_id FROM sent_index WHERE message_id > ?1
               ORDER BY message_id LIMIT 1 OFFSET ?2";
    let bite = params![after.as_bytes(), to_column(rows_max.saturating_sub(1))];
    let end = connection
        .prepare_cached(sql)?
        .query_row(bite, |row| id(row, 0, MessageId::from_bytes))
        .optional()?;
    Ok(end)
}

fn purge_sent(
    connection: &Connection,
    after: MessageId,
    sent_before_ms: i64,
    rows_max: u64,
) -> Result<Option<MessageId>, Failure> {
    let end = bite_end(connection, after, rows_max)?;
    let last = end.unwrap_or(MessageId::from_bytes([u8::MAX; 16]));
    let sql = "DELETE FROM sent_index
               WHERE message_id > ?1 AND message_id <= ?2 AND sent_at < ?3";
    let bite = params![after.as_bytes(), last.as_bytes(), sent_before_ms];
    connection.prepare_cached(sql)?.execute(bite)?;
    Ok(end)
}

fn purge_tokens(
    connection: &Connection,
    expired_before_ms: i64,
    rows_max: u64,
) -> Result<usize, Failure> {
    let sql = "DELETE FROM refresh_tokens WHERE hash IN
                   (SELECT hash FROM refresh_tokens WHERE expires_at < ?1 LIMIT ?2)";
    let bite = params![expired_before_ms, to_column(rows_max)];
    Ok(connection.prepare_cached(sql)?.execute(bite)?)
}

impl Store {
    /// Looks at `rows_max` rows of the sent index above `after` and removes those that were sent
    /// before `sent_before_ms` (milliseconds since 1970 UTC). Returns where it got to; `None` at
    /// the end, when the next round may begin.
    pub fn purge_sent_index(
        &self,
        after: Option<MessageId>,
        sent_before_ms: i64,
        rows_max: u64,
    ) -> PortFuture<Option<MessageId>> {
        let after = after.unwrap_or(MessageId::from_bytes([0; 16]));
        let job = Write::job("purge_sent_index", move |connection: &Connection| {
            purge_sent(connection, after, sent_before_ms, rows_max)
        });
        Box::pin(self.submit(Lane::Background, job))
    }

    /// Removes at most `rows_max` invites that expired before `expired_before_ms`, with who came by
    /// them, and returns how many.
    pub fn purge_invites(&self, expired_before_ms: i64, rows_max: u64) -> PortFuture<usize> {
        let job = Write::job("purge_invites", move |connection: &Connection| {
            invites::purge(connection, expired_before_ms, rows_max)
        });
        Box::pin(self.submit(Lane::Background, job))
    }

    /// Removes at most `rows_max` refresh tokens that expired before `expired_before_ms`, spent
    /// or not, and returns how many.
    pub fn purge_refresh_tokens(&self, expired_before_ms: i64, rows_max: u64) -> PortFuture<usize> {
        let job = Write::job("purge_refresh_tokens", move |connection: &Connection| {
            purge_tokens(connection, expired_before_ms, rows_max)
        });
        Box::pin(self.submit(Lane::Background, job))
    }
}
