//! `/v1/conversations/{id}/members`: who is in; each change is a numbered entry of the log.

use actix_web::{delete, patch, post, web};
use schema::record::{Event, Member};
use schema::rest::{
    AddMembersRequest, ChangeRoleRequest, Problem, RemoveMembersRequest, SentMessage,
};
use schema::{ConversationId, UserId};
use utoipa_actix_web::service_config::ServiceConfig;

use super::body::Valid;
use super::conversations::check_all_exist;
use super::entries::{Sent, submit};
use super::identity::Caller;
use super::problem::ApiError;
use super::state::ApiState;

pub(super) fn routes(config: &mut ServiceConfig) {
    config.service(add_members).service(remove_members).service(change_role);
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
) -> Sent {
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
) -> Sent {
    check_distinct(&body.members)?;
    let event = Event::MembersChanged { added: Vec::new(), removed: body.members };
    submit(&state, identity.user_id, id.into_inner(), event).await
}

/// Gives a member another role.
#[utoipa::path(
    tag = "conversations",
    params(("id" = ConversationId, Path), ("user" = UserId, Path)),
    request_body = ChangeRoleRequest,
    responses(
        (status = 200, body = SentMessage, description = "The entry's number"),
        (status = 403, body = Problem, description = "`forbidden`: owners give roles"),
        (status = 404, body = Problem, description = "`not_found`: none that you may see"),
        (status = 422, body = Problem,
            description = "`invalid_field`: no member, or no owner would be left"),
    )
)]
#[patch("/conversations/{id}/members/{user}")]
async fn change_role(
    state: web::Data<ApiState>,
    Caller(identity): Caller,
    path: web::Path<(ConversationId, UserId)>,
    Valid(body): Valid<ChangeRoleRequest>,
) -> Sent {
    let (id, user_id) = path.into_inner();
    let event = Event::RolesChanged { members: vec![Member { user_id, role: body.role }] };
    submit(&state, identity.user_id, id, event).await
}

fn check_distinct(ids: &[UserId]) -> Result<(), ApiError> {
    let distinct: std::collections::BTreeSet<&UserId> = ids.iter().collect();
    if distinct.len() != ids.len() {
        return Err(ApiError::field("members", "each user at most once"));
    }
    Ok(())
}
