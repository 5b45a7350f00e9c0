//! Links that let others in.

use actors::ports::{InviteStore, PortFuture};
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use schema::record::{Invite, InviteUse, NewInvite};
use schema::{ConversationId, InviteId, UserId};

use super::export::ExportedInvite;
use super::failure::Failure;
use super::rows::id;
use super::store::Store;

pub(super) const INVITE_COLUMNS: &str =
    "invite_id, conversation_id, created_by, created_at, expires_at, uses_max,
                       uses, is_revoked";

/// An invite from its columns, which come first.
pub(super) fn invite_row(row: &Row<'_>) -> rusqlite::Result<Invite> {
    Ok(Invite {
        invite_id: id(row, 0, InviteId::from_bytes)?,
        conversation_id: id(row, 1, ConversationId::from_bytes)?,
        created_by: id(row, 2, UserId::from_bytes)?,
        created_at: row.get(3)?,
        expires_at: row.get(4)?,
        uses_max: row.get(5)?,
        uses: row.get(6)?,
        is_revoked: row.get(7)?,
    })
}

fn add(connection: &Connection, new: &NewInvite) -> Result<(), Failure> {
    let NewInvite { hash, invite } = new;
    let sql = "INSERT INTO invites
                   (hash, invite_id, conversation_id, created_by, created_at, expires_at, uses_max)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    connection.prepare_cached(sql)?.execute(params![
        hash,
        invite.invite_id.as_bytes(),
        invite.conversation_id.as_bytes(),
        invite.created_by.as_bytes(),
        invite.created_at,
        invite.expires_at,
        invite.uses_max
    ])?;
    Ok(())
}

/// Keeps an invite of another store as it stands.
pub(super) fn adopt(connection: &Connection, exported: &ExportedInvite) -> Result<(), Failure> {
    let ExportedInvite { hash, invite, used_by } = exported;
    add(connection, &NewInvite { hash: *hash, invite: *invite })?;
    let sql = "UPDATE invites SET uses = ?2, is_revoked = ?3 WHERE hash = ?1";
    connection.prepare_cached(sql)?.execute(params![hash, invite.uses, invite.is_revoked])?;
    let sql = "INSERT OR IGNORE INTO invite_uses (hash, user_id) VALUES (?1, ?2)";
    let mut statement = connection.prepare_cached(sql)?;
    for user in used_by {
        statement.execute(params![hash, user.as_bytes()])?;
    }
    Ok(())
}

fn find(connection: &Connection, hash: &[u8; 32]) -> Result<Option<Invite>, Failure> {
    let sql = format!("SELECT {INVITE_COLUMNS} FROM invites WHERE hash = ?1");
    Ok(connection.prepare_cached(&sql)?.query_row([hash], invite_row).optional()?)
}

fn list(
    connection: &Connection,
    conversation: ConversationId,
    now_ms: i64,
) -> Result<Vec<Invite>, Failure> {
    let sql = format!(
        "SELECT {INVITE_COLUMNS} FROM invites
         WHERE conversation_id = ?1 AND expires_at > ?2 AND NOT is_revoked
         ORDER BY created_at, invite_id"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params![conversation.as_bytes(), now_ms], invite_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// One writer: nobody counts between the look and the count.
fn count_use(
    connection: &Connection,
    hash: &[u8; 32],
    user: UserId,
    now_ms: i64,
) -> Result<InviteUse, Failure> {
    let Some(invite) = find(connection, hash)? else { return Ok(InviteUse::Refused) };
    let sql = "SELECT 1 FROM invite_uses WHERE hash = ?1 AND user_id = ?2";
    let is_known = connection.prepare_cached(sql)?.exists(params![hash, user.as_bytes()])?;
    let counted = Invite { uses: if is_known { 0 } else { invite.uses }, ..invite };
    if !counted.is_open(now_ms) {
        return Ok(InviteUse::Refused);
    }
    if invite.uses_max.is_some() && !is_known {
        let sql = "INSERT INTO invite_uses (hash, user_id) VALUES (?1, ?2)";
        connection.prepare_cached(sql)?.execute(params![hash, user.as_bytes()])?;
        let sql = "UPDATE invites SET uses = uses + 1 WHERE hash = ?1";
        connection.prepare_cached(sql)?.execute([hash])?;
    }
    Ok(InviteUse::Granted)
}

fn revoke(
    connection: &Connection,
    conversation: ConversationId,
    invite: InviteId,
) -> Result<bool, Failure> {
    let sql = "UPDATE invites SET is_revoked = 1 WHERE conversation_id = ?1 AND invite_id = ?2";
    let row = params![conversation.as_bytes(), invite.as_bytes()];
    Ok(connection.prepare_cached(sql)?.execute(row)? > 0)
}

/// Removes invites that expired before.
pub(super) fn purge(
    connection: &Connection,
    expired_before_ms: i64,
    rows_max: u64,
) -> Result<usize, Failure> {
    let expired = "SELECT hash FROM invites WHERE expires_at < ?1 ORDER BY expires_at LIMIT ?2";
    let bite = params![expired_before_ms, i64::try_from(rows_max).unwrap_or(i64::MAX)];
    let sql = format!("DELETE FROM invite_uses WHERE hash IN ({expired})");
    connection.prepare_cached(&sql)?.execute(bite)?;
    let sql = format!("DELETE FROM invites WHERE hash IN ({expired})");
    Ok(connection.prepare_cached(&sql)?.execute(bite)?)
}

impl InviteStore for Store {
    fn add_invite(&self, invite: NewInvite) -> PortFuture<()> {
        Box::pin(self.write("add_invite", move |connection: &Connection| add(connection, &invite)))
    }

    fn invite(&self, hash: [u8; 32]) -> PortFuture<Option<Invite>> {
        Box::pin(self.read("invite", move |connection: &Connection| find(connection, &hash)))
    }

    fn invites(&self, conversation: ConversationId, now_ms: i64) -> PortFuture<Vec<Invite>> {
        let work = move |connection: &Connection| list(connection, conversation, now_ms);
        Box::pin(self.read("invites", work))
    }

    fn revoke_invite(&self, conversation: ConversationId, invite: InviteId) -> PortFuture<bool> {
        let work = move |connection: &Connection| revoke(connection, conversation, invite);
        Box::pin(self.write("revoke_invite", work))
    }

    fn use_invite(&self, hash: [u8; 32], user: UserId, now_ms: i64) -> PortFuture<InviteUse> {
        let work = move |connection: &Connection| count_use(connection, &hash, user, now_ms);
        Box::pin(self.write("use_invite", work))
    }
}
