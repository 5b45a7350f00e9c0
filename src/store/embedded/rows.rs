//! Between columns and the types of the records.

use rusqlite::Row;
use rusqlite::types::Type;
use schema::record::{Entry, Event};
use schema::{ConversationId, MessageId, Sequence, UserId};

use super::failure::Failure;

/// A number as a column; none of ours comes near the limit.
pub(super) fn to_column(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn number(row: &Row<'_>, index: usize) -> rusqlite::Result<u64> {
    let value: i64 = row.get(index)?;
    u64::try_from(value).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(index, value))
}

pub(super) fn sequence(row: &Row<'_>, index: usize) -> rusqlite::Result<Sequence> {
    number(row, index).map(Sequence)
}

pub(super) fn id<T>(
    row: &Row<'_>,
    index: usize,
    from_bytes: fn([u8; 16]) -> T,
) -> rusqlite::Result<T> {
    row.get(index).map(from_bytes)
}

/// A column whose text is none of those that are written there.
pub(super) fn unknown_text(index: usize, text: &str) -> rusqlite::Error {
    let error = format!("unknown value {text:?}");
    rusqlite::Error::FromSqlConversionFailure(index, Type::Text, error.into())
}

/// An entry from five columns that begin at `index`: number, message id, sender, time, event. Its
/// ordinal is not among them.
pub(super) fn entry(
    conversation_id: ConversationId,
    row: &Row<'_>,
    index: usize,
) -> Result<Entry, Failure> {
    let event = row.get_ref(index + 4)?.as_blob().map_err(rusqlite::Error::from)?;
    Ok(Entry {
        conversation_id,
        seq: sequence(row, index)?,
        message_id: id(row, index + 1, MessageId::from_bytes)?,
        sender_id: id(row, index + 2, UserId::from_bytes)?,
        sent_at: row.get(index + 3)?,
        ordinal: 0,
        event: unpack(event).map_err(|failure| match failure {
            Failure::Damaged(why) => Failure::Damaged(format!("{why} (in {conversation_id})")),
            other => other,
        })?,
    })
}

/// An event as it is stored.
pub(super) fn unpack(event: &[u8]) -> Result<Event, Failure> {
    rmp_serde::from_slice(event)
        .map_err(|error| Failure::Damaged(format!("an event cannot be read: {error}")))
}
