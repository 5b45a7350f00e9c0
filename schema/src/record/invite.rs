//! Who may not come back, and links that let others in.

use crate::{ConversationId, InviteId, Sequence, UserId};

/// A user who may not be a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ban {
    pub user_id: UserId,
    /// The entry that said so.
    pub seq: Sequence,
    pub banned_by: UserId,
    /// Milliseconds since 1970 UTC.
    pub banned_at: i64,
}

/// A link that lets its holder become a member. Its token is stored nowhere, only the hash is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invite {
    pub invite_id: InviteId,
    pub conversation_id: ConversationId,
    pub created_by: UserId,
    /// Milliseconds since 1970 UTC.
    pub created_at: i64,
    /// Milliseconds since 1970 UTC.
    pub expires_at: i64,
    /// `None`: any number of users.
    pub uses_max: Option<u32>,
    /// Users who came by it; counted only where `uses_max` is set.
    pub uses: u32,
    pub is_revoked: bool,
}

impl Invite {
    /// Whether `user` may still come by it.
    #[must_use]
    pub fn is_open(&self, now_ms: i64) -> bool {
        !self.is_revoked
            && now_ms < self.expires_at
            && self.uses_max.is_none_or(|max| self.uses < max)
    }
}

/// An invite about to be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewInvite {
    /// SHA-256 of the token.
    pub hash: [u8; 32],
    pub invite: Invite,
}

/// What using an invite came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InviteUse {
    /// Counted, or this user was counted before.
    Granted,
    /// Expired, used up, revoked, or there never was one: they look the same.
    Refused,
}
