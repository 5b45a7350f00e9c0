//! Where all clients of a run write down what happened to them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use schema::checker::{ClientKey, History, Verdict};
use schema::{ConversationId, UserId};

use super::rest::Reading;

/// Problems kept; all later ones are one too many to read.
const PROBLEMS_KEPT_MAX: usize = 100;

#[derive(Debug, Default)]
struct Records {
    history: History,
    problems: Vec<String>,
}

/// A shared [`History`], and what went wrong that no history shows.
#[derive(Clone, Debug, Default)]
pub struct Recorder(Arc<Mutex<Records>>);

impl Recorder {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a device or another reader.
    #[must_use]
    pub fn add_client(&self, label: &str, user_id: UserId) -> ClientKey {
        self.lock().history.add_client(label, user_id)
    }

    /// Writes into the history. Facts of one client must come in the order it saw them.
    pub fn record<T>(&self, write: impl FnOnce(&mut History) -> T) -> T {
        write(&mut self.lock().history)
    }

    /// Takes a reading by REST for the log itself.
    pub fn record_log(&self, conversation_id: ConversationId, reading: &Reading) {
        self.record(|history| {
            history.record_head(conversation_id, reading.head);
            for row in reading.pages.iter().flat_map(|(_, rows)| rows) {
                history.record_log_row(*row);
            }
        });
    }

    /// Takes a reading by REST as one more reader's.
    pub fn record_reading(
        &self,
        client: ClientKey,
        conversation_id: ConversationId,
        reading: &Reading,
    ) {
        self.record(|history| {
            history.record_head(conversation_id, reading.head);
            for (expected, rows) in &reading.pages {
                history.record_history_page(
                    client,
                    conversation_id,
                    *expected,
                    rows.iter().copied(),
                );
            }
        });
    }

    /// Judges and forgets what nobody waits for any more.
    pub fn settle(&self) {
        self.lock().history.settle();
    }

    /// Notes what should not have happened.
    pub fn problem(&self, problem: impl Into<String>) {
        let mut records = self.lock();
        if records.problems.len() < PROBLEMS_KEPT_MAX {
            records.problems.push(problem.into());
        }
    }

    /// The checker's verdict, and the problems so far.
    #[must_use]
    pub fn judge(&self) -> (Verdict, Vec<String>) {
        let records = self.lock();
        (records.history.check(), records.problems.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Records> {
        // What a panicking writer left is still true.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
