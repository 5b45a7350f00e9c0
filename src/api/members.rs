//! `/v1/conversations/{id}/members`: who is in; each change is a numbered entry of the log.

use actix_web::{delete, post, web};
use schema::record::{Draft, Event};
use schema::rest::{AddMembersRequest, Problem, RemoveMembersRequest, SentMessage};
use schema::{ConversationId, MessageId, UserId};
use utoipa_actix_web::service_config::ServiceConfig;

use super::body::Valid;
use super::conversations::check_all_exist;
use super::identity::Caller;
use super::problem::ApiError;
use super::state::ApiState;

pub(super) fn routes(config: &mut ServiceConfig) {
    config.service(add_members).service(remove_members);
}

/// Adds members.
#[utoipa::path(
    tag = "conversations", params(("id" = ConversationId, Path)),
    request_body = AddMembersRequest,
    responses(
        (status = 200, body = SentMessage, description = "The entry's number"),
        (status = 403, body = Problem, description = "`forbidden`: owners and admins add"),
        (status = 404, body = Problem, description = "`not_found`: none that you may see"),
        (status = 422, body = Problem, description = "`invalid_field`: no such user"),
    )
)]
#[post("/conversations/{id}/members")]
async fn add_members(
    state: web::Data<ApiState>,
    Caller(identity): Caller,
    id: web::Path<ConversationId>,
    Valid(body): Valid<AddMembersRequest>,
) -> Result<web::Json<SentMessage>, ApiError> {
    let ids: Vec<UserId> = body.members.iter().map(|member| member.user_id).collect();
    check_distinct(&ids)?;
    check_all_exist(&state, &ids).await?;
    let event = Event::MembersChanged { added: body.members, removed: Vec::new() };
    submit(&state, identity.user_id, id.into_inner(), event).await
}

/// Removes members: others (owners and admins), or oneself to leave.
#[utoipa::path(
    tag = "conversations", params(("id" = ConversationId, Path)),
    request_body = RemoveMembersRequest,
    responses(
        (status = 200, body = SentMessage, description = "The entry's number"),
        (status = 403, body = Problem, description = "`forbidden`"),
        (status = 404, body = Problem, description = "`not_found`: none that you may see"),
    )
)]
#[delete("/conversations/{id}/members")]
async fn remove_members(
    state: web::Data<ApiState>,
    Caller(identity): Caller,
    id: web::Path<ConversationId>,
    Valid(body): Valid<RemoveMembersRequest>,
) -> Result<web::Json<SentMessage>, ApiError> {
    check_distinct(&body.members)?;
    let event = Event::MembersChanged { added: Vec::new(), removed: body.members };
    submit(&state, identity.user_id, id.into_inner(), event).await
}

fn check_distinct(ids: &[UserId]) -> Result<(), ApiError> {
    let distinct: std::collections::BTreeSet<&UserId> = ids.iter().collect();
    if distinct.len() != ids.len() {
        return Err(ApiError::field("members", "each user at most once"));
    }
    Ok(())
}

async fn submit(
    state: &ApiState,
    sender_id: UserId,
    conversation_id: ConversationId,
    event: Event,
) -> Result<web::Json<SentMessage>, ApiError> {
    let message_id = MessageId::generate();
    let draft = Draft { conversation_id, message_id, sender_id, event, retry: false };
    let submitted = state.node.submit(draft).await?;
    Ok(web::Json(SentMessage {
        message_id,
        conversation_id,
        seq: submitted.seq,
        sent_at: submitted.sent_at,
        duplicate: submitted.duplicate,
    }))
}
