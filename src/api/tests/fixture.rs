//! A whole REST interface in memory, and a client of it.

use std::sync::Arc;

use actix_web::App;
use actix_web::http::header::HeaderMap;
use actix_web::http::{Method, StatusCode};
use actix_web::test::{TestRequest, call_service, init_service, read_body};
use actix_web::web::ServiceConfig;
use actors::memory::{ManualClock, MemoryBridgeHub, MemoryStore, ShardOwners};
use actors::peers::Peers;
use actors::personal::Personal;
use actors::ports::{Identity, NewDevice, NewUser, UserStore as _};
use schema::wire::ErrorCode;
use schema::{DeviceId, NodeId, UserId};
use serde_json::{Value, json};

use super::recording_node::RecordingNode;
use crate::api::{ApiState, Rooms, public_routes};
use crate::auth::Auth;
use crate::config::{Config, TextDuration};

pub(crate) const NOW_MS: i64 = 1_800_000_000_000;
pub(crate) const PASSWORD: &str = "correct horse battery";

pub(crate) struct Fixture {
    pub state: ApiState,
    pub node: Arc<RecordingNode>,
    pub store: MemoryStore,
    pub clock: ManualClock,
    _data_dir: tempfile::TempDir,
}

/// Someone signed in.
#[derive(Clone)]
pub(crate) struct Person {
    pub identity: Identity,
    pub token: String,
}

/// What came back.
pub(crate) struct Answered {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub bytes: Vec<u8>,
}

impl Answered {
    /// The JSON body; null when there is none.
    pub fn body(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or(Value::Null)
    }

    pub fn code(&self) -> String {
        self.body()["code"].as_str().unwrap_or_default().to_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Fails unless this is a problem with `code`.
    pub fn expect_problem(&self, code: ErrorCode) -> Value {
        assert_eq!(self.status, code.http_status(), "{}", self.text());
        assert_eq!(self.header("content-type"), "application/problem+json");
        let body = self.body();
        assert_eq!(body["code"], code.as_str());
        assert_eq!(body["trace_id"].as_str().unwrap().len(), 32);
        assert_eq!(body["trace_id"], self.header("x-trace-id"));
        body
    }

    /// The body, after checking the status.
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        self.body()
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

/// What is users' own, with no other node to tell.
fn personal(store: &Arc<MemoryStore>, clock: &ManualClock) -> Arc<Personal> {
    let node = NodeId::generate();
    let bridge = Arc::new(MemoryBridgeHub::default().node(node));
    let directory = Arc::new(ShardOwners::default().seen_by(node));
    let peers = Arc::new(Peers::new(node, bridge, directory, false));
    Arc::new(Personal::new(store.clone(), store.clone(), Arc::new(clock.clone()), peers))
}

impl Fixture {
    pub fn new() -> Self {
        Self::with(Config::default())
    }

    pub fn with(config: Config) -> Self {
        let data_dir = tempfile::tempdir().unwrap();
        let (store, clock) = (MemoryStore::default(), ManualClock::at(NOW_MS));
        let node = RecordingNode::new(store.clone());
        let users = Arc::new(store.clone());
        let auth = Auth::open(
            &config.auth,
            data_dir.path(),
            Arc::clone(&users) as _,
            Arc::new(clock.clone()),
        );
        let state = ApiState::new(
            &config,
            Arc::clone(&node) as _,
            Arc::clone(&users) as _,
            Rooms { roster: users.clone(), personal: personal(&users, &clock), invites: users },
            Arc::new(auth.unwrap()),
            Arc::new(clock.clone()),
        );
        Self { state, node, store, clock, _data_dir: data_dir }
    }

    /// An account without the cost of a password.
    pub async fn person(&self, username: &str) -> Person {
        let identity = Identity { user_id: UserId::generate(), device_id: DeviceId::generate() };
        let user = NewUser {
            user_id: identity.user_id,
            username: username.to_owned(),
            display_name: username.to_owned(),
            password_hash: None,
            created_at: NOW_MS,
        };
        self.store.create_users(vec![user]).await.unwrap().unwrap();
        let device = NewDevice {
            device_id: identity.device_id,
            user_id: identity.user_id,
            name: "test".to_owned(),
            created_at: NOW_MS,
        };
        self.store.add_devices(vec![device]).await.unwrap();
        let token = self.state.auth.mint(identity, TextDuration::from_secs(600));
        Person { identity, token }
    }

    pub async fn call(&self, request: TestRequest) -> Answered {
        call(public_routes(self.state.clone()), request).await
    }

    pub async fn get(&self, person: &Person, path: &str) -> Answered {
        self.call(request(Method::GET, path, Some(person), None)).await
    }

    pub async fn post(&self, person: &Person, path: &str, body: Value) -> Answered {
        self.call(request(Method::POST, path, Some(person), Some(body))).await
    }

    /// A POST of someone not signed in.
    pub async fn post_open(&self, path: &str, body: Value) -> Answered {
        self.call(request(Method::POST, path, None, Some(body))).await
    }

    pub async fn register(&self, username: &str) -> Value {
        let body = json!({"username": username, "password": PASSWORD, "device": "phone"});
        self.post_open("/v1/register", body).await.expect(201)
    }
}

pub(crate) fn request(
    method: Method,
    path: &str,
    person: Option<&Person>,
    body: Option<Value>,
) -> TestRequest {
    let mut request = TestRequest::with_uri(path).method(method);
    if let Some(person) = person {
        request = request.insert_header(("authorization", format!("Bearer {}", person.token)));
    }
    match body {
        Some(body) => request.set_json(body),
        None => request,
    }
}

/// Sends one request to an application of its own.
pub(crate) async fn call(
    routes: impl FnOnce(&mut ServiceConfig),
    request: TestRequest,
) -> Answered {
    let app = init_service(App::new().configure(routes)).await;
    let request = request.peer_addr(([203, 0, 113, 1], 4000).into());
    let response = call_service(&app, request.to_request()).await;
    let (status, headers) = (response.status(), response.headers().clone());
    Answered { status, headers, bytes: read_body(response).await.to_vec() }
}
