//! Every shape that crosses a boundary: client frames, stored records, REST bodies, metric names.
//!
//! A leaf: no actor, no I/O, no clock. What is here is read by the server, the load tester and
//! the simulator alike.

pub mod checker;
pub mod cluster;
pub mod id;
pub mod metric;
pub mod nullable;
pub mod record;
pub mod rest;
pub mod sequence;
pub mod wire;

pub use id::{
    ConnectionId, ConversationId, DeviceId, InviteId, MessageId, NodeId, OwnerToken, ScheduledId,
    UserId,
};
pub use sequence::{Epoch, Sequence, SequenceRange};
