//! Spans on their way to a collector: OTLP over HTTP, encoded as JSON.
//!
//! A bounded queue, batches, a deadline; what does not fit or is not taken is dropped and counted.
//! Nothing that serves waits for it.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use actors::monitor::trace::{self, Span, SpanSink};
use schema::cluster::trace::TraceContext;
use schema::{NodeId, metric};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use url::Url;

use super::TelemetryConfig;

/// Spans that wait to be exported; more are dropped.
const QUEUE_SPANS_MAX: usize = 8_192;
const BATCH_SPANS_MAX: usize = 512;
const EXPORT_EVERY: Duration = Duration::from_secs(1);
/// A collector that takes longer has not taken a batch.
const EXPORT_DEADLINE: Duration = Duration::from_secs(5);
/// What waits at the end has as long to leave.
const FLUSH_DEADLINE: Duration = Duration::from_secs(2);
/// Of failures, no more than one in this time is logged.
const WARN_EVERY: Duration = Duration::from_secs(60);

/// OTLP's number of a span inside a process, and of one that answers a request.
const KIND_INTERNAL: u8 = 1;
const KIND_SERVER: u8 = 2;

enum Item {
    Span(Value),
    Flush(oneshot::Sender<()>),
}

/// Queues spans.
#[derive(Clone)]
pub struct Traces {
    queue: mpsc::Sender<Item>,
    ratio: f64,
}

static TRACES: OnceLock<Traces> = OnceLock::new();

/// Begins to trace, if that is set, on the current runtime. Once a process.
///
/// # Errors
/// When the client of the collector cannot be made.
///
/// # Panics
/// Outside of a tokio runtime.
pub fn install(config: &TelemetryConfig, node: NodeId) -> anyhow::Result<()> {
    let Some(url) = config.traces_url().map_err(anyhow::Error::msg)? else { return Ok(()) };
    let http = reqwest::Client::builder().timeout(EXPORT_DEADLINE).build()?;
    let (queue, items) = mpsc::channel(QUEUE_SPANS_MAX);
    let traces = Traces { queue, ratio: config.sample_ratio };
    if TRACES.set(traces.clone()).is_ok() {
        trace::install(Arc::new(traces), config.sample_ratio);
        let exporter = Exporter { http, url, resource: resource(node), warned_at: None };
        tokio::spawn(exporter.run(items));
    }
    Ok(())
}

/// Sends what waits, within a deadline.
pub async fn flush() {
    let Some(traces) = TRACES.get() else { return };
    let (done, flushed) = oneshot::channel();
    let flush = async {
        if traces.queue.send(Item::Flush(done)).await.is_ok() {
            let _ = flushed.await;
        }
    };
    let _ = timeout(FLUSH_DEADLINE, flush).await;
}

/// Whether a request is traced: as its caller says, else by chance.
#[must_use]
pub fn is_request_sampled(caller: Option<bool>) -> bool {
    let Some(traces) = TRACES.get() else { return false };
    caller.unwrap_or_else(|| traces.ratio > 0.0 && rand::random::<f64>() < traces.ratio)
}

/// A request that was answered just now.
pub struct RequestSpan<'a> {
    pub context: TraceContext,
    pub parent: Option<[u8; 8]>,
    pub method: &'a str,
    /// The pattern, without what a caller filled in.
    pub route: &'a str,
    pub status: u16,
    pub started: SystemTime,
}

/// Queues the span of a request.
pub fn request(request: &RequestSpan<'_>) {
    let Some(traces) = TRACES.get() else { return };
    let name = format!("{} {}", request.method, request.route);
    let mut span =
        span_json(&request.context, request.parent, &name, request.started, SystemTime::now());
    span["kind"] = KIND_SERVER.into();
    span["attributes"] = json!([
        text_attribute("http.request.method", request.method),
        text_attribute("http.route", request.route),
        {"key": "http.response.status_code", "value": {"intValue": request.status.to_string()}},
    ]);
    if request.status >= 500 {
        span["status"] = json!({"code": 2});
    }
    traces.queue(span);
}

impl Traces {
    fn queue(&self, span: Value) {
        if self.queue.try_send(Item::Span(span)).is_err() {
            metrics::counter!(metric::SPANS_DROPPED, "reason" => "queue_full").increment(1);
        }
    }
}

impl SpanSink for Traces {
    fn take(&self, span: Span) {
        self.queue(span_json(&span.context, span.parent, span.name, span.started, span.ended));
    }
}

/// Bytes as lower-case hex digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn span_json(
    context: &TraceContext,
    parent: Option<[u8; 8]>,
    name: &str,
    started: SystemTime,
    ended: SystemTime,
) -> Value {
    json!({
        "traceId": hex(&context.trace_id),
        "spanId": hex(&context.span_id),
        "parentSpanId": parent.map(|it| hex(&it)).unwrap_or_default(),
        "name": name,
        "kind": KIND_INTERNAL,
        "startTimeUnixNano": nanoseconds(started),
        "endTimeUnixNano": nanoseconds(ended.max(started)),
    })
}

/// JSON has no number of 64 bits: OTLP writes them as text.
fn nanoseconds(at: SystemTime) -> String {
    at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos().to_string()
}

fn text_attribute(key: &str, value: &str) -> Value {
    json!({"key": key, "value": {"stringValue": value}})
}

fn resource(node: NodeId) -> Value {
    json!({"attributes": [
        text_attribute("service.name", "switchboard"),
        text_attribute("service.version", env!("CARGO_PKG_VERSION")),
        text_attribute("service.instance.id", &node.to_string()),
    ]})
}

struct Exporter {
    http: reqwest::Client,
    url: Url,
    resource: Value,
    warned_at: Option<tokio::time::Instant>,
}

impl Exporter {
    async fn run(mut self, mut items: mpsc::Receiver<Item>) {
        let mut batch = Vec::new();
        let mut timer = tokio::time::interval(EXPORT_EVERY);
        timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = timer.tick() => self.export(&mut batch).await,
                item = items.recv() => match item {
                    None => return,
                    Some(Item::Span(span)) => {
                        batch.push(span);
                        if batch.len() >= BATCH_SPANS_MAX {
                            self.export(&mut batch).await;
                        }
                    }
                    Some(Item::Flush(done)) => {
                        self.export(&mut batch).await;
                        let _ = done.send(());
                    }
                },
            }
        }
    }

    async fn export(&mut self, batch: &mut Vec<Value>) {
        if batch.is_empty() {
            return;
        }
        let spans = std::mem::take(batch);
        let count = spans.len() as u64;
        let body = json!({"resourceSpans": [{
            "resource": self.resource,
            "scopeSpans": [{"scope": {"name": "switchboard"}, "spans": spans}],
        }]});
        let sent = self.http.post(self.url.clone()).json(&body).send().await;
        match sent.and_then(reqwest::Response::error_for_status) {
            Ok(_) => metrics::counter!(metric::SPANS_EXPORTED).increment(count),
            Err(error) => {
                metrics::counter!(metric::SPANS_DROPPED, "reason" => "export_failed")
                    .increment(count);
                self.warn(&error.without_url());
            }
        }
    }

    fn warn(&mut self, error: &reqwest::Error) {
        if self.warned_at.is_none_or(|at| at.elapsed() >= WARN_EVERY) {
            self.warned_at = Some(tokio::time::Instant::now());
            tracing::warn!(%error, "the collector of traces did not take spans; they are dropped");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_as_otlp_wants_it() {
        let context = TraceContext { trace_id: [0xab; 16], span_id: [1; 8] };
        let started = SystemTime::UNIX_EPOCH + Duration::from_millis(1_500);
        let span = span_json(&context, None, "message.send", started, SystemTime::UNIX_EPOCH);
        assert_eq!(
            span,
            json!({
                "traceId": "abababababababababababababababab",
                "spanId": "0101010101010101",
                "parentSpanId": "",
                "name": "message.send",
                "kind": 1,
                "startTimeUnixNano": "1500000000",
                "endTimeUnixNano": "1500000000",
            })
        );
    }

    #[test]
    fn the_endpoint_is_checked() {
        let at = |endpoint: &str| {
            let otlp_endpoint = endpoint.to_owned();
            TelemetryConfig { otlp_endpoint, ..TelemetryConfig::default() }.traces_url()
        };
        assert_eq!(at(""), Ok(None));
        let url = at("http://127.0.0.1:4318/").unwrap().unwrap();
        assert_eq!(url.as_str(), "http://127.0.0.1:4318/v1/traces");
        assert!(at("127.0.0.1:4318").is_err() && at("grpc://a:1").is_err());
    }
}
