//! What all readers of a workload saw, and what the server took meanwhile.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::ledger::{Ledger, Stamp};
use crate::engine::{Hist, new_hist};
use crate::process_stats;
use crate::run_report::Latency;

/// Messages due outside of the window are checked and not counted.
#[derive(Debug)]
struct Counts {
    window_us: (u64, u64),
    due: u64,
    /// Of those due in the window.
    delivered: u64,
    /// Of these, no later than the window's end and the grace.
    in_time: u64,
    delivered_us: Hist,
    all_due: u64,
    all_delivered: u64,
    faults: u64,
    problems: Vec<String>,
}

/// A delivery so long after the window still counts as in time.
const GRACE_US: u64 = 1_000_000;
const PROBLEMS_MAX: usize = 5;

/// Shared by everybody; its clock begins when it is made.
#[derive(Clone, Debug)]
pub struct Tally {
    epoch: Instant,
    counts: Arc<Mutex<Counts>>,
}

/// What became of a window.
#[derive(Clone, Debug)]
pub struct Found {
    /// Of the window and of all time: messages times readers.
    pub due: u64,
    pub all_due: u64,
    pub delivered: u64,
    pub in_time: u64,
    pub latency: Latency,
    /// Due and not delivered yet.
    pub missing: u64,
    pub faults: u64,
    pub problems: Vec<String>,
}

impl Tally {
    #[must_use]
    pub fn new() -> Self {
        let counts = Counts {
            window_us: (0, 0),
            due: 0,
            delivered: 0,
            in_time: 0,
            delivered_us: new_hist(),
            all_due: 0,
            all_delivered: 0,
            faults: 0,
            problems: Vec::new(),
        };
        Self { epoch: Instant::now(), counts: Arc::new(Mutex::new(counts)) }
    }

    #[must_use]
    pub fn us(&self, at: Instant) -> u64 {
        at.saturating_duration_since(self.epoch).as_micros() as u64
    }

    /// Begins a window; what was counted before is forgotten, faults are not.
    pub fn begin(&self, from: Instant, until: Instant) {
        let window_us = (self.us(from), self.us(until));
        let mut counts = self.lock();
        counts.window_us = window_us;
        (counts.due, counts.delivered, counts.in_time) = (0, 0, 0);
        counts.delivered_us.reset();
    }

    /// A message is due to reach so many readers.
    pub fn due(&self, due_us: u64, readers: u64) {
        let mut counts = self.lock();
        counts.all_due += readers;
        let (from, until) = counts.window_us;
        if (from..until).contains(&due_us) {
            counts.due += readers;
        }
    }

    /// A reader got it.
    pub fn delivered(&self, ledger: &mut Ledger, stamp: Stamp) {
        let now_us = self.us(Instant::now());
        let is_new = ledger.note(stamp);
        let mut counts = self.lock();
        counts.faults += ledger.take_faults();
        counts.all_delivered += u64::from(is_new);
        let (from, until) = counts.window_us;
        if is_new && (from..until).contains(&stamp.due_us) {
            counts.delivered += 1;
            counts.in_time += u64::from(now_us <= until + GRACE_US);
            let took_us = now_us.saturating_sub(stamp.due_us).max(1);
            counts.delivered_us.saturating_record(took_us);
        }
    }

    pub fn problem(&self, problem: String) {
        let mut counts = self.lock();
        if counts.problems.len() < PROBLEMS_MAX {
            counts.problems.push(problem);
        }
    }

    /// Waits until everything that was due is delivered; false when it is not in time.
    pub async fn drained(&self, patience: Duration) -> bool {
        let end = Instant::now() + patience;
        loop {
            {
                let counts = self.lock();
                if counts.all_delivered >= counts.all_due {
                    return true;
                }
                if Instant::now() > end || !counts.problems.is_empty() {
                    return false;
                }
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    #[must_use]
    pub fn found(&self) -> Found {
        let counts = self.lock();
        Found {
            due: counts.due,
            all_due: counts.all_due,
            delivered: counts.delivered,
            in_time: counts.in_time,
            latency: Latency::of(&counts.delivered_us),
            missing: counts.all_due.saturating_sub(counts.all_delivered),
            faults: counts.faults,
            problems: counts.problems.clone(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Tally {
    fn default() -> Self {
        Self::new()
    }
}

/// The server's processes, as the operating system sees them.
#[derive(Clone, Debug)]
pub struct Server(pub Vec<u32>);

impl Server {
    /// CPU time of all of them, and of this program.
    ///
    /// # Errors
    /// When one is gone.
    pub fn cpu(&self) -> anyhow::Result<Cpu> {
        let server =
            self.0.iter().map(|pid| process_stats::cpu_time(*pid)).sum::<Result<_, _>>()?;
        Ok(Cpu { server, client: process_stats::cpu_time(std::process::id())? })
    }

    /// # Errors
    /// When one is gone.
    pub fn resident_bytes(&self) -> anyhow::Result<u64> {
        self.0.iter().map(|pid| Ok(process_stats::memory(*pid)?.resident_bytes)).sum()
    }
}

/// Since the start of the processes.
#[derive(Clone, Copy, Debug)]
pub struct Cpu {
    pub server: Duration,
    pub client: Duration,
}

impl Cpu {
    /// Microseconds of the server and of this program for each of `count`.
    #[must_use]
    pub fn each_us(self, before: Self, count: u64) -> (f64, f64) {
        let each = |now: Duration, before: Duration| {
            now.saturating_sub(before).as_secs_f64() * 1e6 / count.max(1) as f64
        };
        (each(self.server, before.server), each(self.client, before.client))
    }
}
