//! When entries go out to those who listen: at once to few, gathered for a moment to many. Pure.
//!
//! A call to write costs ten times what a frame in it costs. A room of hundreds that is never quiet
//! would spend its worker on calls: it writes at most once a while, and more at a time.

use std::time::Duration;

use tokio::time::Instant;

use super::delivery::{Batch, DeliveryItem};

/// From so many listeners on, entries are gathered.
const GATHER_LISTENERS: usize = 100;
/// Between two deliveries lies this much for each listener: calls to write then take about a tenth
/// of a core, however much is said.
const REST_PER_LISTENER: Duration = Duration::from_micros(40);
const REST_MAX: Duration = Duration::from_millis(25);
/// More than this does not wait.
const ITEMS_MAX: usize = 256;
const BYTES_MAX: usize = 64 * 1024;

/// Entries that have not gone out yet.
#[derive(Default)]
pub struct Outgoing {
    items: Vec<DeliveryItem>,
    bytes: usize,
    went_at: Option<Instant>,
}

impl Outgoing {
    pub fn push(&mut self, item: DeliveryItem) {
        self.bytes += 128 + item.log.entry.event.size();
        self.items.push(item);
    }

    /// How long what is here may wait, with so many listeners; `None` when nothing is here.
    #[must_use]
    pub fn wait(&self, listeners: usize, now: Instant) -> Option<Duration> {
        let is_full = self.items.len() >= ITEMS_MAX || self.bytes >= BYTES_MAX;
        match self.went_at {
            _ if self.items.is_empty() => None,
            Some(went_at) if listeners >= GATHER_LISTENERS && !is_full => {
                let listeners = u32::try_from(listeners).unwrap_or(u32::MAX);
                let rest = REST_PER_LISTENER.saturating_mul(listeners).min(REST_MAX);
                Some((went_at + rest).saturating_duration_since(now))
            }
            _ => Some(Duration::ZERO),
        }
    }

    /// Takes what is here, to go out now.
    pub fn take(&mut self, now: Instant) -> Option<Batch> {
        let batch = Batch::new(std::mem::take(&mut self.items))?;
        self.bytes = 0;
        self.went_at = Some(now);
        Some(batch)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::committer::tests::entry;
    use crate::conversation::LogEntry;

    fn push(outgoing: &mut Outgoing, seq: u64, text: &str) {
        let log = Arc::new(LogEntry::new(entry(1, seq, text)));
        outgoing.push(DeliveryItem { log, origin: None });
    }

    #[test]
    fn few_are_told_at_once_and_many_after_a_rest_that_grows_with_them() {
        let (mut outgoing, begun) = (Outgoing::default(), Instant::now());
        assert_eq!(outgoing.wait(1000, begun), None);
        push(&mut outgoing, 1, "x");
        assert_eq!(outgoing.wait(1000, begun), Some(Duration::ZERO), "a quiet room");
        assert_eq!(outgoing.take(begun).unwrap().items().len(), 1);
        assert!(outgoing.take(begun).is_none());
        push(&mut outgoing, 2, "x");
        let rests = [(99, 0), (100, 4_000), (500, 20_000), (1_000, 25_000), (100_000, 25_000)];
        for (listeners, rest_us) in rests {
            let expected = Some(Duration::from_micros(rest_us));
            assert_eq!(outgoing.wait(listeners, begun), expected, "{listeners}");
        }
        let later = begun + Duration::from_millis(12);
        assert_eq!(outgoing.wait(500, later), Some(Duration::from_millis(8)));
        assert_eq!(outgoing.wait(500, begun + Duration::from_secs(1)), Some(Duration::ZERO));
    }

    #[test]
    fn what_grows_large_does_not_wait() {
        let (mut outgoing, begun) = (Outgoing::default(), Instant::now());
        push(&mut outgoing, 1, "x");
        outgoing.take(begun);
        for seq in 2..(ITEMS_MAX as u64 + 1) {
            push(&mut outgoing, seq, "x");
            assert!(outgoing.wait(500, begun) > Some(Duration::ZERO));
        }
        push(&mut outgoing, 1 + ITEMS_MAX as u64, "x");
        assert_eq!(outgoing.wait(500, begun), Some(Duration::ZERO));
        outgoing.take(begun);
        push(&mut outgoing, 2 + ITEMS_MAX as u64, &"x".repeat(BYTES_MAX));
        assert_eq!(outgoing.wait(500, begun), Some(Duration::ZERO));
    }
}
