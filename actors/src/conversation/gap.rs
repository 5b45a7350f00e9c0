//! Is what came the next of the log? Pure.

use schema::{Sequence, SequenceRange};

/// What to do with consecutive entries `first..=last` when the last known number is `head`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Known already.
    Old,
    /// Deliver, after dropping this many known ones at the front.
    Next { skip: u64 },
    /// These are missing before it.
    Gap(SequenceRange),
}

#[must_use]
pub fn judge(head: Sequence, first: Sequence, last: Sequence) -> Arrival {
    if last <= head {
        Arrival::Old
    } else if first <= head.next() {
        Arrival::Next { skip: head.0 + 1 - first.0 }
    } else {
        Arrival::Gap(SequenceRange::new(head.next(), first.back(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn next_old_overlapping_and_missing() {
        let judged = |head, first, last| judge(Sequence(head), Sequence(first), Sequence(last));
        assert_eq!(judged(0, 1, 1), Arrival::Next { skip: 0 });
        assert_eq!(judged(5, 6, 9), Arrival::Next { skip: 0 });
        assert_eq!(judged(5, 4, 9), Arrival::Next { skip: 2 });
        assert_eq!(judged(5, 2, 5), Arrival::Old);
        let missing = SequenceRange::new(Sequence(6), Sequence(7));
        assert_eq!(judged(5, 8, 9), Arrival::Gap(missing));
    }
}
