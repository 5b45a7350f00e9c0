//! Links that let others in.

use actors::ports::{Applied, InviteStore, PortFuture, WallClock as _, wall_clock::SystemClock};
use schema::record::{Invite, InviteUse, NewInvite};
use schema::{ConversationId, InviteId, UserId};
use uuid::Uuid;

use super::failure::Failure;
use super::store::{Store, all, answer};
use crate::store::embedded::ExportedInvite;

/// Others who use the same invite at once make a use be tried again.
const TRIES: usize = 16;
/// An invite's row stays for this long beyond its end, seconds.
const KEPT_S: i64 = 24 * 60 * 60;

type InviteColumns = (
    Option<Uuid>,
    Option<Uuid>,
    Option<Uuid>,
    Option<i64>,
    Option<i64>,
    Option<i32>,
    Option<i32>,
    Option<Vec<Uuid>>,
    Option<bool>,
);

fn ttl_s(expires_at: i64) -> i32 {
    let left_s = (expires_at - SystemClock.now_ms()).max(0) / 1_000;
    i32::try_from(left_s.saturating_add(KEPT_S)).unwrap_or(i32::MAX).min(630_720_000)
}

fn count(column: i32) -> u32 {
    u32::try_from(column).unwrap_or(0)
}

impl Store {
    /// The invite and who came by it.
    pub(super) async fn read_invite(
        &self,
        hash: &[u8; 32],
    ) -> Result<Option<(Invite, Vec<Uuid>)>, Failure> {
        let key = (hash.as_slice(),);
        let row = self.row::<InviteColumns>(&self.statements().invite, key).await?;
        let Some((invite_id, conversation, by, at, expires_at, uses_max, uses, users, revoked)) =
            row
        else {
            return Ok(None);
        };
        let (Some(invite_id), Some(conversation), Some(by), Some(created_at), Some(expires_at)) =
            (invite_id, conversation, by, at, expires_at)
        else {
            // The rest of a row whose main columns have passed their time.
            return Ok(None);
        };
        let invite = Invite {
            invite_id: InviteId(invite_id),
            conversation_id: ConversationId(conversation),
            created_by: UserId(by),
            created_at,
            expires_at,
            uses_max: uses_max.map(count),
            uses: uses.map_or(0, count),
            is_revoked: revoked.unwrap_or(true),
        };
        Ok(Some((invite, users.unwrap_or_default())))
    }

    async fn insert_invite(&self, new: &NewInvite) -> Result<(), Failure> {
        let NewInvite { hash, invite } = new;
        let ttl = ttl_s(invite.expires_at);
        let (id, hash) = (invite.conversation_id.0, hash.as_slice());
        let row = (id, invite.invite_id.0, hash, ttl);
        self.write(&self.statements().insert_invite_of_conversation, row).await?;
        let uses_max = invite.uses_max.map(|max| i32::try_from(max).unwrap_or(i32::MAX));
        let row = (
            hash,
            invite.invite_id.0,
            id,
            invite.created_by.0,
            invite.created_at,
            invite.expires_at,
            uses_max,
            ttl,
        );
        self.conditional(&self.statements().insert_invite, row).await?;
        Ok(())
    }

    /// Takes over an invite of another store, and who came by it.
    pub(super) async fn import_invite(
        &self,
        exported: &ExportedInvite,
        timestamp: i64,
    ) -> Result<(), Failure> {
        let ExportedInvite { hash, invite, used_by } = exported;
        let ttl = ttl_s(invite.expires_at);
        let (id, hash) = (invite.conversation_id.0, hash.as_slice());
        let row = (id, invite.invite_id.0, hash, ttl);
        self.write(&self.statements().insert_invite_of_conversation, row).await?;
        let to_int = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
        let users: Vec<Uuid> = used_by.iter().map(|user| user.0).collect();
        let row = (
            hash,
            invite.invite_id.0,
            id,
            invite.created_by.0,
            invite.created_at,
            invite.expires_at,
            invite.uses_max.map(to_int),
            to_int(invite.uses),
            users,
            invite.is_revoked,
            timestamp,
            ttl,
        );
        self.write(&self.statements().import_invite, row).await
    }

    async fn count_use(
        &self,
        hash: &[u8; 32],
        user: UserId,
        now_ms: i64,
    ) -> Result<InviteUse, Failure> {
        for _ in 0..TRIES {
            let Some((invite, users)) = self.read_invite(hash).await? else {
                return Ok(InviteUse::Refused);
            };
            let is_known = users.contains(&user.0);
            let counted = Invite { uses: if is_known { 0 } else { invite.uses }, ..invite };
            if !counted.is_open(now_ms) {
                return Ok(InviteUse::Refused);
            }
            if invite.uses_max.is_none() || is_known {
                return Ok(InviteUse::Granted);
            }
            let uses = i32::try_from(invite.uses).unwrap_or(i32::MAX);
            let ttl = ttl_s(invite.expires_at);
            let row = (ttl, uses + 1, vec![user.0], hash.as_slice(), uses);
            let applied = self.conditional(&self.statements().use_invite, row).await?;
            if applied == Applied::Yes {
                return Ok(InviteUse::Granted);
            }
        }
        Err(Failure::Unavailable("too many use one invite at once".to_owned()))
    }

    async fn hashes_of(&self, id: ConversationId) -> Result<Vec<(InviteId, [u8; 32])>, Failure> {
        type Columns = (Uuid, Option<Vec<u8>>);
        let statement = &self.statements().invites_of_conversation;
        let rows = self.rows::<Columns>(statement, (id.0,)).await?;
        let known = rows.into_iter().filter_map(|(invite, hash)| {
            Some((InviteId(invite), <[u8; 32]>::try_from(hash?).ok()?))
        });
        Ok(known.collect())
    }

    async fn list_invites(&self, id: ConversationId, now_ms: i64) -> Result<Vec<Invite>, Failure> {
        let hashes = self.hashes_of(id).await?;
        let reads = hashes.iter().map(|(_, hash)| self.read_invite(hash));
        let rows = all(reads.collect()).await?;
        let mut invites: Vec<Invite> = rows
            .into_iter()
            .flatten()
            .map(|(invite, _)| invite)
            .filter(|it| !it.is_revoked && now_ms < it.expires_at)
            .collect();
        invites.sort_unstable_by_key(|it| (it.created_at, it.invite_id));
        Ok(invites)
    }

    async fn end_invite(&self, id: ConversationId, invite: InviteId) -> Result<bool, Failure> {
        let hashes = self.hashes_of(id).await?;
        let Some((_, hash)) = hashes.into_iter().find(|(it, _)| *it == invite) else {
            return Ok(false);
        };
        let Some((row, _)) = self.read_invite(&hash).await? else { return Ok(false) };
        let values = (ttl_s(row.expires_at), hash.as_slice(), id.0);
        let applied = self.conditional(&self.statements().revoke_invite, values).await?;
        Ok(applied == Applied::Yes)
    }
}

impl InviteStore for Store {
    fn add_invite(&self, invite: NewInvite) -> PortFuture<()> {
        let store = self.clone();
        Box::pin(async move { answer("add_invite", store.insert_invite(&invite)).await })
    }

    fn invite(&self, hash: [u8; 32]) -> PortFuture<Option<Invite>> {
        let store = self.clone();
        Box::pin(async move {
            let found = answer("invite", store.read_invite(&hash)).await?;
            Ok(found.map(|(invite, _)| invite))
        })
    }

    fn invites(&self, conversation: ConversationId, now_ms: i64) -> PortFuture<Vec<Invite>> {
        let store = self.clone();
        Box::pin(async move { answer("invites", store.list_invites(conversation, now_ms)).await })
    }

    fn revoke_invite(&self, conversation: ConversationId, invite: InviteId) -> PortFuture<bool> {
        let store = self.clone();
        Box::pin(
            async move { answer("revoke_invite", store.end_invite(conversation, invite)).await },
        )
    }

    fn use_invite(&self, hash: [u8; 32], user: UserId, now_ms: i64) -> PortFuture<InviteUse> {
        let store = self.clone();
        Box::pin(async move { answer("use_invite", store.count_use(&hash, user, now_ms)).await })
    }
}
