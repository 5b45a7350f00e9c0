//! What the probes found lately, and how often actors died, by kind: for operators who ask.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// What is told covers the running window and the one before it.
const WINDOW: Duration = Duration::from_secs(30);

/// What probes of one kind of actor found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    pub probes: u64,
    /// Messages that waited before one.
    pub depth_max: u64,
    /// How long one waited.
    pub age_max: Duration,
}

impl Found {
    fn merged(self, other: Self) -> Self {
        Self {
            probes: self.probes + other.probes,
            depth_max: self.depth_max.max(other.depth_max),
            age_max: self.age_max.max(other.age_max),
        }
    }
}

/// One kind of actor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MailboxesOfKind {
    pub found: Found,
    /// Since the node started.
    pub panics: u64,
    /// The same: started again by the supervisor, not when somebody asked for it.
    pub restarts: u64,
}

struct Kind {
    began: Instant,
    running: Found,
    before: Found,
    panics: u64,
    restarts: u64,
}

impl Kind {
    fn new() -> Self {
        let (running, before) = (Found::default(), Found::default());
        Self { began: Instant::now(), running, before, panics: 0, restarts: 0 }
    }

    fn turn(&mut self) {
        let passed = self.began.elapsed();
        if passed >= WINDOW {
            let last = std::mem::take(&mut self.running);
            self.before = if passed < 2 * WINDOW { last } else { Found::default() };
            self.began = Instant::now();
        }
    }
}

/// See the module. Shared by all threads.
#[derive(Default)]
pub struct Mailboxes {
    kinds: Mutex<BTreeMap<&'static str, Kind>>,
}

impl Mailboxes {
    /// A probe came, or waits for so long already.
    pub fn probed(&self, kind: &'static str, age: Duration, depth: Option<u64>) {
        self.change(kind, |it| {
            it.turn();
            let depth_max = depth.unwrap_or(0);
            it.running = it.running.merged(Found { probes: 1, depth_max, age_max: age });
        });
    }

    pub fn panicked(&self, kind: &'static str) {
        self.change(kind, |it| it.panics += 1);
    }

    pub fn restarted(&self, kind: &'static str) {
        self.change(kind, |it| it.restarts += 1);
    }

    fn change(&self, kind: &'static str, change: impl FnOnce(&mut Kind)) {
        change(self.lock().entry(kind).or_insert_with(Kind::new));
    }

    /// By kind; the probes of the last half to whole minute.
    #[must_use]
    pub fn by_kind(&self) -> Vec<(&'static str, MailboxesOfKind)> {
        let of_kind = |(kind, it): (&&'static str, &mut Kind)| {
            it.turn();
            let (panics, restarts) = (it.panics, it.restarts);
            (*kind, MailboxesOfKind { found: it.running.merged(it.before), panics, restarts })
        };
        self.lock().iter_mut().map(of_kind).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, Kind>> {
        self.kinds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_worst_of_the_last_minute_is_told_and_then_forgotten() {
        let mailboxes = Mailboxes::default();
        let ms = Duration::from_millis;
        mailboxes.probed("session", ms(5), Some(3));
        mailboxes.probed("session", ms(90), None);
        mailboxes.panicked("session");
        mailboxes.restarted("committer");
        let found = Found { probes: 2, depth_max: 3, age_max: ms(90) };
        let session = MailboxesOfKind { found, panics: 1, restarts: 0 };
        assert_eq!(mailboxes.by_kind()[1], ("session", session));
        assert_eq!(mailboxes.by_kind()[0].1.restarts, 1);
        tokio::time::advance(WINDOW).await;
        mailboxes.probed("session", ms(1), Some(0));
        assert_eq!(mailboxes.by_kind()[1].1.found.age_max, ms(90));
        tokio::time::advance(2 * WINDOW).await;
        let (_, session) = mailboxes.by_kind()[1];
        assert_eq!((session.found, session.panics), (Found::default(), 1));
    }
}
