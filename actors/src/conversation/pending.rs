//! Drafts that wait for their number. Pure but for the reply handles it carries.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use schema::UserId;
use schema::record::Draft;
use tokio::time::Instant;

use super::messages::SubmitReply;

/// A draft unanswered for longer is answered `retry_later`.
pub const DEADLINE: Duration = Duration::from_secs(10);
/// Drafts of one conversation that may wait at once.
pub const WAITING_MAX: usize = 4096;

/// One draft and who asked.
pub struct Waiting<R = SubmitReply> {
    pub draft: Arc<Draft>,
    pub reply: R,
    pub since: Instant,
    pub deadline: Instant,
    /// It may not be stored: whoever numbers here says whether it was before.
    pub is_judged: bool,
}

/// Waiting drafts by token, in the order they came.
pub struct Pending<R = SubmitReply> {
    waiting: BTreeMap<u64, Waiting<R>>,
    last_token: u64,
    /// The last draft of each sender that was stored, while others wait.
    stored: BTreeMap<UserId, u64>,
}

impl<R> Default for Pending<R> {
    fn default() -> Self {
        Self { waiting: BTreeMap::new(), last_token: 0, stored: BTreeMap::new() }
    }
}

impl<R> Pending<R> {
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.waiting.len() >= WAITING_MAX
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Keeps a draft; its token comes back with the sequencer's answer.
    pub fn add(&mut self, draft: Arc<Draft>, reply: R) -> u64 {
        self.add_at(draft, reply, Instant::now())
    }

    /// The same at a given time.
    pub fn add_at(&mut self, draft: Arc<Draft>, reply: R, since: Instant) -> u64 {
        self.last_token += 1;
        let deadline = since + DEADLINE;
        let waiting = Waiting { draft, reply, since, deadline, is_judged: false };
        self.waiting.insert(self.last_token, waiting);
        self.last_token
    }

    /// Keeps a draft that may not be stored.
    pub fn add_judged(&mut self, draft: Arc<Draft>, reply: R) -> u64 {
        let token = self.add(draft, reply);
        if let Some(waiting) = self.waiting.get_mut(&token) {
            waiting.is_judged = true;
        }
        token
    }

    /// Removes those that may not be stored.
    pub fn take_judged(&mut self) -> Vec<Waiting<R>> {
        self.waiting.extract_if(.., |_, waiting| waiting.is_judged).map(|(_, it)| it).collect()
    }

    pub fn take(&mut self, token: u64) -> Option<Waiting<R>> {
        let taken = self.waiting.remove(&token);
        if self.waiting.is_empty() {
            self.stored.clear();
        }
        taken
    }

    /// The sender's draft of this token is stored.
    pub fn note_stored(&mut self, sender: UserId, token: u64) {
        if !self.waiting.is_empty() {
            let last = self.stored.entry(sender).or_default();
            *last = token.max(*last);
        }
    }

    /// Removes those that a later one of the same sender was stored before.
    pub fn take_overtaken(&mut self) -> Vec<Waiting<R>> {
        let stored = std::mem::take(&mut self.stored);
        self.waiting
            .extract_if(.., |token, waiting| {
                stored.get(&waiting.draft.sender_id).is_some_and(|last| token < last)
            })
            .map(|(_, it)| it)
            .collect()
    }

    /// Removes all.
    pub fn take_all(&mut self) -> Vec<Waiting<R>> {
        self.stored.clear();
        std::mem::take(&mut self.waiting).into_values().collect()
    }

    #[must_use]
    pub fn get(&self, token: u64) -> Option<&Waiting<R>> {
        self.waiting.get(&token)
    }

    /// All that wait, oldest first: to be asked again of another sequencer.
    pub fn all(&self) -> impl Iterator<Item = (u64, Arc<Draft>)> {
        self.waiting.iter().map(|(token, waiting)| (*token, waiting.draft.clone()))
    }

    /// Removes those whose time is over.
    pub fn expired(&mut self, now: Instant) -> Vec<Waiting<R>> {
        self.waiting
            .extract_if(.., |_, waiting| waiting.deadline <= now)
            .map(|(_, it)| it)
            .collect()
    }
}
