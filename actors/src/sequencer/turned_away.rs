//! Senders for whom there was no room. Whoever was told to come back later is not served before:
//! were a later draft stored, asking for both again would turn their order round. Pure.

use std::collections::BTreeMap;

use schema::UserId;

/// After this time they may come again; the refusal says so.
pub const AWAY_MS: u64 = 500;

/// Times are milliseconds on any monotonic clock.
#[derive(Default)]
pub struct TurnedAway {
    until_ms: BTreeMap<UserId, u64>,
}

impl TurnedAway {
    #[must_use]
    pub fn is_away(&self, sender: UserId, now_ms: u64) -> bool {
        self.until_ms.get(&sender).is_some_and(|until_ms| now_ms < *until_ms)
    }

    /// There was no room for a draft of this sender.
    pub fn note(&mut self, sender: UserId, now_ms: u64) {
        self.until_ms.retain(|_, until_ms| now_ms < *until_ms);
        self.until_ms.entry(sender).or_insert(now_ms + AWAY_MS);
    }

    /// Those who were turned away elsewhere.
    pub fn merge(&mut self, other: Self) {
        for (sender, until_ms) in other.until_ms {
            let known_ms = self.until_ms.entry(sender).or_default();
            *known_ms = until_ms.max(*known_ms);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_stays_away_for_as_long_as_it_was_told() {
        let (mut away, first, other) =
            (TurnedAway::default(), UserId::from_bytes([1; 16]), UserId::from_bytes([2; 16]));
        assert!(!away.is_away(first, 0));
        away.note(first, 0);
        away.note(first, 100);
        assert!(away.is_away(first, AWAY_MS - 1) && !away.is_away(other, 1));
        assert!(!away.is_away(first, AWAY_MS), "no draft makes it longer");
        away.note(other, AWAY_MS);
        assert_eq!(away.until_ms.len(), 1, "those who may come again are forgotten");
        let mut elsewhere = TurnedAway::default();
        elsewhere.note(first, AWAY_MS * 2);
        away.merge(elsewhere);
        assert!(away.is_away(first, AWAY_MS * 3 - 1) && away.is_away(other, AWAY_MS * 2 - 1));
    }
}
