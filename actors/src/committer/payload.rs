//! The bytes of a commit: a version, then entries as MessagePack, one after another.

use bytes::{BufMut as _, Bytes, BytesMut};
use schema::record::Entry;

const VERSION: u8 = 1;
/// What an entry takes besides its event's texts, about.
const ENTRY_BYTES: usize = 256;

/// A slot's bytes are not a payload that this build reads.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    #[error("payload version {0:?} is not known")]
    Version(Option<u8>),
    #[error("payload is damaged: {0}")]
    Damaged(String),
}

/// Encodes one entry as [`join`] takes it.
///
/// # Panics
/// Never: entries hold no map with keys other than text.
#[must_use]
#[expect(clippy::expect_used, reason = "entries always encode")]
pub fn encode_entry(entry: &Entry) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(ENTRY_BYTES + entry.event.size());
    rmp_serde::encode::write_named(&mut bytes, entry).expect("entries always encode");
    bytes
}

/// Joins encoded entries to a payload.
#[must_use]
pub fn join<'a>(entries: impl ExactSizeIterator<Item = &'a [u8]> + Clone) -> Bytes {
    let size = entries.clone().map(<[u8]>::len).sum::<usize>() + 1;
    let mut payload = BytesMut::with_capacity(size);
    payload.put_u8(VERSION);
    for entry in entries {
        payload.put_slice(entry);
    }
    payload.freeze()
}

/// Reads all entries of a payload.
///
/// # Errors
/// [`PayloadError`] for another version or damaged bytes.
pub fn split(payload: &[u8]) -> Result<Vec<Entry>, PayloadError> {
    let (version, mut rest) = payload.split_first().ok_or(PayloadError::Version(None))?;
    if *version != VERSION {
        return Err(PayloadError::Version(Some(*version)));
    }
    let mut entries = Vec::new();
    while !rest.is_empty() {
        let entry = rmp_serde::from_read(&mut rest)
            .map_err(|error| PayloadError::Damaged(error.to_string()))?;
        entries.push(entry);
    }
    Ok(entries)
}
