//! Administration behind the admin token: what the command line asks of a running server.

use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::web::{self, ServiceConfig};
use actix_web::{FromRequest, HttpRequest, HttpResponse};
use actors::ports::{Identity, NewDevice};
use garde::Validate;
use schema::wire::ErrorCode;
use schema::{DeviceId, UserId};
use serde::{Deserialize, Serialize};

use crate::api::body::Valid;
use crate::api::identity::bearer_token;
use crate::api::{ApiError, ApiState, username};
use crate::auth::NewAccount;
use crate::config::TextDuration;

/// Longest life of a minted token, seconds: a year.
pub(super) const TOKEN_TTL_S_MAX: u64 = 366 * 86_400;

pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .route("/v1/users", web::post().to(create_user))
        .route("/v1/tokens", web::post().to(mint_token))
        .route("/v1/search/reindex", web::post().to(reindex));
}

/// Whoever holds the admin token. As an argument it makes a route refuse all others.
pub(super) struct Admin;

impl FromRequest for Admin {
    type Error = actix_web::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Self::Error>>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let verdict = check(request);
        Box::pin(std::future::ready(verdict.map_err(Into::into)))
    }
}

fn check(request: &HttpRequest) -> Result<Admin, ApiError> {
    let state = request.app_data::<web::Data<ApiState>>().ok_or_else(ApiError::internal)?;
    if state.auth.is_admin_token(&bearer_token(request)?) {
        Ok(Admin)
    } else {
        Err(ApiError::new(ErrorCode::BadToken, "not the admin token"))
    }
}

/// `POST /v1/users`.
#[derive(Clone, Serialize, Deserialize, Validate)]
pub struct CreateUserRequest {
    #[garde(length(chars, min = 2, max = 32))]
    pub username: String,
    /// Without one the account cannot sign in by password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(inner(length(chars, min = 8, max = 256)))]
    pub password: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(inner(length(chars, min = 1, max = 64)))]
    pub display_name: Option<String>,
}

/// Answer to [`CreateUserRequest`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreatedUser {
    pub user_id: UserId,
    pub username: String,
}

async fn create_user(
    _: Admin,
    state: web::Data<ApiState>,
    Valid(body): Valid<CreateUserRequest>,
) -> Result<HttpResponse, ApiError> {
    let account = NewAccount {
        username: username::fold(&body.username)?,
        password: body.password.map(Into::into),
        display_name: body.display_name,
    };
    let account = state.auth.create_account(account).await?;
    let created = CreatedUser { user_id: account.user_id, username: account.username };
    Ok(HttpResponse::Created().json(created))
}

/// `POST /v1/tokens`: signs a new device of a user in, for tests.
#[derive(Clone, Debug, Serialize, Deserialize, Validate)]
pub struct MintTokenRequest {
    #[garde(length(chars, min = 2, max = 32))]
    pub username: String,
    #[garde(range(min = 1, max = TOKEN_TTL_S_MAX))]
    pub token_ttl_s: u64,
}

/// Answer to [`MintTokenRequest`].
#[derive(Clone, Serialize, Deserialize)]
pub struct MintedToken {
    pub user_id: UserId,
    pub device_id: DeviceId,
    pub access_token: String,
}

async fn mint_token(
    _: Admin,
    state: web::Data<ApiState>,
    Valid(body): Valid<MintTokenRequest>,
) -> Result<HttpResponse, ApiError> {
    let name = username::fold(&body.username)?;
    let user = state
        .users
        .user_by_name(name)
        .await?
        .ok_or_else(|| ApiError::new(ErrorCode::NotFound, "no such user"))?;
    let identity = Identity { user_id: user.user_id, device_id: DeviceId::generate() };
    let device = NewDevice {
        device_id: identity.device_id,
        user_id: identity.user_id,
        name: "made by the command line".to_owned(),
        created_at: state.clock.now_ms(),
    };
    state.users.add_devices(vec![device]).await?;
    let access_token = state.auth.mint(identity, TextDuration::from_secs(body.token_ttl_s));
    Ok(HttpResponse::Created().json(MintedToken {
        user_id: identity.user_id,
        device_id: identity.device_id,
        access_token,
    }))
}

/// Answer to `POST /v1/search/reindex`: how many entries were read.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Reindexed {
    pub entries: u64,
}

/// Makes the embedded index anew; answers when it is searched.
async fn reindex(_: Admin, state: web::Data<ApiState>) -> Result<HttpResponse, ApiError> {
    let Some(store) = &state.embedded else {
        return Err(ApiError::new(ErrorCode::NotFound, "this server has no index of its own"));
    };
    let entries = store.reindex().await?;
    Ok(HttpResponse::Ok().json(Reindexed { entries }))
}
