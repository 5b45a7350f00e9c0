//! Pairs of people: a closed loop for the rate and the CPU of a message, an open loop for latency.

use std::time::Duration;

use anyhow::Context as _;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::ledger::{Ledger, Stamp};
use super::line::{Account, Line, Peer, Place, Seen};
use super::pacer;
use super::tally::{Server, Tally};
use crate::run_report::Latency;

/// A message that takes longer is given up, and the pair with it.
const PATIENCE: Duration = Duration::from_secs(60);
/// After the last message.
const DRAIN_MAX: Duration = Duration::from_secs(30);

/// How long, how large.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    pub warm_up: Duration,
    pub duration: Duration,
    pub text_bytes: usize,
}

/// Of the closed loop.
#[derive(Clone, Debug, Serialize)]
pub struct Closed {
    pub pairs: usize,
    pub messages: u64,
    pub messages_per_s: f64,
    pub delivered: Latency,
    pub server_cpu_us_per_message: f64,
    pub client_cpu_us_per_message: f64,
    pub faults: u64,
    pub problems: Vec<String>,
    /// Of the first pair: sent, and found in the archive afterwards.
    pub sent: u64,
    pub archived: Option<u64>,
}

/// Of the open loop.
#[derive(Clone, Debug, Serialize)]
pub struct Open {
    pub rate: f64,
    /// Of what was due, delivered in time.
    pub share: f64,
    pub delivered: Latency,
    pub server_cpu_us_per_message: f64,
    pub faults: u64,
    pub problems: Vec<String>,
}

struct Pair {
    number: u32,
    place: Place,
    sender: Line,
    receiver: Line,
    ledger: Ledger,
}

async fn connect(peer: &Peer, accounts: &[Account]) -> anyhow::Result<Vec<Pair>> {
    let mut pairs = Vec::new();
    for (number, two) in accounts.chunks_exact(2).enumerate() {
        let place = peer.pair(&two[0], &two[1]).await?;
        let (sender, receiver) = (peer.connect(&two[0]).await?, peer.connect(&two[1]).await?);
        let (number, ledger) = (number as u32, Ledger::default());
        pairs.push(Pair { number, place, sender, receiver, ledger });
    }
    Ok(pairs)
}

/// Each pair has one message on its way: sent, delivered, and acknowledged where the server does.
///
/// # Errors
/// When the pairs cannot be connected.
pub async fn closed(
    peer: &Peer,
    accounts: &[Account],
    timing: Timing,
    server: &Server,
) -> anyhow::Result<Closed> {
    let pairs = connect(peer, accounts).await?;
    let (count, tally) = (pairs.len(), Tally::new());
    let begin = Instant::now() + timing.warm_up;
    let end = begin + timing.duration;
    tally.begin(begin, end);
    let mut running = JoinSet::new();
    for pair in pairs {
        running.spawn(pair.exchange(tally.clone(), end, timing.text_bytes));
    }
    sleep_until(begin).await;
    let before = server.cpu()?;
    sleep_until(end).await;
    let after = server.cpu()?;
    let sent = running.join_all().await;
    let found = tally.found();
    let (of_server, of_client) = after.each_us(before, found.delivered);
    let first = peer.pair(&accounts[0], &accounts[1]).await?;
    let archived = peer.archived(&accounts[1], &first).await;
    let mut problems = found.problems;
    if let Err(error) = &archived {
        problems.push(format!("the archive: {error:#}"));
    }
    let sent = sent.iter().find(|(number, _)| *number == 0).map_or(0, |(_, sent)| *sent);
    Ok(Closed {
        pairs: count,
        messages: found.delivered,
        messages_per_s: found.delivered as f64 / timing.duration.as_secs_f64(),
        delivered: found.latency,
        server_cpu_us_per_message: of_server,
        client_cpu_us_per_message: of_client,
        faults: found.faults + found.missing,
        problems,
        sent,
        archived: archived.ok(),
    })
}

/// Messages are due at fixed times, in turn among the pairs; latency counts from then.
///
/// # Errors
/// When the pairs cannot be connected.
pub async fn open(
    peer: &Peer,
    accounts: &[Account],
    rate: f64,
    timing: Timing,
    server: &Server,
) -> anyhow::Result<Open> {
    let pairs = connect(peer, accounts).await?;
    let tally = Tally::new();
    let begin = Instant::now() + timing.warm_up;
    let end = begin + timing.duration;
    tally.begin(begin, end);
    let (mut running, mut senders) = (JoinSet::new(), Vec::new());
    for pair in pairs {
        let (tell, told) = mpsc::unbounded_channel();
        senders.push(tell);
        running.spawn(pair.serve(told, tally.clone(), timing.text_bytes));
    }
    let pace = pacer::Pace { begin: Instant::now(), end, rate, readers: 1 };
    let pacing = pacer::start(pace, senders, tally.clone());
    sleep_until(begin).await;
    let before = server.cpu()?;
    sleep_until(end).await;
    let after = server.cpu()?;
    drop(pacing.join());
    tally.drained(DRAIN_MAX).await;
    running.shutdown().await;
    let found = tally.found();
    Ok(Open {
        rate,
        share: found.in_time as f64 / found.due.max(1) as f64,
        delivered: found.latency,
        server_cpu_us_per_message: after.each_us(before, found.delivered).0,
        faults: found.faults + found.missing,
        problems: found.problems,
    })
}

impl Pair {
    /// Returns how many messages were sent.
    async fn exchange(mut self, tally: Tally, end: Instant, text_bytes: usize) -> (u32, u64) {
        let mut number = 0;
        while Instant::now() < end {
            let due_us = tally.us(Instant::now());
            let stamp = Stamp { due_us, sender: self.number, number };
            tally.due(due_us, 1);
            number += 1;
            let exchanged = timeout(PATIENCE, self.one(stamp, &tally, text_bytes)).await;
            if let Err(error) = exchanged.context("no delivery within 60 s").and_then(|it| it) {
                tally.problem(format!("pair {}: {error:#}", self.number));
                break;
            }
        }
        (self.number, u64::from(number))
    }

    async fn one(&mut self, stamp: Stamp, tally: &Tally, text_bytes: usize) -> anyhow::Result<()> {
        let Self { place, sender, receiver, ledger, .. } = self;
        sender.send(place, stamp.text(text_bytes)).await?;
        let accepted = async {
            if sender.acknowledges() {
                while sender.receive().await? != Seen::Accepted {}
            }
            anyhow::Ok(())
        };
        let delivered = async {
            loop {
                let Seen::Text(text) = receiver.receive().await? else { continue };
                let Some(read) = Stamp::read(&text) else { continue };
                tally.delivered(ledger, read);
                if read == stamp {
                    return anyhow::Ok(());
                }
            }
        };
        tokio::try_join!(accepted, delivered)?;
        Ok(())
    }

    /// Sends what is due, reads what comes, until it is ended.
    async fn serve(
        mut self,
        mut due: mpsc::UnboundedReceiver<u64>,
        tally: Tally,
        text_bytes: usize,
    ) {
        let mut number = 0;
        loop {
            let step = tokio::select! {
                Some(due_us) = due.recv() => {
                    let stamp = Stamp { due_us, sender: self.number, number };
                    number += 1;
                    self.sender.send(&self.place, stamp.text(text_bytes)).await
                }
                seen = self.receiver.receive() => seen.map(|seen| {
                    if let Seen::Text(text) = seen && let Some(stamp) = Stamp::read(&text) {
                        tally.delivered(&mut self.ledger, stamp);
                    }
                }),
                seen = self.sender.receive() => seen.map(drop),
            };
            if let Err(error) = step {
                return tally.problem(format!("pair {}: {error:#}", self.number));
            }
        }
    }
}
