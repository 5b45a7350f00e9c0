//! A user's chat list, in one query.

use rusqlite::{Connection, Row, params};
use schema::record::ConversationOverview;
use schema::{DeviceId, UserId};

use super::failure::Failure;
use super::roster::{conversation_row, membership_row};
use super::rows::sequence;

/// From the user's memberships, each other table by its key. `CROSS JOIN` fixes that order.
pub(super) const CHAT_LIST: &str = "
    SELECT c.conversation_id, c.kind, c.name, c.created_by, c.created_at, c.settings,
           coalesce(h.purged_up_to, 0), m.role, m.added_seq, m.removed_seq,
           coalesce(h.head, 0), h.last_sent_at, coalesce(r.seq, 0), coalesce(d.seq, 0),
           CASE c.kind WHEN 'direct' THEN (
               SELECT p.user_id FROM memberships p
               WHERE p.conversation_id = m.conversation_id AND p.user_id <> m.user_id
                 AND p.added_seq >= 0
               LIMIT 1
           ) END
    FROM memberships m INDEXED BY memberships_by_user
    CROSS JOIN conversations c ON c.conversation_id = m.conversation_id
    LEFT JOIN conversation_heads h ON h.conversation_id = m.conversation_id
    LEFT JOIN read_positions r
        ON r.user_id = m.user_id AND r.conversation_id = m.conversation_id
    LEFT JOIN delivered_positions d
        ON d.device_id = ?2 AND d.conversation_id = m.conversation_id
    WHERE m.user_id = ?1 AND m.removed_seq < m.added_seq
    ORDER BY m.conversation_id";

pub(super) fn chat_list(
    connection: &Connection,
    user: UserId,
    device: Option<DeviceId>,
    generation: u32,
) -> Result<Vec<ConversationOverview>, Failure> {
    let device = device.map(|device| *device.as_bytes());
    let mut statement = connection.prepare_cached(CHAT_LIST)?;
    let rows = statement
        .query_map(params![user.as_bytes(), device], |row| overview_row(row, user, generation))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn overview_row(
    row: &Row<'_>,
    user: UserId,
    generation: u32,
) -> rusqlite::Result<ConversationOverview> {
    Ok(ConversationOverview {
        conversation: conversation_row(row, generation)?,
        membership: membership_row(row, 7, user)?,
        head: sequence(row, 10)?,
        last_sent_at: row.get(11)?,
        read: sequence(row, 12)?,
        delivered: sequence(row, 13)?,
        peer: row.get::<_, Option<[u8; 16]>>(14)?.map(UserId::from_bytes),
    })
}
