//! Messages without a socket, and read positions.

use garde::Validate;
use serde::{Deserialize, Serialize};

use crate::record::{Content, MentionAll, MessageRef, MessageState};
use crate::wire::LogFrame;
use crate::{ConversationId, MessageId, Sequence, UserId};

/// `POST /v1/messages`. Without a `message_id` the server makes one, and a retry is another message.
#[derive(Clone, Debug, Serialize, Deserialize, Validate)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SendMessageRequest {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(skip)]
    pub message_id: Option<MessageId>,
    #[garde(skip)]
    pub conversation_id: ConversationId,
    #[garde(skip)]
    pub content: Content,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(skip)]
    pub reply_to: Option<Sequence>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(skip)]
    pub thread: Option<Sequence>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(skip)]
    pub mentions: Option<Vec<UserId>>,
    /// The draft of this conversation was this message: it is taken away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(skip)]
    pub clear_draft: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(skip)]
    pub mention_all: Option<MentionAll>,
    /// `content` repeats this message, which the caller can see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(skip)]
    pub forwarded_from: Option<MessageRef>,
    /// What it says is gone so long after it was sent: a second to a year. Absent: as the
    /// conversation has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(skip)]
    pub expires_after_ms: Option<u64>,
}

/// The message is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SentMessage {
    pub message_id: MessageId,
    pub conversation_id: ConversationId,
    pub seq: Sequence,
    /// Milliseconds since 1970 UTC.
    pub sent_at: i64,
    /// This id was stored before; `seq` is its first and only number.
    pub duplicate: bool,
}

/// `GET /v1/conversations/{id}/messages`: ascending numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HistoryPage {
    pub entries: Vec<LogFrame>,
    pub head: Sequence,
    /// Messages of the page that later entries changed, as they are at `head`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub states: Vec<MessageState>,
    /// Entries up to here are gone for good: the log begins above.
    #[serde(default, skip_serializing_if = "Sequence::is_start")]
    pub purged_up_to: Sequence,
}

/// `PATCH /v1/conversations/{id}/messages/{seq}`.
#[derive(Clone, Debug, Serialize, Deserialize, Validate)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EditMessageRequest {
    /// The idempotency key: a UUIDv7. Without it a retry is another edit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(skip)]
    pub message_id: Option<MessageId>,
    #[garde(skip)]
    pub content: Content,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(skip)]
    pub mentions: Option<Vec<UserId>>,
}

/// `GET /v1/conversations/{id}/messages/{seq}/edits`: what a message said, oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EditHistory {
    /// The message itself, then its edits.
    pub versions: Vec<LogFrame>,
}

/// `GET /v1/conversations/{id}/messages/{seq}/receipts`: of the members but its author.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Receipts {
    /// Members who could see the message when it was sent and are still there.
    pub total: u64,
    /// Of those, how many have it on some device, read or not.
    pub delivered: u64,
    /// How many have read it.
    pub read: u64,
    /// How many have it on no device.
    pub pending: u64,
    /// One item a member, at most 1,000.
    pub members: Vec<MemberReceipt>,
}

/// How far one member is with one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MemberReceipt {
    pub user_id: UserId,
    pub state: ReceiptState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum ReceiptState {
    Pending,
    Delivered,
    Read,
}

/// `GET /v1/link-preview`: what a page says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LinkPreview {
    /// As it was asked for.
    pub url: String,
    pub title: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Of an image, which the server has not fetched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_url: Option<String>,
    /// The site's name, or its host.
    pub site_name: String,
}

/// `GET /v1/search`: messages that the caller may see, best first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SearchResults {
    pub hits: Vec<SearchHit>,
    /// Give it as `cursor` for the next page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// A message that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SearchHit {
    /// With its present text.
    pub entry: LogFrame,
    /// Where the words stand in the text: begin and end, in UTF-16 code units.
    pub highlights: Vec<(u32, u32)>,
}

/// `POST /v1/read-receipt`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, Validate)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReadReceiptRequest {
    #[garde(skip)]
    pub conversation_id: ConversationId,
    #[garde(skip)]
    pub seq: Sequence,
    /// In this thread alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(skip)]
    pub thread: Option<Sequence>,
}
