//! A TCP proxy in front of a service, whose faults are switched while it runs.
//!
//! `accept` → one [`connection`] each → two pumps, one a direction. A pump reads what the mode
//! lets through, notes when it is due, and writes it then. See [`Mode`] for what can be wrong.

mod connection;
mod frames;
mod mode;
mod pump;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;

pub use frames::Framing;
pub use mode::{Counters, Direction, Mode, Struck};

/// Between attempts to listen again after refusing.
const LISTEN_AGAIN: Duration = Duration::from_millis(20);

/// What is to happen to all connections, now and later.
#[derive(Clone, Copy, Debug)]
struct Orders {
    mode: Mode,
    /// Grows with each demand to reset everything.
    resets: u64,
}

/// Shared by the proxy and its connections.
#[derive(Debug)]
struct Shared {
    upstream: SocketAddr,
    framing: Framing,
    orders: watch::Sender<Orders>,
    counters: Counters,
}

/// A running proxy. Dropping it closes all its connections.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Listens on `listen` (port 0 for any) and connects whoever comes with `upstream`.
    ///
    /// # Errors
    /// When it cannot listen there.
    pub async fn start(
        listen: SocketAddr,
        upstream: SocketAddr,
        framing: Framing,
    ) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(listen).await.with_context(|| listen.to_string())?;
        let address = listener.local_addr()?;
        let orders = watch::Sender::new(Orders { mode: Mode::Pass, resets: 0 });
        let shared = Shared { upstream, framing, orders, counters: Counters::default() };
        let shared = Arc::new(shared);
        let task = tokio::spawn(accept(listener, address, Arc::clone(&shared)));
        Ok(Self { address, shared, task })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    #[must_use]
    pub fn mode(&self) -> Mode {
        self.shared.orders.borrow().mode
    }

    /// Changes what happens from now on, to connections that are there and to new ones.
    pub fn set_mode(&self, mode: Mode) {
        self.shared.orders.send_modify(|orders| orders.mode = mode);
    }

    /// Ends all present connections by RST, on both sides. New ones are as the mode says.
    pub fn reset_all(&self) {
        self.shared.orders.send_modify(|orders| orders.resets += 1);
    }

    /// What happened so far.
    #[must_use]
    pub fn struck(&self) -> Struck {
        self.shared.counters.read()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, address: SocketAddr, shared: Arc<Shared>) {
    let mut orders = shared.orders.subscribe();
    let mut connections = JoinSet::new();
    let mut listener = Some(listener);
    loop {
        let mode = orders.borrow_and_update().mode;
        if matches!(mode, Mode::Refuse) {
            // Without a listener the kernel itself refuses.
            listener = None;
            if orders.changed().await.is_err() {
                return;
            }
            continue;
        }
        let Some(open) = &listener else {
            listener = TcpListener::bind(address).await.ok();
            if listener.is_none() {
                sleep(LISTEN_AGAIN).await;
            }
            continue;
        };
        tokio::select! {
            accepted = open.accept() => {
                if let Ok((client, _)) = accepted {
                    shared.counters.connections.add(1);
                    connections.spawn(connection::serve(client, Arc::clone(&shared)));
                }
            }
            changed = orders.changed() => {
                if changed.is_err() {
                    return;
                }
            }
            // Only so that ended ones are forgotten.
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn dial(upstream: SocketAddr) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(upstream).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
