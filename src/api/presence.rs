//! `/v1/presence`: whether a user is there.

use actix_web::{get, web};
use schema::UserId;
use schema::rest::{PresenceView, Problem};
use schema::wire::UserOnline;
use utoipa_actix_web::service_config::ServiceConfig;

use super::identity::Caller;
use super::problem::ApiError;
use super::state::ApiState;
use super::users::no_such_user;

pub(super) fn routes(config: &mut ServiceConfig) {
    config.service(get_presence);
}

/// Whether a user is there, and when they were last, as far as they let one know.
#[utoipa::path(
    tag = "users", params(("id" = UserId, Path)),
    responses(
        (status = 200, body = PresenceView),
        (status = 404, body = Problem, description = "`not_found`: there is no such user"),
    )
)]
#[get("/presence/{id}")]
async fn get_presence(
    state: web::Data<ApiState>,
    Caller(caller): Caller,
    id: web::Path<UserId>,
) -> Result<web::Json<PresenceView>, ApiError> {
    let user_id = id.into_inner();
    if state.users.users(vec![user_id]).await?.is_empty() {
        return Err(no_such_user());
    }
    let UserOnline { status, last_seen, .. } = state.node.presence(caller.user_id, user_id).await?;
    Ok(web::Json(PresenceView { user_id, status, last_seen }))
}
