//! Who asks: the Bearer token of a request, checked once.

use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::header::AUTHORIZATION;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest, web};
use actors::ports::{Authenticator as _, Identity};
use schema::wire::ErrorCode;

use super::problem::ApiError;
use super::state::ApiState;

/// The signed-in device behind a request. As an argument it makes a route refuse all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller(pub Identity);

impl FromRequest for Caller {
    type Error = actix_web::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Self::Error>>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move { Ok(identify(&request).await?) })
    }
}

/// The verdict on the request's token, which is asked for only once.
///
/// # Errors
/// `bad_token`, `token_expired`, `token_revoked`, `rate_limited`, `retry_later`.
pub async fn identify(request: &HttpRequest) -> Result<Caller, ApiError> {
    let known = request.extensions().get::<Result<Caller, ApiError>>().cloned();
    if let Some(verdict) = known {
        return verdict;
    }
    let verdict = check(request).await;
    request.extensions_mut().insert(verdict.clone());
    verdict
}

async fn check(request: &HttpRequest) -> Result<Caller, ApiError> {
    let state = request.app_data::<web::Data<ApiState>>().ok_or_else(ApiError::internal)?;
    let token = bearer_token(request)?;
    let identity = state.auth.verifier().verify(token).await?;
    state.limits.check_request(identity.user_id)?;
    Ok(Caller(identity))
}

/// The token of the `Authorization` header. One in the address would be in logs and histories.
///
/// # Errors
/// `bad_token`.
pub fn bearer_token(request: &HttpRequest) -> Result<String, ApiError> {
    if has_token_in_query(request.query_string()) {
        let message = "tokens belong in the Authorization header, never in the address";
        return Err(ApiError::new(ErrorCode::BadToken, message));
    }
    let mut headers = request.headers().get_all(AUTHORIZATION);
    let (Some(header), None) = (headers.next(), headers.next()) else {
        return Err(ApiError::new(ErrorCode::BadToken, "sign in: Authorization: Bearer TOKEN"));
    };
    header
        .to_str()
        .ok()
        .and_then(|text| text.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim().to_owned())
        .filter(|token| !token.is_empty())
        .ok_or_else(|| ApiError::new(ErrorCode::BadToken, "Authorization must be Bearer TOKEN"))
}

fn has_token_in_query(query: &str) -> bool {
    query.split('&').any(|pair| {
        let name = pair.split('=').next().unwrap_or_default();
        ["token", "access_token", "bearer", "jwt"]
            .iter()
            .any(|forbidden| name.eq_ignore_ascii_case(forbidden))
    })
}
