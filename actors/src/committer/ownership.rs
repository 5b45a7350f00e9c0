//! Which shards are this node's, and how far each has come. Shared by all threads.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use schema::{Epoch, OwnerToken, metric};

#[derive(Clone, Copy, Default)]
struct Shard {
    /// To be claimed, or claimed.
    is_assigned: bool,
    /// Claimed and replayed by this activation, in this epoch.
    activation: Option<(OwnerToken, Epoch)>,
    /// The last activation was ended by another owner.
    was_fenced: bool,
}

/// See the module.
pub struct Ownership {
    shards: Mutex<Vec<Shard>>,
    ready: AtomicU32,
}

impl Ownership {
    #[must_use]
    pub fn new(shards: u32) -> Self {
        let shards = vec![Shard::default(); shards as usize];
        Self { shards: Mutex::new(shards), ready: AtomicU32::new(0) }
    }

    fn shards(&self) -> MutexGuard<'_, Vec<Shard>> {
        self.shards.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, shard: u32, change: impl FnOnce(&mut Shard)) {
        let mut shards = self.shards();
        if let Some(shard) = shards.get_mut(shard as usize) {
            change(shard);
        }
        let ready = shards.iter().filter(|it| it.activation.is_some()).count();
        let ready = u32::try_from(ready).unwrap_or(u32::MAX);
        self.ready.store(ready, Ordering::Relaxed);
        metrics::gauge!(metric::SHARDS_OWNED).set(f64::from(ready));
    }

    pub fn assign(&self, shard: u32) {
        self.change(shard, |it| it.is_assigned = true);
    }

    pub fn unassign(&self, shard: u32) {
        self.change(shard, |it| it.is_assigned = false);
    }

    /// The shard is claimed and replayed.
    pub fn ready(&self, shard: u32, activation: OwnerToken, epoch: Epoch) {
        self.change(shard, |it| {
            (it.activation, it.was_fenced) = (Some((activation, epoch)), false);
        });
    }

    /// Another owner has the shard.
    pub fn fenced(&self, shard: u32) {
        self.change(shard, |it| it.was_fenced = true);
    }

    #[must_use]
    pub fn was_fenced(&self, shard: u32) -> bool {
        self.shards().get(shard as usize).is_some_and(|it| it.was_fenced)
    }

    /// This activation is over.
    pub fn ended(&self, shard: u32, activation: OwnerToken) {
        self.change(shard, |it| {
            it.activation.take_if(|(running, _)| *running == activation);
        });
    }

    #[must_use]
    pub fn is_assigned(&self, shard: u32) -> bool {
        self.shards().get(shard as usize).is_some_and(|it| it.is_assigned)
    }

    #[must_use]
    pub fn activation(&self, shard: u32) -> Option<OwnerToken> {
        self.running(shard).map(|(activation, _)| activation)
    }

    /// The epoch of the running activation.
    #[must_use]
    pub fn epoch(&self, shard: u32) -> Option<Epoch> {
        self.running(shard).map(|(_, epoch)| epoch)
    }

    fn running(&self, shard: u32) -> Option<(OwnerToken, Epoch)> {
        self.shards().get(shard as usize).and_then(|it| it.activation)
    }

    /// Every shard that is this node's is claimed and replayed.
    #[must_use]
    pub fn all_ready(&self) -> bool {
        self.shards().iter().all(|it| !it.is_assigned || it.activation.is_some())
    }

    /// Shards that are this node's.
    #[must_use]
    pub fn assigned(&self) -> u32 {
        let count = self.shards().iter().filter(|it| it.is_assigned).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_means_that_all_that_is_assigned_is_claimed() {
        let ownership = Ownership::new(3);
        let (first, second) = (OwnerToken::generate(), OwnerToken::generate());
        assert!(ownership.all_ready());
        ownership.assign(1);
        assert!(!ownership.all_ready() && ownership.is_assigned(1) && !ownership.is_assigned(2));
        ownership.ready(1, first, Epoch(4));
        assert!(ownership.all_ready());
        ownership.ended(1, second);
        assert_eq!(ownership.activation(1), Some(first), "another one ended");
        assert_eq!(ownership.epoch(1), Some(Epoch(4)));
        ownership.ended(1, first);
        assert!(!ownership.all_ready());
        ownership.unassign(1);
        assert_eq!((ownership.all_ready(), ownership.assigned()), (true, 0));
        ownership.assign(9);
    }
}
