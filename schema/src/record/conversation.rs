//! Conversations, who is in them, and how far each has read.

use serde::{Deserialize, Serialize};

use super::profile::ConversationProfile;
use crate::{ConversationId, DeviceId, Sequence, UserId};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum ConversationKind {
    /// Exactly two users; one conversation per pair.
    Direct,
    /// Members only, all may write.
    Group,
    /// Anyone signed in may read by `join_conversation`; members write.
    Channel,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Role {
    Owner,
    Admin,
    Member,
}

/// A member as an event or a new conversation names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Member {
    pub user_id: UserId,
    pub role: Role,
}

/// A conversation's own row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conversation {
    pub conversation_id: ConversationId,
    pub kind: ConversationKind,
    pub name: Option<String>,
    #[serde(default)]
    pub profile: ConversationProfile,
    /// Entries up to here are gone for good.
    #[serde(default)]
    pub purged_up_to: Sequence,
    pub created_by: UserId,
    /// Milliseconds since 1970 UTC.
    pub created_at: i64,
    /// Generation: changes when a restore may have rolled numbers back.
    pub generation: u32,
}

/// A user's place in a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    pub user_id: UserId,
    pub role: Role,
    /// The last number before the user came: sees what is above it.
    pub joined_after: Sequence,
    /// The last number the user may see; `None` while a member.
    pub left_at: Option<Sequence>,
}

impl Membership {
    #[must_use]
    pub const fn is_current(&self) -> bool {
        self.left_at.is_none()
    }
}

/// One row of a user's chat list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConversationOverview {
    pub conversation: Conversation,
    pub membership: Membership,
    /// Last materialised number.
    pub head: Sequence,
    /// When the head entry was sent, milliseconds since 1970 UTC; `None` in an empty conversation.
    pub last_sent_at: Option<i64>,
    /// The user has read up to here.
    pub read: Sequence,
    /// The asking device has everything up to here (zero when no device asks).
    pub delivered: Sequence,
    /// In a direct conversation, the other user.
    pub peer: Option<UserId>,
}

/// How far one member is, on whichever device is furthest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemberPosition {
    pub user_id: UserId,
    /// Some device has everything up to here.
    pub delivered: Sequence,
    /// The user has read up to here.
    pub read: Sequence,
}

/// Positions only grow: a store keeps the larger of what it has and what it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PositionAdvance {
    pub user_id: UserId,
    pub conversation_id: ConversationId,
    /// This device has everything up to here.
    pub delivered: Option<(DeviceId, Sequence)>,
    /// This user has read up to here.
    pub read: Option<Sequence>,
    /// For the user alone: other members see nothing of it.
    pub is_private: bool,
}
