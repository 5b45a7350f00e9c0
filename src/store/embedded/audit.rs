//! Reading a whole store from beside, also while a server runs on it.

use std::path::Path;

use actors::ports::{Guard, Slot, StoreError};
use rusqlite::{Connection, params};
use schema::record::{Conversation, Entry};
use schema::{ConversationId, Sequence, SequenceRange};

use super::facts::{self, StoreFacts};
use super::failure::Failure;
use super::open::{Access, OpenError, connect, database_path};
use super::rows::{id, to_column};
use super::{messages, migrate, ring, roster};

/// Conversations or entries that are read at a time. No transaction outlives a page, so that a
/// long audit does not keep the write-ahead log from starting over.
const PAGE: u64 = 500;

/// A store that is only read.
pub struct ReadOnlyStore {
    connection: Connection,
    facts: StoreFacts,
}

/// Opens the store of a data directory for reading.
///
/// # Errors
/// See [`OpenError`]; [`OpenError::Missing`] when there is none.
pub fn open_read_only(data_dir: &Path) -> Result<ReadOnlyStore, OpenError> {
    let database = database_path(data_dir);
    if !database.exists() {
        return Err(OpenError::Missing(data_dir.to_owned()));
    }
    let connection = connect(&database, Access::Read)?;
    migrate::check(&connection)?;
    let facts = facts::read(&connection)?.ok_or(OpenError::NotAStore)?;
    Ok(ReadOnlyStore { connection, facts })
}

impl ReadOnlyStore {
    #[must_use]
    pub const fn facts(&self) -> StoreFacts {
        self.facts
    }

    /// Every conversation that was created or has entries, by id.
    #[must_use]
    pub const fn conversations(&self) -> Pages<'_, ConversationId> {
        Pages { store: self, page: Vec::new(), next: Next::Conversations(None) }
    }

    /// Every materialised entry of a conversation, by number.
    #[must_use]
    pub const fn entries(&self, conversation: ConversationId) -> Pages<'_, Entry> {
        Pages { store: self, page: Vec::new(), next: Next::Entries(conversation, Sequence::START) }
    }

    /// A conversation's own row; `None` if it has entries without ever having been created.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn conversation(&self, id: ConversationId) -> Result<Option<Conversation>, StoreError> {
        Ok(roster::conversation(&self.connection, id, self.facts.generation)?)
    }

    /// The head that readers are told.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn head(&self, conversation: ConversationId) -> Result<Sequence, StoreError> {
        let head = messages::head(&self.connection, conversation)?;
        Ok(head.map_or(Sequence::START, |(_, head)| head))
    }

    /// A shard's guard cells.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn guard(&self, shard: u32) -> Result<Option<Guard>, StoreError> {
        Ok(ring::guard(&self.connection, shard)?)
    }

    /// The slot of commit `n`, whose entries may not be materialised yet. The caller checks `n`.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn slot(&self, shard: u32, n: u64) -> Result<Option<Slot>, StoreError> {
        Ok(ring::slot(&self.connection, shard, n, self.facts.shape.slots)?)
    }

    /// What SQLite's own check of the file finds; empty when it is sound. Reads the whole file.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn faults_of_file(&self) -> Result<Vec<String>, StoreError> {
        let faults = || -> rusqlite::Result<Vec<String>> {
            let mut statement = self.connection.prepare("PRAGMA quick_check(100)")?;
            statement.query_map([], |row| row.get(0))?.collect()
        };
        let mut faults = faults().map_err(Failure::from)?;
        faults.retain(|fault| fault != "ok");
        Ok(faults)
    }

    fn conversation_page(
        &self,
        after: Option<ConversationId>,
    ) -> Result<Vec<ConversationId>, Failure> {
        let after = after.map_or([0; 16], |id| *id.as_bytes());
        let sql = "SELECT conversation_id FROM conversations WHERE conversation_id > ?1
                   UNION
                   SELECT conversation_id FROM conversation_heads WHERE conversation_id > ?1
                   ORDER BY 1 LIMIT ?2";
        let mut statement = self.connection.prepare_cached(sql)?;
        let page = params![after, to_column(PAGE)];
        let rows = statement.query_map(page, |row| id(row, 0, ConversationId::from_bytes))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

/// Items of a store, read in pages. Ends after the first error.
pub struct Pages<'a, T> {
    store: &'a ReadOnlyStore,
    /// What is read of the current page, the next item last.
    page: Vec<T>,
    next: Next,
}

/// Where the next page begins.
#[derive(Clone, Copy)]
enum Next {
    Conversations(Option<ConversationId>),
    Entries(ConversationId, Sequence),
    Nothing,
}

/// An item that knows how its pages are read.
trait Paged: Sized {
    /// Reads a page and where the following one begins.
    fn page(store: &ReadOnlyStore, next: Next) -> Result<(Vec<Self>, Next), Failure>;
}

impl Paged for ConversationId {
    fn page(store: &ReadOnlyStore, next: Next) -> Result<(Vec<Self>, Next), Failure> {
        let Next::Conversations(after) = next else { return Ok((Vec::new(), Next::Nothing)) };
        let page = store.conversation_page(after)?;
        let next = page.last().map_or(Next::Nothing, |last| Next::Conversations(Some(*last)));
        Ok((page, next))
    }
}

impl Paged for Entry {
    fn page(store: &ReadOnlyStore, next: Next) -> Result<(Vec<Self>, Next), Failure> {
        let Next::Entries(id, after) = next else { return Ok((Vec::new(), Next::Nothing)) };
        let Some((_, head)) = messages::head(&store.connection, id)? else {
            return Ok((Vec::new(), Next::Nothing));
        };
        // A hole longer than a page must not end the log: look on until its head.
        let mut after = after;
        while after < head {
            let range = SequenceRange::above(after, PAGE, head);
            after = range.last;
            let page = messages::range(&store.connection, id, range)?;
            if !page.is_empty() {
                return Ok((page, Next::Entries(id, after)));
            }
        }
        Ok((Vec::new(), Next::Nothing))
    }
}

impl<T: Paged> Iterator for Pages<'_, T> {
    type Item = Result<T, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.page.is_empty() {
            match T::page(self.store, self.next) {
                Ok((page, next)) => {
                    self.page = page;
                    self.page.reverse();
                    self.next = if self.page.is_empty() { Next::Nothing } else { next };
                }
                Err(failure) => {
                    self.next = Next::Nothing;
                    return Some(Err(failure.into()));
                }
            }
        }
        self.page.pop().map(Ok)
    }
}
