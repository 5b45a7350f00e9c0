//! Between columns and the types of the records.

use rusqlite::Row;
use rusqlite::types::Type;
use schema::Sequence;

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
