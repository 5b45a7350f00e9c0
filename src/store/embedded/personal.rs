//! Facts of users, and due messages.

use actors::ports::{PersonalStore, PortFuture};
use rusqlite::{Connection, Row, params};
use schema::record::{Due, Fact, FactRange, FactWrite};
use schema::{ConversationId, ScheduledId, UserId};

use super::failure::Failure;
use super::job::WriteRows;
use super::queue::Lane;
use super::rows::{id, to_column};
use super::store::Store;

fn write_fact(connection: &Connection, write: &FactWrite) -> Result<(), Failure> {
    let sql = "INSERT INTO facts (user_id, key, stamp, fact) VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT DO UPDATE SET stamp = excluded.stamp, fact = excluded.fact
               WHERE excluded.stamp >= facts.stamp";
    let fact = if write.is_gone { None } else { Some(pack(&write.fact)?) };
    let row = params![write.user_id.as_bytes(), write.fact.key(), write.stamp, fact];
    connection.prepare_cached(sql)?.execute(row)?;
    Ok(())
}

fn pack(fact: &Fact) -> Result<Vec<u8>, Failure> {
    rmp_serde::to_vec_named(fact)
        .map_err(|error| Failure::Damaged(format!("a fact cannot be packed: {error}")))
}

pub(super) fn unpack(fact: &[u8]) -> Result<Fact, Failure> {
    rmp_serde::from_slice(fact)
        .map_err(|error| Failure::Damaged(format!("a fact cannot be read: {error}")))
}

fn facts(
    connection: &Connection,
    users: &[UserId],
    range: &FactRange,
) -> Result<Vec<(UserId, Fact)>, Failure> {
    let sql = "SELECT fact FROM facts
               WHERE user_id = ?1 AND key >= ?2 AND key < ?3 AND fact IS NOT NULL
               ORDER BY key LIMIT ?4";
    let mut statement = connection.prepare_cached(sql)?;
    let mut found = Vec::new();
    for user in users {
        let bounds = params![user.as_bytes(), range.from, range.to, to_column(range.limit as u64)];
        let mut rows = statement.query(bounds)?;
        while let Some(row) = rows.next()? {
            let fact = row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?;
            found.push((*user, unpack(fact)?));
        }
    }
    Ok(found)
}

pub(super) fn due_row(row: &Row<'_>) -> rusqlite::Result<Due> {
    Ok(Due {
        send_at: row.get(0)?,
        scheduled_id: id(row, 1, ScheduledId::from_bytes)?,
        user_id: id(row, 2, UserId::from_bytes)?,
        conversation_id: id(row, 3, ConversationId::from_bytes)?,
    })
}

fn due(
    connection: &Connection,
    from_ms: i64,
    to_ms: i64,
    limit: usize,
) -> Result<Vec<Due>, Failure> {
    let sql = "SELECT send_at, scheduled_id, user_id, conversation_id FROM due
               WHERE send_at BETWEEN ?1 AND ?2 ORDER BY send_at, scheduled_id LIMIT ?3";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(params![from_ms, to_ms, to_column(limit as u64)], due_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

impl PersonalStore for Store {
    fn write_facts(&self, writes: Vec<FactWrite>) -> PortFuture<()> {
        Box::pin(self.write("write_facts", move |connection| {
            writes.iter().try_for_each(|write| write_fact(connection, write))
        }))
    }

    fn note_seen(&self, seen: Vec<(UserId, i64)>) -> PortFuture<()> {
        let job = WriteRows::job("note_seen", seen.len(), move |connection, rows| {
            seen[rows].iter().try_for_each(|(user_id, at)| {
                let (user_id, stamp, fact) = (*user_id, *at, Fact::LastSeen(*at));
                write_fact(connection, &FactWrite { user_id, stamp, fact, is_gone: false })
            })
        });
        Box::pin(self.submit(Lane::Background, job))
    }

    fn facts(&self, users: Vec<UserId>, range: FactRange) -> PortFuture<Vec<(UserId, Fact)>> {
        Box::pin(self.read("facts", move |connection| facts(connection, &users, &range)))
    }

    fn add_due(&self, due: Due) -> PortFuture<()> {
        Box::pin(self.write("add_due", move |connection| {
            let sql = "INSERT OR IGNORE INTO due
                           (send_at, scheduled_id, user_id, conversation_id)
                       VALUES (?1, ?2, ?3, ?4)";
            connection.prepare_cached(sql)?.execute(params![
                due.send_at,
                due.scheduled_id.as_bytes(),
                due.user_id.as_bytes(),
                due.conversation_id.as_bytes()
            ])?;
            Ok(())
        }))
    }

    fn remove_due(&self, due: Due) -> PortFuture<()> {
        Box::pin(self.write("remove_due", move |connection| {
            let sql = "DELETE FROM due WHERE send_at = ?1 AND scheduled_id = ?2";
            let key = params![due.send_at, due.scheduled_id.as_bytes()];
            connection.prepare_cached(sql)?.execute(key)?;
            Ok(())
        }))
    }

    fn due(&self, from_ms: i64, to_ms: i64, limit: usize) -> PortFuture<Vec<Due>> {
        Box::pin(self.read("due", move |connection| due(connection, from_ms, to_ms, limit)))
    }
}
