//! What later entries did to messages.

use rusqlite::{Connection, OptionalExtension, params};
use schema::record::message_state::{DELETED_SLOT, EDIT_SLOTS, EDIT_SLOTS_END, slot};
use schema::record::{Entry, Event};
use schema::{ConversationId, Sequence, SequenceRange};

use super::failure::Failure;
use super::log_index;
use super::materialise::pack;
use super::messages::{entry_id, head};
use super::rows::{entry, sequence, to_column, unpack};

/// Most changes that are read for one range.
const CHANGES_MAX: i64 = 20_000;

/// Notes a change of the message whose key is `target`; a deletion takes away what it said.
pub(super) fn write(
    connection: &Connection,
    conversation_number: i64,
    target: i64,
    entry: &Entry,
    commit_order: i64,
    event: &[u8],
) -> Result<(), Failure> {
    let Some(slot) = slot(entry) else { return Ok(()) };
    let is_edit = matches!(entry.event, Event::MessageEdited { .. });
    if is_edit && is_deleted(connection, target)? {
        return scrub(connection, entry_id(conversation_number, entry.seq.0), commit_order);
    }
    if is_edit {
        log_index::write(connection, entry)?;
    }
    if let Event::MessageDeleted { target: deleted } = entry.event {
        for seq in edits(connection, target)? {
            let id = entry_id(conversation_number, seq);
            forget_mentions(connection, conversation_number, deleted, id)?;
            scrub(connection, id, commit_order)?;
        }
        forget_mentions(connection, conversation_number, deleted, target)?;
        scrub(connection, target, commit_order)?;
        let sql = "DELETE FROM message_changes WHERE target_id = ?1 AND slot <> ?2";
        connection.prepare_cached(sql)?.execute(params![target, DELETED_SLOT])?;
    }
    let sql = "INSERT INTO message_changes
                   (target_id, slot, seq, message_id, sender_id, sent_at, event)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
               ON CONFLICT DO UPDATE
               SET seq = excluded.seq, message_id = excluded.message_id,
                   sender_id = excluded.sender_id, sent_at = excluded.sent_at,
                   event = excluded.event
               WHERE excluded.seq > message_changes.seq";
    connection.prepare_cached(sql)?.execute(params![
        target,
        slot,
        to_column(entry.seq.0),
        entry.message_id.as_bytes(),
        entry.sender_id.as_bytes(),
        entry.sent_at,
        event
    ])?;
    Ok(())
}

/// Numbers of the entries that edited a message.
fn edits(connection: &Connection, target: i64) -> Result<Vec<u64>, Failure> {
    let sql = "SELECT seq FROM message_changes
               WHERE target_id = ?1 AND slot >= ?2 AND slot < ?3";
    let mut statement = connection.prepare_cached(sql)?;
    let bounds = params![target, EDIT_SLOTS, EDIT_SLOTS_END];
    let rows = statement.query_map(bounds, |row| Ok(sequence(row, 0)?.0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Whom an entry mentioned is not mentioned by message `deleted` any more.
fn forget_mentions(
    connection: &Connection,
    conversation_number: i64,
    deleted: Sequence,
    entry_id: i64,
) -> Result<(), Failure> {
    match event_of(connection, entry_id)? {
        Some(event) => log_index::forget_mentions(connection, conversation_number, deleted, &event),
        None => Ok(()),
    }
}

fn event_of(connection: &Connection, entry_id: i64) -> Result<Option<Vec<u8>>, Failure> {
    let sql = "SELECT event FROM messages WHERE entry_id = ?1";
    Ok(connection.prepare_cached(sql)?.query_row([entry_id], |row| row.get(0)).optional()?)
}

/// Takes away what one entry said.
fn scrub(connection: &Connection, entry_id: i64, commit_order: i64) -> Result<(), Failure> {
    let Some(event) = event_of(connection, entry_id)? else { return Ok(()) };
    let mut packed = Vec::with_capacity(64);
    pack(&unpack(&event)?.scrubbed(), &mut packed)?;
    let sql = "UPDATE messages SET event = ?2, commit_order = max(commit_order, ?3)
               WHERE entry_id = ?1";
    connection.prepare_cached(sql)?.execute(params![entry_id, packed, commit_order])?;
    Ok(())
}

/// An old entry was written again, perhaps after its deletion; true when so.
pub(super) fn scrub_if_deleted(connection: &Connection, entry_id: i64) -> Result<bool, Failure> {
    let is_deleted = is_deleted(connection, entry_id)?;
    if is_deleted {
        scrub(connection, entry_id, 0)?;
    }
    Ok(is_deleted)
}

fn is_deleted(connection: &Connection, target: i64) -> Result<bool, Failure> {
    let sql = "SELECT 1 FROM message_changes WHERE target_id = ?1 AND slot = ?2";
    Ok(connection.prepare_cached(sql)?.exists(params![target, DELETED_SLOT])?)
}

/// The changes of the messages of a range.
pub(super) fn changes(
    connection: &Connection,
    conversation: ConversationId,
    targets: SequenceRange,
) -> Result<Vec<Entry>, Failure> {
    let Some((number, _)) = head(connection, conversation)? else { return Ok(Vec::new()) };
    if targets.is_empty() {
        return Ok(Vec::new());
    }
    let sql = "SELECT seq, message_id, sender_id, sent_at, event FROM message_changes
               WHERE target_id BETWEEN ?1 AND ?2 ORDER BY target_id LIMIT ?3";
    let mut statement = connection.prepare_cached(sql)?;
    let (first, last) = (entry_id(number, targets.first.0), entry_id(number, targets.last.0));
    let mut rows = statement.query(params![first, last, CHANGES_MAX])?;
    let mut changes = Vec::new();
    while let Some(row) = rows.next()? {
        changes.push(entry(conversation, row, 0)?);
    }
    Ok(changes)
}
