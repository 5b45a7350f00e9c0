//! Drafts in the order they came. Those whose id must be looked up in the durable index hold the
//! later ones back, so that a sender's order is the order of the numbers; the look-ups themselves
//! run side by side. One that cannot be looked up takes those of its sender with it that wait behind
//! it: were they stored without it, whoever asks for all of them again would turn their order round.
//! Pure.

use std::collections::VecDeque;

use schema::UserId;

/// Whose it is.
pub trait OfSender {
    fn sender(&self) -> UserId;
}

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
        if let Some(turn) = index.and_then(|index| self.waiting.get_mut(index))
            && matches!(turn.look_up, LookUp::Waiting)
        {
            turn.look_up = LookUp::Answered(found);
        }
    }
}

impl<D: OfSender, T, E: Clone> Turns<D, Result<T, E>> {
    /// The next draft in order, unless its look-up is not answered yet.
    pub fn next(&mut self) -> Option<(D, Option<Result<T, E>>)> {
        if matches!(self.waiting.front()?.look_up, LookUp::Waiting) {
            return None;
        }
        self.first += 1;
        let turn = self.waiting.pop_front()?;
        let found = match turn.look_up {
            LookUp::Answered(found) => Some(found),
            LookUp::NotNeeded | LookUp::Waiting => None,
        };
        if let Some(Err(error)) = &found {
            let sender = turn.draft.sender();
            for behind in self.waiting.iter_mut().filter(|it| it.draft.sender() == sender) {
                behind.look_up = LookUp::Answered(Err(error.clone()));
            }
        }
        Some((turn.draft, found))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Eq)]
    struct Said(&'static str, u8);

    impl OfSender for Said {
        fn sender(&self) -> UserId {
            UserId::from_bytes([self.1; 16])
        }
    }

    type Found = Result<bool, ()>;

    fn next(turns: &mut Turns<Said, Found>) -> Option<(&'static str, Option<Found>)> {
        turns.next().map(|(said, found)| (said.0, found))
    }

    #[test]
    fn nobody_overtakes_a_draft_that_is_looked_up() {
        let mut turns: Turns<Said, Found> = Turns::default();
        let first = turns.push(Said("first", 1), true);
        let second = turns.push(Said("second", 2), true);
        turns.push(Said("third", 3), false);
        assert!(turns.next().is_none());
        turns.answer(second, Ok(true));
        assert!(turns.next().is_none());
        turns.answer(first, Ok(false));
        assert_eq!(next(&mut turns), Some(("first", Some(Ok(false)))));
        assert_eq!(next(&mut turns), Some(("second", Some(Ok(true)))));
        assert_eq!(next(&mut turns), Some(("third", None)));
        assert!(turns.is_empty());
        turns.answer(first, Ok(true));
        let later = turns.push(Said("later", 1), true);
        turns.answer(later, Ok(true));
        assert_eq!(next(&mut turns), Some(("later", Some(Ok(true)))));
    }

    #[test]
    fn those_behind_one_that_was_not_looked_up_share_its_fate() {
        let mut turns: Turns<Said, Found> = Turns::default();
        let first = turns.push(Said("first", 1), true);
        let other = turns.push(Said("of another", 2), true);
        let second = turns.push(Said("second", 1), true);
        turns.push(Said("third", 1), false);
        turns.answer(first, Err(()));
        assert_eq!(next(&mut turns), Some(("first", Some(Err(())))));
        turns.answer(second, Ok(false));
        turns.answer(other, Ok(false));
        assert_eq!(next(&mut turns), Some(("of another", Some(Ok(false)))));
        assert_eq!(next(&mut turns), Some(("second", Some(Err(())))));
        assert_eq!(next(&mut turns), Some(("third", Some(Err(())))));
        turns.push(Said("fourth", 1), false);
        assert_eq!(next(&mut turns), Some(("fourth", None)));
    }
}
