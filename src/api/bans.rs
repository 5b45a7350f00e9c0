//! `/v1/conversations/{id}/bans`: who may not be a member; each change is a numbered entry.

use actix_web::{delete, get, put, web};
use schema::record::{Event, Role};
use schema::rest::{BanList, BanView, Problem, SentMessage};
use schema::wire::{ErrorCode, Refusal};
use schema::{ConversationId, UserId};
use utoipa_actix_web::service_config::ServiceConfig;

use super::conversations::check_all_exist;
use super::entries::{Sent, submit};
use super::identity::Caller;
use super::problem::ApiError;
use super::state::ApiState;

pub(super) fn routes(config: &mut ServiceConfig) {
    config.service(list_bans).service(ban_user).service(unban_user);
}

/// Who may not be a member.
#[utoipa::path(
    tag = "conversations", params(("id" = ConversationId, Path)),
    responses(
        (status = 200, body = BanList),
        (status = 403, body = Problem, description = "`forbidden`: owners and admins"),
        (status = 404, body = Problem, description = "`not_found`: none that you may see"),
    )
)]
#[get("/conversations/{id}/bans")]
async fn list_bans(
    state: web::Data<ApiState>,
    Caller(identity): Caller,
    id: web::Path<ConversationId>,
) -> Result<web::Json<BanList>, ApiError> {
    let details = manager_view(&state, identity.user_id, id.into_inner()).await?;
    let bans = details.bans.into_iter().map(|ban| BanView {
        user_id: ban.user_id,
        seq: ban.seq,
        banned_by: ban.banned_by,
        banned_at: ban.banned_at,
    });
    Ok(web::Json(BanList { bans: bans.collect() }))
}

/// Bans a user, who is a member no more.
#[utoipa::path(
    tag = "conversations",
    params(("id" = ConversationId, Path), ("user" = UserId, Path)),
    responses(
        (status = 200, body = SentMessage, description = "The entry's number"),
        (status = 403, body = Problem, description = "`forbidden`: owners and admins"),
        (status = 404, body = Problem, description = "`not_found`: none that you may see"),
        (status = 422, body = Problem,
            description = "`invalid_field`: no such user, oneself, or banned already"),
    )
)]
#[put("/conversations/{id}/bans/{user}")]
async fn ban_user(
    state: web::Data<ApiState>,
    Caller(identity): Caller,
    path: web::Path<(ConversationId, UserId)>,
) -> Sent {
    let (id, user) = path.into_inner();
    check_all_exist(&state, &[user]).await?;
    let event = Event::BansChanged { banned: vec![user], unbanned: Vec::new() };
    submit(&state, identity.user_id, id, event).await
}

/// Lifts a ban. The user is no member by that.
#[utoipa::path(
    tag = "conversations",
    params(("id" = ConversationId, Path), ("user" = UserId, Path)),
    responses(
        (status = 200, body = SentMessage, description = "The entry's number"),
        (status = 403, body = Problem, description = "`forbidden`: owners and admins"),
        (status = 404, body = Problem, description = "`not_found`: none that you may see"),
        (status = 422, body = Problem, description = "`invalid_field`: not banned"),
    )
)]
#[delete("/conversations/{id}/bans/{user}")]
async fn unban_user(
    state: web::Data<ApiState>,
    Caller(identity): Caller,
    path: web::Path<(ConversationId, UserId)>,
) -> Sent {
    let (id, user) = path.into_inner();
    let event = Event::BansChanged { banned: Vec::new(), unbanned: vec![user] };
    submit(&state, identity.user_id, id, event).await
}

/// A conversation as an owner or admin sees it.
///
/// # Errors
/// `not_found` to those who may not see it, `forbidden` to other members.
pub(super) async fn manager_view(
    state: &ApiState,
    user: UserId,
    id: ConversationId,
) -> Result<actors::node::ConversationDetails, ApiError> {
    let details = state.node.describe(user, id).await?;
    let Some(place) = details.membership else { return Err(Refusal::not_found().into()) };
    if place.role == Role::Member {
        let text = "only owners and admins may do this";
        return Err(Refusal::new(ErrorCode::Forbidden, text).into());
    }
    Ok(details)
}
