//! A bounded queue between tasks: who puts never waits.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// How much may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    pub items: usize,
    pub bytes: usize,
}

/// There is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

struct Waiting<T> {
    items: VecDeque<(T, usize)>,
    bytes: usize,
}

/// Many put, one takes.
pub(super) struct Queue<T> {
    waiting: Mutex<Waiting<T>>,
    bounds: Bounds,
    changed: Notify,
}

impl<T> Queue<T> {
    pub fn new(bounds: Bounds) -> Self {
        let waiting = Waiting { items: VecDeque::new(), bytes: 0 };
        Self { waiting: Mutex::new(waiting), bounds, changed: Notify::new() }
    }

    pub fn put(&self, item: T, bytes: usize) -> Result<(), Full> {
        let mut waiting = self.waiting();
        if waiting.items.len() >= self.bounds.items || waiting.bytes + bytes > self.bounds.bytes {
            return Err(Full);
        }
        waiting.items.push_back((item, bytes));
        waiting.bytes += bytes;
        drop(waiting);
        self.changed.notify_one();
        Ok(())
    }

    /// Moves the oldest to `into`: at most `bounds`, but one at least if there is any.
    pub fn take(&self, bounds: Bounds, into: &mut Vec<T>) {
        let mut waiting = self.waiting();
        let (mut items, mut taken_bytes) = (0, 0);
        while let Some((_, bytes)) = waiting.items.front() {
            let is_too_much = items >= bounds.items || taken_bytes + bytes > bounds.bytes;
            if is_too_much && items > 0 {
                break;
            }
            let Some((item, bytes)) = waiting.items.pop_front() else { break };
            waiting.bytes -= bytes;
            items += 1;
            taken_bytes += bytes;
            into.push(item);
        }
    }

    /// Throws away what waits; how many.
    pub fn clear(&self) -> usize {
        let mut waiting = self.waiting();
        waiting.bytes = 0;
        std::mem::take(&mut waiting.items).len()
    }

    pub fn is_empty(&self) -> bool {
        self.waiting().items.is_empty()
    }

    /// Ends once something was put, or [`Self::wake`] was called, since the last call ended.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Ends as soon as something waits.
    pub async fn filled(&self) {
        while self.is_empty() {
            self.changed().await;
        }
    }

    pub fn wake(&self) {
        self.changed.notify_one();
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting<T>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn taken(queue: &Queue<u32>, items: usize, bytes: usize) -> Vec<u32> {
        let mut into = Vec::new();
        queue.take(Bounds { items, bytes }, &mut into);
        into
    }

    #[test]
    fn is_bounded_by_items_and_by_bytes() {
        let queue = Queue::new(Bounds { items: 3, bytes: 10 });
        assert_eq!(queue.put(1, 6), Ok(()));
        assert_eq!(queue.put(2, 5), Err(Full));
        assert_eq!(queue.put(3, 4), Ok(()));
        assert_eq!(queue.put(4, 0), Ok(()));
        assert_eq!(queue.put(5, 0), Err(Full));
        assert_eq!(taken(&queue, 1, 100), [1]);
        assert_eq!(queue.put(6, 6), Ok(()));
        assert_eq!((queue.clear(), queue.is_empty()), (3, true));
        assert_eq!(queue.put(7, 10), Ok(()));
    }

    #[test]
    fn gives_the_oldest_first_and_always_one() {
        let queue = Queue::new(Bounds { items: 10, bytes: 100 });
        for item in 0..5 {
            queue.put(item, 20).unwrap();
        }
        assert_eq!(taken(&queue, 2, 100), [0, 1]);
        assert_eq!(taken(&queue, 9, 5), [2]);
        assert_eq!(taken(&queue, 9, 100), [3, 4]);
        assert_eq!(taken(&queue, 9, 100), Vec::<u32>::new());
    }

    #[tokio::test(start_paused = true)]
    async fn wakes_who_waits_even_if_it_was_put_before() {
        let queue = Queue::new(Bounds { items: 10, bytes: 100 });
        queue.put(1, 1).unwrap();
        queue.changed().await;
        let wait = Duration::from_secs(1);
        assert!(tokio::time::timeout(wait, queue.changed()).await.is_err());
        queue.wake();
        queue.changed().await;
        queue.filled().await;
        queue.clear();
        assert!(tokio::time::timeout(wait, queue.filled()).await.is_err());
    }
}
