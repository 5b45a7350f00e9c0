//! Frames for a user's own devices alone: what one of them did, said to the others.

use serde::{Deserialize, Serialize};

use super::error_code::ErrorCode;
use crate::record::{ConversationSettings, ScheduledState};
use crate::{ConversationId, ScheduledId, Sequence, UserId};

/// How the user holds a conversation now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConversationSettingsChanged {
    pub conversation_id: ConversationId,
    /// Absent: not muted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub muted_until: Option<i64>,
    pub archived: bool,
    pub pinned: bool,
}

impl ConversationSettingsChanged {
    #[must_use]
    pub const fn new(conversation_id: ConversationId, settings: ConversationSettings) -> Self {
        let ConversationSettings { muted_until, archived, pinned } = settings;
        Self { conversation_id, muted_until, archived, pinned }
    }
}

/// What the user writes in a conversation and has not sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DraftChanged {
    pub conversation_id: ConversationId,
    /// Empty: there is none any more.
    pub text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<Sequence>,
    /// Milliseconds since 1970 UTC. Of two, the later counts.
    pub updated_at: i64,
}

/// The user deleted a message for themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageHidden {
    /// On the socket that asked.
    #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<u64>,
    pub conversation_id: ConversationId,
    pub seq: Sequence,
}

/// The user has read a thread up to `seq`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThreadRead {
    pub conversation_id: ConversationId,
    /// The message that the thread is about.
    pub thread: Sequence,
    pub seq: Sequence,
}

/// The user follows a thread, or does no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThreadFollowed {
    /// On the socket that asked.
    #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<u64>,
    pub conversation_id: ConversationId,
    /// The message that the thread is about.
    pub thread: Sequence,
    pub on: bool,
}

/// The user blocks another, or does no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockChanged {
    pub user_id: UserId,
    pub blocked: bool,
}

/// A scheduled message was made, changed, sent, taken back, or could not be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduledChanged {
    pub scheduled_id: ScheduledId,
    pub conversation_id: ConversationId,
    pub state: ScheduledState,
    pub send_at: i64,
    /// Once sent: its number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<Sequence>,
    /// Once failed: why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<ErrorCode>,
}
