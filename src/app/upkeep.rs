//! What goes on beside serving: readiness, and forgetting what has passed its time.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use actors::ports::{CommitRing, WallClock};
use actors::supervisor::Tree;
use anyhow::Context as _;
use schema::metric;

use super::backends::Backends;
use crate::api::Readiness;
use crate::store::embedded::Store;

const LOOK: Duration = Duration::from_millis(250);
/// An embedded store's log is replayed within this time.
const REPLAY_MAX: Duration = Duration::from_secs(60);
const GAUGE_EVERY: Duration = Duration::from_secs(10);
const PURGE_EVERY: Duration = Duration::from_secs(600);
const PURGE_ROWS: u64 = 500;
/// A repeated send is recognised for this long.
const SENT_INDEX_MS: i64 = 30 * 24 * 60 * 60 * 1000;

/// Keeps `/readyz` true to the shards, the store and the bridge. A node alone serves only once its
/// log is replayed; one of several serves at once, and is ready when it has found the others.
///
/// # Errors
/// When the log of a node alone is not replayed in time.
pub async fn watch_health(
    tree: &Arc<Tree>,
    backends: &Arc<Backends>,
    readiness: &Arc<Readiness>,
) -> anyhow::Result<()> {
    if !backends.is_clustered() {
        let claimed = async {
            while !tree.committers.all_ready() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let claimed = tokio::time::timeout(REPLAY_MAX, claimed).await;
        claimed.context("the store's log was not replayed")?;
        readiness.set_ring(true);
        readiness.set_bridge(true);
        metrics::gauge!(metric::BRIDGE_CONNECTED).set(1.0);
        metrics::gauge!(metric::NODES_ALIVE).set(1.0);
    }
    let (tree, backends, readiness) = (tree.clone(), backends.clone(), readiness.clone());
    actix_rt::spawn(async move {
        loop {
            let is_connected = backends.is_connected();
            readiness.set_bridge(is_connected);
            readiness.set_ring(backends.is_store_well() && tree.committers.all_ready());
            tokio::time::sleep(LOOK).await;
        }
    });
    Ok(())
}

/// Tells what changes slowly or never: space on disk, slots of the ring.
pub async fn gauge(data_dir: PathBuf, ring: Arc<dyn CommitRing>) {
    metrics::gauge!(metric::RING_SLOTS).set(f64::from(ring.shape().slots));
    loop {
        if let Ok(disk) = rustix::fs::statvfs(&data_dir) {
            #[expect(clippy::cast_precision_loss, reason = "for display")]
            let bytes = |blocks: u64| (blocks * disk.f_frsize) as f64;
            metrics::gauge!(metric::DISK_FREE_BYTES).set(bytes(disk.f_bavail));
            metrics::gauge!(metric::DISK_SIZE_BYTES).set(bytes(disk.f_blocks));
        }
        tokio::time::sleep(GAUGE_EVERY).await;
    }
}

/// Forgets what has passed its time, in small bites: ids of sends after 30 days, refresh tokens
/// and invites after their expiry. For the embedded store; the others do so themselves.
pub async fn purge(store: Store, clock: Arc<dyn WallClock>) {
    loop {
        tokio::time::sleep(PURGE_EVERY).await;
        let now_ms = clock.now_ms();
        let mut after = None;
        loop {
            match store.purge_sent_index(after, now_ms - SENT_INDEX_MS, PURGE_ROWS).await {
                Ok(next @ Some(_)) => after = next,
                Ok(None) => break,
                Err(error) => {
                    tracing::warn!(%error, "old ids were not purged");
                    break;
                }
            }
        }
        if let Err(error) = store.purge_invites(now_ms, PURGE_ROWS).await {
            tracing::warn!(%error, "old invites were not purged");
        }
        if let Err(error) = store.purge_refresh_tokens(now_ms, PURGE_ROWS).await {
            tracing::warn!(%error, "old refresh tokens were not purged");
        }
    }
}
