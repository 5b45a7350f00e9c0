//! The one thread that writes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;

use rusqlite::Connection;

use super::checkpoint::Checkpoints;
use super::failure::Failure;
use super::queue::{Health, Queue};
use super::transaction::{Budget, Durability, set_durability, transact};

/// Urgent jobs of one transaction.
const URGENT_JOBS_MAX: usize = 1024;
/// Background rows of one transaction: how many though something urgent waits, and how many else.
/// The more of them the fewer pages each costs; 512 take 2 to 4 ms.
const BACKGROUND_ROWS_MIN: usize = 512;
const BACKGROUND_ROWS_MAX: usize = 2048;

pub(super) struct Writer {
    pub connection: Connection,
    pub queue: Arc<Queue>,
    pub checkpoints: Arc<Checkpoints>,
    /// Of the connection just now.
    pub durability: Durability,
}

impl Writer {
    pub fn start(self) -> std::io::Result<JoinHandle<()>> {
        let queue = self.queue.clone();
        std::thread::Builder::new().name("store-writer".to_owned()).spawn(move || {
            let ended = catch_unwind(AssertUnwindSafe(|| self.run()));
            let fault = match ended {
                Ok(Ok(())) => return,
                Ok(Err(failure)) => format!("{failure:?}"),
                Err(_) => "the writer panicked".to_owned(),
            };
            tracing::error!(fault, "the store stopped: nothing is written any more");
            queue.stop(fault);
        })
    }

    fn run(mut self) -> Result<(), Failure> {
        while self.queue.wait() {
            self.urgent()?;
            self.background()?;
            self.checkpoints.restart_if_due(&self.connection)?;
        }
        if self.queue.health() == Health::Closed {
            Checkpoints::truncate(&self.connection);
        }
        Ok(())
    }

    fn urgent(&mut self) -> Result<(), Failure> {
        let jobs = self.queue.take_urgent(URGENT_JOBS_MAX);
        if jobs.is_empty() {
            return Ok(());
        }
        self.set_durability(Durability::Synced)?;
        transact(&self.connection, jobs, &Budget::WITHOUT_LIMIT)?;
        self.checkpoints.written();
        Ok(())
    }

    /// Writes background rows: as many as one transaction takes while nothing urgent waits, and a
    /// share that grows with the backlog while something does, so that neither side starves.
    fn background(&mut self) -> Result<(), Failure> {
        let (jobs, backlog_rows) = self.queue.take_background(BACKGROUND_ROWS_MAX);
        if jobs.is_empty() {
            return Ok(());
        }
        self.set_durability(Durability::Ordered)?;
        let budget = Budget {
            rows_max: BACKGROUND_ROWS_MAX,
            rows_min: (backlog_rows / 4).clamp(BACKGROUND_ROWS_MIN, BACKGROUND_ROWS_MAX),
            hurry: &|| self.queue.urgent_is_waiting(),
        };
        let unfinished = transact(&self.connection, jobs, &budget)?;
        self.queue.give_back(unfinished);
        self.checkpoints.written();
        Ok(())
    }

    fn set_durability(&mut self, durability: Durability) -> Result<(), Failure> {
        if self.durability != durability {
            set_durability(&self.connection, durability)?;
            self.durability = durability;
        }
        Ok(())
    }
}
