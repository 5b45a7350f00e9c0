//! What the operating system asks of the process.

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// SIGTERM, SIGINT: go away.
    Stop,
    /// SIGHUP: read the settings again.
    Reload,
}

/// Signals, watched from now on.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    /// # Errors
    /// When signals cannot be watched.
    pub fn watch() -> anyhow::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate()).context("cannot watch SIGTERM")?,
            interrupt: signal(SignalKind::interrupt()).context("cannot watch SIGINT")?,
            hang_up: signal(SignalKind::hangup()).context("cannot watch SIGHUP")?,
        })
    }

    /// The next of them. May be dropped and called again.
    pub async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::Stop,
            _ = self.interrupt.recv() => Asked::Stop,
            _ = self.hang_up.recv() => Asked::Reload,
        }
    }

    /// Waits for the next request to stop.
    pub async fn stop(&mut self) {
        while self.next().await != Asked::Stop {}
    }
}
