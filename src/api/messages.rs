//! Messages without a socket: history, sending, read positions.

use actix_web::{HttpResponse, get, post, web};
use actors::node::{HISTORY_PAGE_MAX, Page};
use schema::record::{Event, MessageBody};
use schema::rest::{HistoryPage, Problem, ReadReceiptRequest, SendMessageRequest, SentMessage};
use schema::wire::{LogFrame, validate};
use schema::{ConversationId, Sequence};
use serde::Deserialize;
use utoipa_actix_web::service_config::ServiceConfig;

use super::body::Valid;
use super::entries::submit_as;
use super::identity::Caller;
use super::problem::ApiError;
use super::state::ApiState;

const LIMIT_DEFAULT: u64 = 50;

pub(super) fn routes(config: &mut ServiceConfig) {
    config.service(get_messages).service(send_message).service(mark_read);
}

#[derive(Deserialize, utoipa::IntoParams)]
pub(super) struct Paging {
    /// Entries directly below this number.
    before: Option<u64>,
    /// Entries directly above this number.
    after: Option<u64>,
    /// Entries round the first that was sent then or later, milliseconds since 1970 UTC.
    at: Option<i64>,
    /// At most 200; default 50.
    limit: Option<u64>,
}

impl Paging {
    pub(super) fn page(&self) -> Result<Page, ApiError> {
        match (self.before, self.after, self.at) {
            (None, None, None) => Ok(Page::Newest),
            (Some(before), None, None) => Ok(Page::Before(Sequence(before))),
            (None, Some(after), None) => Ok(Page::After(Sequence(after))),
            (None, None, Some(at)) => Ok(Page::At(at)),
            _ => Err(ApiError::field("before", "give one of before, after and at")),
        }
    }

    pub(super) fn limit(&self) -> Result<u64, ApiError> {
        match self.limit.unwrap_or(LIMIT_DEFAULT) {
            limit @ 1..=HISTORY_PAGE_MAX => Ok(limit),
            _ => Err(ApiError::field("limit", format!("must be 1 to {HISTORY_PAGE_MAX}"))),
        }
    }
}

/// A page of the log in ascending order: below `before`, above `after`, round `at`, or the newest.
#[utoipa::path(
    tag = "messages", params(("id" = ConversationId, Path), Paging),
    responses(
        (status = 200, body = HistoryPage),
        (status = 404, body = Problem, description = "`not_found`: none that you may see"),
        (status = 422, body = Problem, description = "`invalid_field`"),
    )
)]
#[get("/conversations/{id}/messages")]
async fn get_messages(
    state: web::Data<ApiState>,
    Caller(identity): Caller,
    id: web::Path<ConversationId>,
    paging: web::Query<Paging>,
) -> Result<web::Json<HistoryPage>, ApiError> {
    let (page, limit) = (paging.page()?, paging.limit()?);
    let read = state.node.history(identity.user_id, id.into_inner(), page, limit).await?;
    let entries = read.entries.iter().map(LogFrame::from).collect();
    let (head, states, purged_up_to) = (read.head, read.states, read.purged_up_to);
    Ok(web::Json(HistoryPage { entries, head, states, purged_up_to }))
}

/// Sends a message. Repeating it under the same `message_id` gives the number it already has.
#[utoipa::path(tag = "messages", request_body = SendMessageRequest, responses(
    (status = 201, body = SentMessage, description = "Stored; here is its number"),
    (status = 404, body = Problem, description = "`not_found`: none that you may see"),
    (status = 409, body = Problem, description = "`message_id_reused`: with other content"),
    (status = 422, body = Problem, description = "`invalid_content`, `invalid_field`"),
    (status = 503, body = Problem,
        description = "`retry_later`: the outcome is open, repeat under the same `message_id`"),
))]
#[post("/messages")]
async fn send_message(
    state: web::Data<ApiState>,
    Caller(identity): Caller,
    Valid(body): Valid<SendMessageRequest>,
) -> Result<HttpResponse, ApiError> {
    let message = MessageBody {
        reply_to: body.reply_to,
        thread: body.thread,
        mentions: body.mentions.unwrap_or_default(),
        forwarded_from: body.forwarded_from.map(Box::new),
        expires_after_ms: body.expires_after_ms,
        ..MessageBody::new(body.content)
    };
    let message = message.mentioning(body.mention_all);
    validate::message(&message)?;
    let (id, event) = (body.conversation_id, Event::Message(message));
    let sent = submit_as(&state, identity.user_id, id, event, body.message_id).await?;
    if body.clear_draft == Some(true) {
        let (user, device) = (identity.user_id, Some(identity.device_id));
        // The message is stored whatever becomes of the draft.
        let _ = state.personal.set_draft(user, device, id, String::new(), None).await;
    }
    Ok(HttpResponse::Created().json(sent))
}

/// One has read up to a number, in a conversation or in one thread of it.
#[utoipa::path(tag = "messages", request_body = ReadReceiptRequest, responses(
    (status = 204, description = "Noted; positions only grow"),
    (status = 404, body = Problem, description = "`not_found`: none that you may see"),
))]
#[post("/read-receipt")]
async fn mark_read(
    state: web::Data<ApiState>,
    Caller(identity): Caller,
    Valid(body): Valid<ReadReceiptRequest>,
) -> Result<HttpResponse, ApiError> {
    let (id, seq) = (body.conversation_id, body.seq);
    match body.thread {
        Some(root) => state.node.read_thread(identity, id, root, seq).await?,
        None => state.node.read_up_to(identity.user_id, id, seq).await?,
    }
    Ok(HttpResponse::NoContent().finish())
}
