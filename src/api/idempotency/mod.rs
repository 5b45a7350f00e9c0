//! `Idempotency-Key`: a POST repeated under the same key gets the first answer again.
//!
//! Answers are kept in the memory of the node that gave them, for 24 hours and within a byte
//! budget: a repeat that reaches another node, or this one after a restart, is carried out again.
//! Messages do not depend on it: their `message_id` is deduplicated by the log itself.

mod memory;

use std::sync::Arc;

use actix_web::body::{BoxBody, MessageBody, to_bytes_limited};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header::{CONTENT_TYPE, HeaderName};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{HttpResponse, ResponseError as _, web};
use actors::ports::PortFuture;
use bytes::Bytes;
use schema::UserId;
use schema::wire::{ErrorCode, Refusal};
use sha2::{Digest as _, Sha256};
use tracing::Instrument as _;

use super::body::too_large;
use super::identity::{Caller, identify};
use super::observe::TraceId;
use super::problem::ApiError;
use super::state::ApiState;

pub use memory::InMemoryIdempotency;

/// Longest key, bytes.
const KEY_BYTES_MAX: usize = 255;
/// Largest answer that is kept; REST's answers to POST are far smaller.
const ANSWER_BYTES_MAX: usize = 256 * 1024;

const KEY_HEADER: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED_HEADER: HeaderName = HeaderName::from_static("idempotency-replayed");

/// One user's key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    pub user_id: UserId,
    pub text: String,
}

/// SHA-256 over method, address and body.
pub type Fingerprint = [u8; 32];

/// An answer that can be given again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredAnswer {
    pub status: u16,
    pub content_type: Option<String>,
    pub body: Bytes,
}

/// What a key means now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun {
    /// New: carry the request out, then `finish` or `abandon`.
    Fresh,
    /// Done before: the answer it got.
    Done(StoredAnswer),
    /// The first request with this key is still being carried out.
    Running,
    /// The key was used for another request.
    OtherRequest,
}

/// Remembers keys and answers.
///
/// Guarantees: of all that `begin` one key at once, exactly one is `Fresh`, until that one is
/// abandoned or its answer is older than 24 hours.
pub trait IdempotencyStore: Send + Sync + 'static {
    fn begin(&self, key: Key, fingerprint: Fingerprint) -> PortFuture<Begun>;

    /// Keeps the answer of a `Fresh` key.
    fn finish(&self, key: Key, answer: StoredAnswer) -> PortFuture<()>;

    /// The request had no lasting effect: the key is free again.
    fn abandon(&self, key: Key) -> PortFuture<()>;
}

/// Middleware: POSTs of signed-in users that carry the header are carried out once.
///
/// # Errors
/// Only when the handler died.
pub async fn answer_once(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let begun = match begin(&mut request).await {
        Ok(begun) => begun,
        Err(error) => return Ok(request.into_response(error.error_response())),
    };
    let (state, key) = match begun {
        Start::WithoutKey => return Ok(next.call(request).await?.map_into_boxed_body()),
        Start::Replay(answer) => return Ok(request.into_response(replay(answer))),
        Start::Fresh(state, key) => (state, key),
    };
    let trace_id = TraceId::current();
    // A task of its own: a client that hangs up must not leave the outcome unknown.
    let (store, key_of_work) = (Arc::clone(&state.idempotency), key.clone());
    let work = async move { keep(&state, key_of_work, next.call(request).await?).await };
    let work = actix_rt::spawn(trace_id.scope(work).in_current_span()).await;
    match work {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => {
            store.abandon(key).await.map_err(ApiError::from)?;
            Err(error)
        }
        Err(_) => {
            store.abandon(key).await.map_err(ApiError::from)?;
            Err(ApiError::internal().into())
        }
    }
}

/// What to do with a request.
enum Start {
    WithoutKey,
    Replay(StoredAnswer),
    Fresh(web::Data<ApiState>, Key),
}

async fn begin(request: &mut ServiceRequest) -> Result<Start, ApiError> {
    let Some(key) = key_of(request).await? else { return Ok(Start::WithoutKey) };
    let state = request.app_data::<web::Data<ApiState>>().ok_or_else(ApiError::internal)?.clone();
    let body = request
        .extract::<Bytes>()
        .await
        .map_err(|_| too_large(state.settings.request_bytes_max))?;
    let fingerprint = fingerprint(request, &body);
    match state.idempotency.begin(key.clone(), fingerprint).await? {
        Begun::Fresh => {
            request.set_payload(Payload::from(body));
            Ok(Start::Fresh(state, key))
        }
        Begun::Done(answer) => Ok(Start::Replay(answer)),
        Begun::Running => {
            let message = "the first request with this Idempotency-Key is still running";
            let refusal = Refusal::new(ErrorCode::IdempotencyKeyInUse, message);
            Err(refusal.retry_after_ms(500).into())
        }
        Begun::OtherRequest => {
            let message = "this Idempotency-Key was used for another request";
            Err(ApiError::new(ErrorCode::IdempotencyKeyReused, message))
        }
    }
}

/// The key of a request that has one and is of someone signed in.
async fn key_of(request: &ServiceRequest) -> Result<Option<Key>, ApiError> {
    if request.method() != Method::POST {
        return Ok(None);
    }
    let Some(header) = request.headers().get(KEY_HEADER) else { return Ok(None) };
    let Ok(Caller(identity)) = identify(request.request()).await else { return Ok(None) };
    let text = header.to_str().unwrap_or_default();
    if text.is_empty() || text.len() > KEY_BYTES_MAX {
        let message = format!("must be 1 to {KEY_BYTES_MAX} visible ASCII characters");
        return Err(ApiError::field("Idempotency-Key", message));
    }
    Ok(Some(Key { user_id: identity.user_id, text: text.to_owned() }))
}

fn fingerprint(request: &ServiceRequest, body: &Bytes) -> Fingerprint {
    let mut hash = Sha256::new();
    for part in [request.method().as_str(), request.path(), request.query_string()] {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    hash.update(body);
    hash.finalize().into()
}

fn replay(answer: StoredAnswer) -> HttpResponse {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::build(status);
    response.insert_header((REPLAYED_HEADER, "true"));
    if let Some(content_type) = answer.content_type {
        response.insert_header((CONTENT_TYPE, content_type));
    }
    response.body(answer.body)
}

/// Stores what may be given again; frees the key when trying again may end differently.
async fn keep<B: MessageBody + 'static>(
    state: &ApiState,
    key: Key,
    answer: ServiceResponse<B>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let (request, answer) = answer.into_parts();
    let (head, body) = answer.into_parts();
    let Ok(Ok(body)) = to_bytes_limited(body, ANSWER_BYTES_MAX).await else {
        state.idempotency.abandon(key).await.map_err(ApiError::from)?;
        return Err(ApiError::internal().into());
    };
    let status = head.status();
    if is_final(status) {
        let content_type = head.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let answer = StoredAnswer {
            status: status.as_u16(),
            content_type: content_type.map(str::to_owned),
            body: body.clone(),
        };
        state.idempotency.finish(key, answer).await.map_err(ApiError::from)?;
    } else {
        state.idempotency.abandon(key).await.map_err(ApiError::from)?;
    }
    Ok(ServiceResponse::new(request, head.set_body(BoxBody::new(body))))
}

fn is_final(status: StatusCode) -> bool {
    !status.is_server_error()
        && !matches!(status, StatusCode::UNAUTHORIZED | StatusCode::TOO_MANY_REQUESTS)
}
