//! Keeps entries back until their predecessors are there: a user never sees a hole.

use std::collections::BTreeMap;

use schema::{Sequence, SequenceRange};

/// Entries of one conversation on their way to being shown. `T` is what is shown.
#[derive(Clone, Debug)]
pub struct ReorderBuffer<T> {
    position: Sequence,
    held: BTreeMap<Sequence, T>,
}

impl<T> ReorderBuffer<T> {
    /// Everything up to `position` was shown before.
    #[must_use]
    pub const fn new(position: Sequence) -> Self {
        Self { position, held: BTreeMap::new() }
    }

    /// Everything up to here was shown.
    #[must_use]
    pub const fn position(&self) -> Sequence {
        self.position
    }

    /// Takes an entry; returns what can be shown now, in order. A repeated one shows nothing.
    pub fn offer(&mut self, seq: Sequence, entry: T) -> Vec<T> {
        if seq > self.position {
            self.held.entry(seq).or_insert(entry);
        }
        let mut shown = Vec::new();
        while let Some(entry) = self.held.remove(&self.position.next()) {
            self.position = self.position.next();
            shown.push(entry);
        }
        shown
    }

    /// The numbers to ask the server for: what lies before the first entry kept back.
    #[must_use]
    pub fn missing(&self) -> Option<SequenceRange> {
        let (first_held, _) = self.held.first_key_value()?;
        Some(SequenceRange::new(self.position.next(), first_held.back(1)))
    }

    /// Forgets what is kept back: a new socket brings it again.
    pub fn forget_held(&mut self) {
        self.held.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_shown_in_order_and_once() {
        let mut buffer = ReorderBuffer::new(Sequence(4));
        assert!(buffer.offer(Sequence(6), 'b').is_empty());
        assert!(buffer.offer(Sequence(8), 'd').is_empty());
        assert_eq!(buffer.missing(), Some(SequenceRange::new(Sequence(5), Sequence(5))));
        assert_eq!(buffer.offer(Sequence(5), 'a'), ['a', 'b']);
        assert!(buffer.offer(Sequence(5), 'a').is_empty());
        assert_eq!(buffer.missing(), Some(SequenceRange::new(Sequence(7), Sequence(7))));
        assert_eq!(buffer.offer(Sequence(7), 'c'), ['c', 'd']);
        assert_eq!((buffer.position(), buffer.missing()), (Sequence(8), None));
    }

    #[test]
    fn any_order_of_arrival_shows_the_same() {
        use rand::SeedableRng as _;
        use rand::seq::SliceRandom as _;
        for seed in 0..50 {
            let mut random = rand::rngs::StdRng::seed_from_u64(seed);
            let mut arriving: Vec<u64> = (1..=40).chain(10..=20).collect();
            arriving.shuffle(&mut random);
            let mut buffer = ReorderBuffer::new(Sequence::START);
            let shown: Vec<u64> =
                arriving.into_iter().flat_map(|seq| buffer.offer(Sequence(seq), seq)).collect();
            assert_eq!(shown, (1..=40).collect::<Vec<_>>(), "seed {seed}");
        }
    }

    #[test]
    fn a_new_socket_begins_at_what_was_shown() {
        let mut buffer = ReorderBuffer::new(Sequence::START);
        buffer.offer(Sequence(3), ());
        buffer.forget_held();
        assert_eq!((buffer.position(), buffer.missing()), (Sequence::START, None));
    }
}
