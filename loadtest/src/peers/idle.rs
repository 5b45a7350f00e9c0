//! Many connections that say hello, are answered once, and fall silent: what each weighs.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::line::{Account, Line, Peer, Seen};
use super::tally::Server;

const OPENING_MAX: usize = 16;

/// What they weigh.
#[derive(Clone, Debug, Serialize)]
pub struct Idle {
    pub connections: usize,
    pub open_s: f64,
    /// Growth of resident memory from when all users were there.
    pub bytes_per_connection: f64,
    /// Of one core, for all of them.
    pub cpu_percent: f64,
}

/// # Errors
/// When they cannot be connected, or are lost.
pub async fn idle(
    peer: &Peer,
    accounts: &[Account],
    settle: Duration,
    server: &Server,
) -> anyhow::Result<Idle> {
    // The first connection pays for what is set up once.
    drop(peer.connect(&accounts[0]).await?);
    sleep(Duration::from_secs(1)).await;
    let before = server.resident_bytes()?;
    let begun = Instant::now();
    let opening = Arc::new(Semaphore::new(OPENING_MAX));
    let mut connecting = JoinSet::new();
    for account in accounts {
        let (peer, account, opening) = (peer.clone(), account.clone(), Arc::clone(&opening));
        connecting.spawn(async move {
            let _permit = opening.acquire().await?;
            peer.connect(&account).await
        });
    }
    let mut lines = Vec::with_capacity(accounts.len());
    while let Some(line) = connecting.join_next().await {
        lines.push(line??);
    }
    let open_s = begun.elapsed().as_secs_f64();
    sleep(settle / 2).await;
    let cpu = server.cpu()?;
    sleep(settle / 2).await;
    let spent = server.cpu()?.server.saturating_sub(cpu.server);
    let growth = server.resident_bytes()?.saturating_sub(before);
    for line in &mut lines {
        still_open(line).await?;
    }
    Ok(Idle {
        connections: lines.len(),
        open_s,
        bytes_per_connection: growth as f64 / lines.len().max(1) as f64,
        cpu_percent: 100.0 * spent.as_secs_f64() / (settle / 2).as_secs_f64().max(0.001),
    })
}

/// Whatever came meanwhile is read; an end is an error.
async fn still_open(line: &mut Line) -> anyhow::Result<()> {
    loop {
        let next: Option<anyhow::Result<Seen>> = tokio::select! {
            biased;
            seen = line.receive() => Some(seen),
            () = std::future::ready(()) => None,
        };
        match next {
            Some(seen) => drop(seen?),
            None => return Ok(()),
        }
    }
}
