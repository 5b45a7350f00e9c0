//! Links that let others in.

use schema::record::{Invite, InviteUse, NewInvite};
use schema::{ConversationId, InviteId, UserId};

use super::PortFuture;

/// Most invites of one conversation that are open at once.
pub const INVITES_MAX: usize = 100;

/// Invites by the hash of their token and by conversation.
///
/// Guarantees: of however many uses at once, at most `uses_max` different users are granted.
pub trait InviteStore: Send + Sync + 'static {
    /// Keeps a new invite; it is found when this returns.
    fn add_invite(&self, invite: NewInvite) -> PortFuture<()>;

    /// The invite of a token, as it stands.
    fn invite(&self, hash: [u8; 32]) -> PortFuture<Option<Invite>>;

    /// Every invite of the conversation that is not revoked and has not expired, oldest first.
    fn invites(&self, conversation: ConversationId, now_ms: i64) -> PortFuture<Vec<Invite>>;

    /// Ends an invite. Returns whether the conversation has it.
    fn revoke_invite(&self, conversation: ConversationId, invite: InviteId) -> PortFuture<bool>;

    /// Counts a use, unless the user was counted before.
    fn use_invite(&self, hash: [u8; 32], user: UserId, now_ms: i64) -> PortFuture<InviteUse>;
}
