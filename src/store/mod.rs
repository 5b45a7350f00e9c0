//! Where everything is kept: implementations of the store ports.

pub mod cql;
pub mod embedded;
