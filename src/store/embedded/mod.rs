//! One SQLite file in a data directory, for one process.
//!
//! One writer thread runs all writes, many in a transaction and a sync; a few reader threads
//! answer the reads. What a port's method answers after a write is seen by every later read.
//!
//! - Ring statements, accounts and new conversations are *urgent*: synced before their answer.
//! - Materialised entries and positions are *background*: small transactions between the urgent
//!   ones, made durable by the next synced one. The ring holds the entries until then.

mod admin_log;
mod adopt;
mod audit;
mod backup;
mod bans;
mod changes;
mod chat_list;
mod checkpoint;
mod devices;
mod export;
mod facts;
mod failure;
mod invites;
mod job;
mod log_index;
mod materialise;
mod messages;
mod migrate;
mod open;
mod personal;
mod positions;
mod purge;
mod purge_log;
mod queue;
mod readers;
mod ring;
mod roster;
mod rows;
mod search;
mod store;
mod tokens;
mod transaction;
mod users;
mod writer;

pub use adopt::RemovedPart;
pub use audit::{ReadOnlyStore, open_read_only};
pub use backup::{Copied, copy_store, describe_store};
pub use export::{
    Export, ExportError, ExportedBan, ExportedHead, ExportedInvite, ExportedMemberPosition,
    ExportedMembership, ExportedPair, ExportedPosition, ExportedSent, ExportedToken, Rows,
};
pub use facts::{StoreFacts, raise_generation};
pub use open::{DATABASE_FILE, EmbeddedConfig, OpenError};
pub use queue::Health;
pub use search::{SearchHit, SearchPage, SearchQuery, unmark, words};
pub use store::Store;

#[cfg(test)]
mod tests;
