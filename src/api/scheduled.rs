//! `/v1/scheduled`: messages to be sent later.

use actix_web::{HttpResponse, delete, get, patch, post, web};
use actors::personal::{NewScheduled, ScheduledPatch};
use schema::record::{MessageBody, ScheduledMessage};
use schema::rest::{Problem, ScheduleChange, ScheduleRequest, ScheduledList};
use schema::wire::{Refusal, validate};
use schema::{ScheduledId, UserId};
use utoipa_actix_web::service_config::ServiceConfig;

use super::body::Valid;
use super::identity::Caller;
use super::problem::ApiError;
use super::state::ApiState;

pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .service(get_scheduled)
        .service(schedule_message)
        .service(change_scheduled)
        .service(cancel_scheduled);
}

/// What waits to be sent, and what could not be; the next first.
#[utoipa::path(tag = "scheduled", responses((status = 200, body = ScheduledList)))]
#[get("/scheduled")]
async fn get_scheduled(
    state: web::Data<ApiState>,
    Caller(identity): Caller,
) -> Result<web::Json<ScheduledList>, ApiError> {
    let scheduled = state.personal.scheduled(identity.user_id).await?;
    Ok(web::Json(ScheduledList { scheduled }))
}

/// Sends a message later: once, at its time to a few seconds.
#[utoipa::path(tag = "scheduled", request_body = ScheduleRequest, responses(
    (status = 201, body = ScheduledMessage),
    (status = 404, body = Problem, description = "`not_found`: not a member"),
    (status = 422, body = Problem,
        description = "`invalid_content`, `invalid_field`: the time, or too many"),
))]
#[post("/scheduled")]
async fn schedule_message(
    state: web::Data<ApiState>,
    Caller(identity): Caller,
    Valid(body): Valid<ScheduleRequest>,
) -> Result<HttpResponse, ApiError> {
    let mentions = body.mentions.unwrap_or_default();
    let reply_to = body.reply_to;
    let message = MessageBody { reply_to, mentions, ..MessageBody::new(body.content) };
    validate::message(&message)?;
    check_member(&state, identity.user_id, body.conversation_id).await?;
    let MessageBody { content, reply_to, mentions, .. } = message;
    let conversation_id = body.conversation_id;
    let new = NewScheduled { conversation_id, content, reply_to, mentions, send_at: body.send_at };
    let scheduled = state.personal.schedule(identity.user_id, new).await?;
    Ok(HttpResponse::Created().json(scheduled))
}

/// Who is a member may write, now; whether they still may is decided when it is sent.
async fn check_member(
    state: &ApiState,
    user: UserId,
    conversation: schema::ConversationId,
) -> Result<(), ApiError> {
    let details = state.node.describe(user, conversation).await?;
    let is_member = details.members.iter().any(|it| it.user_id == user && it.is_current());
    if is_member { Ok(()) } else { Err(Refusal::not_found().into()) }
}

/// Changes what is given of a message that waits; one that failed is tried again.
#[utoipa::path(
    tag = "scheduled", params(("id" = ScheduledId, Path)), request_body = ScheduleChange,
    responses(
        (status = 200, body = ScheduledMessage),
        (status = 404, body = Problem, description = "`not_found`: none of yours, or sent"),
        (status = 422, body = Problem, description = "`invalid_content`, `invalid_field`"),
    )
)]
#[patch("/scheduled/{id}")]
async fn change_scheduled(
    state: web::Data<ApiState>,
    Caller(identity): Caller,
    id: web::Path<ScheduledId>,
    Valid(change): Valid<ScheduleChange>,
) -> Result<web::Json<ScheduledMessage>, ApiError> {
    let ScheduleChange { content, mentions, send_at } = change;
    if let Some(content) = &content {
        validate::content(content)?;
    }
    if mentions.as_ref().is_some_and(|it| it.len() > validate::MENTIONS_MAX) {
        return Err(ApiError::field("mentions", "at most 100 users"));
    }
    let patch = ScheduledPatch { content, mentions, send_at };
    let changed = state.personal.change_scheduled(identity.user_id, id.into_inner(), patch).await?;
    Ok(web::Json(changed))
}

/// Takes a message back that was not sent yet.
#[utoipa::path(
    tag = "scheduled", params(("id" = ScheduledId, Path)),
    responses(
        (status = 204, description = "It will not be sent"),
        (status = 404, body = Problem, description = "`not_found`: none of yours, or sent"),
    )
)]
#[delete("/scheduled/{id}")]
async fn cancel_scheduled(
    state: web::Data<ApiState>,
    Caller(identity): Caller,
    id: web::Path<ScheduledId>,
) -> Result<HttpResponse, ApiError> {
    state.personal.cancel_scheduled(identity.user_id, id.into_inner()).await?;
    Ok(HttpResponse::NoContent().finish())
}
