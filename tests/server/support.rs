//! A server of the test's own, and people who talk to it.

use std::time::Duration;

use loadtest::client::{Credentials, RestClient, Socket, SocketError, SocketStyle, provision};
use loadtest::{ServerProcess, ServerSpec};
use schema::record::{Content, ConversationKind};
use schema::wire::{
    ClientFrame, Encoding, ErrorFrame, Position, SendMessage, ServerFrame, Welcome,
};
use schema::{ConversationId, MessageId, Sequence};
use tokio::time::timeout;

/// Nothing that a test waits for takes longer.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub fn binary() -> std::path::PathBuf {
    env!("CARGO_BIN_EXE_switchboard").into()
}

/// Threads of a process that run actors.
pub fn workers_of(process: u32) -> Vec<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).unwrap();
    let tasks = tasks.map(|task| task.unwrap().path());
    let is_worker = |task: &std::path::PathBuf| {
        std::fs::read_to_string(task.join("comm")).is_ok_and(|name| name.starts_with("actix-rt|"))
    };
    let id = |task: std::path::PathBuf| task.file_name()?.to_str()?.parse().ok();
    tasks.filter(is_worker).filter_map(id).collect()
}

pub fn spec() -> ServerSpec {
    ServerSpec { binary: binary(), ..ServerSpec::default() }
}

/// A running server.
pub struct Server {
    pub process: ServerProcess,
    pub rest: RestClient,
}

impl Server {
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    /// Starts with settings in the environment.
    pub async fn with(environment: &[(&str, &str)]) -> Self {
        let environment =
            environment.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let process = ServerProcess::start(ServerSpec { environment, ..spec() }).await.unwrap();
        let rest = RestClient::new(process.target()).unwrap();
        Self { process, rest }
    }

    pub fn address(&self) -> &str {
        &self.rest.target().public
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address())
    }

    pub async fn people(&self, count: usize) -> Vec<Credentials> {
        provision(&self.rest, "test", count).await.unwrap()
    }

    /// Registers, or signs in on one more device.
    pub async fn signed_in(&self, route: &str, username: &str) -> Credentials {
        let body = serde_json::json!({"username": username, "password": "a long password"});
        let url = self.url(&format!("/v1/{route}"));
        let response = reqwest::Client::new().post(url).json(&body).send().await.unwrap();
        let signed_in: schema::rest::SignedIn = response.json().await.unwrap();
        Credentials {
            user_id: signed_in.user_id,
            device_id: signed_in.device_id,
            username: username.to_owned(),
            access_token: signed_in.access_token,
        }
    }

    pub async fn conversation(
        &self,
        kind: ConversationKind,
        owner: &Credentials,
        others: &[&Credentials],
    ) -> ConversationId {
        let members = others.iter().map(|it| it.user_id).collect();
        self.rest.create_conversation(&owner.access_token, kind, members, None).await.unwrap()
    }

    pub async fn online(&self, person: &Credentials) -> Online {
        self.online_from(person, Encoding::MessagePack, &[]).await.0
    }

    /// Connects with positions.
    pub async fn online_from(
        &self,
        person: &Credentials,
        encoding: Encoding,
        positions: &[(ConversationId, u64)],
    ) -> (Online, Welcome) {
        Online::connect(self.address(), person, encoding, positions).await
    }
}

/// Someone with an open socket.
pub struct Online {
    pub socket: Socket,
    last_reference: u64,
}

impl Online {
    /// Connects to the server there, with positions.
    pub async fn connect(
        address: &str,
        person: &Credentials,
        encoding: Encoding,
        positions: &[(ConversationId, u64)],
    ) -> (Self, Welcome) {
        let positions = positions
            .iter()
            .map(|(conversation_id, seq)| Position::new(*conversation_id, Sequence(*seq)))
            .collect();
        let mut socket = Socket::connect(address, encoding, SocketStyle::Lean).await.unwrap();
        let welcome = socket.greet(person, positions).await.unwrap();
        (Self::new(socket), welcome)
    }

    /// On a socket where hello was not said.
    pub fn new(socket: Socket) -> Self {
        Self { socket, last_reference: 0 }
    }

    pub async fn receive(&mut self) -> ServerFrame {
        timeout(PATIENCE, self.socket.receive()).await.expect("no frame in time").unwrap()
    }

    /// The close code that ends the socket; frames before it are given too.
    pub async fn closed(&mut self) -> (Vec<ServerFrame>, u16) {
        let mut frames = Vec::new();
        loop {
            match timeout(PATIENCE, self.socket.receive()).await.expect("not closed in time") {
                Ok(frame) => frames.push(frame),
                Err(SocketError::Closed { code, .. }) => return (frames, code),
                Err(other) => panic!("in place of a close frame: {other}"),
            }
        }
    }

    pub async fn say(&mut self, frame: ClientFrame) {
        self.socket.send(&frame).await.unwrap();
    }

    pub fn next_reference(&mut self) -> u64 {
        self.last_reference += 1;
        self.last_reference
    }

    /// Sends a text under a new id without waiting.
    pub async fn post(&mut self, conversation: ConversationId, text: &str) -> MessageId {
        let message_id = MessageId::generate();
        self.post_as(conversation, message_id, text, false).await;
        message_id
    }

    pub async fn post_as(
        &mut self,
        conversation_id: ConversationId,
        message_id: MessageId,
        text: &str,
        retry: bool,
    ) -> u64 {
        let reference = self.next_reference();
        let send = SendMessage {
            retry: Some(retry),
            ..SendMessage::new(
                reference,
                message_id,
                conversation_id,
                Content::Text { text: text.into() },
            )
        };
        self.say(ClientFrame::SendMessage(send)).await;
        reference
    }

    /// The answer to a send: its number, or the error.
    pub async fn answer(&mut self) -> Result<(Sequence, bool), ErrorFrame> {
        loop {
            match self.receive().await {
                ServerFrame::Accepted(accepted) => return Ok((accepted.seq, accepted.duplicate)),
                ServerFrame::Error(error) => return Err(error),
                _ => {}
            }
        }
    }

    pub async fn send(&mut self, conversation: ConversationId, text: &str) -> Sequence {
        self.post(conversation, text).await;
        self.answer().await.unwrap().0
    }

    /// The next entry of a log: its number and text.
    pub async fn entry(&mut self) -> (Sequence, String) {
        loop {
            if let ServerFrame::NewMessage(message) = self.receive().await {
                let Content::Text { text } = message.content else { panic!("not a text") };
                return (message.seq, text);
            }
        }
    }

    pub async fn error(&mut self) -> ErrorFrame {
        loop {
            if let ServerFrame::Error(error) = self.receive().await {
                return error;
            }
        }
    }

    /// Nothing more comes for a while.
    pub async fn silence(&mut self) {
        if let Ok(frame) = timeout(Duration::from_millis(300), self.socket.receive()).await {
            panic!("unexpected: {frame:?}");
        }
    }
}

/// `GET` with a token; the status and the JSON body.
pub async fn get(server: &Server, path: &str, token: &str) -> (u16, serde_json::Value) {
    let client = reqwest::Client::new();
    let response = client.get(server.url(path)).bearer_auth(token).send().await.unwrap();
    let status = response.status().as_u16();
    (status, response.json().await.unwrap_or_default())
}

/// A request with a JSON body.
pub async fn call(
    server: &Server,
    method: reqwest::Method,
    path: &str,
    token: &str,
    body: &serde_json::Value,
) -> (u16, serde_json::Value) {
    let client = reqwest::Client::new();
    let request = client.request(method, server.url(path)).bearer_auth(token).json(body);
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    (status, response.json().await.unwrap_or_default())
}
