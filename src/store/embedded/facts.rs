//! What is fixed for a store, and its generation.

use std::path::Path;

use actors::ports::RingShape;
use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use super::open::{Access, OpenError, connect, database_path, lock};

/// The store's own row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreFacts {
    pub store_id: Uuid,
    pub shape: RingShape,
    /// Grows when a restore may have rolled numbers back, so that clients fetch again.
    pub generation: u32,
}

/// Reads the facts; a new store gets `shape`, an id and generation 1.
pub(super) fn read_or_make(
    connection: &Connection,
    shape: RingShape,
) -> Result<StoreFacts, OpenError> {
    if let Some(facts) = read(connection)? {
        return Ok(facts);
    }
    connection.execute(
        "INSERT INTO store (id, store_id, shards, slots, generation) VALUES (1, ?1, ?2, ?3, 1)",
        params![Uuid::new_v4().into_bytes(), shape.shards, shape.slots],
    )?;
    read(connection)?.ok_or(OpenError::NotAStore)
}

pub(super) fn read(connection: &Connection) -> rusqlite::Result<Option<StoreFacts>> {
    let sql = "SELECT store_id, shards, slots, generation FROM store WHERE id = 1";
    connection
        .query_row(sql, [], |row| {
            Ok(StoreFacts {
                store_id: Uuid::from_bytes(row.get(0)?),
                shape: RingShape { shards: row.get(1)?, slots: row.get(2)? },
                generation: row.get(3)?,
            })
        })
        .optional()
}

/// Starts a new generation of a store that no server has open, `at_least` that number, and returns
/// it. For use after a restore.
///
/// # Errors
/// As for opening the store.
pub fn raise_generation(data_dir: &Path, at_least: u32) -> Result<u32, OpenError> {
    let _lock = lock(data_dir)?;
    let connection = connect(&database_path(data_dir), Access::Write)?;
    let sql = "UPDATE store SET generation = max(generation + 1, ?1) WHERE id = 1";
    connection.execute(sql, [at_least])?;
    read(&connection)?.map(|facts| facts.generation).ok_or(OpenError::NotAStore)
}
