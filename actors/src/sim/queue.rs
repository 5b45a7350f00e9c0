//! What happens next: events by virtual time, those of one time in the order they were planned.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

struct Planned<T> {
    at_ms: u64,
    order: u64,
    event: T,
}

/// The queue and the clock that it moves.
pub struct Queue<T> {
    planned: BinaryHeap<Planned<T>>,
    order: u64,
    now_ms: u64,
}

impl<T> Queue<T> {
    #[must_use]
    pub const fn new() -> Self {
        Self { planned: BinaryHeap::new(), order: 0, now_ms: 0 }
    }

    #[must_use]
    pub const fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// Plans an event `delay_ms` from now.
    pub fn push(&mut self, delay_ms: u64, event: T) {
        self.order += 1;
        let at_ms = self.now_ms + delay_ms;
        self.planned.push(Planned { at_ms, order: self.order, event });
    }

    /// Takes the next event and moves the clock to it.
    pub fn pop(&mut self) -> Option<T> {
        let next = self.planned.pop()?;
        self.now_ms = next.at_ms;
        Some(next.event)
    }
}

impl<T> PartialEq for Planned<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<T> Eq for Planned<T> {}

impl<T> PartialOrd for Planned<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Planned<T> {
    /// The earliest is the greatest, as the heap wants it.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at_ms, other.order).cmp(&(self.at_ms, self.order))
    }
}
