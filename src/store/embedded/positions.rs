//! How far users have read and what devices have.

use rusqlite::{Connection, params};
use schema::record::{MemberPosition, PositionAdvance};
use schema::{ConversationId, UserId};

use super::failure::Failure;
use super::rows::{id, sequence, to_column};

/// Raises positions; none is ever lowered.
pub(super) fn write_positions(
    connection: &Connection,
    advances: &[PositionAdvance],
) -> Result<(), Failure> {
    let mut read = connection.prepare_cached(
        "INSERT INTO read_positions (user_id, conversation_id, seq) VALUES (?1, ?2, ?3)
         ON CONFLICT DO UPDATE SET seq = excluded.seq WHERE excluded.seq > read_positions.seq",
    )?;
    let mut delivered = connection.prepare_cached(
        "INSERT INTO delivered_positions (device_id, conversation_id, seq) VALUES (?1, ?2, ?3)
         ON CONFLICT DO UPDATE SET seq = excluded.seq
         WHERE excluded.seq > delivered_positions.seq",
    )?;
    let mut of_conversation = connection.prepare_cached(
        "INSERT INTO positions_by_conversation (conversation_id, user_id, delivered, read)
         VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO UPDATE
         SET delivered = max(delivered, excluded.delivered), read = max(read, excluded.read)",
    )?;
    for advance in advances {
        let conversation = advance.conversation_id.as_bytes();
        if let Some(seq) = advance.read {
            read.execute(params![advance.user_id.as_bytes(), conversation, to_column(seq.0)])?;
        }
        if let Some((device, seq)) = advance.delivered {
            delivered.execute(params![device.as_bytes(), conversation, to_column(seq.0)])?;
        }
        if advance.is_private {
            continue;
        }
        let has = advance.delivered.map_or(0, |(_, seq)| to_column(seq.0));
        let is_at = advance.read.map_or(0, |seq| to_column(seq.0));
        of_conversation.execute(params![conversation, advance.user_id.as_bytes(), has, is_at])?;
    }
    Ok(())
}

/// How far everyone in a conversation is.
pub(super) fn positions_of(
    connection: &Connection,
    conversation: ConversationId,
) -> Result<Vec<MemberPosition>, Failure> {
    let sql = "SELECT user_id, delivered, read FROM positions_by_conversation
               WHERE conversation_id = ?1 ORDER BY user_id";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([conversation.as_bytes()], |row| {
        Ok(MemberPosition {
            user_id: id(row, 0, UserId::from_bytes)?,
            delivered: sequence(row, 1)?,
            read: sequence(row, 2)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
