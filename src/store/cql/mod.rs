//! A ScyllaDB or Cassandra keyspace, for a cluster of servers.
//!
//! - *Conditional* statements (LWT) alone write the commit ring, the uniqueness of names and pairs,
//!   devices and tokens. They are sent once; an error says nothing about their effect.
//! - *Plain* writes fill the readers' tables. Each carries a timestamp of ours (the commit's order,
//!   or the position itself), so they may be repeated and come in any order. None carries the time
//!   of a clock: that would hide every later commit of its row.
//! - Everything is read and written at LOCAL_QUORUM, conditionally at LOCAL_SERIAL: what a port's
//!   method answers after a write is seen by every later read from the same datacenter.
//!
//! `schema/cql` holds the tables, one a file.

mod admin_log;
mod audit;
mod changes;
mod chat_list;
mod config;
mod devices;
mod expiry;
mod export;
mod facts;
mod failure;
mod generation;
mod import;
mod invites;
mod keyspace;
mod leisure;
mod log_index;
mod materialise;
mod messages;
mod migrate;
mod open;
mod personal;
mod positions;
mod ring;
mod roster;
mod rows;
mod search_feed;
mod settings;
mod statements;
mod store;
mod tls;
mod tokens;
mod usernames;
mod users;

pub use audit::{AuditOptions, AuditReader, AuditReport, audit};
pub use config::{CqlConfig, CqlUrlError, Credentials, Tls};
pub use export::{Copied, export};
pub use generation::raise_generation;
pub use import::{ImportError, ImportReport, import};
pub use migrate::{MigrateReport, migrate};
pub use open::CqlOpenError;
pub use search_feed::{FeedRow, GrownLog};
pub use store::Store;

#[cfg(test)]
mod tests;
