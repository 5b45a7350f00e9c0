//! One client's view of one conversation, on one socket after another.

use std::collections::BTreeSet;

use crate::{Sequence, SequenceRange};

/// What is wrong with one delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DeliveryFault {
    /// A number passed over before has come late.
    OutOfOrder { after: Sequence },
    /// The reader has it already.
    Repeated { position: Sequence },
}

/// Where a reader stands. Positions count a socket's lifetime; `reached` all of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Reader {
    /// Everything up to here has come on this socket, less `holes`.
    position: Sequence,
    /// Passed over on this socket and not come since.
    holes: Vec<SequenceRange>,
    /// Own accepted messages above `position`, whose predecessors are still on their way.
    ahead: BTreeSet<Sequence>,
    /// Accepted as duplicates, or before their predecessors came: may be delivered as well.
    tolerated: BTreeSet<Sequence>,
    /// The last number that came as a frame on this socket; frames only grow.
    last_frame: Sequence,
    reached: Sequence,
    started: bool,
    pub expected_caught_up: bool,
    /// Own messages both accepted and delivered.
    pub echoes: u64,
}

impl Reader {
    /// A new socket goes on from `after`. Returns the holes left by the old one, and whether the
    /// reader had never reached `after`.
    pub fn start(&mut self, after: Sequence) -> (Vec<SequenceRange>, bool) {
        let holes = std::mem::take(&mut self.holes);
        let is_ahead = self.started && after > self.reached;
        self.ahead.clear();
        self.tolerated.clear();
        self.last_frame = after;
        self.position = after;
        self.reached = self.reached.max(after);
        self.started = true;
        (holes, is_ahead)
    }

    /// An entry came as a frame.
    pub fn deliver(&mut self, seq: Sequence) -> Result<(), DeliveryFault> {
        self.started = true;
        let last_frame = self.last_frame;
        self.last_frame = seq.max(last_frame);
        if seq > self.position {
            if seq > self.position.next() {
                self.pass_over(seq);
            }
            self.move_to(seq);
            return Ok(());
        }
        if self.tolerated.remove(&seq) {
            self.echoes += 1;
            let is_late = seq < last_frame;
            let fault = DeliveryFault::OutOfOrder { after: last_frame };
            return if is_late { Err(fault) } else { Ok(()) };
        }
        if self.fill_hole(seq) {
            return Err(DeliveryFault::OutOfOrder { after: self.position });
        }
        Err(DeliveryFault::Repeated { position: self.position })
    }

    /// An own message was accepted, which stands for its delivery.
    pub fn accept(&mut self, seq: Sequence, duplicate: bool) -> Result<(), DeliveryFault> {
        self.started = true;
        if seq > self.position {
            if duplicate {
                self.tolerated.insert(seq);
            }
            self.ahead.insert(seq);
            self.absorb_ahead();
            return Ok(());
        }
        if duplicate { Ok(()) } else { self.deliver(seq) }
    }

    /// `seq` was read as history: the reader has it, though its socket still owes it.
    pub fn read(&mut self, seq: Sequence) {
        if seq == self.reached.next() {
            self.reached = seq;
            while self.ahead.contains(&self.reached.next()) {
                self.reached = self.reached.next();
            }
        }
    }

    pub const fn position(&self) -> Sequence {
        self.position
    }

    /// Up to where the reader has had everything, on any socket or as history.
    pub const fn reached(&self) -> Sequence {
        self.reached
    }

    pub fn holes(&self) -> &[SequenceRange] {
        &self.holes
    }

    fn move_to(&mut self, seq: Sequence) {
        self.position = seq;
        self.ahead.remove(&seq);
        self.absorb_ahead();
    }

    fn absorb_ahead(&mut self) {
        while self.ahead.remove(&self.position.next()) {
            self.position = self.position.next();
        }
        self.reached = self.reached.max(self.position);
    }

    /// Notes what lies between the position and `seq`, less own accepted messages.
    fn pass_over(&mut self, seq: Sequence) {
        let mut first = self.position.next();
        let accepted: Vec<Sequence> = self.ahead.range(first..seq).copied().collect();
        for own in accepted {
            self.ahead.remove(&own);
            self.note_hole(first, own.back(1));
            first = own.next();
        }
        self.note_hole(first, seq.back(1));
    }

    fn note_hole(&mut self, first: Sequence, last: Sequence) {
        let hole = SequenceRange::new(first, last);
        if !hole.is_empty() {
            self.holes.push(hole);
        }
    }

    /// Takes `seq` out of the hole that it lies in.
    fn fill_hole(&mut self, seq: Sequence) -> bool {
        let Some(index) = self.holes.iter().position(|hole| hole.contains(seq)) else {
            return false;
        };
        let hole = self.holes.remove(index);
        self.note_hole(hole.first, seq.back(1));
        self.note_hole(seq.next(), hole.last);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(position: u64) -> Reader {
        let mut reader = Reader::default();
        reader.start(Sequence(position));
        reader
    }

    #[test]
    fn own_accepted_messages_may_overtake_and_are_not_delivered_again() {
        let mut reader = at(0);
        assert_eq!(reader.accept(Sequence(3), false), Ok(()));
        assert_eq!(reader.position(), Sequence(0));
        assert_eq!(reader.deliver(Sequence(1)), Ok(()));
        assert_eq!(reader.deliver(Sequence(2)), Ok(()));
        assert_eq!(reader.position(), Sequence(3));
        assert_eq!(
            reader.deliver(Sequence(3)),
            Err(DeliveryFault::Repeated { position: Sequence(3) })
        );
    }

    #[test]
    fn an_accepted_message_that_was_next_is_not_delivered_again() {
        let mut reader = at(2);
        assert_eq!(reader.accept(Sequence(3), false), Ok(()));
        assert_eq!(
            reader.deliver(Sequence(3)),
            Err(DeliveryFault::Repeated { position: Sequence(3) })
        );
    }

    #[test]
    fn a_duplicate_may_be_delivered_as_well_but_only_once() {
        let mut reader = at(0);
        assert_eq!(reader.accept(Sequence(2), true), Ok(()));
        assert_eq!(reader.deliver(Sequence(1)), Ok(()));
        assert_eq!(reader.deliver(Sequence(2)), Ok(()));
        assert!(reader.deliver(Sequence(2)).is_err());
        assert_eq!(reader.deliver(Sequence(3)), Ok(()));
        assert_eq!(reader.accept(Sequence(3), true), Ok(()));
    }

    #[test]
    fn what_was_read_as_history_may_be_started_from() {
        let mut reader = at(0);
        assert_eq!(reader.deliver(Sequence(1)), Ok(()));
        assert_eq!(reader.accept(Sequence(4), false), Ok(()));
        reader.read(Sequence(2));
        reader.read(Sequence(3));
        assert_eq!(reader.position(), Sequence(1));
        assert!(!reader.start(Sequence(4)).1);
        reader.read(Sequence(7));
        assert!(reader.start(Sequence(5)).1);
    }

    #[test]
    fn holes_stay_until_filled_late() {
        let mut reader = at(5);
        assert_eq!(reader.deliver(Sequence(9)), Ok(()));
        assert_eq!(reader.holes(), [SequenceRange::new(Sequence(6), Sequence(8))]);
        assert_eq!(
            reader.deliver(Sequence(7)),
            Err(DeliveryFault::OutOfOrder { after: Sequence(9) })
        );
        assert_eq!(reader.holes().len(), 2);
        let (holes, is_ahead) = reader.start(Sequence(9));
        assert_eq!((holes.len(), is_ahead), (2, false));
        assert!(reader.start(Sequence(10)).1);
    }
}
