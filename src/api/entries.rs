//! Asking the node to number and store an entry.

use actix_web::web;
use schema::record::{Draft, Event};
use schema::rest::SentMessage;
use schema::wire::validate;
use schema::{ConversationId, MessageId, UserId};

use super::observe;
use super::problem::ApiError;
use super::state::ApiState;

/// The number of an entry.
pub(super) type Sent = Result<web::Json<SentMessage>, ApiError>;

pub(super) async fn submit(
    state: &ApiState,
    sender_id: UserId,
    conversation_id: ConversationId,
    event: Event,
) -> Sent {
    submit_as(state, sender_id, conversation_id, event, None).await
}

/// Submits an entry under an id of the client's own, which may be a repeat, or a new one.
pub(super) async fn submit_as(
    state: &ApiState,
    sender_id: UserId,
    conversation_id: ConversationId,
    event: Event,
    message_id: Option<MessageId>,
) -> Sent {
    // An id of the client's own may be a repeat: HTTP has no other way to say so.
    let retry = message_id.is_some();
    let message_id = message_id.unwrap_or_else(MessageId::generate);
    validate::message_id(message_id)?;
    let draft = Draft { conversation_id, message_id, sender_id, event, retry };
    observe::trace_message(message_id);
    let submitted = state.node.submit(draft).await?;
    Ok(web::Json(SentMessage {
        message_id,
        conversation_id,
        seq: submitted.seq,
        sent_at: submitted.sent_at,
        duplicate: submitted.duplicate,
    }))
}
