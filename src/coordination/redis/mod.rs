//! Who the nodes are and who owns what, agreed upon by way of Redis. Hints only: all of it may be
//! lost at any time, and is written again by the nodes that live.

mod directory;
mod heartbeat;
mod membership;
mod pool;
#[cfg(test)]
mod tests;

pub use directory::RedisDirectory;
pub use heartbeat::{Advertised, Member};
pub use membership::{Members, Membership, MembershipError};
pub use pool::{PooledConnection, RedisPool, RedisPoolError};
