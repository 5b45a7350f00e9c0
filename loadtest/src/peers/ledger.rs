//! What a text says, and whether a reader got every one of them once and in order. Pure.

use std::collections::HashMap;

/// Who sent it, the how manieth of that sender's, and when it was due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    pub due_us: u64,
    pub sender: u32,
    /// From 0.
    pub number: u32,
}

/// Bytes that a stamp takes in a text.
const STAMP_BYTES: usize = 32;

impl Stamp {
    /// A text of so many bytes, of which no server has to escape one.
    #[must_use]
    pub fn text(self, bytes: usize) -> String {
        let Self { due_us, sender, number } = self;
        let padding = ".".repeat(bytes.saturating_sub(STAMP_BYTES));
        format!("{due_us:016x}{sender:08x}{number:08x}{padding}")
    }

    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let number =
            |from: usize, until: usize| u64::from_str_radix(text.get(from..until)?, 16).ok();
        Some(Self {
            due_us: number(0, 16)?,
            sender: u32::try_from(number(16, 24)?).ok()?,
            number: u32::try_from(number(24, 32)?).ok()?,
        })
    }
}

/// One reader's account of every sender it hears.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    next: HashMap<u32, u32>,
    /// Passed over; those that come later count below as well.
    pub skipped: u64,
    /// Came again, or after a later one.
    pub repeated: u64,
}

impl Ledger {
    /// Notes an arrival; false when it is no new one.
    pub fn note(&mut self, stamp: Stamp) -> bool {
        let next = self.next.entry(stamp.sender).or_default();
        if stamp.number < *next {
            self.repeated += 1;
            return false;
        }
        self.skipped += u64::from(stamp.number - *next);
        *next = stamp.number + 1;
        true
    }

    /// How many there were since the last look.
    pub fn take_faults(&mut self) -> u64 {
        std::mem::take(&mut self.skipped) + std::mem::take(&mut self.repeated)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_tells_its_stamp() {
        let stamp = Stamp { due_us: 0xabc_def0, sender: 7, number: 90_000 };
        let text = stamp.text(100);
        assert_eq!((text.len(), Stamp::read(&text)), (100, Some(stamp)));
        assert_eq!(Stamp::read("hello"), None);
    }

    #[test]
    fn holes_repeats_and_disorder_are_counted() {
        let mut ledger = Ledger::default();
        let mut note = |sender, number| ledger.note(Stamp { due_us: 0, sender, number });
        assert!(note(1, 0) && note(2, 0) && note(1, 1));
        assert!(note(1, 4) && !note(1, 3) && !note(1, 4));
        assert_eq!((ledger.skipped, ledger.repeated), (2, 2));
        assert_eq!((ledger.take_faults(), ledger.take_faults()), (4, 0));
    }
}
