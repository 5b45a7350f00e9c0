//! How nodes tell each other what is stored.

pub mod local;
pub mod redis;

pub use local::LocalBridge;
pub use redis::RedisBridge;
