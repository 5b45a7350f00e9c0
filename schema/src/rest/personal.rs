//! What belongs to the caller alone: settings, drafts, what is hidden, blocked and scheduled.

use garde::Validate;
use serde::{Deserialize, Deserializer, Serialize};

use super::account::UserView;
use crate::record::{
    Content, ConversationSettings, MessageState, ScheduledMessage, UnsentDraft, Visibility,
};
use crate::wire::LogFrame;
use crate::{ConversationId, Sequence, UserId};

/// `PATCH /v1/users/me/settings`: absent fields stay as they are.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, Validate)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SettingsChange {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(skip)]
    pub read_receipts: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(skip)]
    pub presence: Option<Visibility>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(skip)]
    pub last_seen: Option<Visibility>,
}

/// `PATCH /v1/users/me/conversations/{id}`: absent fields stay as they are.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, Validate)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConversationSettingsChange {
    /// Milliseconds since 1970 UTC; null: not muted.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[garde(skip)]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<i64>))]
    pub muted_until: Option<Option<i64>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(skip)]
    pub archived: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(skip)]
    pub pinned: Option<bool>,
}

/// Tells null from absent.
fn given<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<i64>>, D::Error> {
    Option::<i64>::deserialize(from).map(Some)
}

/// `GET /v1/users/me/conversations/{id}`: all that is the caller's own of one conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MyConversation {
    pub conversation_id: ConversationId,
    #[serde(flatten)]
    pub settings: ConversationSettings,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draft: Option<UnsentDraft>,
    /// Messages that the caller deleted for themselves, ascending.
    pub hidden: Vec<Sequence>,
    /// How far the caller has read threads.
    pub threads: Vec<ThreadPosition>,
}

/// How far one has read a thread, and whether one said to follow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ThreadPosition {
    pub thread: Sequence,
    /// Zero: nothing yet.
    pub read: Sequence,
    /// Present where one followed or left the thread by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub following: Option<bool>,
}

/// `PUT /v1/users/me/conversations/{id}/draft`. An empty text takes the draft away.
#[derive(Clone, Debug, Serialize, Deserialize, Validate)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DraftRequest {
    #[garde(length(bytes, max = 65_536))]
    pub text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(skip)]
    pub reply_to: Option<Sequence>,
}

/// `GET /v1/blocks`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BlockList {
    pub blocked: Vec<UserView>,
}

/// `POST /v1/scheduled`.
#[derive(Clone, Debug, Serialize, Deserialize, Validate)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ScheduleRequest {
    #[garde(skip)]
    pub conversation_id: ConversationId,
    #[garde(skip)]
    pub content: Content,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(skip)]
    pub reply_to: Option<Sequence>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(skip)]
    pub mentions: Option<Vec<UserId>>,
    /// Milliseconds since 1970 UTC: later than now, at most a year.
    #[garde(skip)]
    pub send_at: i64,
}

/// `PATCH /v1/scheduled/{id}`: absent fields stay as they are. One that failed is tried again.
#[derive(Clone, Debug, Serialize, Deserialize, Validate)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ScheduleChange {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(skip)]
    pub content: Option<Content>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(skip)]
    pub mentions: Option<Vec<UserId>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(skip)]
    pub send_at: Option<i64>,
}

/// `GET /v1/scheduled`: what waits and what failed, the next first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ScheduledList {
    pub scheduled: Vec<ScheduledMessage>,
}

/// `GET /v1/conversations/{id}/threads`: the thread whose first message is newest comes first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ThreadList {
    pub threads: Vec<ThreadView>,
    /// Give it as `before` for the next page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_before: Option<Sequence>,
}

/// One thread.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ThreadView {
    /// The number of the message that it is about.
    pub thread: Sequence,
    /// That message, when the caller may see it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<LogFrame>,
    /// Counted up to 1,000.
    pub replies: u64,
    pub last_seq: Sequence,
    /// Who replied, the last first, at most 10.
    pub participants: Vec<UserId>,
    /// The caller started it or replied in it.
    pub following: bool,
    /// The caller has read it up to here.
    pub read: Sequence,
    /// Replies above `read`, of threads that the caller follows; counted up to 1,000.
    pub unread: u64,
}

/// `GET /v1/conversations/{id}/threads/{seq}/messages`: replies, ascending.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ThreadPage {
    pub entries: Vec<LogFrame>,
    /// Messages of the page that later entries changed, as they are now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub states: Vec<MessageState>,
    /// The caller has read the thread up to here.
    pub read: Sequence,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_and_absent_differ() {
        let change = |text| serde_json::from_str::<ConversationSettingsChange>(text).unwrap();
        assert_eq!(change("{}").muted_until, None);
        assert_eq!(change(r#"{"muted_until":null}"#).muted_until, Some(None));
        assert_eq!(change(r#"{"muted_until":7}"#).muted_until, Some(Some(7)));
    }
}
