//! Someone who calls a server, or a node of a cluster, by REST alone.

use std::time::Duration;

use loadtest::client::Credentials;
use reqwest::Method;
use schema::{ConversationId, MessageId};
use serde_json::{Value, json};

/// A shard that changes hands has an owner again within half of it.
const BETWEEN_OWNERS: Duration = Duration::from_secs(30);

/// A server, as one caller sees it.
pub struct Caller<'a> {
    pub address: String,
    pub who: &'a Credentials,
}

impl Caller<'_> {
    pub async fn call(&self, method: Method, path: &str, body: Value) -> (u16, Value) {
        let url = format!("http://{}{path}", self.address);
        let request = reqwest::Client::new().request(method, url).json(&body);
        let answer = request.bearer_auth(&self.who.access_token).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }

    /// The same while another node may be taking the shard over: asks again until there is an
    /// owner.
    pub async fn call_owner(&self, method: Method, path: &str, body: Value) -> (u16, Value) {
        let begun = tokio::time::Instant::now();
        loop {
            let (status, answer) = self.call(method.clone(), path, body.clone()).await;
            if status != 503 {
                return (status, answer);
            }
            assert!(begun.elapsed() < BETWEEN_OWNERS, "{path}: {answer}");
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    /// What is there, once its shard has an owner.
    pub async fn get(&self, path: &str) -> Value {
        let (status, answer) = self.call_owner(Method::GET, path, json!({})).await;
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    }

    /// Sends a text; its number.
    pub async fn send(&self, chat: ConversationId, text: &str) -> u64 {
        self.send_as(chat, MessageId::generate(), text).await
    }

    pub async fn send_as(&self, chat: ConversationId, message_id: MessageId, text: &str) -> u64 {
        let body = json!({"conversation_id": chat, "message_id": message_id,
                          "content": {"text": {"text": text}}});
        let (status, answer) = self.call_owner(Method::POST, "/v1/messages", body).await;
        assert_eq!(status, 201, "{text:?}: {answer}");
        answer["seq"].as_u64().unwrap()
    }

    pub async fn search(&self, query: &str) -> (u16, Value) {
        self.call(Method::GET, &format!("/v1/search?{query}"), json!({})).await
    }

    pub async fn until_found(&self, query: &str, expected: &[u64]) -> Value {
        let mut last = (0, Value::Null);
        for _ in 0..300 {
            last = self.search(query).await;
            if last.0 == 200 && numbers(&last.1) == expected {
                return last.1;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{query}: {last:?}, expected {expected:?}");
    }
}

/// Numbers of the messages found, ascending.
pub fn numbers(page: &Value) -> Vec<u64> {
    let seq = |hit: &Value| hit["entry"]["new_message"]["seq"].as_u64().unwrap();
    let mut numbers: Vec<u64> = page["hits"].as_array().unwrap().iter().map(seq).collect();
    numbers.sort_unstable();
    numbers
}
