//! Brings a database to the shape that this binary knows.

use rusqlite::Connection;

use super::open::OpenError;

/// In order; a migration that was released is never changed.
const MIGRATIONS: &[&str] = &[
    include_str!("../../../schema/sqlite/0001_store.sql"),
    include_str!("../../../schema/sqlite/0002_commit_ring.sql"),
    include_str!("../../../schema/sqlite/0003_messages.sql"),
    include_str!("../../../schema/sqlite/0004_roster.sql"),
    include_str!("../../../schema/sqlite/0005_users.sql"),
    include_str!("../../../schema/sqlite/0006_chat.sql"),
    include_str!("../../../schema/sqlite/0020_personal.sql"),
    include_str!("../../../schema/sqlite/0010_conversation_care.sql"),
    include_str!("../../../schema/sqlite/0021_admin_log.sql"),
];

/// Says that a SQLite file is ours: "SWBD".
const APPLICATION_ID: i64 = 0x5357_4244;

/// Checks that the database is ours and not newer than this binary.
pub(super) fn check(connection: &Connection) -> Result<(), OpenError> {
    let application_id = pragma(connection, "PRAGMA application_id")?;
    if application_id != APPLICATION_ID {
        return Err(OpenError::NotAStore);
    }
    let (found, known) = (version(connection)?, known_version());
    if found > known {
        return Err(OpenError::Newer { found, known });
    }
    Ok(())
}

/// Applies what is missing, each migration wholly or not at all.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), OpenError> {
    if is_empty(connection)? {
        connection.execute_batch(&format!("PRAGMA application_id = {APPLICATION_ID}"))?;
    }
    check(connection)?;
    let applied = usize::try_from(version(connection)?).unwrap_or(0);
    for (index, migration) in MIGRATIONS.iter().enumerate().skip(applied) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(migration)?;
        transaction.execute_batch(&format!("PRAGMA user_version = {}", index + 1))?;
        transaction.commit()?;
    }
    Ok(())
}

/// Number of the last migration that this binary knows.
pub(super) fn known_version() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

pub(super) fn version(connection: &Connection) -> Result<i64, OpenError> {
    pragma(connection, "PRAGMA user_version")
}

fn is_empty(connection: &Connection) -> Result<bool, OpenError> {
    let sql = "SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema)";
    Ok(connection.query_row(sql, [], |row| row.get(0))?)
}

fn pragma(connection: &Connection, sql: &str) -> Result<i64, OpenError> {
    Ok(connection.query_row(sql, [], |row| row.get(0))?)
}
