//! Faults, made on purpose and counted: in front of a service by a proxy, in processes by signals,
//! and schedules of all of them.

pub mod namespace;
pub mod nemesis;
pub mod proxy;

pub use namespace::{Namespace, Network};
pub use nemesis::{Class, Fault, Mix, Nemesis, Schedule, Shape, Tally, Trouble, Way, schedule};
pub use proxy::{Direction, Framing, Mode, Proxy, Struck};
