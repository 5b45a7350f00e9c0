//! Which shards this node claims and which it hands over, as the directory changes.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use schema::OwnerToken;
use tokio::time::Instant;

use super::tree::Tree;
use crate::ports::Owner;

/// Besides at every change: what was lost while the bridge was down comes back this way.
const LOOK: Duration = Duration::from_millis(500);
/// A shard is waited for while its owner finishes, this long at the most; then it is taken over.
const HAND_OVER_MAX: Duration = Duration::from_secs(3);
const HAND_OVER_LOOK: Duration = Duration::from_millis(40);

/// Follows the directory.
pub struct OwnershipKeeper {
    tree: Weak<Tree>,
    seen: Vec<Option<Owner>>,
    /// Shards that are waited for.
    waiting: Arc<Mutex<BTreeSet<u32>>>,
}

impl OwnershipKeeper {
    #[must_use]
    pub fn new(tree: &Arc<Tree>) -> Self {
        let seen = vec![None; tree.committers.shards() as usize];
        Self { tree: Arc::downgrade(tree), seen, waiting: Arc::default() }
    }

    /// Runs for as long as the node owns shards.
    pub async fn run(mut self) {
        let Some(mut changes) = self.tree.upgrade().map(|it| it.ports.directory.changes()) else {
            return;
        };
        while self.settle() {
            tokio::select! {
                changed = changes.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    /// Claims and hands over what the directory says now; false once the node goes away.
    pub fn settle(&mut self) -> bool {
        let Some(tree) = self.tree.upgrade().filter(|it| !it.committers.is_retired()) else {
            return false;
        };
        for shard in 0..tree.committers.shards() {
            let owner = tree.ports.directory.owner(shard);
            match (owner, tree.committers.is_assigned(shard)) {
                (Owner::Here, false) if tree.ports.bridge.is_connected() => {
                    self.claim(&tree, shard);
                }
                (Owner::Elsewhere(_), true) => {
                    tracing::info!(shard, "shard is handed over");
                    // Its committer ends by itself once all is stored.
                    drop(tree.committers.hand_over(shard));
                }
                _ => {}
            }
            let seen = &mut self.seen[shard as usize];
            if *seen != Some(owner) {
                *seen = Some(owner);
                tree.peers.owner_changed(shard);
                tree.sequencers.owner_changed(shard);
            }
        }
        true
    }

    fn claim(&self, tree: &Arc<Tree>, shard: u32) {
        if !tree.ports.directory.is_handed_over(shard) {
            return assign(tree, shard);
        }
        if !self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(shard) {
            return;
        }
        let (tree, waiting) = (self.tree.clone(), self.waiting.clone());
        actix_rt::spawn(async move {
            wait_for_release(&tree, shard).await;
            waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&shard);
            if let Some(tree) = tree.upgrade()
                && tree.ports.directory.owner(shard) == Owner::Here
            {
                assign(&tree, shard);
            }
        });
    }
}

fn assign(tree: &Tree, shard: u32) {
    tree.committers.assign(shard);
    tree.sequencers.owner_changed(shard);
}

/// Waits until the shard's owner has released it, for a while.
async fn wait_for_release(tree: &Weak<Tree>, shard: u32) {
    let deadline = Instant::now() + HAND_OVER_MAX;
    while Instant::now() < deadline {
        let Some(tree) = tree.upgrade() else { return };
        let is_still_handed_over = tree.ports.directory.owner(shard) == Owner::Here
            && tree.ports.directory.is_handed_over(shard);
        if !is_still_handed_over {
            return;
        }
        match tree.committers.ring().guard(shard).await {
            Ok(Some(guard)) if guard.owner != OwnerToken::NOBODY => {}
            Ok(_) => return,
            Err(error) => tracing::debug!(%error, shard, "guard not read"),
        }
        drop(tree);
        tokio::time::sleep(HAND_OVER_LOOK).await;
    }
}
