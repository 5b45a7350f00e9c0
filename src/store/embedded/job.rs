//! What the writer thread does for a caller.

use std::ops::Range;

use actors::ports::StoreError;
use rusqlite::Connection;
use schema::metric;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::failure::{Failure, stopped};

/// Work inside the writer's transactions.
pub(super) trait Job: Send {
    /// How many rows or so are still to be written.
    fn rows_left(&self) -> usize;

    /// Writes at most about `rows_max` rows in the open transaction and returns how many.
    fn step(&mut self, connection: &Connection, rows_max: usize) -> Result<usize, Failure>;

    /// The transaction of the steps so far was rolled back: they are to be done again.
    fn rewind(&mut self);

    /// The transaction of the steps so far is stored.
    fn stored(&mut self);

    /// Tells the caller: all is stored, or why not.
    fn answer(self: Box<Self>, outcome: Result<(), Failure>);
}

/// The caller's end of a job: waits for its answer.
pub(super) type Answer<T> = oneshot::Receiver<Result<T, StoreError>>;

/// Waits for an answer; a job that was dropped unanswered met the end of the store.
pub(super) async fn answered<T>(answer: Answer<T>) -> Result<T, StoreError> {
    answer.await.unwrap_or_else(|_| Err(stopped()))
}

/// Someone waiting, and since when.
pub(super) struct Caller<T> {
    operation: &'static str,
    since: Instant,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T> Caller<T> {
    pub fn new(operation: &'static str) -> (Self, Answer<T>) {
        let (reply, answer) = oneshot::channel();
        (Self { operation, since: Instant::now(), reply }, answer)
    }

    pub fn has_gone(&self) -> bool {
        self.reply.is_closed()
    }

    pub fn answer(self, outcome: Result<T, Failure>) {
        let seconds = self.since.elapsed().as_secs_f64();
        metrics::histogram!(metric::STORE_SECONDS, "operation" => self.operation).record(seconds);
        if outcome.is_err() {
            metrics::counter!(metric::STORE_ERRORS, "operation" => self.operation).increment(1);
        }
        // A caller that has gone needs no answer.
        let _ = self.reply.send(outcome.map_err(StoreError::from));
    }
}

/// A small write, done in one step.
pub(super) struct Write<T, F> {
    caller: Caller<T>,
    work: F,
    result: Option<T>,
}

impl<T, F> Write<T, F>
where
    T: Send + 'static,
    F: FnMut(&Connection) -> Result<T, Failure> + Send + 'static,
{
    /// `work` is called again when its transaction was rolled back for another job's sake.
    pub fn job(operation: &'static str, work: F) -> (Box<dyn Job>, Answer<T>) {
        let (caller, answer) = Caller::new(operation);
        (Box::new(Self { caller, work, result: None }), answer)
    }
}

impl<T: Send, F: FnMut(&Connection) -> Result<T, Failure> + Send> Job for Write<T, F> {
    fn rows_left(&self) -> usize {
        usize::from(self.result.is_none())
    }

    fn step(&mut self, connection: &Connection, _rows_max: usize) -> Result<usize, Failure> {
        self.result = Some((self.work)(connection)?);
        Ok(1)
    }

    fn rewind(&mut self) {
        self.result = None;
    }

    fn stored(&mut self) {}

    fn answer(self: Box<Self>, outcome: Result<(), Failure>) {
        let Self { caller, result, .. } = *self;
        caller.answer(outcome.and_then(|()| result.ok_or_else(|| Failure::damaged("no result"))));
    }
}

/// A list of rows, written over as many transactions as it takes.
pub(super) struct WriteRows<F> {
    caller: Caller<()>,
    /// Writes the rows of a range of `0..count`.
    work: F,
    count: usize,
    /// Rows before this one are stored.
    stored: usize,
    /// Rows before this one are written in the open transaction.
    written: usize,
}

impl<F> WriteRows<F>
where
    F: FnMut(&Connection, Range<usize>) -> Result<(), Failure> + Send + 'static,
{
    pub fn job(operation: &'static str, count: usize, work: F) -> (Box<dyn Job>, Answer<()>) {
        let (caller, answer) = Caller::new(operation);
        (Box::new(Self { caller, work, count, stored: 0, written: 0 }), answer)
    }
}

impl<F> Job for WriteRows<F>
where
    F: FnMut(&Connection, Range<usize>) -> Result<(), Failure> + Send,
{
    fn rows_left(&self) -> usize {
        self.count - self.written
    }

    fn step(&mut self, connection: &Connection, rows_max: usize) -> Result<usize, Failure> {
        let rows = self.rows_left().min(rows_max);
        (self.work)(connection, self.written..self.written + rows)?;
        self.written += rows;
        Ok(rows)
    }

    fn rewind(&mut self) {
        self.written = self.stored;
    }

    fn stored(&mut self) {
        self.stored = self.written;
    }

    fn answer(self: Box<Self>, outcome: Result<(), Failure>) {
        self.caller.answer(outcome);
    }
}
