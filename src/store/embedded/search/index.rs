//! The thread that brings what logs say into the index.

use std::path::Path;
use std::time::Duration;

use actors::ports::StoreError;
use rusqlite::{Connection, OptionalExtension as _, params};
use schema::metric;
use schema::record::{Content, Event};

use super::feed::{Feed, Next};
use crate::store::embedded::failure::Failure;
use crate::store::embedded::messages::{SEQ_MAX, entry_id};
use crate::store::embedded::open::{BUSY_MAX, OpenError};
use crate::store::embedded::rows::unpack;

/// What grew is indexed this often: many messages in one transaction.
const EVERY: Duration = Duration::from_millis(200);
/// Entries of one transaction.
const BATCH: i64 = 1_000;

const SCHEMA: &str = include_str!("../../../../schema/sqlite/search.sql");

/// What is lost with the machine is indexed again: it need not be synced at once.
const SETTINGS: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = NORMAL;
    PRAGMA temp_store = MEMORY;
    PRAGMA cache_size = -8192;
    PRAGMA journal_size_limit = 16777216;
";

/// The index, to be written by its one thread.
pub(super) struct Index {
    connection: Connection,
}

impl Index {
    pub fn open(path: &Path, store: &Path) -> Result<Self, OpenError> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(BUSY_MAX)?;
        connection.execute_batch(SETTINGS)?;
        connection.execute_batch(SCHEMA)?;
        connection.execute("ATTACH ?1 AS store", [store.to_string_lossy()])?;
        Ok(Self { connection })
    }

    /// Works until the feed is closed.
    pub fn follow(mut self, feed: &Feed) {
        loop {
            let indexed = match feed.next(EVERY) {
                Next::Closed => return,
                Next::Nothing => continue,
                Next::Logs(numbers) => numbers.into_iter().try_for_each(|it| self.index(it)),
                Next::All => self.index_all(),
            };
            if let Err(failure) = indexed {
                tracing::warn!(error = ?StoreError::from(failure), "messages could not be indexed; tried again");
                metrics::counter!(metric::STORE_ERRORS, "operation" => "index").increment(1);
                feed.failed();
                std::thread::sleep(EVERY);
            }
        }
    }

    fn index_all(&mut self) -> Result<(), Failure> {
        let behind = {
            let sql = "SELECT h.number FROM store.conversation_heads h
                       LEFT JOIN indexed i ON i.number = h.number
                       WHERE h.head > coalesce(i.seq, 0)";
            let mut statement = self.connection.prepare(sql)?;
            let rows = statement.query_map([], |row| row.get::<_, i64>(0))?;
            rows.collect::<Result<Vec<_>, _>>()?
        };
        behind.into_iter().try_for_each(|number| self.index(number))
    }

    /// Brings one log up to date.
    fn index(&mut self, number: i64) -> Result<(), Failure> {
        while self.index_some(number)? {
            // The rest comes in the next transaction.
        }
        Ok(())
    }

    /// Indexes the next entries of a log; true when there may be more.
    fn index_some(&mut self, number: i64) -> Result<bool, Failure> {
        let transaction = self.connection.transaction()?;
        let sql = "SELECT seq FROM indexed WHERE number = ?1";
        let position: Option<i64> =
            transaction.prepare_cached(sql)?.query_row([number], |row| row.get(0)).optional()?;
        let mut position = position.unwrap_or(0);
        let mut count = 0_i64;
        {
            let sql = "SELECT entry_id & 0xFFFFFFFF, event FROM store.messages
                       WHERE entry_id BETWEEN ?1 AND ?2 ORDER BY entry_id LIMIT ?3";
            let mut statement = transaction.prepare_cached(sql)?;
            let (first, last) = (entry_id(number, 0) + position + 1, entry_id(number, SEQ_MAX));
            let mut rows = statement.query(params![first, last, BATCH])?;
            while let Some(row) = rows.next()? {
                let seq: i64 = row.get(0)?;
                if seq != position + 1 {
                    // Entries may be written in any order: the hole is waited for.
                    break;
                }
                let event = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
                let event = unpack(event)?;
                apply(&transaction, number, seq, &event)?;
                position = seq;
                count += 1;
            }
        }
        if count > 0 {
            let sql = "INSERT INTO indexed (number, seq) VALUES (?1, ?2)
                       ON CONFLICT DO UPDATE SET seq = excluded.seq";
            transaction.prepare_cached(sql)?.execute([number, position])?;
        }
        transaction.commit()?;
        metrics::counter!(metric::SEARCH_INDEXED).increment(count.unsigned_abs());
        Ok(count == BATCH)
    }
}

/// What an entry does to the index.
fn apply(connection: &Connection, number: i64, seq: i64, event: &Event) -> Result<(), Failure> {
    let (target, content) = match event {
        Event::Message(body) => (entry_id(number, 0) + seq, Some(&body.content)),
        Event::MessageEdited { target, content, .. } => (entry_id(number, target.0), Some(content)),
        Event::MessageDeleted { target } => (entry_id(number, target.0), None),
        _ => return Ok(()),
    };
    let sql = "DELETE FROM message_text WHERE rowid = ?1";
    if !matches!(event, Event::Message(_)) {
        connection.prepare_cached(sql)?.execute([target])?;
    }
    let text = match content {
        Some(Content::Text { text }) => text,
        Some(Content::Media { caption: Some(caption), .. }) => caption,
        _ => return Ok(()),
    };
    let sql = "INSERT OR REPLACE INTO message_text (rowid, text) VALUES (?1, ?2)";
    connection.prepare_cached(sql)?.execute(params![target, text])?;
    Ok(())
}
