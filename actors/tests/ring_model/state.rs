//! Everything that can happen next depends on this, and on nothing else.

use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

use actors::ports::Guard;

use super::activation::Activation;
use super::database::{Database, Request};
use super::entries::Tag;
use super::mutant::Mutant;
use super::tables::{Rows, Tables};

/// How much may happen, and how much of it is left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Bounds {
    /// Activations that live at the same time.
    pub owners: u8,
    /// Activations in all.
    pub activations: u8,
    /// Claims that take effect. Two activations that claim at the same time may displace each other
    /// before either has read that it was first, again and again: without this there is no end.
    pub epochs: u8,
    pub messages: u8,
    pub slots: u8,
    /// Messages that a client sends again.
    pub retries: u8,
    /// Statements whose sender hears an error, whatever they did or will do.
    pub unknown: u8,
    /// Copies of a statement that are carried out after the sender was answered or gave up.
    pub late: u8,
    pub failed_reads: u8,
    /// Materialisations that report failure, whatever arrived.
    pub failed_rows: u8,
    /// Of those, how many arrive in full later.
    pub late_rows: u8,
    /// Reads of the guard while nothing is to be committed.
    pub looks: u8,
    /// Graceful hand-overs.
    pub releases: u8,
}

/// A part of the state, with its hash: most steps change one part.
#[derive(Debug)]
pub struct Shared<T>(Arc<(u64, T)>);

impl<T: Hash> Shared<T> {
    pub fn new(value: T) -> Self {
        Self(Arc::new((digest(&value), value)))
    }

    #[must_use]
    pub fn digest(&self) -> u64 {
        self.0.0
    }
}

impl<T: Clone + Hash> Shared<T> {
    pub fn change<R>(&mut self, change: impl FnOnce(&mut T) -> R) -> R {
        let mut value = self.0.1.clone();
        let result = change(&mut value);
        *self = Self::new(value);
        result
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.1
    }
}

impl<T> Hash for Shared<T> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.0.0.hash(hasher);
    }
}

impl<T: PartialEq> PartialEq for Shared<T> {
    fn eq(&self, other: &Self) -> bool {
        self.0.1 == other.0.1
    }
}

/// Multiplies and folds eight bytes at a time: quicker than the standard hasher on many small parts.
struct Folding(u64);

impl Hasher for Folding {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
        self.write_usize(bytes.len());
    }

    fn write_u8(&mut self, word: u8) {
        self.write_u64(word.into());
    }

    fn write_u32(&mut self, word: u32) {
        self.write_u64(word.into());
    }

    fn write_u64(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word) * 0x9e37_79b9_7f4a_7c15;
        self.0 = ((product >> 64) as u64 ^ product as u64).wrapping_add(word.rotate_left(32));
    }

    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[must_use]
pub fn digest(value: &impl Hash) -> u64 {
    let mut hasher = Folding(0x243f_6a88_85a3_08d3);
    value.hash(&mut hasher);
    hasher.finish()
}

/// What no state shows afterwards. Once wrong, always wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Wrongs {
    /// Acknowledged, and not in the log at that moment.
    pub acknowledged_unstored: bool,
    /// An id was acknowledged under two numbers.
    pub two_numbers: bool,
    /// An activation did something after its end.
    pub spoke_after_end: bool,
    /// An activation ended with the alarm.
    pub alarm: bool,
    /// Head, `done` or epoch became smaller.
    pub guard_went_back: bool,
    /// A second statement, read or materialisation before the first was answered.
    pub two_in_flight: bool,
    /// Ready before everything older was in the tables.
    pub ready_too_early: bool,
}

/// A statement on its own: whoever sent it does not wait for it any more.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Late {
    pub by: u8,
    pub request: Request,
}

#[derive(Clone, Debug, PartialEq, Hash)]
pub struct State {
    pub database: Shared<Database>,
    pub tables: Shared<Tables>,
    /// By number.
    pub live: Vec<Shared<Activation>>,
    /// By digest: their order means nothing.
    pub late: Vec<Shared<Late>>,
    pub late_rows: Vec<Rows>,
    /// Activations started so far.
    pub started: u8,
    /// Messages sent so far: ids count up.
    pub drafted: u8,
    /// By id: the number a client was told, or zero.
    pub acknowledged: Vec<u64>,
    pub left: Bounds,
    pub wrongs: Wrongs,
}

impl State {
    #[must_use]
    pub fn new(bounds: Bounds, mutant: Mutant) -> Self {
        Self {
            database: Shared::new(Database::new(bounds.slots, mutant)),
            tables: Shared::new(Tables::default()),
            live: Vec::new(),
            late: Vec::new(),
            late_rows: Vec::new(),
            started: 0,
            drafted: 0,
            acknowledged: vec![0; usize::from(bounds.messages)],
            left: bounds,
            wrongs: Wrongs::default(),
        }
    }

    /// Where a living activation is.
    #[must_use]
    pub fn place(&self, activation: u8) -> usize {
        self.live.iter().position(|it| it.number == activation).unwrap()
    }

    /// The guard as it is now.
    #[must_use]
    pub fn guard(&self) -> Option<Guard> {
        self.database.guard
    }

    /// A statement or write that nobody waits for.
    pub fn leave(&mut self, late: Late) {
        self.late.push(Shared::new(late));
        self.late.sort_by_key(Shared::digest);
    }

    pub fn leave_rows(&mut self, rows: Rows) {
        self.late_rows.push(rows);
        self.late_rows.sort();
    }

    pub fn acknowledge(&mut self, (id, seq): Tag) {
        let told = &mut self.acknowledged[usize::from(id)];
        self.wrongs.two_numbers |= *told != 0 && *told != seq;
        *told = seq;
    }
}
