//! The only arithmetic on message numbers.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A message's number in its conversation: 1, 2, 3 … without holes.
///
/// Zero is not a message: it is the position before the first one.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Sequence(pub u64);

impl Sequence {
    /// The position before the first message.
    pub const START: Self = Self(0);

    #[must_use]
    pub const fn is_start(&self) -> bool {
        self.0 == 0
    }

    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// The position `count` entries earlier, never before the start.
    #[must_use]
    pub const fn back(self, count: u64) -> Self {
        Self(self.0.saturating_sub(count))
    }

    /// The position `count` entries later.
    #[must_use]
    pub const fn forward(self, count: u64) -> Self {
        Self(self.0.saturating_add(count))
    }

    /// How many entries lie above `self` up to and including `head`.
    #[must_use]
    pub const fn distance_to(self, head: Self) -> u64 {
        head.0.saturating_sub(self.0)
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// Numbers `first..=last`, both included; empty when `last < first`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SequenceRange {
    pub first: Sequence,
    pub last: Sequence,
}

impl SequenceRange {
    #[must_use]
    pub const fn new(first: Sequence, last: Sequence) -> Self {
        Self { first, last }
    }

    /// At most `limit` numbers directly above `after`, not beyond `head`.
    #[must_use]
    pub fn above(after: Sequence, limit: u64, head: Sequence) -> Self {
        Self { first: after.next(), last: after.forward(limit).min(head) }
    }

    /// At most `limit` numbers directly below `before`, not before `floor` (included).
    #[must_use]
    pub fn below(before: Sequence, limit: u64, floor: Sequence) -> Self {
        Self { first: before.back(limit).max(floor).max(Sequence(1)), last: before.back(1) }
    }

    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.last.0 < self.first.0
    }

    #[must_use]
    pub const fn len(&self) -> u64 {
        if self.is_empty() { 0 } else { self.last.0 - self.first.0 + 1 }
    }

    #[must_use]
    pub const fn contains(&self, sequence: Sequence) -> bool {
        self.first.0 <= sequence.0 && sequence.0 <= self.last.0
    }
}

/// Counts the activations of a shard; only for logs and for dropping stale announcements.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Epoch(pub u64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_never_leave_the_log() {
        let head = Sequence(10);
        assert_eq!(SequenceRange::above(Sequence(8), 5, head).len(), 2);
        assert!(SequenceRange::above(Sequence(10), 5, head).is_empty());
        assert_eq!(
            SequenceRange::below(Sequence(4), 10, Sequence(1)),
            SequenceRange::new(Sequence(1), Sequence(3))
        );
        assert!(SequenceRange::below(Sequence(1), 10, Sequence(1)).is_empty());
        assert_eq!(
            SequenceRange::below(Sequence(9), 10, Sequence(6)),
            SequenceRange::new(Sequence(6), Sequence(8))
        );
    }
}
