//! Writing entries to the tables that readers use.
//!
//! Every statement keeps the later of what is there and what it brings, so commits may come in
//! any order and any number of times.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use actors::ports::MaterialisedCommit;
use rusqlite::{Connection, params};
use schema::record::{Entry, Event, Member, Role};
use schema::{ConversationId, UserId};

use super::bans;
use super::changes;
use super::failure::Failure;
use super::log_index;
use super::messages::{SEQ_MAX, entry_id, head};
use super::purge_log::purged_up_to;
use super::roster;
use super::rows::to_column;
use super::search::Feed;

/// Commits whose entries are counted through.
pub(super) struct Materialise {
    commits: Vec<MaterialisedCommit>,
    /// Commit and entry of each row: a conversation's rows lie together, in their order, so that
    /// they share pages and one look at its head.
    rows: Vec<(usize, usize)>,
    feed: Arc<Feed>,
}

/// What a conversation's head becomes.
struct Head {
    number: i64,
    seq: u64,
    sent_at: i64,
    /// What the store showed before this batch: entries up to there may have been deleted since.
    known: u64,
    /// Entries up to there were removed for good.
    purged: u64,
}

/// Entries of one commit that `commit_order` tells apart; commits are far smaller.
const COMMIT_ENTRIES_MAX: u64 = 1024;

impl Materialise {
    pub fn new(commits: Vec<MaterialisedCommit>, feed: Arc<Feed>) -> Self {
        let mut rows: Vec<(usize, usize)> = commits
            .iter()
            .enumerate()
            .flat_map(|(commit, it)| (0..it.entries.len()).map(move |entry| (commit, entry)))
            .collect();
        rows.sort_by_key(|(commit, entry)| commits[*commit].entries[*entry].conversation_id);
        Self { commits, rows, feed }
    }

    pub fn count(&self) -> usize {
        self.rows.len()
    }

    /// Writes some of the rows in the open transaction.
    pub fn write(&self, connection: &Connection, rows: Range<usize>) -> Result<(), Failure> {
        let mut heads = BTreeMap::new();
        let mut event = Vec::with_capacity(512);
        let mut write_message = connection.prepare_cached(WRITE_MESSAGE)?;
        let mut write_sent = connection.prepare_cached(WRITE_SENT)?;
        let mut write_expiring = connection.prepare_cached(WRITE_EXPIRING)?;
        for &(commit, index) in &self.rows[rows] {
            let MaterialisedCommit { shard, n, entries } = &self.commits[commit];
            let entry = &entries[index];
            let head = head_of(connection, &mut heads, entry.conversation_id)?;
            if entry.seq.0 <= head.purged {
                // A late copy of what was removed for good.
                continue;
            }
            if entry.seq.0 > SEQ_MAX {
                return Err(Failure::damaged("a conversation has too many entries"));
            }
            let index = (index as u64).min(COMMIT_ENTRIES_MAX - 1);
            let order = to_column(n.saturating_mul(COMMIT_ENTRIES_MAX).saturating_add(index));
            pack(&entry.event, &mut event)?;
            let id = entry_id(head.number, entry.seq.0);
            write_message.execute(params![
                id,
                entry.message_id.as_bytes(),
                entry.sender_id.as_bytes(),
                entry.sent_at,
                order,
                event,
                to_column(entry.ordinal)
            ])?;
            write_sent.execute(params![
                entry.message_id.as_bytes(),
                entry.sender_id.as_bytes(),
                entry.conversation_id.as_bytes(),
                to_column(entry.seq.0),
                entry.sent_at
            ])?;
            write_implied(connection, entry)?;
            if let Some(at) = entry.expires_at() {
                write_expiring.execute(params![shard, at, id])?;
            }
            if let Some(target) = entry.event.target() {
                let target = entry_id(head.number, target.0);
                changes::write(connection, head.number, target, entry, order, &event)?;
            } else if entry.seq.0 > head.known || !changes::scrub_if_deleted(connection, id)? {
                log_index::write(connection, entry)?;
            }
            if entry.seq.0 > head.seq {
                (head.seq, head.sent_at) = (entry.seq.0, entry.sent_at);
            }
        }
        heads.values().try_for_each(|head| write_head(connection, head))?;
        // Perhaps a moment before the transaction ends: then the next one says it again, or the
        // comparison at the next start.
        self.feed.grown(heads.values().map(|head| head.number));
        Ok(())
    }
}

/// The conversation's head as this batch knows it, its row made if it has none.
fn head_of<'a>(
    connection: &Connection,
    heads: &'a mut BTreeMap<ConversationId, Head>,
    conversation: ConversationId,
) -> Result<&'a mut Head, Failure> {
    use std::collections::btree_map::Entry;
    match heads.entry(conversation) {
        Entry::Occupied(found) => Ok(found.into_mut()),
        Entry::Vacant(vacant) => {
            let (number, known, purged) = match head(connection, conversation)? {
                Some((number, known)) => (number, known.0, purged_up_to(connection, number)?.0),
                None => (new_number(connection, conversation)?, 0, 0),
            };
            Ok(vacant.insert(Head { number, seq: 0, sent_at: 0, known, purged }))
        }
    }
}

pub(super) fn new_number(
    connection: &Connection,
    conversation: ConversationId,
) -> Result<i64, Failure> {
    let sql = "INSERT INTO conversation_heads (conversation_id, head, last_sent_at)
               VALUES (?1, 0, 0)";
    connection.prepare_cached(sql)?.execute([conversation.as_bytes()])?;
    Ok(connection.last_insert_rowid())
}

fn write_head(connection: &Connection, head: &Head) -> Result<(), Failure> {
    let sql = "UPDATE conversation_heads SET head = ?2, last_sent_at = ?3
               WHERE number = ?1 AND head < ?2";
    let row = params![head.number, to_column(head.seq), head.sent_at];
    connection.prepare_cached(sql)?.execute(row)?;
    Ok(())
}

pub(super) fn pack(event: &Event, bytes: &mut Vec<u8>) -> Result<(), Failure> {
    bytes.clear();
    rmp_serde::encode::write_named(bytes, event)
        .map_err(|error| Failure::Damaged(format!("an event cannot be packed: {error}")))
}

const WRITE_MESSAGE: &str = "INSERT INTO messages
         (entry_id, message_id, sender_id, sent_at, commit_order, event, ordinal)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
     ON CONFLICT DO UPDATE
     SET message_id = excluded.message_id, sender_id = excluded.sender_id,
         sent_at = excluded.sent_at, commit_order = excluded.commit_order,
         event = excluded.event, ordinal = excluded.ordinal
     WHERE excluded.commit_order > messages.commit_order";

const WRITE_SENT: &str = "INSERT INTO sent_index
         (message_id, sender_id, conversation_id, seq, sent_at)
     VALUES (?1, ?2, ?3, ?4, ?5)
     ON CONFLICT DO UPDATE SET seq = excluded.seq, sent_at = excluded.sent_at
     WHERE excluded.seq > sent_index.seq";

const WRITE_EXPIRING: &str =
    "INSERT INTO expiring (shard, expires_at, entry_id) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";

/// The rows of the roster that an entry implies.
fn write_implied(connection: &Connection, entry: &Entry) -> Result<(), Failure> {
    match &entry.event {
        Event::MembersChanged { added, removed } => {
            write_members(connection, entry, added, removed)
        }
        Event::RolesChanged { members } => members.iter().try_for_each(|member| {
            roster::change_role(connection, entry.conversation_id, *member, entry.seq)
        }),
        Event::ConversationChanged(change) => {
            write_name(connection, entry, change.name.as_deref())?;
            roster::change_settings(connection, entry.conversation_id, entry.seq, change)
        }
        Event::BansChanged { banned, unbanned } => {
            write_members(connection, entry, &[], banned)?;
            banned.iter().try_for_each(|user| bans::write(connection, entry, *user, true))?;
            unbanned.iter().try_for_each(|user| bans::write(connection, entry, *user, false))
        }
        Event::Joined { .. } => {
            let member = Member { user_id: entry.sender_id, role: Role::Member };
            write_members(connection, entry, &[member], &[])
        }
        _ => Ok(()),
    }
}

fn write_members(
    connection: &Connection,
    entry: &Entry,
    added: &[Member],
    removed: &[UserId],
) -> Result<(), Failure> {
    for member in added {
        roster::add_member(connection, entry.conversation_id, *member, entry.seq)?;
    }
    for user in removed {
        roster::remove_member(connection, entry.conversation_id, *user, entry.seq)?;
    }
    Ok(())
}

fn write_name(connection: &Connection, entry: &Entry, name: Option<&str>) -> Result<(), Failure> {
    let Some(name) = name else { return Ok(()) };
    let sql = "UPDATE conversations SET name = ?1, named_seq = ?2
               WHERE conversation_id = ?3 AND named_seq < ?2";
    let row = params![name, to_column(entry.seq.0), entry.conversation_id.as_bytes()];
    connection.prepare_cached(sql)?.execute(row)?;
    Ok(())
}
