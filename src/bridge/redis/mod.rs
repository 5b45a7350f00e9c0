//! The bridge between nodes over Redis: `PUBLISH`, or `SPUBLISH` in a Redis Cluster.
//!
//! Each node listens to one channel, its inbox. A frame for one node is published there; a frame
//! for all is published to the inbox of every other node that lives, so that everything from one
//! sender to one receiver passes the same channel and keeps its order, in a cluster too. A payload
//! is one byte that tells what follows ([`packet`]), then the frame.
//!
//! The life of a frame:
//! 1. [`RedisBridge`] puts it into a bounded queue, or refuses it.
//! 2. [`session`] takes up to 64 frames or 256 KiB and publishes them in one round trip.
//! 3. The receiver's connection pushes it; [`receive::on_push`] puts it into a bounded queue, or
//!    throws it away and remembers that the inbox is to be unsure.
//! 4. [`receive::dispatch`] hands it to the inbox.
//!
//! What Redis does not tell, heartbeats find out ([`health`]): each node publishes to itself and
//! waits for the echo. The inbox is told to be unsure whenever the bridge comes up, when a queue
//! overflowed, when frames took longer than a second, and when the other nodes did not know of this
//! one for a while ([`Peers`]).

mod backoff;
mod bridge;
pub mod config;
mod health;
mod link;
mod measure;
mod packet;
mod peers;
mod queue;
mod receive;
mod session;
mod shared;
#[cfg(test)]
mod tests;

pub use bridge::{BridgeLimits, RedisBridge};
pub use config::{RedisConfig, RedisConfigError, Topology};
pub use measure::measured;
pub use peers::Peers;
pub use queue::Bounds;
