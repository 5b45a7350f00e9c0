//! The one thread that writes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;
use tokio::time::Instant;

use super::checkpoint::Checkpoints;
use super::failure::Failure;
use super::queue::{Company, Health, Queue};
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
        let mut company = Company::none();
        while self.queue.wait(&company) {
            if let Some((answered, taken)) = self.urgent()? {
                company = Company::after(answered, self.queue.urgent_waiting(), taken);
            }
            self.background()?;
            self.checkpoints.restart_if_due(&self.connection)?;
        }
        if self.queue.health() == Health::Closed {
            Checkpoints::truncate(&self.connection);
        }
        Ok(())
    }

    /// Writes what is urgent; how many jobs that were, and how long it took.
    fn urgent(&mut self) -> Result<Option<(usize, Duration)>, Failure> {
        let jobs = self.queue.take_urgent(URGENT_JOBS_MAX);
        if jobs.is_empty() {
            return Ok(None);
        }
        let (count, begun) = (jobs.len(), Instant::now());
        self.set_durability(Durability::Synced)?;
        transact(&self.connection, jobs, &Budget::WITHOUT_LIMIT)?;
        self.checkpoints.written();
        Ok(Some((count, begun.elapsed())))
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
