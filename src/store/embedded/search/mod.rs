//! Full text over the logs, in a database of its own beside the store.
//!
//! A thread follows the logs: each conversation's position is kept with what was indexed, in one
//! transaction, so the index goes on after a crash where it was, and nothing is in it twice. Who
//! deletes the index's file gets it made again.

mod feed;
mod index;
mod query;
mod sweep;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use rusqlite::Connection;

pub(super) use feed::Feed;
pub use query::{SearchHit, SearchPage, SearchQuery, unmark, words};

use super::failure::Failure;
use super::open::{OpenError, database_path, private_file};
use super::readers::Readers;

/// Searches that may wait.
const QUEUE: usize = 64;

pub(super) fn index_path(data_dir: &Path) -> PathBuf {
    data_dir.join("search.sqlite3")
}

/// The index and the thread that keeps it.
pub(super) struct Search {
    readers: Readers,
    store: PathBuf,
}

impl Search {
    /// Opens the index, makes it when it is absent, and begins to follow the logs.
    pub fn start(
        data_dir: &Path,
        feed: &Arc<Feed>,
    ) -> Result<(Self, Vec<JoinHandle<()>>), OpenError> {
        let (path, store) = (index_path(data_dir), database_path(data_dir));
        drop(private_file(&path)?);
        let index = index::Index::open(&path, &store)?;
        let (readers, mut threads) = Readers::start(&path, 1, QUEUE)?;
        let feed = feed.clone();
        let thread = std::thread::Builder::new().name("search-index".to_owned());
        let thread = thread.spawn(move || index.follow(&feed)).map_err(OpenError::Thread)?;
        threads.push(thread);
        Ok((Self { readers, store }, threads))
    }

    pub fn close(&self) {
        self.readers.close();
    }

    pub fn readers(&self) -> &Readers {
        &self.readers
    }

    pub fn store(&self) -> &Path {
        &self.store
    }
}

/// Shows the store's tables on a connection to the index, to be read alone.
fn attach(connection: &Connection, store: &Path) -> Result<(), Failure> {
    let sql = "SELECT 1 FROM pragma_database_list WHERE name = 'store'";
    if !connection.prepare_cached(sql)?.exists([])? {
        connection.execute("ATTACH ?1 AS store", [store.to_string_lossy()])?;
    }
    Ok(())
}
