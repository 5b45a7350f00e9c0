//! Who runs where on this node: find, start, forget. Callable from any thread.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use actix::{Actor, Addr};
use tokio::time::Instant;

use super::death_notice::Incarnation;
use super::restart_budget::RestartBudget;

const SHARDS: usize = 16;

/// The child panicked too often; it may be asked for again later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quarantined {
    pub retry_after_ms: u64,
}

struct Running<A: Actor> {
    addr: Addr<A>,
    incarnation: Incarnation,
}

struct Shard<K, A: Actor> {
    running: HashMap<K, Running<A>>,
    /// Only children that panicked lately.
    unwell: HashMap<K, (RestartBudget, Instant)>,
}

impl<K, A: Actor> Default for Shard<K, A> {
    fn default() -> Self {
        Self { running: HashMap::new(), unwell: HashMap::new() }
    }
}

/// Addresses of one kind of actor by key. At most one lives per key.
pub struct Registry<K, A: Actor> {
    shards: [Mutex<Shard<K, A>>; SHARDS],
    hasher: RandomState,
    incarnations: AtomicU64,
}

impl<K: Hash + Eq + Copy, A: Actor> Default for Registry<K, A> {
    fn default() -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::default()),
            hasher: RandomState::new(),
            incarnations: AtomicU64::new(0),
        }
    }
}

impl<K: Hash + Eq + Copy, A: Actor> Registry<K, A> {
    /// The living actor of `key`.
    pub fn get(&self, key: &K) -> Option<Addr<A>> {
        let shard = self.shard(key);
        shard.running.get(key).filter(|running| running.addr.connected()).map(|it| it.addr.clone())
    }

    /// The living actor of `key`, started by `start` when there is none.
    ///
    /// # Errors
    /// [`Quarantined`] while the child's restart budget is spent.
    pub fn get_or_start(
        &self,
        key: K,
        start: impl FnOnce(Incarnation) -> Addr<A>,
    ) -> Result<Addr<A>, Quarantined> {
        let mut shard = self.shard(&key);
        if let Some(running) = shard.running.get(&key)
            && running.addr.connected()
        {
            return Ok(running.addr.clone());
        }
        if let Some((_, until)) = shard.unwell.get(&key) {
            let wait = until.saturating_duration_since(Instant::now());
            if !wait.is_zero() {
                let retry_after_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1);
                return Err(Quarantined { retry_after_ms });
            }
        }
        let incarnation = Incarnation(self.incarnations.fetch_add(1, Ordering::Relaxed));
        let addr = start(incarnation);
        shard.running.insert(key, Running { addr: addr.clone(), incarnation });
        Ok(addr)
    }

    /// Forgets one life of a child; a newer life under the same key stays.
    pub fn forget(&self, key: &K, incarnation: Incarnation) {
        let mut shard = self.shard(key);
        if shard.running.get(key).is_some_and(|running| running.incarnation == incarnation) {
            shard.running.remove(key);
        }
    }

    /// Notes a panic; returns how long the child stays quarantined.
    pub fn panicked(&self, key: K, now: Instant) -> std::time::Duration {
        let mut shard = self.shard(&key);
        shard.unwell.retain(|_, (budget, _)| !budget.is_clean(now));
        let entry = shard.unwell.entry(key).or_insert_with(|| (RestartBudget::default(), now));
        let delay = entry.0.panicked(now);
        entry.1 = now + delay;
        delay
    }

    /// Some living actors; others each time.
    pub fn sample(&self, count: usize) -> Vec<Addr<A>> {
        let first = rand::random_range(0..SHARDS);
        let shards = self.shards[first..].iter().chain(&self.shards[..first]);
        let mut sample = Vec::with_capacity(count);
        for shard in shards {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            let skip = rand::random_range(0..=shard.running.len().saturating_sub(count));
            let some = shard.running.values().skip(skip).filter(|it| it.addr.connected());
            sample.extend(some.take(count - sample.len()).map(|it| it.addr.clone()));
            if sample.len() == count {
                break;
            }
        }
        sample
    }

    /// All living actors, in no particular order.
    pub fn all(&self) -> Vec<(K, Addr<A>)> {
        let mut all = Vec::new();
        for shard in &self.shards {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            all.extend(shard.running.iter().map(|(key, running)| (*key, running.addr.clone())));
        }
        all
    }

    pub fn len(&self) -> usize {
        let lock = |shard: &Mutex<Shard<K, A>>| {
            shard.lock().unwrap_or_else(PoisonError::into_inner).running.len()
        };
        self.shards.iter().map(lock).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn shard(&self, key: &K) -> MutexGuard<'_, Shard<K, A>> {
        let index = usize::try_from(self.hasher.hash_one(key) % SHARDS as u64).unwrap_or(0);
        self.shards[index].lock().unwrap_or_else(PoisonError::into_inner)
    }
}
