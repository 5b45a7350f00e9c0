//! `/v1/register`, `/v1/login`, `/v1/token/refresh`, `/v1/logout`.

use actix_web::{HttpRequest, HttpResponse, post, web};
use schema::metric;
use schema::rest::{LoginRequest, Problem, RefreshRequest, RegisterRequest, SignedIn};
use schema::wire::CloseCode;
use utoipa_actix_web::service_config::ServiceConfig;

use super::address::client_address;
use super::body::Valid;
use super::identity::Caller;
use super::problem::ApiError;
use super::state::ApiState;
use super::username;
use crate::auth::{AuthError, NewAccount};

pub(super) fn routes(config: &mut ServiceConfig) {
    config.service(register).service(login).service(refresh_tokens).service(logout);
}

/// Makes an account and signs this device in.
#[utoipa::path(tag = "sign-in", request_body = RegisterRequest, security(()), responses(
    (status = 201, body = SignedIn, description = "The account exists and this device is signed in"),
    (status = 403, body = Problem, description = "`forbidden`: registration is closed"),
    (status = 409, body = Problem, description = "`username_taken`"),
    (status = 422, body = Problem, description = "`invalid_field`; a weak password comes with advice"),
    (status = 429, body = Problem, description = "`rate_limited`"),
))]
#[post("/register")]
async fn register(
    request: HttpRequest,
    state: web::Data<ApiState>,
    Valid(body): Valid<RegisterRequest>,
) -> Result<HttpResponse, ApiError> {
    state.limits.check_registration(client_address(&request, &state.settings.trusted_proxies))?;
    let account = NewAccount {
        username: username::fold(&body.username)?,
        password: Some(body.password.into()),
        display_name: body.display_name,
    };
    let signed_in = state.auth.register(account, body.device).await.map_err(count_failure)?;
    Ok(HttpResponse::Created().json(signed_in))
}

/// Signs a new device in.
#[utoipa::path(tag = "sign-in", request_body = LoginRequest, security(()), responses(
    (status = 200, body = SignedIn, description = "This device is signed in"),
    (status = 401, body = Problem, description = "`bad_credentials`"),
    (status = 429, body = Problem, description = "`rate_limited`: by address and by user name"),
    (status = 503, body = Problem, description = "`overloaded`: too many sign-ins are waiting"),
))]
#[post("/login")]
async fn login(
    request: HttpRequest,
    state: web::Data<ApiState>,
    Valid(body): Valid<LoginRequest>,
) -> Result<HttpResponse, ApiError> {
    let address = client_address(&request, &state.settings.trusted_proxies);
    let username = body.username.trim().to_ascii_lowercase();
    state.limits.check_sign_in(address, &username)?;
    let signed_in = state
        .auth
        .login(username, body.password.into(), body.device)
        .await
        .map_err(count_failure)?;
    Ok(HttpResponse::Ok().json(signed_in))
}

/// Exchanges a refresh token for new tokens. One that is used twice signs its device out.
#[utoipa::path(tag = "sign-in", request_body = RefreshRequest, security(()), responses(
    (status = 200, body = SignedIn, description = "New tokens; the old refresh token is spent"),
    (status = 401, body = Problem,
        description = "`bad_token`, or `token_revoked`: used before, the device is signed out"),
))]
#[post("/token/refresh")]
async fn refresh_tokens(
    request: HttpRequest,
    state: web::Data<ApiState>,
    Valid(body): Valid<RefreshRequest>,
) -> Result<HttpResponse, ApiError> {
    let address = client_address(&request, &state.settings.trusted_proxies);
    state.limits.check_anonymous_request(address)?;
    match state.auth.refresh(&body.refresh_token).await {
        Ok(signed_in) => Ok(HttpResponse::Ok().json(signed_in)),
        Err(error) => {
            if let AuthError::RefreshTokenReused { user_id, device_id } = error {
                state.node.disconnect_device(user_id, device_id, CloseCode::TokenRevoked);
            }
            Err(count_failure(error))
        }
    }
}

/// Signs this device out: its tokens stop working and its socket closes.
#[utoipa::path(tag = "sign-in", responses((status = 204, description = "Signed out")))]
#[post("/logout")]
async fn logout(
    state: web::Data<ApiState>,
    Caller(identity): Caller,
) -> Result<HttpResponse, ApiError> {
    state.auth.revoke_device(identity.user_id, identity.device_id).await?;
    state.node.disconnect_device(identity.user_id, identity.device_id, CloseCode::TokenRevoked);
    Ok(HttpResponse::NoContent().finish())
}

fn count_failure(error: AuthError) -> ApiError {
    let error = ApiError::from(error);
    metrics::counter!(metric::SIGN_IN_FAILURES, "code" => error.refusal.code.as_str()).increment(1);
    error
}
