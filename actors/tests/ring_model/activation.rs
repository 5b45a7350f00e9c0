//! One activation: its core and what it waits for.

use std::fmt;

use actors::ports::Guard;

use super::database::{Answer, Request};
use super::driver::Driver;
use super::state::Wrongs;
use super::tables::Rows;

/// A statement or read of the ring.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Call {
    pub request: Request,
    /// `None` until it is carried out; then the answer is on its way.
    pub answer: Option<Answer>,
}

/// A materialisation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RowsCall {
    pub rows: Rows,
    pub is_written: bool,
}

#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Activation {
    pub number: u8,
    pub driver: Driver,
    pub call: Option<Call>,
    pub rows: Option<RowsCall>,
    /// The answer to a look.
    pub look: Option<Option<Guard>>,
    /// It asked to be woken.
    pub wake: bool,
    /// Timers that remind it of materialising.
    pub due: u8,
}

impl Activation {
    #[must_use]
    pub fn new(number: u8, slots: u8) -> Self {
        let driver = Driver::new(number, slots);
        Self { number, driver, call: None, rows: None, look: None, wake: false, due: 0 }
    }

    pub fn ask(&mut self, request: Request, wrongs: &mut Wrongs) {
        wrongs.two_in_flight |= self.call.is_some() || self.wake;
        self.call = Some(Call { request, answer: None });
    }

    pub fn materialise(&mut self, rows: Rows) {
        self.rows = Some(RowsCall { rows, is_written: false });
    }

    /// Something is to be done and nothing will remind the core of it.
    #[must_use]
    pub fn is_stuck(&self, slots: u8) -> bool {
        let core = &self.driver.core;
        let asks = self.call.is_some() || self.wake;
        let materialises = self.rows.is_some() || self.due > 0;
        if !core.is_ready() {
            return !asks && !materialises;
        }
        let is_full = core.ring_depth() >= u64::from(slots);
        core.ring_depth() > 0 && !materialises || !asks && !is_full && self.has_unstored()
    }

    /// Entries wait for every slot that is taken.
    #[must_use]
    pub fn is_held_up(&self, slots: u8) -> bool {
        let is_full = self.driver.core.ring_depth() >= u64::from(slots);
        is_full && self.call.is_none() && self.has_unstored()
    }

    fn has_unstored(&self) -> bool {
        let entries = self.driver.core.entries_of(super::entries::CONVERSATION);
        entries.iter().any(|(_, stored)| !stored)
    }
}

impl fmt::Debug for Activation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let core = &self.driver.core;
        formatter
            .debug_struct("Activation")
            .field("number", &self.number)
            .field("is_ready", &core.is_ready())
            .field("head", &core.head())
            .field("done", &core.done())
            .field("call", &self.call)
            .field("rows", &self.rows)
            .field("look", &self.look)
            .field("wake", &self.wake)
            .field("due", &self.due)
            .finish()
    }
}
