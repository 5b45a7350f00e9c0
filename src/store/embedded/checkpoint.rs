//! Moves what the write-ahead log holds into the database file, beside the writer.
//!
//! A thread with a connection of its own copies most of it while the writer goes on. The log can
//! only start over at a moment without new frames, so the writer copies the last few itself.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;

use super::failure::Failure;
use super::open::{Access, BUSY_MAX, OpenError, connect};
use super::queue::Queue;

/// How often the log's length is looked at.
const INTERVAL_MS: u64 = 50;
/// Frames (pages of 4 KiB) that are worth copying. Each copy syncs the database, and commits that
/// sync meanwhile wait for the disk; the ring's pages come again and again, so that a longer log
/// brings hardly more pages to copy.
const COPY_FRAMES: u64 = 2_000;
/// Length at which the log should start over.
const RESTART_FRAMES: u64 = 4_000;
/// Frames that the writer may be asked to copy itself, and how often we try to get there.
const WRITER_FRAMES_MAX: u64 = 256;
const COPIES_MAX: usize = 4;
/// How long the writer waits for readers that still use the log.
const RESTART_WAIT_MAX: Duration = Duration::from_millis(2);

/// What the writer and the checkpoint thread tell each other.
#[derive(Default)]
pub(super) struct Checkpoints {
    transactions: AtomicU64,
    restart_is_due: AtomicBool,
    closing: AtomicBool,
}

/// The write-ahead log's length and what of it is not in the database file yet, in frames.
struct LogLength {
    frames: u64,
    waiting: u64,
}

impl Checkpoints {
    /// The writer ended a transaction.
    pub fn written(&self) {
        self.transactions.fetch_add(1, Ordering::Relaxed);
    }

    #[cfg(test)]
    pub fn transactions(&self) -> u64 {
        self.transactions.load(Ordering::Relaxed)
    }

    /// On the writer, between transactions: lets the log start over.
    pub fn restart_if_due(&self, connection: &Connection) -> Result<(), Failure> {
        if self.restart_is_due.swap(false, Ordering::Relaxed) {
            // A long read must not hold up the commits: then the log goes on growing.
            connection.busy_timeout(RESTART_WAIT_MAX)?;
            checkpoint(connection, "PRAGMA wal_checkpoint(RESTART)")?;
            connection.busy_timeout(BUSY_MAX)?;
        }
        Ok(())
    }

    /// On the writer, at the end: leaves an empty log.
    pub fn truncate(connection: &Connection) {
        if let Err(failure) = checkpoint(connection, "PRAGMA wal_checkpoint(TRUNCATE)") {
            tracing::warn!(?failure, "the write-ahead log was not emptied; the next start does it");
        }
    }

    pub fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
    }

    /// Starts the thread. A failed checkpoint stops the store: its sync may have lost pages.
    pub fn start(
        self: &Arc<Self>,
        database: &Path,
        queue: Arc<Queue>,
    ) -> Result<JoinHandle<()>, OpenError> {
        let connection = connect(database, Access::Checkpoint)?;
        let checkpoints = self.clone();
        let thread = std::thread::Builder::new().name("store-checkpoint".to_owned());
        let run = move || {
            if let Err(failure) = checkpoints.run(&connection) {
                tracing::error!(?failure, "a checkpoint failed");
                queue.stop(format!("a checkpoint failed: {failure:?}"));
            }
        };
        thread.spawn(run).map_err(OpenError::Thread)
    }

    fn run(&self, connection: &Connection) -> Result<(), Failure> {
        let mut seen = 0;
        while !self.closing.load(Ordering::Relaxed) {
            std::thread::park_timeout(Duration::from_millis(INTERVAL_MS));
            let transactions = self.transactions.load(Ordering::Relaxed);
            if transactions != seen {
                seen = transactions;
                self.copy(connection)?;
            }
        }
        Ok(())
    }

    fn copy(&self, connection: &Connection) -> Result<(), Failure> {
        let mut log = checkpoint(connection, "PRAGMA wal_checkpoint(NOOP)")?;
        if log.waiting < COPY_FRAMES {
            return Ok(());
        }
        for _ in 0..COPIES_MAX {
            log = checkpoint(connection, "PRAGMA wal_checkpoint(PASSIVE)")?;
            if log.waiting < WRITER_FRAMES_MAX {
                break;
            }
        }
        if log.frames >= RESTART_FRAMES {
            self.restart_is_due.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// Runs a checkpoint. One that could not finish because others use the log is no failure.
fn checkpoint(connection: &Connection, sql: &str) -> Result<LogLength, Failure> {
    let count = |count: i64| u64::try_from(count).unwrap_or(0);
    let answer = connection.query_row(sql, [], |row| {
        let (frames, copied) = (count(row.get(1)?), count(row.get(2)?));
        Ok(LogLength { frames, waiting: frames.saturating_sub(copied) })
    });
    match answer.map_err(Failure::from) {
        Err(Failure::Unavailable(_)) => Ok(LogLength { frames: 0, waiting: 0 }),
        answer => answer,
    }
}
