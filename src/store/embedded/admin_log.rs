//! What operators did.

use actors::ports::{ADMIN_RECORDS_MAX, AdminLog, AdminRecord, PortFuture};
use rusqlite::{Connection, params};
use uuid::Uuid;

use super::failure::Failure;
use super::store::Store;

fn append(connection: &Connection, record: &AdminRecord) -> Result<(), Failure> {
    let sql = "INSERT INTO admin_log (id, at_ms, action, target, asker) VALUES (?1, ?2, ?3, ?4, ?5)
               ON CONFLICT DO NOTHING";
    let AdminRecord { id, at_ms, action, target, from } = record;
    connection.prepare_cached(sql)?.execute(params![id.as_bytes(), at_ms, action, target, from])?;
    Ok(())
}

fn recent(
    connection: &Connection,
    before: Option<Uuid>,
    limit: usize,
) -> Result<Vec<AdminRecord>, Failure> {
    let sql = "SELECT id, at_ms, action, target, asker FROM admin_log WHERE id < ?1
               ORDER BY id DESC LIMIT ?2";
    let before = before.unwrap_or(Uuid::max());
    let limit = i64::try_from(limit.min(ADMIN_RECORDS_MAX)).unwrap_or(0);
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(params![before.as_bytes(), limit], |row| {
        Ok(AdminRecord {
            id: Uuid::from_bytes(row.get(0)?),
            at_ms: row.get(1)?,
            action: row.get(2)?,
            target: row.get(3)?,
            from: row.get(4)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

impl AdminLog for Store {
    fn append(&self, record: AdminRecord) -> PortFuture<()> {
        Box::pin(self.write("admin_log", move |connection| append(connection, &record)))
    }

    fn recent(&self, before: Option<Uuid>, limit: usize) -> PortFuture<Vec<AdminRecord>> {
        Box::pin(self.read("admin_log", move |connection| recent(connection, before, limit)))
    }
}
