//! The committers of the shards that this node owns.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix::{Actor as _, Addr};
use schema::OwnerToken;
use tokio::sync::oneshot;

use super::actor::{Committer, CommitterContext};
use super::messages::Retire;
use super::ownership::Ownership;
use crate::monitor::{Child, DeathNotice, Incarnation, Quarantined, Registry, Watcher, Workers};
use crate::peers::Peers;
use crate::ports::CommitRing;

/// A node that goes away tells clients to come back elsewhere after this time.
const RETIRED_RETRY_MS: u64 = 1_000;

/// Finds a shard's committer, or starts it.
pub struct Committers {
    registry: Registry<u32, Committer>,
    context: CommitterContext,
    workers: Workers,
    watcher: Arc<dyn Watcher>,
    retired: AtomicBool,
}

impl Committers {
    #[must_use]
    pub fn new(context: CommitterContext, workers: Workers, watcher: Arc<dyn Watcher>) -> Self {
        Self {
            registry: Registry::default(),
            context,
            workers,
            watcher,
            retired: AtomicBool::new(false),
        }
    }

    #[must_use]
    pub fn shards(&self) -> u32 {
        self.context.ring.shape().shards
    }

    #[must_use]
    pub fn peers(&self) -> &Arc<Peers> {
        &self.context.peers
    }

    #[must_use]
    pub fn ring(&self) -> &dyn CommitRing {
        self.context.ring.as_ref()
    }

    /// Every shard of this node is claimed and replayed: numbers can be given.
    #[must_use]
    pub fn all_ready(&self) -> bool {
        self.ownership().all_ready()
    }

    /// Committers here.
    #[must_use]
    pub fn count(&self) -> usize {
        self.registry.len()
    }

    /// The shard is this node's to claim.
    #[must_use]
    pub fn is_assigned(&self, shard: u32) -> bool {
        self.ownership().is_assigned(shard)
    }

    /// The running activation of a shard, once it is claimed and replayed.
    #[must_use]
    pub fn activation(&self, shard: u32) -> Option<OwnerToken> {
        self.ownership().activation(shard)
    }

    #[must_use]
    pub fn ownership(&self) -> &Ownership {
        &self.context.ownership
    }

    /// Makes the shard this node's, and claims it.
    pub fn assign(&self, shard: u32) {
        self.ownership().assign(shard);
        let _ = self.get_or_start(shard);
    }

    /// The shard is to be another node's: what is in flight is finished, then it is released.
    /// Answered once that is done.
    pub fn hand_over(&self, shard: u32) -> Option<oneshot::Receiver<()>> {
        self.ownership().unassign(shard);
        let (done, released) = oneshot::channel();
        let committer = self.registry.get(&shard)?;
        committer.try_send(Retire { done }).ok().map(|()| released)
    }

    /// # Errors
    /// [`Quarantined`] after too many panics, once the node goes away, and for shards that are not
    /// this node's.
    pub fn get_or_start(&self, shard: u32) -> Result<Addr<Committer>, Quarantined> {
        if self.is_retired() || !self.is_assigned(shard) {
            return Err(Quarantined { retry_after_ms: RETIRED_RETRY_MS });
        }
        self.registry.get_or_start(shard, |incarnation| {
            let (context, watcher) = (self.context.clone(), self.watcher.clone());
            Committer::start_in_arbiter(self.workers.of_shard(shard), move |_| {
                let notice = DeathNotice::new(Child::Committer(shard), incarnation, watcher);
                Committer::new(shard, context, notice)
            })
        })
    }

    /// Entries that wait to be stored.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.context.budgets.waiting()
    }

    /// Some that run here.
    #[must_use]
    pub fn sample(&self, count: usize) -> Vec<Addr<Committer>> {
        self.registry.sample(count)
    }

    /// Finishes what is in flight, materialises it and releases every shard.
    pub async fn retire(&self) {
        self.retired.store(true, Ordering::Relaxed);
        let mut waiting = Vec::new();
        for (_, committer) in self.registry.all() {
            let (done, retired) = oneshot::channel();
            if committer.try_send(Retire { done }).is_ok() {
                waiting.push(retired);
            }
        }
        for retired in waiting {
            let _ = retired.await;
        }
    }

    /// True once [`retire`](Self::retire) was called: no shard is claimed again.
    #[must_use]
    pub fn is_retired(&self) -> bool {
        self.retired.load(Ordering::Relaxed)
    }

    pub fn forget(&self, shard: u32, incarnation: Incarnation) {
        self.registry.forget(&shard, incarnation);
    }

    /// Notes a panic; returns how long the shard stays down.
    pub fn panicked(&self, shard: u32) -> std::time::Duration {
        self.registry.panicked(shard, tokio::time::Instant::now())
    }
}
