//! Who may not come back, and links that let others in.

use garde::Validate;
use serde::{Deserialize, Serialize};

use crate::record::ConversationKind;
use crate::{ConversationId, InviteId, Sequence, UserId};

/// `GET /v1/conversations/{id}/bans`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BanList {
    /// By user id.
    pub bans: Vec<BanView>,
}

/// A user who may not be a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BanView {
    pub user_id: UserId,
    /// The entry that said so.
    pub seq: Sequence,
    pub banned_by: UserId,
    /// Milliseconds since 1970 UTC.
    pub banned_at: i64,
}

/// `POST /v1/conversations/{id}/invites`.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, Validate)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CreateInviteRequest {
    /// A minute to a year; absent: a week.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(inner(range(min = 60_000, max = 31_536_000_000)))]
    pub expires_in_ms: Option<u64>,
    /// Users who may come by it; absent: any number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(inner(range(min = 1, max = 1_000)))]
    pub uses_max: Option<u32>,
}

/// An invite that was made. This is the only time that its token is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CreatedInvite {
    #[serde(flatten)]
    pub invite: InviteView,
    /// The secret: who has it may join.
    pub token: String,
    /// Where the chat page takes it, to be put behind the server's address.
    pub url_path: String,
}

/// An invite as owners and admins see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InviteView {
    pub invite_id: InviteId,
    pub created_by: UserId,
    /// Milliseconds since 1970 UTC.
    pub created_at: i64,
    pub expires_at: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uses_max: Option<u32>,
    /// Users who came by it; counted only where `uses_max` is set.
    pub uses: u32,
}

/// `GET /v1/conversations/{id}/invites`: those that still let somebody in, oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InviteList {
    pub invites: Vec<InviteView>,
}

/// `GET /v1/invites/{token}`: where it leads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InvitePreview {
    pub conversation_id: ConversationId,
    pub kind: ConversationKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub photo: Option<String>,
    pub member_count: u64,
    /// The caller is a member already.
    pub is_member: bool,
}
