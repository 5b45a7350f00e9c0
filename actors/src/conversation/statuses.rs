//! Which senders hear that others have, or have read, what they sent. Pure.

use std::collections::{BTreeMap, BTreeSet};

use schema::wire::UserStatus;
use schema::{Sequence, UserId};

/// How far a member is known to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Known {
    delivered: Sequence,
    read: Sequence,
}

/// A member moved on.
#[derive(Clone, Copy, Debug)]
struct Moved {
    before: Option<Known>,
    /// Said on another node: the member's own devices here have not heard either.
    is_elsewhere: bool,
}

/// Positions that were told, and those that are to be told.
#[derive(Default)]
pub struct Statuses {
    known: BTreeMap<UserId, Known>,
    moved: BTreeMap<UserId, Moved>,
}

impl Statuses {
    /// Notes a position; false when it is no news.
    pub fn note(
        &mut self,
        user: UserId,
        delivered: Option<Sequence>,
        read: Option<Sequence>,
        is_elsewhere: bool,
    ) -> bool {
        let before = self.known.get(&user).copied();
        let was = before.unwrap_or_default();
        let read = was.read.max(read.unwrap_or_default());
        // What was read was delivered.
        let delivered = was.delivered.max(delivered.unwrap_or_default()).max(read);
        let now = Known { delivered, read };
        if Some(now) == before {
            return false;
        }
        self.known.insert(user, now);
        let moved = self.moved.entry(user).or_insert(Moved { before, is_elsewhere });
        moved.is_elsewhere |= is_elsewhere;
        true
    }

    #[must_use]
    pub fn waiting(&self) -> usize {
        self.moved.len()
    }

    /// What each listener is to hear. `authors_in(after, up_to)` are who sent the messages of that
    /// range, as far as they are remembered; positions beyond `head` are told as the head.
    pub fn take(
        &mut self,
        head: Sequence,
        authors_in: impl Fn(Sequence, Sequence) -> BTreeSet<UserId>,
    ) -> BTreeMap<UserId, Vec<UserStatus>> {
        let mut told: BTreeMap<UserId, Vec<UserStatus>> = BTreeMap::new();
        for (user, moved) in std::mem::take(&mut self.moved) {
            let Some(now) = self.known.get(&user) else { continue };
            let was = moved.before.unwrap_or_default();
            let changed = |now: Sequence, was: Sequence| (now > was).then_some(now.min(head));
            let status = UserStatus {
                user_id: user,
                delivered: changed(now.delivered, was.delivered),
                read: changed(now.read, was.read),
            };
            let after = match (status.delivered, status.read) {
                (Some(_), Some(_)) => was.delivered.min(was.read),
                (Some(_), None) => was.delivered,
                (None, Some(_)) => was.read,
                (None, None) => continue,
            };
            for author in authors_in(after, now.delivered) {
                if author != user {
                    told.entry(author).or_default().push(status);
                }
            }
            if moved.is_elsewhere && status.read.is_some() {
                told.entry(user).or_default().push(status);
            }
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(number: u8) -> UserId {
        UserId::from_bytes([number; 16])
    }

    /// User 1 wrote the odd entries, user 2 the even ones.
    fn authors(after: Sequence, up_to: Sequence) -> BTreeSet<UserId> {
        (after.0 + 1..=up_to.0).map(|seq| user(if seq % 2 == 1 { 1 } else { 2 })).collect()
    }

    fn seq(number: u64) -> Option<Sequence> {
        Some(Sequence(number))
    }

    #[test]
    fn those_hear_whose_messages_were_reached() {
        let mut statuses = Statuses::default();
        assert!(statuses.note(user(3), seq(1), None, false));
        let told = statuses.take(Sequence(9), authors);
        assert_eq!(told.keys().copied().collect::<Vec<_>>(), [user(1)]);
        assert!(statuses.note(user(3), seq(2), seq(1), false));
        let told = statuses.take(Sequence(9), authors);
        let status = UserStatus { user_id: user(3), delivered: seq(2), read: seq(1) };
        assert_eq!(told[&user(1)], [status]);
        assert_eq!(told[&user(2)], [status]);
        assert!(!told.contains_key(&user(3)), "its own devices here know");
    }

    #[test]
    fn positions_only_grow_and_are_told_once() {
        let mut statuses = Statuses::default();
        assert!(statuses.note(user(2), None, seq(5), true));
        assert!(!statuses.note(user(2), seq(4), seq(3), true));
        assert!(statuses.note(user(2), None, seq(7), true));
        let told = statuses.take(Sequence(6), authors);
        let status = UserStatus { user_id: user(2), delivered: seq(6), read: seq(6) };
        assert_eq!(told[&user(1)], [status], "merged, and never beyond the head");
        assert_eq!(told[&user(2)], [status], "devices elsewhere than where it was said");
        assert!(statuses.take(Sequence(9), authors).is_empty());
    }
}
