//! What goes on beside serving: readiness, and forgetting what has passed its time.

use std::sync::Arc;
use std::time::Duration;

use actors::ports::WallClock;
use actors::supervisor::Tree;
use anyhow::Context as _;

use super::backends::Backends;
use crate::api::Readiness;
use crate::store::embedded::Store;

const LOOK: Duration = Duration::from_millis(250);
/// An embedded store's log is replayed within this time.
const REPLAY_MAX: Duration = Duration::from_secs(60);
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

/// Forgets what has passed its time, in small bites: ids of sends after 30 days, refresh tokens
/// after their expiry. For the embedded store; the others do so themselves.
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
        if let Err(error) = store.purge_refresh_tokens(now_ms, PURGE_ROWS).await {
            tracing::warn!(%error, "old refresh tokens were not purged");
        }
    }
}
