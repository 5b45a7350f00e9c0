//! Drafts that wait for their number. Pure but for the reply handles it carries.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use schema::record::Draft;
use tokio::time::Instant;

use super::messages::SubmitReply;

/// A draft unanswered for longer is answered `retry_later`.
pub const DEADLINE: Duration = Duration::from_secs(10);
/// Drafts of one conversation that may wait at once.
pub const WAITING_MAX: usize = 4096;

/// One draft and who asked.
pub struct Waiting {
    pub draft: Arc<Draft>,
    pub reply: SubmitReply,
    pub since: Instant,
    pub deadline: Instant,
}

/// Waiting drafts by token, in the order they came.
#[derive(Default)]
pub struct Pending {
    waiting: BTreeMap<u64, Waiting>,
    last_token: u64,
}

impl Pending {
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.waiting.len() >= WAITING_MAX
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Keeps a draft; its token comes back with the sequencer's answer.
    pub fn add(&mut self, draft: Arc<Draft>, reply: SubmitReply) -> u64 {
        self.last_token += 1;
        let since = Instant::now();
        let deadline = since + DEADLINE;
        self.waiting.insert(self.last_token, Waiting { draft, reply, since, deadline });
        self.last_token
    }

    pub fn take(&mut self, token: u64) -> Option<Waiting> {
        self.waiting.remove(&token)
    }

    #[must_use]
    pub fn get(&self, token: u64) -> Option<&Waiting> {
        self.waiting.get(&token)
    }

    /// All that wait, oldest first: to be asked again of another sequencer.
    pub fn all(&self) -> impl Iterator<Item = (u64, Arc<Draft>)> {
        self.waiting.iter().map(|(token, waiting)| (*token, waiting.draft.clone()))
    }

    /// Removes those whose time is over.
    pub fn expired(&mut self, now: Instant) -> Vec<Waiting> {
        self.waiting
            .extract_if(.., |_, waiting| waiting.deadline <= now)
            .map(|(_, it)| it)
            .collect()
    }
}
