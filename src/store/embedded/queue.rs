//! What waits for the writer thread: two bounded lanes.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actors::ports::StoreError;
use tokio::time::Instant;

use super::failure::stopped;
use super::job::Job;

/// Whether the store takes writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    Ready,
    /// Closed in good order.
    Closed,
    /// Ended by a fault, for which the text is a reason: only a restart can help.
    Stopped(String),
}

/// Which jobs go first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    /// Synced before the answer, as soon as the writer is free.
    Urgent,
    /// Between urgent transactions; may be gathered for a moment.
    Background,
    /// The same, with nobody who waits for it.
    Leisure,
}

impl Lane {
    /// How long a job may wait for company. Pages are shared by the rows of a transaction, so
    /// gathering for 5 ms halves what a row costs.
    const fn gather(self) -> Duration {
        match self {
            Self::Urgent => Duration::ZERO,
            Self::Background => Duration::from_millis(5),
            Self::Leisure => Duration::from_millis(100),
        }
    }
}

/// Whom a synced transaction waits for: those who were answered just now come again at once, and
/// would take turns with those who waited meanwhile, each with a sync of their own.
pub(super) struct Company {
    jobs: usize,
    until: Instant,
}

impl Company {
    /// Nobody: at the start.
    pub fn none() -> Self {
        Self { jobs: 0, until: Instant::now() }
    }

    /// After a transaction with `answered` urgent jobs that took `taken`, when `waiting` more had
    /// come.
    pub fn after(answered: usize, waiting: usize, taken: Duration) -> Self {
        let wait = COMPANY_MAX.min(taken / 2);
        Self { jobs: answered + waiting, until: Instant::now() + wait }
    }

    /// How long it is still worth waiting for when so many are here.
    fn awaited(&self, here: usize) -> Duration {
        if here >= self.jobs {
            return Duration::ZERO;
        }
        self.until.saturating_duration_since(Instant::now())
    }
}

/// Longest wait for company.
const COMPANY_MAX: Duration = Duration::from_micros(100);

/// Rows that are worth a background transaction at once.
const GATHERED_ROWS: usize = 512;

pub(super) struct Queue {
    lanes: Mutex<Lanes>,
    arrived: Condvar,
    jobs_max: usize,
    rows_max: usize,
}

struct Lanes {
    urgent: VecDeque<Box<dyn Job>>,
    background: VecDeque<Box<dyn Job>>,
    background_rows: usize,
    /// When one of the background jobs has waited long enough; `None` without any.
    background_due: Option<Instant>,
    health: Health,
}

impl Queue {
    /// At most `jobs_max` jobs in each lane and about `rows_max` rows in the background lane.
    pub fn new(jobs_max: usize, rows_max: usize) -> Self {
        let lanes = Lanes {
            urgent: VecDeque::new(),
            background: VecDeque::new(),
            background_rows: 0,
            background_due: None,
            health: Health::Ready,
        };
        Self { lanes: Mutex::new(lanes), arrived: Condvar::new(), jobs_max, rows_max }
    }

    fn lanes(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a job, or refuses it: never waits.
    pub fn push(&self, lane: Lane, job: Box<dyn Job>) -> Result<(), StoreError> {
        let mut lanes = self.lanes();
        if lanes.health != Health::Ready {
            return Err(stopped());
        }
        let full = StoreError::Unavailable("too many writes are waiting".to_owned());
        // A writer that waits for company already wakes in time for one more.
        let mut wakes = true;
        match lane {
            Lane::Urgent if lanes.urgent.len() >= self.jobs_max => return Err(full),
            Lane::Urgent => lanes.urgent.push_back(job),
            Lane::Background | Lane::Leisure
                if lanes.background.len() >= self.jobs_max
                    || lanes.background_rows >= self.rows_max =>
            {
                return Err(full);
            }
            Lane::Background | Lane::Leisure => {
                lanes.background_rows += job.rows_left();
                lanes.background.push_back(job);
                let is_sooner = lanes.due_by(Instant::now() + lane.gather());
                wakes = is_sooner || lanes.background_rows >= GATHERED_ROWS;
            }
        }
        drop(lanes);
        if wakes {
            self.arrived.notify_one();
        }
        Ok(())
    }

    /// Blocks until there is work; false when there is none and will be none.
    pub fn wait(&self, company: &Company) -> bool {
        let mut lanes = self.lanes();
        loop {
            if matches!(lanes.health, Health::Stopped(_)) {
                return false;
            }
            let company = company.awaited(lanes.urgent.len());
            if !lanes.urgent.is_empty() && company.is_zero() {
                return true;
            }
            let wait = match lanes.gathering() {
                Some(Duration::ZERO) => return true,
                None if lanes.urgent.is_empty() && lanes.health == Health::Closed => return false,
                wait => wait.unwrap_or(Duration::from_hours(1)),
            };
            let wait = if lanes.urgent.is_empty() { wait } else { wait.min(company) };
            lanes = match self.arrived.wait_timeout(lanes, wait) {
                Ok((lanes, _)) => lanes,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
    }

    pub fn take_urgent(&self, jobs_max: usize) -> Vec<Box<dyn Job>> {
        let mut lanes = self.lanes();
        let count = lanes.urgent.len().min(jobs_max);
        lanes.urgent.drain(..count).collect()
    }

    /// The first background jobs with `rows_max` rows or more, and how many rows waited; none
    /// while rows are still gathered.
    pub fn take_background(&self, rows_max: usize) -> (Vec<Box<dyn Job>>, usize) {
        let mut lanes = self.lanes();
        if lanes.gathering() != Some(Duration::ZERO) {
            return (Vec::new(), 0);
        }
        let waiting_rows = lanes.background_rows;
        let (mut taken, mut taken_rows) = (Vec::new(), 0);
        while taken_rows < rows_max
            && let Some(job) = lanes.background.pop_front()
        {
            taken_rows += job.rows_left();
            taken.push(job);
        }
        lanes.background_rows = lanes.background_rows.saturating_sub(taken_rows);
        if lanes.background.is_empty() {
            lanes.background_due = None;
        }
        (taken, waiting_rows)
    }

    /// Puts unfinished background jobs back in front.
    pub fn give_back(&self, jobs: Vec<Box<dyn Job>>) {
        let mut lanes = self.lanes();
        for job in jobs.into_iter().rev() {
            lanes.background_rows += job.rows_left();
            lanes.background.push_front(job);
            lanes.due_by(Instant::now());
        }
    }

    pub fn urgent_is_waiting(&self) -> bool {
        !self.lanes().urgent.is_empty()
    }

    pub fn urgent_waiting(&self) -> usize {
        self.lanes().urgent.len()
    }

    pub fn health(&self) -> Health {
        self.lanes().health.clone()
    }

    /// Takes no more jobs; those that wait are still done.
    pub fn close(&self) {
        let mut lanes = self.lanes();
        if lanes.health == Health::Ready {
            lanes.health = Health::Closed;
        }
        drop(lanes);
        self.arrived.notify_all();
    }

    /// Takes no more jobs and drops those that wait: their callers are told that it ended.
    pub fn stop(&self, reason: String) {
        let mut lanes = self.lanes();
        if matches!(lanes.health, Health::Stopped(_)) {
            return;
        }
        lanes.health = Health::Stopped(reason);
        let dropped = (std::mem::take(&mut lanes.urgent), std::mem::take(&mut lanes.background));
        drop(lanes);
        self.arrived.notify_all();
        drop(dropped);
    }
}

impl Lanes {
    /// How long the background rows are still gathered; `None` when there are none.
    fn gathering(&self) -> Option<Duration> {
        let due = self.background_due?;
        if self.background_rows >= GATHERED_ROWS || self.health != Health::Ready {
            return Some(Duration::ZERO);
        }
        Some(due.saturating_duration_since(Instant::now()))
    }

    /// Background jobs wait no longer than until `at`. Returns whether they would have else.
    fn due_by(&mut self, at: Instant) -> bool {
        let is_sooner = self.background_due.is_none_or(|due| at < due);
        if is_sooner {
            self.background_due = Some(at);
        }
        is_sooner
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;
    use crate::store::embedded::failure::Failure;

    const LONG: Duration = Duration::from_secs(1);

    struct Nothing;

    impl Job for Nothing {
        fn rows_left(&self) -> usize {
            0
        }

        fn step(&mut self, _: &Connection, _: usize) -> Result<usize, Failure> {
            Ok(0)
        }

        fn rewind(&mut self) {}

        fn stored(&mut self) {}

        fn answer(self: Box<Self>, _: Result<(), Failure>) {}
    }

    fn queue_of(urgent: usize) -> Queue {
        let queue = Queue::new(8, 8);
        for _ in 0..urgent {
            queue.push(Lane::Urgent, Box::new(Nothing)).unwrap();
        }
        queue
    }

    #[test]
    fn a_transaction_waits_until_its_company_is_here_or_the_moment_is_over() {
        let company = Company { jobs: 2, until: Instant::now() + LONG };
        let begun = Instant::now();
        assert!(queue_of(2).wait(&company));
        assert!(begun.elapsed() < LONG, "both are here");
        assert!(queue_of(1).wait(&company));
        assert!(begun.elapsed() >= LONG, "one waits for the other");
        let queue = queue_of(1);
        queue.stop("a test".to_owned());
        assert!(!queue.wait(&Company { jobs: 2, until: Instant::now() + LONG }));
    }

    #[test]
    fn one_alone_waits_for_nobody() {
        assert_eq!(Company::none().awaited(1), Duration::ZERO);
        assert_eq!(Company::after(1, 0, LONG).awaited(1), Duration::ZERO);
    }

    #[test]
    fn who_waited_meanwhile_waits_a_moment_for_those_who_were_answered() {
        let company = Company::after(1, 1, LONG);
        let awaited = company.awaited(1);
        assert!(awaited > Duration::ZERO && awaited <= COMPANY_MAX, "{awaited:?}");
        assert_eq!(company.awaited(2), Duration::ZERO);
        std::thread::sleep(COMPANY_MAX);
        assert_eq!(company.awaited(1), Duration::ZERO);
    }

    #[test]
    fn the_wait_is_short_beside_what_is_waited_for() {
        let company = Company::after(1, 1, Duration::from_micros(20));
        assert!(company.awaited(1) <= Duration::from_micros(10));
    }
}
