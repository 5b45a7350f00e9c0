//! What was read of the store a moment ago, up to a bound. Pure.

use std::collections::HashMap;
use std::hash::Hash;

/// What was read counts for so long.
const FRESH_MS: u64 = 30_000;

/// Values by key; the oldest half goes when there are too many.
pub struct Remembered<K, V> {
    current: HashMap<K, (u64, V)>,
    previous: HashMap<K, (u64, V)>,
    half_max: usize,
}

impl<K: Eq + Hash, V: Clone> Remembered<K, V> {
    /// Holds at most about `max` values.
    pub fn new(max: usize) -> Self {
        Self { current: HashMap::new(), previous: HashMap::new(), half_max: max / 2 }
    }

    pub fn get(&self, key: &K, now_ms: u64) -> Option<V> {
        let (at_ms, value) = self.current.get(key).or_else(|| self.previous.get(key))?;
        (*at_ms + FRESH_MS > now_ms).then(|| value.clone())
    }

    pub fn put(&mut self, key: K, value: V, now_ms: u64) {
        if self.current.len() >= self.half_max {
            self.previous = std::mem::take(&mut self.current);
        }
        self.current.insert(key, (now_ms, value));
    }

    pub fn forget(&mut self, key: &K) {
        self.current.remove(key);
        self.previous.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_old_or_was_forgotten_is_not_there() {
        let mut remembered = Remembered::new(4);
        remembered.put(1, "one", 0);
        assert_eq!(remembered.get(&1, FRESH_MS - 1), Some("one"));
        assert_eq!(remembered.get(&1, FRESH_MS), None);
        remembered.put(1, "anew", 10);
        remembered.put(2, "two", 10);
        remembered.put(3, "three", 10);
        assert_eq!(remembered.get(&1, 11), Some("anew"), "the older half is still there");
        remembered.put(4, "four", 10);
        remembered.put(5, "five", 10);
        assert_eq!(remembered.get(&1, 11), None, "and then is not");
        remembered.forget(&3);
        remembered.forget(&5);
        assert_eq!((remembered.get(&3, 11), remembered.get(&5, 11)), (None, None));
    }
}
