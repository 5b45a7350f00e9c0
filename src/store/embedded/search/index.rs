//! The thread that brings what logs say into the index.

use std::path::Path;
use std::time::Duration;

use actors::ports::wall_clock::SystemClock;
use actors::ports::{StoreError, WallClock as _};
use rusqlite::{Connection, ErrorCode, OptionalExtension as _, Transaction, params};
use schema::metric;
use schema::record::{Content, Event};
use tokio::time::Instant;

use super::feed::{Feed, Next};
use super::sweep;
use crate::store::embedded::failure::Failure;
use crate::store::embedded::messages::{SEQ_MAX, entry_id};
use crate::store::embedded::open::{BUSY_MAX, OpenError};
use crate::store::embedded::rows::unpack;

/// What grew is indexed this often: many messages in one transaction.
const EVERY: Duration = Duration::from_secs(1);
/// What expired is taken out this often.
const SWEEP_EVERY: Duration = Duration::from_secs(10);
/// Entries of one transaction.
const ENTRIES_MAX: i64 = 4_000;

const SCHEMA: &str = include_str!("../../../../schema/sqlite/search.sql");

/// What is lost with the machine is indexed again: it need not be synced at once.
const SETTINGS: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = NORMAL;
    PRAGMA temp_store = MEMORY;
    PRAGMA cache_size = -8192;
    PRAGMA journal_size_limit = 16777216;
";

/// The tables of an index: those that are searched, or those of one that is being made.
#[derive(Clone, Copy)]
struct Tables {
    text: &'static str,
    indexed: &'static str,
}

const SEARCHED: Tables = Tables { text: "message_text", indexed: "indexed" };
const FRESH: Tables = Tables { text: "fresh_text", indexed: "fresh_indexed" };

const SWITCH_TO_FRESH: &str = "
    DROP TABLE message_text;
    ALTER TABLE fresh_text RENAME TO message_text;
    DROP TABLE indexed;
    ALTER TABLE fresh_indexed RENAME TO indexed;
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
        let (mut swept_ms, mut sweep_at) = (0, Instant::now());
        loop {
            if Instant::now() >= sweep_at {
                sweep_at = Instant::now() + SWEEP_EVERY;
                let now_ms = SystemClock.now_ms();
                match sweep::expired(&self.connection, swept_ms, now_ms) {
                    Ok(up_to_ms) => swept_ms = up_to_ms,
                    Err(failure) => tracing::warn!(
                        error = ?StoreError::from(failure),
                        "what expired was not taken out of the index; tried again"
                    ),
                }
            }
            let indexed = match feed.next(EVERY) {
                Next::Closed => return,
                Next::Nothing => continue,
                Next::Logs(numbers) => self.index(SEARCHED, numbers).map(drop),
                Next::All => self.index_all(SEARCHED).map(drop),
                Next::Anew(waiting) => {
                    let entries = self.make_anew().map_err(StoreError::from);
                    waiting.into_iter().for_each(|it| drop(it.send(entries.clone())));
                    feed.failed();
                    continue;
                }
            };
            if let Err(failure) = indexed {
                tracing::warn!(error = ?StoreError::from(failure), "messages could not be indexed; tried again");
                metrics::counter!(metric::STORE_ERRORS, "operation" => "index").increment(1);
                feed.failed();
                std::thread::sleep(EVERY);
            }
        }
    }

    /// Reads all logs into fresh tables, which then take the place of those that are searched.
    fn make_anew(&mut self) -> Result<u64, Failure> {
        let drop_fresh = "DROP TABLE IF EXISTS fresh_text; DROP TABLE IF EXISTS fresh_indexed;";
        self.connection.execute_batch(drop_fresh)?;
        let schema = SCHEMA.replace(SEARCHED.text, FRESH.text);
        self.connection.execute_batch(&schema.replace("EXISTS indexed", "EXISTS fresh_indexed"))?;
        let entries = self.index_all(FRESH)?;
        let transaction = self.connection.transaction()?;
        transaction.execute_batch(SWITCH_TO_FRESH)?;
        transaction.commit()?;
        Ok(entries)
    }

    /// Brings all logs up to date; returns how many entries were read.
    fn index_all(&mut self, tables: Tables) -> Result<u64, Failure> {
        let behind = {
            let sql = format!(
                "SELECT h.number FROM store.conversation_heads h
                 LEFT JOIN {} i ON i.number = h.number
                 WHERE h.head > coalesce(i.seq, 0)",
                tables.indexed
            );
            let mut statement = self.connection.prepare(&sql)?;
            let rows = statement.query_map([], |row| row.get::<_, i64>(0))?;
            rows.collect::<Result<Vec<_>, _>>()?
        };
        self.index(tables, behind)
    }

    /// Brings logs up to date, many in one transaction: each leaves a segment that is merged later,
    /// so few large ones cost a fraction of many small ones. Returns how many entries were read.
    fn index(
        &mut self,
        tables: Tables,
        numbers: impl IntoIterator<Item = i64>,
    ) -> Result<u64, Failure> {
        let mut entries = 0;
        let mut batch = Batch::begin(&self.connection, tables)?;
        for number in numbers {
            while batch.index(number)? {
                entries += batch.commit()?;
                batch = Batch::begin(&self.connection, tables)?;
            }
        }
        Ok(entries + batch.commit()?)
    }
}

/// Entries indexed in one transaction.
struct Batch<'a> {
    transaction: Transaction<'a>,
    tables: Tables,
    count: i64,
}

impl<'a> Batch<'a> {
    fn begin(connection: &'a Connection, tables: Tables) -> Result<Self, Failure> {
        Ok(Self { transaction: connection.unchecked_transaction()?, tables, count: 0 })
    }

    fn commit(self) -> Result<u64, Failure> {
        self.transaction.commit()?;
        let count = self.count.unsigned_abs();
        metrics::counter!(metric::SEARCH_INDEXED).increment(count);
        Ok(count)
    }

    /// Indexes the next entries of a log; true when this is full, and there may be more.
    fn index(&mut self, number: i64) -> Result<bool, Failure> {
        let (transaction, tables) = (&self.transaction, self.tables);
        let sql = format!("SELECT seq FROM {} WHERE number = ?1", tables.indexed);
        let begun: Option<i64> =
            transaction.prepare_cached(&sql)?.query_row([number], |row| row.get(0)).optional()?;
        // A log may begin above what was indexed of it: the rest is kept no longer.
        let indexed = begun.unwrap_or(0);
        let removed = sweep::removed(transaction, tables.text, number, indexed)?;
        let begun = indexed.max(removed);
        let mut position = begun;
        {
            let sql = "SELECT entry_id & 0xFFFFFFFF, event FROM store.messages
                       WHERE entry_id BETWEEN ?1 AND ?2 ORDER BY entry_id LIMIT ?3";
            let mut statement = transaction.prepare_cached(sql)?;
            let (first, last) = (entry_id(number, 0) + position + 1, entry_id(number, SEQ_MAX));
            let mut rows = statement.query(params![first, last, ENTRIES_MAX - self.count])?;
            while let Some(row) = rows.next()? {
                let seq: i64 = row.get(0)?;
                if seq != position + 1 {
                    // Entries may be written in any order: the hole is waited for.
                    break;
                }
                let event = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
                let event = unpack(event)?;
                apply(transaction, tables, number, seq, &event)?;
                position = seq;
            }
        }
        if position > indexed {
            let sql = format!(
                "INSERT INTO {} (number, seq) VALUES (?1, ?2)
                 ON CONFLICT DO UPDATE SET seq = excluded.seq",
                tables.indexed
            );
            transaction.prepare_cached(&sql)?.execute([number, position])?;
        }
        self.count += position - begun;
        Ok(self.count >= ENTRIES_MAX)
    }
}

/// What an entry does to the index.
fn apply(
    connection: &Connection,
    tables: Tables,
    number: i64,
    seq: i64,
    event: &Event,
) -> Result<(), Failure> {
    let (target, content) = match event {
        Event::Message(body) => (entry_id(number, 0) + seq, Some(&body.content)),
        Event::MessageEdited { target, content, .. } => (entry_id(number, target.0), Some(content)),
        Event::MessageDeleted { target } => (entry_id(number, target.0), None),
        _ => return Ok(()),
    };
    if !matches!(event, Event::Message(_)) {
        let sql = format!("DELETE FROM {} WHERE rowid = ?1", tables.text);
        connection.prepare_cached(&sql)?.execute([target])?;
    }
    let text = match content {
        Some(Content::Text { text }) => text,
        Some(Content::Media { caption: Some(caption), .. }) => caption,
        _ => return Ok(()),
    };
    // A message is indexed once, in the transaction that says so: asking FTS5 to replace what is there
    // makes it look for it in three tables, a fifth of the work.
    let write = |verb: &str| {
        let sql = format!("{verb} INTO {} (rowid, text) VALUES (?1, ?2)", tables.text);
        connection.prepare_cached(&sql)?.execute(params![target, text])
    };
    match write("INSERT") {
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
            write("INSERT OR REPLACE")?
        }
        inserted => inserted?,
    };
    Ok(())
}

#[cfg(test)]
mod tests {
    use schema::record::MessageBody;

    use super::*;

    fn text(text: &str) -> Event {
        Event::Message(MessageBody::new(Content::Text { text: text.into() }))
    }

    #[test]
    fn a_message_that_is_indexed_already_is_indexed_anew() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(SCHEMA).unwrap();
        for words in ["said first", "said again"] {
            apply(&connection, SEARCHED, 1, 7, &text(words)).unwrap();
        }
        apply(&connection, SEARCHED, 1, 8, &text("said next")).unwrap();
        let found = |word: &str| {
            let sql = "SELECT rowid & 0xFFFFFFFF FROM message_text WHERE message_text MATCH ?1";
            let mut statement = connection.prepare(sql).unwrap();
            let rows = statement.query_map([word], |row| row.get(0)).unwrap();
            rows.collect::<Result<Vec<i64>, _>>().unwrap()
        };
        assert_eq!(found("said"), [7, 8]);
        assert_eq!((found("first"), found("again")), (vec![], vec![7]));
    }
}
