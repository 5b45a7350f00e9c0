//! One conversation's entries in order, without holes or repeats.

use std::collections::BTreeMap;

use schema::Sequence;

/// Entries above a position; later ones wait until the hole before them is filled.
#[derive(Clone, Debug)]
pub(super) struct Timeline<T> {
    position: Sequence,
    waiting: BTreeMap<Sequence, T>,
    /// The hole above this position has been asked for.
    asked_at: Option<Sequence>,
}

impl<T> Timeline<T> {
    pub(super) const fn above(position: Sequence) -> Self {
        Self { position, waiting: BTreeMap::new(), asked_at: None }
    }

    /// Everything up to here has been shown.
    pub(super) const fn position(&self) -> Sequence {
        self.position
    }

    /// Takes an entry; gives what may be shown now, in order.
    pub(super) fn take(&mut self, seq: Sequence, entry: T) -> Vec<T> {
        if seq > self.position {
            self.waiting.entry(seq).or_insert(entry);
        }
        let mut shown = Vec::new();
        while let Some(entry) = self.waiting.remove(&self.position.next()) {
            self.position = self.position.next();
            shown.push(entry);
        }
        shown
    }

    /// The position above which entries are missing, when that has not been asked for.
    pub(super) fn hole_to_ask_for(&mut self) -> Option<Sequence> {
        if self.waiting.is_empty() || self.asked_at == Some(self.position) {
            return None;
        }
        self.asked_at = Some(self.position);
        Some(self.position)
    }

    /// A new socket: what was asked for on the old one may never come.
    pub(super) fn forget_questions(&mut self) {
        self.asked_at = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_shown_once_and_in_order() {
        let mut timeline = Timeline::above(Sequence(2));
        assert_eq!(timeline.take(Sequence(2), "two"), Vec::<&str>::new());
        assert_eq!(timeline.take(Sequence(4), "four"), Vec::<&str>::new());
        assert_eq!(timeline.hole_to_ask_for(), Some(Sequence(2)));
        assert_eq!(timeline.hole_to_ask_for(), None);
        timeline.forget_questions();
        assert_eq!(timeline.hole_to_ask_for(), Some(Sequence(2)));
        assert_eq!(timeline.take(Sequence(3), "three"), ["three", "four"]);
        assert_eq!(timeline.take(Sequence(3), "three"), Vec::<&str>::new());
        assert_eq!(timeline.hole_to_ask_for(), None);
        assert_eq!(timeline.position(), Sequence(4));
    }
}
