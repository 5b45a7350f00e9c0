//! Around every request: a trace id, security headers, the duration by route pattern.

use std::time::SystemTime;

use actix_web::HttpRequest;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use actix_web::middleware::Next;
use schema::cluster::trace::{self, TraceContext, TraceOf};
use schema::{MessageId, metric};
use tokio::time::Instant;
use tracing::Instrument as _;

use crate::telemetry::traces::{self, RequestSpan};

tokio::task_local! {
    static TRACE_ID: TraceId;
}

/// Of one request: in its answer, in its log lines and, when it is sampled, in its spans. The
/// caller's own, if it sends a `traceparent`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceId {
    /// 128 bits in hex.
    text: String,
    /// The request's span, when it is sampled.
    span: Option<TraceContext>,
}

impl TraceId {
    fn generate() -> Self {
        Self { text: uuid::Uuid::new_v4().simple().to_string(), span: None }
    }

    /// As the caller says, or a fresh one; and the caller's span.
    fn of_request(request: &ServiceRequest) -> (Self, Option<[u8; 8]>) {
        let parent = request.headers().get("traceparent");
        let parent = parent.and_then(|it| trace::parse_traceparent(it.to_str().ok()?));
        let trace_id = parent.map_or_else(rand::random, |(context, _)| context.trace_id);
        let is_sampled = traces::is_request_sampled(parent.map(|(_, sampled)| sampled));
        let span = is_sampled.then(|| TraceContext { trace_id, span_id: rand::random() });
        let text = traces::hex(&trace_id);
        (Self { text, span }, parent.map(|(context, _)| context.span_id))
    }

    /// That of the request being answered; a fresh one outside of REST.
    #[must_use]
    pub fn current() -> Self {
        TRACE_ID.try_with(Self::clone).unwrap_or_else(|_| Self::generate())
    }

    /// Runs `work` as part of this request.
    pub async fn scope<F: Future>(self, work: F) -> F::Output {
        TRACE_ID.scope(self, work).await
    }
}

/// The trace id of the request that is being answered; a fresh one outside of REST.
#[must_use]
pub fn current_trace_id() -> String {
    TraceId::current().text
}

/// A message that the current request sends is part of its trace.
pub fn trace_message(message_id: MessageId) {
    if let Ok(Some(context)) = TRACE_ID.try_with(|it| it.span) {
        actors::monitor::trace::adopt(&TraceOf { message_id, context });
    }
}

const HEADER: HeaderName = HeaderName::from_static("x-trace-id");
/// Answers of REST are for programs: a browser that shows one must not run it.
const REST_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";

/// The outermost middleware of `/v1` and of the internal listener.
///
/// # Errors
/// Those of the middleware inside: handlers' errors are answers already.
pub async fn observe(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let (started, started_at) = (Instant::now(), SystemTime::now());
    let (trace_id, parent) = TraceId::of_request(&request);
    let span =
        tracing::info_span!("request", trace_id = %trace_id.text, method = %request.method());
    let answer = next.call(request);
    let mut response =
        trace_id.clone().scope(answer).instrument(span.clone()).await?.map_into_boxed_body();
    let _entered = span.enter();
    record(&response, started);
    if let Some(context) = trace_id.span {
        let request = response.request();
        traces::request(&RequestSpan {
            context,
            parent,
            method: request.method().as_str(),
            route: &route(request),
            status: response.status().as_u16(),
            started: started_at,
        });
    }
    set_headers(&mut response, &trace_id);
    Ok(response)
}

fn record(response: &ServiceResponse<BoxBody>, started: Instant) {
    let route = route(response.request());
    let status = response.status();
    let elapsed = started.elapsed();
    if status.is_server_error() {
        tracing::warn!(route, status = status.as_u16(), ?elapsed, "request failed");
    } else {
        tracing::debug!(route, status = status.as_u16(), ?elapsed, "request answered");
    }
    metrics::histogram!(metric::HTTP_SECONDS, "route" => route, "status" => status_text(status))
        .record(elapsed.as_secs_f64());
}

fn route(request: &HttpRequest) -> String {
    request.match_pattern().unwrap_or_else(|| "unmatched".to_owned())
}

fn status_text(status: actix_web::http::StatusCode) -> String {
    status.as_str().to_owned()
}

fn set_headers(response: &mut ServiceResponse<BoxBody>, trace_id: &TraceId) {
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&trace_id.text) {
        headers.insert(HEADER, value);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if !headers.contains_key(CONTENT_SECURITY_POLICY) {
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(REST_POLICY));
    }
}
