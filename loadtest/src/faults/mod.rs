//! Faults, made on purpose and counted: in front of a service by a proxy, in processes by signals,
//! and schedules of all of them.

pub mod nemesis;
pub mod proxy;

pub use nemesis::{Class, Fault, Mix, Nemesis, Schedule, Shape, Tally, schedule};
pub use proxy::{Direction, Framing, Mode, Proxy, Struck};
