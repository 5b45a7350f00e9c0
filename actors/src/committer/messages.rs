//! What a committer's mailbox takes, and what it tells sequencers.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use actix::{Message, Recipient};
use schema::record::Entry;
use schema::{ConversationId, OwnerToken, Sequence};

/// A numbered entry to be stored. Its sequencer acquired room for it in the [`Budget`].
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Enqueue {
    pub entry: Entry,
}

/// A sequencer has started: tell it what is on its way, then what becomes of its entries.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Register {
    pub conversation: ConversationId,
    pub sequencer: Recipient<FromCommitter>,
}

/// A sequencer has ended.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Unregister {
    pub conversation: ConversationId,
    pub sequencer: Recipient<FromCommitter>,
}

/// Answers once everything committed so far is in the readers' tables.
#[derive(Message)]
#[rtype(result = "()")]
pub struct WhenMaterialised {
    pub done: tokio::sync::oneshot::Sender<()>,
}

/// Finish what is in flight, release the shard, stop; then drop `done`.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Retire {
    pub done: tokio::sync::oneshot::Sender<()>,
}

/// News for a sequencer.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub enum FromCommitter {
    /// Answer to [`Register`], once the shard is replayed.
    Registered(Registered),
    /// Stored for good.
    Stored(StoredEntries),
    /// The readers' tables show everything up to here.
    Materialised(Sequence),
    /// The activation is over: nothing more will be stored.
    Ended,
}

/// What a sequencer continues from.
#[derive(Clone, Debug)]
pub struct Registered {
    pub owner: OwnerToken,
    /// In order; true: stored already.
    pub entries: Vec<(Entry, bool)>,
    pub budget: Arc<Budget>,
}

/// Consecutive entries of one conversation from one commit.
#[derive(Clone, Debug)]
pub struct StoredEntries {
    pub entries: Arc<[Entry]>,
}

/// Room for entries on their way to the store, shared by a shard's sequencers.
#[derive(Debug)]
pub struct Budget {
    entries: AtomicUsize,
    bytes: AtomicUsize,
}

impl Budget {
    pub const ENTRIES_MAX: usize = 16_384;
    pub const BYTES_MAX: usize = 64 * 1024 * 1024;

    #[must_use]
    pub const fn new() -> Self {
        Self { entries: AtomicUsize::new(0), bytes: AtomicUsize::new(0) }
    }

    /// Takes room for one entry of about `bytes`; false when there is none.
    #[must_use]
    pub fn acquire(&self, bytes: usize) -> bool {
        let entries = self.entries.fetch_add(1, Ordering::Relaxed);
        let held = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        if entries < Self::ENTRIES_MAX && held < Self::BYTES_MAX {
            return true;
        }
        self.release(bytes);
        false
    }

    /// Gives the room of one entry back.
    pub fn release(&self, bytes: usize) {
        self.entries.fetch_sub(1, Ordering::Relaxed);
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// The budgets of a node's activations, to be looked at from outside.
#[derive(Debug, Default)]
pub struct Budgets(Mutex<Vec<Weak<Budget>>>);

impl Budgets {
    /// That of a new activation.
    #[must_use]
    pub fn open(&self) -> Arc<Budget> {
        let budget = Arc::new(Budget::new());
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|budget| budget.strong_count() > 0);
        all.push(Arc::downgrade(&budget));
        budget
    }

    /// Entries that wait to be stored.
    #[must_use]
    pub fn waiting(&self) -> usize {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let budgets = all.iter().filter_map(Weak::upgrade);
        budgets.map(|budget| budget.entries.load(Ordering::Relaxed)).sum()
    }
}

/// Room for one entry: given back, also when its holder dies, unless the entry went to the
/// committer, who then gives it back.
#[derive(Debug)]
pub struct Room {
    budget: Arc<Budget>,
    bytes: usize,
    is_handed_on: bool,
}

impl Room {
    /// Room for an entry of about `bytes`, if there is any.
    #[must_use]
    pub fn acquire(budget: &Arc<Budget>, bytes: usize) -> Option<Self> {
        let room = || Self { budget: budget.clone(), bytes, is_handed_on: false };
        budget.acquire(bytes).then(room)
    }

    /// The entry is the committer's now.
    pub fn hand_on(mut self) {
        self.is_handed_on = true;
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if !self.is_handed_on {
            self.budget.release(self.bytes);
        }
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_comes_back_however_its_holder_ends() {
        let budget = Arc::new(Budget::new());
        let taken = |budget: &Budget| budget.entries.load(Ordering::Relaxed);
        let (first, second) = (Room::acquire(&budget, 10), Room::acquire(&budget, 20));
        assert_eq!(taken(&budget), 2);
        drop(first);
        assert_eq!((taken(&budget), budget.bytes.load(Ordering::Relaxed)), (1, 20));
        second.unwrap().hand_on();
        assert_eq!(taken(&budget), 1, "the committer's to give back");
        assert!(Room::acquire(&budget, Budget::BYTES_MAX).is_some(), "begun below the limit");
    }
}
