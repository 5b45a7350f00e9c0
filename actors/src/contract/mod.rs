//! What every implementation of a port must do: one suite a port.
//!
//! A suite takes a maker of fresh, empty implementations and panics, saying which guarantee is
//! broken. Its checks are public too, so that a failing one can be run alone. The suites need
//! nothing of the runtime; only [`bridge`] waits, on tokio's clock.

pub mod admin_log;
pub mod bridge;
pub mod commit_ring;
pub mod conversation_care;
pub mod directory;
pub mod invite_store;
pub mod log_index;
pub mod message_changes;
pub mod message_expiry;
pub mod message_store;
pub mod personal_store;
pub mod roster_store;
pub(crate) mod sample;
pub mod user_store;
