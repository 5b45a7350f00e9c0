//! The way in: accepts sockets, serves REST and pages, upgrades `/ws` to connection actors.
//!
//! ```text
//! listener.rs    accepts and hands sockets to the workers in turn
//! worker.rs      HTTP on one worker; the upgrade leaves HTTP's buffers behind
//! handshake.rs   which upgrades are let in (pure)
//! admission.rs   how many sockets, in all and from one address
//! transport.rs   bytes between one socket and its connection actor
//! watchdog.rs    heartbeats and time limits of all sockets of a worker
//! ```

mod admission;
mod handshake;
mod listener;
mod transport;
mod watchdog;
mod worker;

pub use admission::{Admission, AdmissionLimits};
pub use listener::{Bound, Routes, bind, serve};
pub use watchdog::HEARTBEAT_S;
pub use worker::GatewayContext;
