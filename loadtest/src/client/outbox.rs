//! Messages that are not acknowledged yet, oldest first.

use std::collections::VecDeque;
use std::time::Duration;

use schema::checker::Digest;
use schema::wire::{Accepted, SendMessage};
use tokio::sync::oneshot;
use tokio::time::Instant;

/// Where a send's outcome goes: its number, or why it will never have one.
pub type Answer = oneshot::Sender<Result<Accepted, String>>;

/// One message on its way.
#[derive(Debug)]
pub struct Pending {
    pub frame: SendMessage,
    pub digest: Digest,
    pub transmissions: u32,
    pub transmitted_at: Option<Instant>,
    /// Set by a temporary refusal.
    pub retry_at: Option<Instant>,
    pub answer: Answer,
}

/// Keeps messages until the server has said where they are.
#[derive(Debug, Default)]
pub struct Outbox(VecDeque<Pending>);

impl Outbox {
    pub fn push(&mut self, pending: Pending) {
        self.0.push_back(pending);
    }

    pub fn take(&mut self, reference: u64) -> Option<Pending> {
        let index = self.0.iter().position(|pending| pending.frame.reference == reference)?;
        self.0.remove(index)
    }

    pub fn get_mut(&mut self, reference: u64) -> Option<&mut Pending> {
        self.0.iter_mut().find(|pending| pending.frame.reference == reference)
    }

    /// References of all messages, oldest first.
    pub fn references(&self) -> Vec<u64> {
        self.0.iter().map(|pending| pending.frame.reference).collect()
    }

    /// References of refused messages whose time has come.
    pub fn due(&self, now: Instant) -> Vec<u64> {
        let is_due = |pending: &&Pending| pending.retry_at.is_some_and(|at| at <= now);
        self.0.iter().filter(is_due).map(|pending| pending.frame.reference).collect()
    }

    /// Whether a transmitted message has waited longer than `limit` for any answer.
    pub fn is_overdue(&self, now: Instant, limit: Duration) -> bool {
        self.0.iter().any(|pending| {
            pending.retry_at.is_none()
                && pending.transmitted_at.is_some_and(|at| now.duration_since(at) > limit)
        })
    }

    /// A new socket knows nothing of what the old one was told.
    pub fn forget_transmissions(&mut self) {
        for pending in &mut self.0 {
            pending.transmitted_at = None;
            pending.retry_at = None;
        }
    }

    /// Gives all up.
    pub fn fail_all(&mut self, reason: &str) {
        for pending in self.0.drain(..) {
            let _ = pending.answer.send(Err(reason.to_owned()));
        }
    }
}
