//! `/v1/blocks`: users who are to leave one alone.

use actix_web::{HttpResponse, delete, get, put, web};
use schema::UserId;
use schema::rest::{BlockList, Problem};
use utoipa_actix_web::service_config::ServiceConfig;

use super::conversations::user_views;
use super::identity::Caller;
use super::problem::ApiError;
use super::state::ApiState;
use super::users;

pub(super) fn routes(config: &mut ServiceConfig) {
    config.service(get_blocks).service(block).service(unblock);
}

/// Whom one blocks.
#[utoipa::path(tag = "own", responses((status = 200, body = BlockList)))]
#[get("/blocks")]
async fn get_blocks(
    state: web::Data<ApiState>,
    Caller(identity): Caller,
) -> Result<web::Json<BlockList>, ApiError> {
    let blocked = state.personal.blocked(identity.user_id).await?;
    let mut views = user_views(&state, blocked.clone()).await?;
    let view = |user| views.remove(&user).unwrap_or_else(|| users::view_of_nobody(user));
    Ok(web::Json(BlockList { blocked: blocked.into_iter().map(view).collect() }))
}

/// Blocks a user: they cannot write to one directly, and hear nothing of one there.
#[utoipa::path(
    tag = "own", params(("user" = UserId, Path)),
    responses(
        (status = 204, description = "Blocked, now or before"),
        (status = 404, body = Problem, description = "`not_found`: there is no such user"),
        (status = 422, body = Problem, description = "`invalid_field`: oneself, or too many"),
    )
)]
#[put("/blocks/{user}")]
async fn block(
    state: web::Data<ApiState>,
    Caller(identity): Caller,
    user: web::Path<UserId>,
) -> Result<HttpResponse, ApiError> {
    let user = user.into_inner();
    if state.users.users(vec![user]).await?.is_empty() {
        return Err(users::no_such_user());
    }
    state.personal.block(identity, user, true).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Blocks a user no more.
#[utoipa::path(
    tag = "own", params(("user" = UserId, Path)),
    responses((status = 204, description = "Not blocked, now or before"))
)]
#[delete("/blocks/{user}")]
async fn unblock(
    state: web::Data<ApiState>,
    Caller(identity): Caller,
    user: web::Path<UserId>,
) -> Result<HttpResponse, ApiError> {
    let user = user.into_inner();
    if user != identity.user_id {
        state.personal.block(identity, user, false).await?;
    }
    Ok(HttpResponse::NoContent().finish())
}
