//! Conversations, members, the chat list.

use garde::Validate;
use serde::{Deserialize, Serialize};

use super::account::UserView;
use crate::nullable;
use crate::record::{
    ConversationKind, ConversationPatch, ConversationSettings, Member, Posting, Role, UnsentDraft,
};
use crate::wire::LogFrame;
use crate::{ConversationId, Sequence, UserId};

/// `POST /v1/conversations`. The caller is a member without being listed.
#[derive(Clone, Debug, Serialize, Deserialize, Validate)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CreateConversationRequest {
    #[garde(skip)]
    pub kind: ConversationKind,
    /// `direct`: exactly one other user. At most 1,000.
    #[serde(default)]
    #[garde(length(max = 1000))]
    pub members: Vec<UserId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(inner(length(chars, min = 1, max = 100)))]
    pub name: Option<String>,
}

/// A conversation as a member sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConversationView {
    pub conversation_id: ConversationId,
    pub kind: ConversationKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub photo: Option<String>,
    /// What becomes of new messages that do not say so themselves; absent: they stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disappear_after_ms: Option<u64>,
    /// How long what was said is kept; zero: for ever; absent: the server's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention_days: Option<u32>,
    /// Which members may post.
    pub posting: Posting,
    pub created_by: UserId,
    /// Milliseconds since 1970 UTC.
    pub created_at: i64,
    #[serde(rename = "gen")]
    pub generation: u32,
    /// Last number; zero in an empty conversation.
    pub head: Sequence,
    /// Current members.
    pub members: Vec<MemberView>,
}

/// A current member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MemberView {
    #[serde(flatten)]
    pub user: UserView,
    pub role: Role,
}

/// `PATCH /v1/conversations/{id}/members/{user}`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, Validate)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ChangeRoleRequest {
    #[garde(skip)]
    pub role: Role,
}

/// `PATCH /v1/conversations/{id}`.
/// Absent fields stay as they are, `null` takes a value away.
#[derive(Clone, Debug, Default, Serialize, Deserialize, Validate)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConversationChange {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(inner(length(chars, min = 1, max = 100)))]
    pub name: Option<String>,
    /// At most 2 KiB.
    #[serde(default, with = "nullable", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    #[garde(skip)]
    pub description: Option<Option<String>>,
    /// An address with `https`, at most 2 KiB.
    #[serde(default, with = "nullable", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    #[garde(skip)]
    pub photo: Option<Option<String>>,
    /// A second to a year.
    #[serde(default, with = "nullable", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<u64>))]
    #[garde(skip)]
    pub disappear_after_ms: Option<Option<u64>>,
    /// Zero: for ever; `null`: the server's default.
    #[serde(default, with = "nullable", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<u32>))]
    #[garde(skip)]
    pub retention_days: Option<Option<u32>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(skip)]
    pub posting: Option<Posting>,
}

impl From<ConversationChange> for ConversationPatch {
    fn from(change: ConversationChange) -> Self {
        let ConversationChange {
            name,
            description,
            photo,
            disappear_after_ms,
            retention_days,
            posting,
        } = change;
        Self { name, description, photo, disappear_after_ms, retention_days, posting }
    }
}

/// `POST /v1/conversations/{id}/members`.
#[derive(Clone, Debug, Serialize, Deserialize, Validate)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AddMembersRequest {
    #[garde(length(min = 1, max = 1000))]
    pub members: Vec<Member>,
}

/// `DELETE /v1/conversations/{id}/members`: others (owner, admin) or oneself (leave).
#[derive(Clone, Debug, Serialize, Deserialize, Validate)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RemoveMembersRequest {
    #[garde(length(min = 1, max = 1000))]
    pub members: Vec<UserId>,
}

/// `GET /v1/users/{id}/conversations`: newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ChatList {
    pub conversations: Vec<ChatListItem>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// One row of the chat list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ChatListItem {
    pub conversation_id: ConversationId,
    pub kind: ConversationKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub photo: Option<String>,
    /// The other user of a direct conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<UserView>,
    #[serde(rename = "gen")]
    pub generation: u32,
    pub head: Sequence,
    pub read: Sequence,
    /// Messages above `read` that the user may see. Changes of messages do not count.
    pub unread: u64,
    /// Those of them that mention the user or everyone; counted up to 1,000.
    #[serde(default)]
    pub mentions: u64,
    #[serde(flatten)]
    pub settings: ConversationSettings,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draft: Option<UnsentDraft>,
    /// The newest entry, for the list's second line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<LogFrame>,
    pub role: Role,
}
