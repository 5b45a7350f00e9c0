//! Every port in memory, for unit tests of the actors and for the simulator.
//!
//! Deterministic: ordered maps only, and a method has had its effect when it returns; its future
//! is ready at once. A [`MemoryStore`] that is cloned is one store for several simulated nodes.

mod admin_log;
mod authenticator;
mod bridge;
mod clock;
mod directory;
mod invites;
mod log_index;
mod messages;
mod personal;
mod ring;
mod roster;
mod store;
mod users;

pub use admin_log::MemoryAdminLog;
pub use authenticator::MemoryAuthenticator;
pub use bridge::{MemoryBridge, MemoryBridgeHub};
pub use clock::ManualClock;
pub use directory::{MemoryDirectory, ShardOwners};
pub use store::MemoryStore;

#[cfg(test)]
mod tests;
