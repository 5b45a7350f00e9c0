//! The way in: accepts sockets, serves REST and pages, upgrades `/ws` to connection actors.
//!
//! ```text
//! listener.rs    accepts and hands sockets to the workers in turn
//! arrival.rs     before HTTP: the PROXY header, the TLS handshake, their deadline
//! proxy_protocol.rs   whom a proxy speaks for (pure)
//! stream.rs      a socket, plain or encrypted; tls/ the encryption
//! worker.rs      HTTP on one worker; the upgrade leaves HTTP's buffers behind
//! handshake.rs   which upgrades are let in (pure)
//! admission.rs   how many sockets, in all and from one address
//! transport.rs   bytes between one socket and its connection actor
//! watchdog.rs    heartbeats and time limits of all sockets of a worker
//! ```

mod admission;
mod arrival;
mod handshake;
mod listener;
mod proxy_protocol;
mod stream;
pub mod tls;
mod transport;
mod watchdog;
mod worker;

pub use admission::{Admission, AdmissionLimits};
pub use arrival::Arrival;
pub use listener::{Bound, Routes, bind, serve};
pub use tls::{CurrentTls, TlsConfig};
pub use watchdog::HEARTBEAT_S;
pub use worker::{GatewayContext, Service};
