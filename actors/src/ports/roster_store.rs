//! Conversations, members and positions.

use schema::record::{
    Ban, Conversation, ConversationKind, ConversationOverview, Member, MemberPosition, Membership,
    PositionAdvance,
};
use schema::{ConversationId, DeviceId, UserId};

use super::PortFuture;

/// A conversation to be made. Its first members see it from number 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewConversation {
    pub conversation_id: ConversationId,
    pub kind: ConversationKind,
    pub name: Option<String>,
    pub created_by: UserId,
    /// Milliseconds since 1970 UTC.
    pub created_at: i64,
    /// Includes the creator. A direct conversation has exactly two.
    pub members: Vec<Member>,
}

/// What [`RosterStore::create`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Created {
    New(Conversation),
    /// The pair of a direct conversation already has this one.
    Existing(Conversation),
}

/// Who is where, and how far each has read.
///
/// Guarantees: a pair of users has at most one direct conversation, however many create it at
/// once. Positions only grow. Later membership changes come from the log
/// ([`super::MessageStore::materialise`]), never from here.
pub trait RosterStore: Send + Sync + 'static {
    fn create(&self, conversation: NewConversation) -> PortFuture<Created>;

    fn conversation(&self, id: ConversationId) -> PortFuture<Option<Conversation>>;

    /// The direct conversation of two users.
    fn direct_between(&self, one: UserId, other: UserId) -> PortFuture<Option<ConversationId>>;

    /// Everyone who is or was in the conversation, by user id.
    fn members(&self, id: ConversationId) -> PortFuture<Vec<Membership>>;

    /// One user's place in one conversation, past or present.
    fn membership(&self, id: ConversationId, user: UserId) -> PortFuture<Option<Membership>>;

    /// Who may not be a member, by user id.
    fn bans(&self, id: ConversationId) -> PortFuture<Vec<Ban>>;

    /// The user's current conversations by conversation id; `delivered` is that of `device`.
    fn conversations_of(
        &self,
        user: UserId,
        device: Option<DeviceId>,
    ) -> PortFuture<Vec<ConversationOverview>>;

    /// Positions of everyone in the conversation who has any, by user id.
    fn positions_of(&self, id: ConversationId) -> PortFuture<Vec<MemberPosition>>;

    /// Raises positions, never lowers one; repeats are harmless.
    fn advance_positions(&self, advances: Vec<PositionAdvance>) -> PortFuture<()>;

    /// The same for a caller for whom nobody waits: a store may gather such advances for a tenth of
    /// a second, so that many share what a write costs.
    fn advance_positions_at_leisure(&self, advances: Vec<PositionAdvance>) -> PortFuture<()> {
        self.advance_positions(advances)
    }
}
