//! Who owns what among the nodes.

pub mod local_directory;
pub mod redis;
pub mod rendezvous;
pub mod view;

pub use local_directory::LocalDirectory;
pub use redis::{Membership, RedisDirectory};
