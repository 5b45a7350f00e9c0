//! Threads that answer reads, each with a connection of its own.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use actors::ports::StoreError;
use rusqlite::Connection;

use super::failure::{Failure, stopped};
use super::job::{Answer, Caller};
use super::open::{Access, OpenError, connect};

type Read = Box<dyn FnOnce(&Connection) + Send>;

pub(super) struct Readers {
    /// `None` once closed.
    reads: Mutex<Option<SyncSender<Read>>>,
}

impl Readers {
    /// Starts `count` threads; at most `queue_jobs_max` reads wait for them.
    pub fn start(
        database: &Path,
        count: usize,
        queue_jobs_max: usize,
    ) -> Result<(Self, Vec<JoinHandle<()>>), OpenError> {
        let (sender, receiver) = sync_channel(queue_jobs_max);
        let receiver = Arc::new(Mutex::new(receiver));
        let threads = (0..count.max(1))
            .map(|index| {
                let connection = connect(database, Access::Read)?;
                let receiver = receiver.clone();
                let thread = std::thread::Builder::new().name(format!("store-reader-{index}"));
                thread
                    .spawn(move || answer_reads(&connection, &receiver))
                    .map_err(OpenError::Thread)
            })
            .collect::<Result<_, _>>()?;
        Ok((Self { reads: Mutex::new(Some(sender)) }, threads))
    }

    /// Queues a read, or refuses it: never waits.
    pub fn read<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    ) -> Result<Answer<T>, StoreError> {
        let (caller, answer) = Caller::new(operation);
        let read: Read = Box::new(move |connection| {
            if !caller.has_gone() {
                caller.answer(work(connection));
            }
        });
        let reads = self.reads.lock().unwrap_or_else(PoisonError::into_inner);
        match reads.as_ref().map(|reads| reads.try_send(read)) {
            Some(Ok(())) => Ok(answer),
            Some(Err(TrySendError::Full(_))) => {
                Err(StoreError::Unavailable("too many reads are waiting".to_owned()))
            }
            Some(Err(TrySendError::Disconnected(_))) | None => Err(stopped()),
        }
    }

    /// Takes no more reads; those that wait are still answered.
    pub fn close(&self) {
        self.reads.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

fn answer_reads(connection: &Connection, reads: &Mutex<Receiver<Read>>) {
    loop {
        let next = reads.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(read) = next else { return };
        // A read that panics is this read's failure: its caller is told that nobody answers.
        if catch_unwind(AssertUnwindSafe(|| read(connection))).is_err() {
            tracing::error!("a read panicked");
        }
    }
}
