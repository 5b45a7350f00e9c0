//! The other nodes: what this one tells them, what it wants to hear, and who wants to hear it.
//!
//! ```text
//! followers      who wants which news of the shards owned here
//! following      whose news are wanted here, and what may have been missed
//! recent_heads   where the logs end that had traffic lately
//! batches        drafts handed over by other nodes, each worked on once
//! outgoing       announcements in frames of a bounded size
//! tables         all of these, and what of them is due
//! ```
//! All of it is memory: what is lost with it is said again by the others, or read from the store.

pub(crate) mod batches;
pub(crate) mod followers;
pub(crate) mod following;
pub(crate) mod outgoing;
pub(crate) mod recent_heads;
mod state;
pub(crate) mod tables;

pub use batches::Arrived;
pub use state::{Follow, Peers, Wake};
