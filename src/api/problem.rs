//! Every error of REST: RFC 9457 `application/problem+json` with a stable code.

use std::fmt;
use std::fmt::Write as _;

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use actors::ports::{StoreError, TokenRefused};
use schema::rest::{FieldProblem, Problem};
use schema::wire::{ErrorCode, Refusal};

use super::observe;
use crate::auth::AuthError;
use crate::auth::password::PasswordError;
use crate::search::SearchError;

/// Where a code is explained.
pub const ERRORS_PAGE: &str = "/v1/errors";

/// What a handler answers instead of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    pub refusal: Refusal,
    pub errors: Vec<FieldProblem>,
}

impl ApiError {
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<std::borrow::Cow<'static, str>>) -> Self {
        Refusal::new(code, message).into()
    }

    /// One refused field.
    #[must_use]
    pub fn field(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::fields(vec![FieldProblem { field: field.into(), message: message.into() }])
    }

    /// All refused fields of a body.
    #[must_use]
    pub fn fields(errors: Vec<FieldProblem>) -> Self {
        let mut message = String::new();
        for FieldProblem { field, message: reason } in &errors {
            let separator = if message.is_empty() { "" } else { "; " };
            let _ = write!(message, "{separator}{field}: {reason}");
        }
        Self { refusal: Refusal::new(ErrorCode::InvalidField, message), errors }
    }

    /// Logged by the caller; the client learns nothing but the trace id.
    #[must_use]
    pub fn internal() -> Self {
        Self::new(ErrorCode::Internal, "something broke on our side; it was logged")
    }

    #[must_use]
    pub fn problem(&self) -> Problem {
        let Refusal { code, message, retry_after_ms, seq } = &self.refusal;
        let detail = match seq {
            Some(seq) => format!("{message}; it has number {seq}"),
            None => message.to_string(),
        };
        Problem {
            kind: format!("{ERRORS_PAGE}#{code}"),
            title: title(*code),
            status: code.http_status(),
            code: *code,
            detail: Some(detail),
            trace_id: observe::current_trace_id(),
            temporary: code.is_temporary(),
            retry_after_ms: *retry_after_ms,
            errors: self.errors.clone(),
        }
    }
}

/// `rate_limited` → `Rate limited`.
fn title(code: ErrorCode) -> String {
    let words = code.as_str().replace('_', " ");
    let mut characters = words.chars();
    characters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

impl fmt::Display for ApiError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.refusal.fmt(formatter)
    }
}

impl std::error::Error for ApiError {}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.refusal.code.http_status())
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        response.insert_header((CONTENT_TYPE, "application/problem+json"));
        if let Some(retry_after_ms) = self.refusal.retry_after_ms {
            response.insert_header((RETRY_AFTER, retry_after_ms.div_ceil(1000).max(1)));
        }
        if self.status_code() == StatusCode::UNAUTHORIZED {
            response.insert_header((WWW_AUTHENTICATE, "Bearer"));
        }
        response.body(serde_json::to_vec(&self.problem()).unwrap_or_default())
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, errors: Vec::new() }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) => {
                tracing::warn!(%error, "a request could not be answered");
                Refusal::retry_later("the store is busy; try again").into()
            }
            StoreError::Damaged(_) => {
                tracing::error!(%error, "a request could not be answered");
                Self::internal()
            }
        }
    }
}

impl From<SearchError> for ApiError {
    fn from(error: SearchError) -> Self {
        let message = error.to_string();
        match error {
            SearchError::Unavailable { retry_after_ms } => {
                Refusal::retry_later(message).retry_after_ms(retry_after_ms).into()
            }
            SearchError::Store(error) => error.into(),
        }
    }
}

impl From<TokenRefused> for ApiError {
    fn from(refused: TokenRefused) -> Self {
        Self::new(refused.code(), refused.to_string())
    }
}

impl From<AuthError> for ApiError {
    fn from(error: AuthError) -> Self {
        let message = error.to_string();
        match error {
            AuthError::BadCredentials => Self::new(ErrorCode::BadCredentials, message),
            AuthError::RegistrationClosed => Self::new(ErrorCode::Forbidden, message),
            AuthError::UsernameTaken(_) => Self::new(ErrorCode::UsernameTaken, message),
            AuthError::WeakPassword(weak) => Self::field("password", weak.0.join(" ")),
            AuthError::Token(refused) => refused.into(),
            AuthError::RefreshTokenReused { .. } => Self::new(ErrorCode::TokenRevoked, message),
            AuthError::Password(PasswordError::Overloaded) => {
                Refusal::new(ErrorCode::Overloaded, message).retry_after_ms(2_000).into()
            }
            AuthError::Password(PasswordError::Failed) => {
                tracing::error!("a password could not be hashed");
                Self::internal()
            }
            AuthError::Store(error) => error.into(),
        }
    }
}

/// The answer to what is not in the route table; a known path with another method included.
pub async fn no_such_route(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    if super::openapi::is_known_path(request.path()) {
        let message = format!("{} is not possible here", request.method());
        return Err(ApiError::new(ErrorCode::MethodNotAllowed, message));
    }
    Err(ApiError::new(ErrorCode::NotFound, "no such route"))
}

/// The same on the internal listener.
pub async fn no_such_internal_route() -> Result<HttpResponse, ApiError> {
    Err(ApiError::new(ErrorCode::NotFound, "no such route"))
}

#[cfg(test)]
mod tests {
    use actix_web::body::MessageBody as _;

    use super::*;

    #[test]
    fn a_problem_says_code_status_and_when_to_return() {
        let refusal = Refusal::new(ErrorCode::RateLimited, "slower").retry_after_ms(1_200);
        let response = ApiError::from(refusal).error_response();
        assert_eq!(response.status(), 429);
        assert_eq!(response.headers().get("retry-after").unwrap(), "2");
        assert_eq!(response.headers().get("content-type").unwrap(), "application/problem+json");
        let body = response.into_body().try_into_bytes().unwrap();
        let problem: Problem = serde_json::from_slice(&body).unwrap();
        assert_eq!(problem.code, ErrorCode::RateLimited);
        assert_eq!(problem.kind, "/v1/errors#rate_limited");
        assert_eq!(problem.title, "Rate limited");
        assert!(problem.temporary);
        assert_eq!(problem.retry_after_ms, Some(1_200));
    }

    #[test]
    fn causes_inside_stay_inside() {
        for error in [
            StoreError::Damaged("row 7 of canary".to_owned()),
            StoreError::Unavailable("canary locked".to_owned()),
        ] {
            let problem = serde_json::to_string(&ApiError::from(error).problem()).unwrap();
            assert!(!problem.contains("canary"), "{problem}");
        }
    }
}
