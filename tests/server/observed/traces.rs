//! Spans of the real program, taken by a receiver of OTLP over HTTP in this process.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use schema::record::ConversationKind;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep};

use crate::support::{PATIENCE, Server};

/// A collector: it answers `200` and keeps what came.
#[derive(Clone, Default)]
pub struct Collector {
    bodies: Arc<Mutex<Vec<Value>>>,
}

impl Collector {
    pub async fn start() -> (Self, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let collector = Self::default();
        let serving = collector.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serving.clone().serve(socket));
            }
        });
        (collector, url)
    }

    async fn serve(self, mut socket: TcpStream) {
        let mut bytes = Vec::new();
        loop {
            while let Some((head, length)) = complete(&bytes) {
                let request = String::from_utf8_lossy(&bytes[..head]).to_lowercase();
                assert!(request.starts_with("post /v1/traces http/1.1"), "{request}");
                assert!(request.contains("content-type: application/json"), "{request}");
                let body = serde_json::from_slice(&bytes[head..head + length]).unwrap();
                self.bodies.lock().unwrap().push(body);
                bytes.drain(..head + length);
                let answer = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\
                              content-length: 2\r\n\r\n{}";
                socket.write_all(answer.as_bytes()).await.unwrap();
            }
            if socket.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
                return;
            }
        }
    }

    /// Every span that came, of which each is checked; `node` is added to it.
    pub fn spans(&self) -> Vec<Value> {
        let mut spans = Vec::new();
        for body in self.bodies.lock().unwrap().iter() {
            for resource in body["resourceSpans"].as_array().unwrap() {
                let attributes = resource["resource"]["attributes"].to_string();
                assert!(attributes.contains("\"switchboard\""), "{attributes}");
                let attributes = resource["resource"]["attributes"].as_array().unwrap();
                let is_node = |it: &&Value| it["key"] == "service.instance.id";
                let node = attributes.iter().find(is_node).unwrap()["value"]["stringValue"].clone();
                for scope in resource["scopeSpans"].as_array().unwrap() {
                    for mut span in scope["spans"].as_array().unwrap().iter().cloned() {
                        span["node"] = node.clone();
                        spans.push(span);
                    }
                }
            }
        }
        for span in &spans {
            assert_eq!(span["traceId"].as_str().unwrap().len(), 32);
            assert_eq!(span["spanId"].as_str().unwrap().len(), 16);
            let at = |key: &str| span[key].as_str().unwrap().parse::<u128>().unwrap();
            assert!(at("endTimeUnixNano") >= at("startTimeUnixNano"));
        }
        spans
    }

    /// Waits until the trace has a span of each name; those spans.
    async fn trace(&self, trace_id: Option<&str>, names: &[&str]) -> BTreeMap<String, Value> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let found: BTreeMap<String, Value> = self
                .spans()
                .into_iter()
                .filter(|span| trace_id.is_none_or(|id| span["traceId"] == id))
                .map(|span| (span["name"].as_str().unwrap().to_owned(), span))
                .collect();
            if names.iter().all(|name| found.contains_key(*name)) {
                return found;
            }
            assert!(Instant::now() < deadline, "{names:?} of {:?}", found.keys());
            sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Where the body of the first request begins and how long it is, if all of it is there.
fn complete(bytes: &[u8]) -> Option<(usize, usize)> {
    let head = bytes.windows(4).position(|it| it == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&bytes[..head]).to_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length: "))?;
    let length = length.trim().parse().ok()?;
    (bytes.len() >= head + length).then_some((head, length))
}

fn is_part_of(spans: &BTreeMap<String, Value>, child: &str, parent: &str) {
    let (child, parent) = (&spans[child], &spans[parent]);
    assert_eq!(child["parentSpanId"], parent["spanId"], "{child} of {parent}");
    assert_eq!(child["traceId"], parent["traceId"]);
}

#[tokio::test]
async fn a_message_leaves_spans_of_its_stations() {
    let (collector, url) = Collector::start().await;
    let server = Server::with(&[
        ("SWITCHBOARD_TELEMETRY__OTLP_ENDPOINT", &url),
        ("SWITCHBOARD_TELEMETRY__SAMPLE_RATIO", "1"),
    ])
    .await;
    let people = server.people(2).await;
    let chat = server.conversation(ConversationKind::Group, &people[0], &[&people[1]]).await;
    let (mut alice, mut bob) = (server.online(&people[0]).await, server.online(&people[1]).await);
    alice.send(chat, "traced").await;
    bob.entry().await;
    let stations = [
        "message.send",
        "message.conversation",
        "message.sequence",
        "message.commit",
        "message.fan_out",
        "message.deliver",
    ];
    let spans = collector.trace(None, &stations).await;
    is_part_of(&spans, "message.conversation", "message.send");
    is_part_of(&spans, "message.sequence", "message.conversation");
    is_part_of(&spans, "message.commit", "message.sequence");
    is_part_of(&spans, "message.fan_out", "message.commit");
    is_part_of(&spans, "message.deliver", "message.fan_out");
    assert_eq!(spans["message.send"]["parentSpanId"], "");

    // By REST, as part of the caller's trace; the caller's word goes before chance.
    let trace_id = "0af7651916cd43dd8448eb211c80319c";
    let post = |flags: &str, path: &str| {
        let body = json!({"conversation_id": chat, "content": {"text": {"text": "rest"}}});
        reqwest::Client::new()
            .post(server.url(path))
            .bearer_auth(&people[0].access_token)
            .header("traceparent", format!("00-{trace_id}-b7ad6b7169203331-{flags}"))
            .json(&body)
            .send()
    };
    let answer = post("01", "/v1/messages").await.unwrap();
    assert_eq!(answer.headers()["x-trace-id"], trace_id);
    assert_eq!(answer.status(), 201, "{}", answer.text().await.unwrap());
    let names = ["POST /v1/messages", "message.commit", "message.deliver"];
    let spans = collector.trace(Some(trace_id), &names).await;
    assert_eq!(spans["POST /v1/messages"]["parentSpanId"], "b7ad6b7169203331");
    is_part_of(&spans, "message.conversation", "POST /v1/messages");

    // A problem names its trace, sampled or not.
    let problem: Value = post("01", "/v1/nowhere").await.unwrap().json().await.unwrap();
    assert_eq!(problem["trace_id"], trace_id);
    let count = collector.spans().len();
    let problem: Value = post("00", "/v1/nowhere").await.unwrap().json().await.unwrap();
    assert_eq!(problem["trace_id"], trace_id);
    sleep(Duration::from_millis(1_500)).await;
    let spans = collector.spans();
    let of_requests = spans[count..].iter().filter(|span| span["traceId"] == trace_id);
    assert!(of_requests.count() <= 1, "one that the caller does not sample was exported");
}

#[tokio::test]
async fn a_collector_that_is_gone_costs_nothing_but_spans() {
    let server = Server::with(&[
        ("SWITCHBOARD_TELEMETRY__OTLP_ENDPOINT", "http://127.0.0.1:9"),
        ("SWITCHBOARD_TELEMETRY__SAMPLE_RATIO", "1"),
    ])
    .await;
    let person = server.people(1).await.remove(0);
    let chat = server.conversation(ConversationKind::Group, &person, &[]).await;
    let mut online = server.online(&person).await;
    for _ in 0..50 {
        online.send(chat, "not held up").await;
    }
    let internal = server.rest.target().internal.clone().unwrap();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let page = reqwest::get(format!("http://{internal}/metrics")).await.unwrap();
        let page = page.text().await.unwrap();
        let name = "switchboard_spans_dropped_total{reason=\"export_failed\"} ";
        let dropped = page.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        if dropped.parse::<u64>().unwrap() > 50 {
            return;
        }
        assert!(Instant::now() < deadline, "{dropped}");
        sleep(Duration::from_millis(100)).await;
    }
}
