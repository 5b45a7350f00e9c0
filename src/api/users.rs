//! `/v1/users`: profiles.

use actix_web::{get, patch, web};
use actors::ports::Identity;
use schema::UserId;
use schema::record::User;
use schema::rest::{MyProfile, Problem, ProfileChange, UserView};
use schema::wire::ErrorCode;
use serde::{Deserialize, Serialize};
use utoipa_actix_web::service_config::ServiceConfig;

use super::body::Valid;
use super::identity::Caller;
use super::problem::ApiError;
use super::state::ApiState;
use super::username;

pub(super) fn routes(config: &mut ServiceConfig) {
    // `me` comes before `{id}`: the first route that matches answers.
    config.service(get_my_profile).service(change_my_profile).service(find_user).service(get_user);
}

/// Users found by name: one or none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct UserList {
    pub users: Vec<UserView>,
}

#[derive(Deserialize, utoipa::IntoParams)]
struct Find {
    /// The whole name; there is no search by part.
    username: String,
}

/// One's own profile.
#[utoipa::path(tag = "users", responses((status = 200, body = MyProfile)))]
#[get("/users/me")]
async fn get_my_profile(
    state: web::Data<ApiState>,
    Caller(identity): Caller,
) -> Result<web::Json<MyProfile>, ApiError> {
    let mut users = state.users.users(vec![identity.user_id]).await?;
    let user = users.pop().ok_or_else(no_such_user)?;
    Ok(web::Json(my_profile(user, identity)))
}

/// Changes what is given of one's own profile.
#[utoipa::path(tag = "users", request_body = ProfileChange, responses(
    (status = 200, body = MyProfile),
    (status = 422, body = Problem, description = "`invalid_field`"),
))]
#[patch("/users/me")]
async fn change_my_profile(
    state: web::Data<ApiState>,
    Caller(identity): Caller,
    Valid(change): Valid<ProfileChange>,
) -> Result<web::Json<MyProfile>, ApiError> {
    let user = state
        .users
        .update_profile(identity.user_id, change.display_name, change.status_text)
        .await?
        .ok_or_else(no_such_user)?;
    Ok(web::Json(my_profile(user, identity)))
}

/// Finds a user by the whole name.
#[utoipa::path(tag = "users", params(Find), responses((status = 200, body = UserList)))]
#[get("/users")]
async fn find_user(
    state: web::Data<ApiState>,
    _: Caller,
    query: web::Query<Find>,
) -> Result<web::Json<UserList>, ApiError> {
    // What cannot be a name is nobody's name.
    let found = match username::fold(&query.username) {
        Ok(name) => state.users.user_by_name(name).await?,
        Err(_) => None,
    };
    Ok(web::Json(UserList { users: found.into_iter().map(view).collect() }))
}

/// A user's public profile.
#[utoipa::path(tag = "users", params(("id" = UserId, Path)), responses(
    (status = 200, body = UserView),
    (status = 404, body = Problem, description = "`not_found`"),
))]
#[get("/users/{id}")]
async fn get_user(
    state: web::Data<ApiState>,
    _: Caller,
    id: web::Path<UserId>,
) -> Result<web::Json<UserView>, ApiError> {
    let mut users = state.users.users(vec![id.into_inner()]).await?;
    Ok(web::Json(view(users.pop().ok_or_else(no_such_user)?)))
}

pub(super) fn no_such_user() -> ApiError {
    ApiError::new(ErrorCode::NotFound, "no such user")
}

/// What anyone signed in may know.
pub(super) fn view(user: User) -> UserView {
    UserView {
        user_id: user.user_id,
        username: user.username,
        display_name: user.display_name,
        status_text: user.status_text,
    }
}

/// A user whose row is gone, so that a list can still be shown.
pub(super) fn view_of_nobody(user_id: UserId) -> UserView {
    UserView {
        user_id,
        username: String::new(),
        display_name: "deleted user".to_owned(),
        status_text: None,
    }
}

fn my_profile(user: User, identity: Identity) -> MyProfile {
    MyProfile {
        user_id: user.user_id,
        username: user.username,
        display_name: user.display_name,
        status_text: user.status_text,
        created_at: user.created_at,
        device_id: identity.device_id,
    }
}
