//! How nodes tell each other what is stored.

pub mod local;

pub use local::LocalBridge;
