//! One room: ever more messages a second, until its readers cannot be served in time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use super::ledger::{Ledger, Stamp};
use super::line::{Account, Peer, Place, Seen};
use super::pacer;
use super::tally::{Server, Tally};
use crate::run_report::Latency;

/// A stage is sustained when so much was delivered in time, with this p99.
const SUSTAINED_SHARE: f64 = 0.95;
const SUSTAINED_P99_US: u64 = 100_000;
/// How often a stage is tried: a single pause of the machine is one message in a hundred here.
const TRIES_MAX: usize = 2;
const DRAIN_MAX: Duration = Duration::from_secs(20);
const JOINING_MAX: usize = 8;
const JOIN_MAX: Duration = Duration::from_secs(300);

/// How many, how fast.
#[derive(Clone, Debug)]
pub struct Options {
    pub senders: usize,
    /// Messages a second of each stage.
    pub rates: Vec<f64>,
    pub stage: Duration,
    pub text_bytes: usize,
}

/// What a stage came to.
#[derive(Clone, Debug, Serialize)]
pub struct Stage {
    pub messages_per_s: f64,
    pub offered_deliveries_per_s: f64,
    pub deliveries_per_s: f64,
    pub delivered: Latency,
    pub server_cpu_us_per_delivery: f64,
    pub is_sustained: bool,
    /// How often it was tried; the other figures are those of the last try.
    pub tries: usize,
}

/// Of the whole ladder, which ends after the first stage that is not sustained.
#[derive(Clone, Debug, Serialize)]
pub struct Room {
    pub members: usize,
    pub stages: Vec<Stage>,
    pub faults: u64,
    pub problems: Vec<String>,
    /// Still under way when patience was over: above its limit a server is late, and loses nothing.
    pub unfinished: u64,
    pub sent: u64,
    pub archived: Option<u64>,
}

struct Member {
    number: u32,
    peer: Peer,
    account: Account,
    place: Place,
    joining: Arc<Semaphore>,
    ready: Arc<AtomicUsize>,
    tally: Tally,
    text_bytes: usize,
}

/// The last account is no member: it looks into the archive while the others are still there.
///
/// # Errors
/// When the room cannot be filled.
pub async fn room(
    peer: &Peer,
    accounts: &[Account],
    options: Options,
    server: &Server,
) -> anyhow::Result<Room> {
    let Some((archivist, accounts)) = accounts.split_last() else {
        anyhow::bail!("nobody is there")
    };
    let place = peer.room(accounts).await?;
    let (tally, mut running, mut senders) = (Tally::new(), JoinSet::new(), Vec::new());
    let (joining, ready) = (Arc::new(Semaphore::new(JOINING_MAX)), Arc::new(AtomicUsize::new(0)));
    for (number, account) in accounts.iter().enumerate() {
        let (tell, told) = mpsc::unbounded_channel();
        if number < options.senders {
            senders.push(tell);
        }
        let member = Member {
            number: number as u32,
            peer: peer.clone(),
            account: account.clone(),
            place: place.clone(),
            joining: Arc::clone(&joining),
            ready: Arc::clone(&ready),
            tally: tally.clone(),
            text_bytes: options.text_bytes,
        };
        running.spawn(member.run(told));
        // The first one makes the room.
        if number == 0 {
            wait_ready(&ready, 1, &tally).await?;
        }
    }
    wait_ready(&ready, accounts.len(), &tally).await?;
    let mut room = Room {
        members: accounts.len(),
        stages: Vec::new(),
        faults: 0,
        problems: Vec::new(),
        unfinished: 0,
        sent: 0,
        archived: None,
    };
    let readers = accounts.len() as u64 - 1;
    for &rate in &options.rates {
        let mut stage = run_stage(rate, readers, &options, &senders, &tally, server).await?;
        while !stage.is_sustained && stage.tries < TRIES_MAX {
            let tries = stage.tries + 1;
            stage = run_stage(rate, readers, &options, &senders, &tally, server).await?;
            stage.tries = tries;
        }
        let is_sustained = stage.is_sustained;
        room.stages.push(stage);
        if !is_sustained {
            break;
        }
    }
    tally.drained(DRAIN_MAX).await;
    let reader = if matches!(peer, Peer::Switchboard(_)) { &accounts[0] } else { archivist };
    let archived = peer.archived(reader, &place).await;
    running.shutdown().await;
    let found = tally.found();
    (room.faults, room.problems) = (found.faults, found.problems);
    room.unfinished = found.missing;
    room.sent = found.all_due / readers.max(1);
    match archived {
        Ok(count) => room.archived = Some(count),
        Err(error) => room.problems.push(format!("the archive: {error:#}")),
    }
    Ok(room)
}

async fn run_stage(
    rate: f64,
    readers: u64,
    options: &Options,
    senders: &[mpsc::UnboundedSender<u64>],
    tally: &Tally,
    server: &Server,
) -> anyhow::Result<Stage> {
    let begin = Instant::now() + options.stage / 4;
    let end = begin + options.stage;
    tally.begin(begin, end);
    let pace = pacer::Pace { begin: Instant::now(), end, rate, readers };
    let pacing = pacer::start(pace, senders.to_vec(), tally.clone());
    sleep_until(begin).await;
    let before = server.cpu()?;
    sleep_until(end).await;
    let after = server.cpu()?;
    drop(pacing.join());
    let is_drained = tally.drained(DRAIN_MAX).await;
    let found = tally.found();
    let share = found.in_time as f64 / found.due.max(1) as f64;
    let is_in_time = share >= SUSTAINED_SHARE && found.latency.p99_us <= SUSTAINED_P99_US;
    Ok(Stage {
        messages_per_s: rate,
        offered_deliveries_per_s: rate * readers as f64,
        deliveries_per_s: found.in_time as f64 / options.stage.as_secs_f64(),
        delivered: found.latency,
        server_cpu_us_per_delivery: after.each_us(before, found.in_time).0,
        is_sustained: is_drained && is_in_time,
        tries: 1,
    })
}

async fn wait_ready(ready: &AtomicUsize, count: usize, tally: &Tally) -> anyhow::Result<()> {
    let end = Instant::now() + JOIN_MAX;
    while ready.load(Ordering::Relaxed) < count {
        let problems = tally.found().problems;
        anyhow::ensure!(problems.is_empty(), problems.join("; "));
        anyhow::ensure!(Instant::now() < end, "not everybody could enter the room within 300 s");
        sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

impl Member {
    async fn run(self, due: mpsc::UnboundedReceiver<u64>) {
        if let Err(error) = self.live(due).await {
            self.tally.problem(format!("member {}: {error:#}", self.number));
        }
    }

    async fn live(&self, mut due: mpsc::UnboundedReceiver<u64>) -> anyhow::Result<()> {
        let mut line = {
            let _permit = self.joining.acquire().await?;
            let mut line = self.peer.connect(&self.account).await?;
            line.enter(&self.place, self.number as usize).await?;
            line
        };
        self.ready.fetch_add(1, Ordering::Relaxed);
        let (mut ledger, mut number) = (Ledger::default(), 0);
        loop {
            tokio::select! {
                Some(due_us) = due.recv() => {
                    let stamp = Stamp { due_us, sender: self.number, number };
                    number += 1;
                    line.send(&self.place, stamp.text(self.text_bytes)).await?;
                }
                seen = line.receive() => {
                    let Seen::Text(text) = seen? else { continue };
                    // XMPP sends one's own back, which is no delivery to a reader.
                    if let Some(stamp) = Stamp::read(&text)
                        && stamp.sender != self.number
                    {
                        self.tally.delivered(&mut ledger, stamp);
                    }
                }
            }
        }
    }
}
