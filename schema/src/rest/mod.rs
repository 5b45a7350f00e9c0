//! Bodies of the REST interface under `/v1`, as JSON.

pub mod account;
pub mod admission;
pub mod conversation;
pub mod message;
pub mod personal;

pub use account::{
    DeviceList, DeviceView, LoginRequest, MyProfile, PresenceView, ProfileChange, RefreshRequest,
    RegisterRequest, SignedIn, UserView,
};
pub use admission::{
    BanList, BanView, CreateInviteRequest, CreatedInvite, InviteList, InvitePreview, InviteView,
};
pub use conversation::{
    AddMembersRequest, ChangeRoleRequest, ChatList, ChatListItem, ConversationChange,
    ConversationView, CreateConversationRequest, MemberView, RemoveMembersRequest,
};
pub use message::{
    EditHistory, EditMessageRequest, HistoryPage, LinkPreview, MemberReceipt, ReadReceiptRequest,
    ReceiptState, Receipts, SearchHit, SearchResults, SendMessageRequest, SentMessage,
};
pub use personal::{
    BlockList, ConversationSettingsChange, DraftRequest, MyConversation, ScheduleChange,
    ScheduleRequest, ScheduledList, SettingsChange, ThreadList, ThreadPage, ThreadPosition,
    ThreadView,
};

use serde::{Deserialize, Serialize};

/// RFC 9457 problem details, sent as `application/problem+json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Problem {
    /// A page about this code.
    #[serde(rename = "type")]
    pub kind: String,
    pub title: String,
    pub status: u16,
    /// Stable; the same codes as `error` frames on a socket.
    pub code: crate::wire::ErrorCode,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Found in the server's log.
    pub trace_id: String,
    /// The same request may succeed later.
    pub temporary: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// One item a field that was refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldProblem>,
}

/// One refused field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FieldProblem {
    pub field: String,
    pub message: String,
}
