//! Messages without a socket, and read positions.

use garde::Validate;
use serde::{Deserialize, Serialize};

use crate::record::Content;
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
}

/// `POST /v1/read-receipt`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, Validate)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReadReceiptRequest {
    #[garde(skip)]
    pub conversation_id: ConversationId,
    #[garde(skip)]
    pub seq: Sequence,
}
