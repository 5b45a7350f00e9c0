//! How far one socket has come in one conversation. Pure.

use schema::{ConnectionId, Sequence};

/// What one socket was handed of one conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    pub connection: ConnectionId,
    /// Everything up to here was handed to the socket.
    pub sent: Sequence,
    /// Pages are on their way: live deliveries are held back until they have caught up.
    pub catching_up: bool,
    /// Own messages above `sent` that the socket knows.
    pub accepted: Accepted,
}

/// What a live delivery means for a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Hand on what follows this many known entries.
    Forward { skip: usize },
    /// All of it is known.
    Drop,
    /// Something before it is missing: catch up.
    Behind,
    /// Pages are on their way and will bring it.
    Hold,
}

impl Cursor {
    #[must_use]
    pub fn at(connection: ConnectionId, sent: Sequence) -> Self {
        Self { connection, sent, catching_up: false, accepted: Accepted::default() }
    }

    /// The socket was handed the entry, or told of it.
    #[must_use]
    pub fn has(&self, seq: Sequence) -> bool {
        seq <= self.sent || self.accepted.contains(seq)
    }

    /// Everything up to `sent` was handed to the socket.
    pub fn move_to(&mut self, sent: Sequence) {
        self.sent = sent;
        self.accepted.forget(sent);
    }

    /// The client was told to forget what it has: what it was told by `accepted`, too.
    pub fn restart_at(&mut self, sent: Sequence) {
        self.sent = sent;
        self.accepted = Accepted::default();
    }

    /// Of `first..=last`, what the socket was told of by `accepted` before its turn. Call before
    /// [`on_delivery`](Self::on_delivery) moves past them.
    #[must_use]
    pub fn accepted_of(&self, first: Sequence, last: Sequence) -> Vec<Sequence> {
        if self.accepted.above.is_empty() {
            return Vec::new();
        }
        self.accepted.above.iter().copied().filter(|seq| (first..=last).contains(seq)).collect()
    }

    /// Decides on consecutive entries `first..=last` and moves on when they are forwarded.
    pub fn on_delivery(&mut self, first: Sequence, last: Sequence) -> Step {
        if last <= self.sent {
            Step::Drop
        } else if self.catching_up {
            Step::Hold
        } else if first > self.sent.next() {
            Step::Behind
        } else {
            let skip = usize::try_from(self.sent.0 + 1 - first.0).unwrap_or(usize::MAX);
            self.move_to(last);
            Step::Forward { skip }
        }
    }
}

/// Room that is kept while there are none.
const ACCEPTED_KEPT: usize = 16;

/// Own messages that one socket was told of by `accepted` before their turn: a page that comes to
/// them must not show them again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    /// Rising, few: those of a commit or two.
    above: Vec<Sequence>,
}

impl Accepted {
    /// The socket was told; it was handed everything up to `sent` so far.
    pub fn note(&mut self, seq: Sequence, sent: Sequence) {
        if seq <= sent {
            return;
        }
        if let Err(at) = self.above.binary_search(&seq) {
            self.above.insert(at, seq);
        }
    }

    /// Whether the socket has this entry of a page.
    #[must_use]
    pub fn contains(&self, seq: Sequence) -> bool {
        self.above.binary_search(&seq).is_ok()
    }

    /// Everything up to `sent` was handed over.
    pub fn forget(&mut self, sent: Sequence) {
        self.above.retain(|seq| *seq > sent);
        if self.above.is_empty() && self.above.capacity() > ACCEPTED_KEPT {
            self.above = Vec::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(sent: u64, catching_up: bool) -> Cursor {
        let cursor = Cursor::at(ConnectionId::from_bytes([1; 16]), Sequence(sent));
        Cursor { catching_up, ..cursor }
    }

    fn step(cursor: &mut Cursor, first: u64, last: u64) -> Step {
        cursor.on_delivery(Sequence(first), Sequence(last))
    }

    #[test]
    fn forwards_the_next_once_and_never_over_a_hole() {
        let mut cursor = at(5, false);
        assert_eq!(step(&mut cursor, 6, 8), Step::Forward { skip: 0 });
        assert_eq!(step(&mut cursor, 6, 8), Step::Drop);
        assert_eq!(step(&mut cursor, 7, 10), Step::Forward { skip: 2 });
        assert_eq!(cursor.sent, Sequence(10));
        assert_eq!(step(&mut cursor, 12, 12), Step::Behind);
        assert_eq!(cursor.sent, Sequence(10));
    }

    #[test]
    fn holds_live_entries_back_while_pages_are_on_their_way() {
        let mut cursor = at(5, true);
        assert_eq!(step(&mut cursor, 6, 6), Step::Hold);
        assert_eq!(step(&mut cursor, 9, 9), Step::Hold);
        assert_eq!(step(&mut cursor, 4, 5), Step::Drop);
        assert_eq!(cursor.sent, Sequence(5));
    }

    #[test]
    fn remembers_what_a_socket_was_told_until_its_turn_has_passed() {
        let mut accepted = Accepted::default();
        for seq in [4, 7, 9] {
            accepted.note(Sequence(seq), Sequence(5));
        }
        assert!(!accepted.contains(Sequence(4)) && accepted.contains(Sequence(7)));
        accepted.forget(Sequence(7));
        assert!(!accepted.contains(Sequence(7)) && accepted.contains(Sequence(9)));
    }
}
