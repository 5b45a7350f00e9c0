//! Whoever breaks things: a schedule of faults made from a seed, and its execution.
//!
//! `schedule.rs` draws up what strikes whom and when, purely; `execution.rs` does it to a running
//! cluster, counts what really struck, and heals everything at the end.

mod execution;
mod fault;
mod schedule;

pub use execution::{Nemesis, Tally};
pub use fault::{Class, Fault, Trouble, Way};
pub use schedule::{Mix, Schedule, Shape, Step, schedule};
