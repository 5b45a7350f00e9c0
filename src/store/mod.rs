//! Where everything is kept: implementations of the store ports.

pub mod embedded;
