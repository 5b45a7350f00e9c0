//! The handle that implements the store ports.

use std::fs::File;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use actors::ports::StoreError;
use rusqlite::Connection;

use super::checkpoint::Checkpoints;
use super::facts::{self, StoreFacts};
use super::failure::Failure;
use super::job::{Answer, Job, Write, answered};
use super::open::{EmbeddedConfig, OpenError, database_path, lock, make_directory, open_database};
use super::queue::{Health, Lane, Queue};
use super::readers::Readers;
use super::search::{Feed, Search};
use super::transaction::Durability;
use super::writer::Writer;

/// An open store. Clones are the same store; it closes when the last one is dropped.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    facts: StoreFacts,
    queue: Arc<Queue>,
    readers: Readers,
    checkpoints: Arc<Checkpoints>,
    feed: Arc<Feed>,
    search: Search,
    running: Mutex<Running>,
}

/// What ends with the store.
struct Running {
    threads: Vec<JoinHandle<()>>,
    /// Held until all threads are done with the files.
    lock: Option<File>,
}

impl Store {
    /// Opens the store of a data directory, making both if they are absent. Blocks for the time
    /// of a few syncs.
    ///
    /// # Errors
    /// See [`OpenError`]; [`OpenError::InUse`] while another server has it open.
    pub fn open(config: EmbeddedConfig) -> Result<Self, OpenError> {
        let EmbeddedConfig { data_dir, readers, queue_jobs_max, queue_rows_max, new_shape } =
            config;
        make_directory(&data_dir)?;
        let lock = lock(&data_dir)?;
        let connection = open_database(&data_dir)?;
        let facts = facts::read_or_make(&connection, new_shape)?;
        let database = database_path(&data_dir);

        let queue = Arc::new(Queue::new(queue_jobs_max, queue_rows_max));
        let checkpoints = Arc::new(Checkpoints::default());
        let (readers, mut threads) = Readers::start(&database, readers, queue_jobs_max)?;
        let feed = Arc::new(Feed::default());
        let (search, search_threads) = Search::start(&data_dir, &feed)?;
        threads.extend(search_threads);
        let running = Mutex::new(Running { threads, lock: Some(lock) });
        // From here on, dropping it ends what was started.
        let inner = Inner { facts, queue, readers, checkpoints, feed, search, running };
        inner.keep(inner.checkpoints.start(&database, inner.queue.clone())?);
        let writer = Writer {
            connection,
            queue: inner.queue.clone(),
            checkpoints: inner.checkpoints.clone(),
            durability: Durability::Synced,
        };
        inner.keep(writer.start().map_err(OpenError::Thread)?);
        Ok(Self { inner: Arc::new(inner) })
    }

    #[must_use]
    pub fn facts(&self) -> StoreFacts {
        self.inner.facts
    }

    /// Whether writes are taken. Reads may go on in a stopped store.
    #[must_use]
    pub fn health(&self) -> Health {
        self.inner.queue.health()
    }

    pub(super) fn feed(&self) -> &Arc<Feed> {
        &self.inner.feed
    }

    pub(super) fn index(&self) -> &Search {
        &self.inner.search
    }

    /// Transactions of the writer so far.
    #[cfg(test)]
    pub(super) fn transactions(&self) -> u64 {
        self.inner.checkpoints.transactions()
    }

    /// Writes and answers what is queued, empties the write-ahead log and gives the directory
    /// free. Blocks until then; what is asked afterwards is refused.
    pub fn close(&self) {
        self.inner.close();
    }

    pub(super) fn submit<T>(
        &self,
        lane: Lane,
        (job, answer): (Box<dyn Job>, Answer<T>),
    ) -> impl Future<Output = Result<T, StoreError>> + Send + use<T>
    where
        T: Send + 'static,
    {
        let pushed = self.inner.queue.push(lane, job);
        async move {
            pushed?;
            answered(answer).await
        }
    }

    /// A small durable write. Queued when this returns, whether or not the future is polled.
    pub(super) fn write<T, F>(
        &self,
        operation: &'static str,
        work: F,
    ) -> impl Future<Output = Result<T, StoreError>> + Send + use<T, F>
    where
        T: Send + 'static,
        F: FnMut(&Connection) -> Result<T, Failure> + Send + 'static,
    {
        self.submit(Lane::Urgent, Write::job(operation, work))
    }

    /// A read of what was answered before.
    pub(super) fn read<T, F>(
        &self,
        operation: &'static str,
        work: F,
    ) -> impl Future<Output = Result<T, StoreError>> + Send + use<T, F>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    {
        let queued = self.inner.readers.read(operation, work);
        async move { answered(queued?).await }
    }
}

impl Inner {
    fn running(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, thread: JoinHandle<()>) {
        self.running().threads.push(thread);
    }

    fn close(&self) {
        self.queue.close();
        self.readers.close();
        self.feed.close();
        self.search.close();
        self.checkpoints.close();
        let mut running = self.running();
        for thread in running.threads.drain(..) {
            thread.thread().unpark();
            // A panic was caught and reported where it happened.
            let _ = thread.join();
        }
        running.lock = None;
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.close();
    }
}
