//! REST over in-memory ports and a recording node.

mod contract;
mod conversations;
mod messages;
mod secrets;
mod sign_in;

pub(crate) mod fixture;
pub(crate) mod recording_node;
