//! Going away in good order: readiness off, sockets closed in waves, what is in flight stored,
//! shards released.
//!
//! ```text
//! config.rs    how long it may take
//! signals.rs   SIGTERM, SIGINT, SIGHUP
//! waves.rs     who leaves when (pure)
//! ```

mod config;
mod signals;
mod waves;

use std::sync::Arc;
use std::time::Duration;

use actors::Node;
use actors::supervisor::Tree;
use rand::RngExt as _;
use rand::seq::SliceRandom as _;
use schema::wire::CloseCode;
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};

use crate::api::Readiness;

pub use config::DrainConfig;
pub use signals::{Asked, Signals};
use waves::Waves;

/// Sessions that were asked to end write their positions within this time.
const SESSIONS: Duration = Duration::from_secs(5);
/// Answers of REST that are being worked on get this long.
const REQUESTS: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(50);

/// A node on its way out.
pub struct Draining {
    pub config: DrainConfig,
    pub readiness: Arc<Readiness>,
    pub node: Node,
    pub tree: Arc<Tree>,
    /// Stops the listeners.
    pub stop: watch::Sender<bool>,
}

impl Draining {
    /// Drains within the deadline; what is not done by then the next start replays. `leave` tells
    /// other nodes that this one gives its shards up. `hurry` ends all waiting for clients.
    pub async fn run(self, leave: impl Future<Output = ()>, hurry: impl Future<Output = ()>) {
        let deadline = Instant::now() + self.config.deadline.0;
        self.readiness.start_draining();
        if timeout_at(deadline, self.in_order(leave, hurry)).await.is_err() {
            tracing::warn!("not drained in time; the next start replays what is left");
        } else {
            tracing::info!("drained");
        }
    }

    async fn in_order(&self, leave: impl Future<Output = ()>, hurry: impl Future<Output = ()>) {
        // Shards move while sockets are still served here: their sends are forwarded.
        let gently = async {
            tokio::time::sleep(self.config.notice.0).await;
            leave.await;
            self.close_in_waves().await;
        };
        tokio::select! {
            () = gently => {}
            () = hurry => tracing::warn!("asked again: closing everything now"),
        }
        self.close_the_rest().await;
        // Only now: until here REST is answered, and upgrades are told to come back.
        let _ = self.stop.send(true);
        let answered = async {
            while self.readiness.requests() > 0 {
                tokio::time::sleep(LOOK).await;
            }
        };
        if timeout(REQUESTS, answered).await.is_err() {
            tracing::warn!(left = self.readiness.requests(), "requests were cut off");
        }
        self.tree.personal.write_seen().await;
        self.tree.personal.write_here().await;
        self.tree.committers.retire().await;
    }

    async fn close_in_waves(&self) {
        let mut users = self.node.users_online();
        users.shuffle(&mut rand::rng());
        let waves = Waves::plan(users.len(), self.config.duration.0);
        tracing::info!(users = users.len(), each = waves.users_each, "closing sockets");
        let mut left = users.chunks(waves.users_each).peekable();
        while let Some(wave) = left.next() {
            for user in wave {
                self.node.disconnect_here(*user, CloseCode::Draining);
            }
            if left.peek().is_some() {
                tokio::time::sleep(waves.pause(rand::rng().random())).await;
            }
        }
    }

    /// Also those who came meanwhile.
    async fn close_the_rest(&self) {
        let online = self.tree.sessions.online();
        let gone = async {
            while !online.is_empty() {
                self.node.disconnect_all(CloseCode::Draining);
                tokio::time::sleep(LOOK).await;
            }
        };
        if timeout(SESSIONS, gone).await.is_err() {
            tracing::warn!(left = online.all().len(), "sessions did not end in time");
        }
    }
}
