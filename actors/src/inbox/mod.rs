//! What other nodes say reaches the actors that it is for.
//!
//! `dispatch` takes frames apart, on the bridge's own threads and without ever waiting; `answer`
//! works on drafts that other nodes hand over; `compare` reads heads that may have been missed.

mod answer;
mod compare;
mod dispatch;

pub use compare::keep_up;
pub use dispatch::NodeInbox;
