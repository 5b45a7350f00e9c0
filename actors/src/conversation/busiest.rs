//! Which conversations make this node work most, in little memory however many there are: an
//! operator asks, and no metric is labelled by a conversation. Pure but for its locks.
//!
//! Space-saving (Metwally, Agrawal and El Abbadi 2005): a fixed number of counters; a conversation
//! without one takes the smallest, with its count. So none that did more than that is missed, and
//! no count is too low; by how much it may be too high is known.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use schema::ConversationId;
use tokio::time::Instant;

/// Conversations are spread over as many parts, so that threads seldom wait for each other.
const PARTS: usize = 16;
/// Counters of a part.
const KEPT: usize = 64;
/// What is told covers the running window and the one before it.
const WINDOW: Duration = Duration::from_secs(60);

/// What a conversation made this node do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Busy {
    /// Entries that went out.
    pub entries: u64,
    /// Entries times those who listened here.
    pub deliveries: u64,
    /// Entries and deliveries together are too high by at most as much.
    pub too_high_by: u64,
}

impl Busy {
    /// By this it is ranked.
    #[must_use]
    pub const fn work(&self) -> u64 {
        self.entries + self.deliveries + self.too_high_by
    }

    fn add(&mut self, other: Self) {
        self.entries += other.entries;
        self.deliveries += other.deliveries;
        self.too_high_by += other.too_high_by;
    }
}

#[derive(Default)]
struct Sketch(BTreeMap<ConversationId, Busy>);

impl Sketch {
    fn note(&mut self, conversation: ConversationId, entries: u64, deliveries: u64) {
        let mut noted = Busy { entries, deliveries, too_high_by: 0 };
        if let Some(busy) = self.0.get_mut(&conversation) {
            return busy.add(noted);
        }
        if self.0.len() >= KEPT
            && let Some((least, work)) =
                self.0.iter().map(|(id, busy)| (*id, busy.work())).min_by_key(|(_, work)| *work)
        {
            self.0.remove(&least);
            noted.too_high_by = work;
        }
        self.0.insert(conversation, noted);
    }
}

struct Part {
    began: Instant,
    running: Sketch,
    before: Sketch,
}

impl Part {
    /// Begins another window when it is time.
    fn turn(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.began);
        if passed < WINDOW {
            return;
        }
        let last = std::mem::take(&mut self.running);
        self.before = if passed < 2 * WINDOW { last } else { Sketch::default() };
        self.began = now;
    }
}

/// See the module. Shared by all threads.
pub struct Busiest {
    parts: [Mutex<Part>; PARTS],
}

impl Default for Busiest {
    fn default() -> Self {
        let began = Instant::now();
        let part = || Part { began, running: Sketch::default(), before: Sketch::default() };
        Self { parts: std::array::from_fn(|_| Mutex::new(part())) }
    }
}

impl Busiest {
    /// Entries of a conversation went out to those who listen.
    pub fn note(&self, conversation: ConversationId, entries: usize, listeners: usize) {
        let (entries, listeners) = (entries as u64, listeners as u64);
        let at = usize::from(conversation.as_bytes()[15]) % PARTS;
        let mut part = lock(&self.parts[at]);
        part.turn(Instant::now());
        part.running.note(conversation, entries, entries * listeners);
    }

    /// The busiest of the last one to two minutes, busiest first.
    #[must_use]
    pub fn top(&self, count: usize) -> Vec<(ConversationId, Busy)> {
        let mut all: BTreeMap<ConversationId, Busy> = BTreeMap::new();
        for part in &self.parts {
            let mut part = lock(part);
            part.turn(Instant::now());
            for (conversation, busy) in part.running.0.iter().chain(&part.before.0) {
                all.entry(*conversation).or_default().add(*busy);
            }
        }
        let mut all: Vec<_> = all.into_iter().collect();
        all.sort_by_key(|(id, busy)| (std::cmp::Reverse(busy.work()), *id));
        all.truncate(count);
        all
    }
}

fn lock(part: &Mutex<Part>) -> MutexGuard<'_, Part> {
    part.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(part: u8, number: u16) -> ConversationId {
        let mut bytes = [0; 16];
        bytes[..2].copy_from_slice(&number.to_be_bytes());
        bytes[15] = part;
        ConversationId::from_bytes(bytes)
    }

    #[tokio::test(start_paused = true)]
    async fn the_busiest_are_found_among_very_many_and_forgotten_when_quiet() {
        let busiest = Busiest::default();
        for number in 0..10_000 {
            busiest.note(id((number % 16) as u8, number), 1, 1);
            if number % 10 == 0 {
                busiest.note(id(3, 60_000), 2, 5);
                busiest.note(id(4, 60_001), 1, 100);
            }
        }
        let top = busiest.top(2);
        assert_eq!((top[0].0, top[1].0), (id(4, 60_001), id(3, 60_000)));
        assert_eq!((top[0].1.entries, top[0].1.deliveries), (1_000, 100_000));
        // Never too low; too high by what is said at most.
        assert!(top[1].1.entries + top[1].1.deliveries <= 12_000);
        assert!(top[1].1.work() >= 12_000, "{:?}", top[1]);
        assert!(busiest.top(usize::MAX).len() <= PARTS * KEPT, "bounded");
        tokio::time::advance(WINDOW).await;
        busiest.note(id(5, 7), 1, 0);
        assert_eq!(busiest.top(1)[0].0, id(4, 60_001), "the window before still counts");
        tokio::time::advance(2 * WINDOW).await;
        assert!(busiest.top(9).is_empty(), "{:?}", busiest.top(9));
    }
}
