//! Around every request: a trace id, security headers, the duration by route pattern.

use actix_web::HttpMessage as _;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use actix_web::middleware::Next;
use schema::metric;
use tokio::time::Instant;
use tracing::Instrument as _;

tokio::task_local! {
    static TRACE_ID: TraceId;
}

/// 128 random bits in hex, in the answer and in the log lines of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceId(pub String);

impl TraceId {
    fn generate() -> Self {
        Self(uuid::Uuid::new_v4().simple().to_string())
    }

    /// Runs `work` as part of this request.
    pub async fn scope<F: Future>(self, work: F) -> F::Output {
        TRACE_ID.scope(self, work).await
    }
}

/// The trace id of the request that is being answered; a fresh one outside of REST.
#[must_use]
pub fn current_trace_id() -> String {
    TRACE_ID.try_with(TraceId::clone).unwrap_or_else(|_| TraceId::generate()).0
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
    let started = Instant::now();
    let trace_id = TraceId::generate();
    request.extensions_mut().insert(trace_id.clone());
    let span = tracing::info_span!("request", trace_id = %trace_id.0, method = %request.method());
    let answer = next.call(request);
    let mut response =
        trace_id.clone().scope(answer).instrument(span.clone()).await?.map_into_boxed_body();
    let _entered = span.enter();
    record(&response, started);
    set_headers(&mut response, &trace_id);
    Ok(response)
}

fn record(response: &ServiceResponse<BoxBody>, started: Instant) {
    let request = response.request();
    let route = request.match_pattern().unwrap_or_else(|| "unmatched".to_owned());
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

fn status_text(status: actix_web::http::StatusCode) -> String {
    status.as_str().to_owned()
}

fn set_headers(response: &mut ServiceResponse<BoxBody>, trace_id: &TraceId) {
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&trace_id.0) {
        headers.insert(HEADER, value);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if !headers.contains_key(CONTENT_SECURITY_POLICY) {
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(REST_POLICY));
    }
}
