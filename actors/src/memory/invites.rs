//! Invites by the hash of their token.

use std::collections::{BTreeMap, BTreeSet};

use schema::record::{Invite, InviteUse, NewInvite};
use schema::{ConversationId, InviteId, UserId};

use super::store::{MemoryStore, found};
use crate::ports::{InviteStore, PortFuture};

#[derive(Default)]
pub(super) struct Invites {
    by_hash: BTreeMap<[u8; 32], (Invite, BTreeSet<UserId>)>,
}

impl Invites {
    fn using(&mut self, hash: [u8; 32], user: UserId, now_ms: i64) -> InviteUse {
        let Some((invite, users)) = self.by_hash.get_mut(&hash) else { return InviteUse::Refused };
        let is_known = users.contains(&user);
        let counted = Invite { uses: if is_known { 0 } else { invite.uses }, ..*invite };
        if !counted.is_open(now_ms) {
            return InviteUse::Refused;
        }
        if invite.uses_max.is_some() && users.insert(user) {
            invite.uses += 1;
        }
        InviteUse::Granted
    }
}

impl InviteStore for MemoryStore {
    fn add_invite(&self, invite: NewInvite) -> PortFuture<()> {
        let NewInvite { hash, invite } = invite;
        self.tables().invites.by_hash.insert(hash, (invite, BTreeSet::new()));
        found(())
    }

    fn invite(&self, hash: [u8; 32]) -> PortFuture<Option<Invite>> {
        found(self.tables().invites.by_hash.get(&hash).map(|(invite, _)| *invite))
    }

    fn invites(&self, conversation: ConversationId, now_ms: i64) -> PortFuture<Vec<Invite>> {
        let tables = self.tables();
        let all = tables.invites.by_hash.values().map(|(invite, _)| *invite);
        let mut invites: Vec<Invite> = all
            .filter(|it| it.conversation_id == conversation)
            .filter(|it| !it.is_revoked && now_ms < it.expires_at)
            .collect();
        invites.sort_unstable_by_key(|it| (it.created_at, it.invite_id));
        found(invites)
    }

    fn revoke_invite(&self, conversation: ConversationId, id: InviteId) -> PortFuture<bool> {
        let mut tables = self.tables();
        let mut all = tables.invites.by_hash.values_mut().map(|(invite, _)| invite);
        let meant = all.find(|it| it.conversation_id == conversation && it.invite_id == id);
        let is_there = meant.is_some();
        if let Some(invite) = meant {
            invite.is_revoked = true;
        }
        found(is_there)
    }

    fn use_invite(&self, hash: [u8; 32], user: UserId, now_ms: i64) -> PortFuture<InviteUse> {
        found(self.tables().invites.using(hash, user, now_ms))
    }
}
