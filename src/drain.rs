//! Going away in good order: readiness off, sockets closed with a code, what is in flight stored,
//! shards released.

use std::sync::Arc;
use std::time::Duration;

use actors::Node;
use actors::supervisor::Tree;
use anyhow::Context as _;
use schema::wire::CloseCode;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::api::Readiness;

/// Sessions write their positions and end within this time.
const SESSIONS: Duration = Duration::from_secs(5);
/// What is in flight is stored and materialised within this time.
const SHARDS: Duration = Duration::from_secs(10);

/// Waits for SIGTERM or SIGINT.
///
/// # Errors
/// When signals cannot be watched.
pub async fn wait_for_signal() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot watch SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot watch SIGINT")?;
    tokio::select! {
        _ = terminate.recv() => tracing::info!("SIGTERM: draining"),
        _ = interrupt.recv() => tracing::info!("SIGINT: draining"),
    }
    Ok(())
}

/// A node on its way out.
pub struct Draining {
    pub readiness: Arc<Readiness>,
    pub node: Node,
    pub tree: Arc<Tree>,
    /// Stops the listeners.
    pub stop: watch::Sender<bool>,
}

impl Draining {
    /// Drains within the deadlines; what is not done by then the next start replays. `leave` tells
    /// other nodes that this one gives its shards up.
    pub async fn run(self, leave: impl Future<Output = ()>) {
        self.readiness.start_draining();
        let _ = self.stop.send(true);
        leave.await;
        let online = self.tree.sessions.online();
        let gone = async {
            while !online.all().is_empty() {
                self.node.disconnect_all(CloseCode::Draining);
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        if timeout(SESSIONS, gone).await.is_err() {
            tracing::warn!(left = online.all().len(), "sessions did not end in time");
        }
        self.tree.personal.write_seen().await;
        if timeout(SHARDS, self.tree.committers.retire()).await.is_err() {
            tracing::warn!("shards were not released in time; the next start replays them");
        }
        tracing::info!("drained");
    }
}
