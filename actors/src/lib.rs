//! All real-time behaviour of Switchboard.

pub mod committer;
pub mod connection;
pub mod contract;
pub mod conversation;
pub mod inbox;
pub mod memory;
pub mod monitor;
pub mod node;
pub mod peers;
pub mod personal;
pub mod ports;
pub mod presence;
pub mod scheduling;
pub mod sequencer;
pub mod session;
#[cfg(test)]
pub mod sim;
pub mod supervisor;

pub use node::Node;
