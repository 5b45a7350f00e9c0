//! Drafts in the order they came. Those whose id must be looked up in the durable index hold the
//! later ones back, so that a sender's order is the order of the numbers; the look-ups themselves
//! run side by side. Pure.

use std::collections::VecDeque;

/// One draft's place in the order.
struct Turn<D, F> {
    draft: D,
    look_up: LookUp<F>,
}

enum LookUp<F> {
    NotNeeded,
    Waiting,
    Answered(F),
}

/// Which look-up an answer belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket(u64);

/// Drafts `D` that wait for their turn, and what was found `F` of those that were looked up.
pub struct Turns<D, F> {
    waiting: VecDeque<Turn<D, F>>,
    /// Ticket of the front.
    first: u64,
}

impl<D, F> Default for Turns<D, F> {
    fn default() -> Self {
        Self { waiting: VecDeque::new(), first: 0 }
    }
}

impl<D, F> Turns<D, F> {
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Takes a place at the end.
    pub fn push(&mut self, draft: D, needs_look_up: bool) -> Ticket {
        let ticket = Ticket(self.first + self.waiting.len() as u64);
        let look_up = if needs_look_up { LookUp::Waiting } else { LookUp::NotNeeded };
        self.waiting.push_back(Turn { draft, look_up });
        ticket
    }

    /// Notes what was found.
    pub fn answer(&mut self, ticket: Ticket, found: F) {
        let index = ticket.0.checked_sub(self.first).and_then(|it| usize::try_from(it).ok());
        if let Some(turn) = index.and_then(|index| self.waiting.get_mut(index)) {
            turn.look_up = LookUp::Answered(found);
        }
    }

    /// The next draft in order, unless its look-up is not answered yet.
    pub fn next(&mut self) -> Option<(D, Option<F>)> {
        if matches!(self.waiting.front()?.look_up, LookUp::Waiting) {
            return None;
        }
        self.first += 1;
        self.waiting.pop_front().map(|turn| {
            let found = match turn.look_up {
                LookUp::Answered(found) => Some(found),
                LookUp::NotNeeded | LookUp::Waiting => None,
            };
            (turn.draft, found)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_overtakes_a_draft_that_is_looked_up() {
        let mut turns: Turns<&str, bool> = Turns::default();
        let first = turns.push("first", true);
        let second = turns.push("second", true);
        turns.push("third", false);
        assert!(turns.next().is_none());
        turns.answer(second, true);
        assert!(turns.next().is_none());
        turns.answer(first, false);
        assert_eq!(turns.next(), Some(("first", Some(false))));
        assert_eq!(turns.next(), Some(("second", Some(true))));
        assert_eq!(turns.next(), Some(("third", None)));
        assert!(turns.is_empty());
        turns.answer(first, true);
        let later = turns.push("later", true);
        turns.answer(later, true);
        assert_eq!(turns.next(), Some(("later", Some(true))));
    }
}
