//! How far users have read and what devices have.

use rusqlite::{Connection, params};
use schema::record::PositionAdvance;

use super::failure::Failure;
use super::rows::to_column;

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
    for advance in advances {
        let conversation = advance.conversation_id.as_bytes();
        if let Some(seq) = advance.read {
            read.execute(params![advance.user_id.as_bytes(), conversation, to_column(seq.0)])?;
        }
        if let Some((device, seq)) = advance.delivered {
            delivered.execute(params![device.as_bytes(), conversation, to_column(seq.0)])?;
        }
    }
    Ok(())
}
