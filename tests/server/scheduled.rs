//! Messages that are sent later: once, at their time, whatever happens in between.

use std::time::Duration;

use loadtest::client::Credentials;
use reqwest::Method;
use schema::ConversationId;
use schema::record::{ConversationKind, ScheduledState};
use schema::wire::{ErrorCode, ServerFrame};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::own::now_ms;
use crate::support::{Server, call, get};

async fn schedule(
    server: &Server,
    who: &Credentials,
    chat: ConversationId,
    text: &str,
    in_ms: i64,
) -> (u16, Value) {
    let body = json!({
        "conversation_id": chat.to_string(),
        "content": {"text": {"text": text}},
        "send_at": now_ms() + in_ms,
    });
    call(server, Method::POST, "/v1/scheduled", &who.access_token, &body).await
}

async fn texts(server: &Server, who: &Credentials, chat: ConversationId) -> Vec<String> {
    let path = format!("/v1/conversations/{chat}/messages");
    let (_, page) = get(server, &path, &who.access_token).await;
    let entries = page["entries"].as_array().unwrap().iter();
    let text =
        |entry: &Value| entry["new_message"]["content"]["text"]["text"].as_str().map(str::to_owned);
    entries.filter_map(text).collect()
}

async fn waiting(server: &Server, who: &Credentials) -> Vec<Value> {
    let (_, list) = get(server, "/v1/scheduled", &who.access_token).await;
    list["scheduled"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_scheduled_message_is_sent_once_also_over_a_kill() {
    let mut server = Server::start().await;
    let people = server.people(2).await;
    let [anna, bert] = &people[..] else { panic!() };
    let chat = server.conversation(ConversationKind::Direct, anna, &[bert]).await;
    let mut alice = server.online(anna).await;
    let mut bob = server.online(bert).await;
    let (status, first) = schedule(&server, anna, chat, "soon", 1_500).await;
    assert_eq!((status, &first["state"]), (201, &json!("pending")), "{first}");
    let made = alice.soon(|frame| match frame {
        ServerFrame::ScheduledChanged(it) => Some(it.state),
        _ => None,
    });
    assert_eq!(made.await, ScheduledState::Pending);
    assert_eq!(bob.entry().await.1, "soon");
    let sent = alice.soon(|frame| match frame {
        ServerFrame::ScheduledChanged(it) => Some(it),
        _ => None,
    });
    let sent = sent.await;
    assert_eq!((sent.state, sent.seq.map(|it| it.0)), (ScheduledState::Sent, Some(1)));
    assert_eq!(waiting(&server, anna).await, Vec::<Value>::new());
    // One that becomes due while no server runs is sent by the next.
    schedule(&server, anna, chat, "while away", 1_000).await;
    server.process.kill_9().await.unwrap();
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    server.process.restart().await.unwrap();
    let since = Instant::now();
    while texts(&server, bert, chat).await.len() < 2 {
        assert!(since.elapsed() < Duration::from_secs(15), "never sent");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // Nothing is sent again, by another look or another start.
    server.process.kill_9().await.unwrap();
    server.process.restart().await.unwrap();
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert_eq!(texts(&server, bert, chat).await, ["soon", "while away"]);
    assert_eq!(waiting(&server, anna).await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_scheduled_message_is_changed_taken_back_and_says_why_it_failed() {
    let server = Server::start().await;
    let people = server.people(3).await;
    let [anna, bert, stranger] = &people[..] else { panic!() };
    let chat = server.conversation(ConversationKind::Group, anna, &[bert]).await;
    for in_ms in [-1, 367 * 86_400_000] {
        assert_eq!(schedule(&server, anna, chat, "when?", in_ms).await.0, 422);
    }
    assert_eq!(schedule(&server, stranger, chat, "let me in", 60_000).await.0, 404);
    let (_, kept) = schedule(&server, bert, chat, "draft", 3_600_000).await;
    let (_, gone) = schedule(&server, bert, chat, "never", 1_500).await;
    let path = |it: &Value| format!("/v1/scheduled/{}", it["scheduled_id"].as_str().unwrap());
    let nothing = json!({});
    let token = &bert.access_token;
    for other in [anna, stranger] {
        let token = &other.access_token;
        assert_eq!(call(&server, Method::DELETE, &path(&gone), token, &nothing).await.0, 404);
        assert_eq!(call(&server, Method::PATCH, &path(&gone), token, &nothing).await.0, 404);
    }
    assert_eq!(call(&server, Method::DELETE, &path(&gone), token, &nothing).await.0, 204);
    assert_eq!(call(&server, Method::DELETE, &path(&gone), token, &nothing).await.0, 404);
    let sooner = json!({"content": {"text": {"text": "changed"}}, "send_at": now_ms() + 1_000});
    let (status, changed) = call(&server, Method::PATCH, &path(&kept), token, &sooner).await;
    assert_eq!((status, &changed["content"]), (200, &sooner["content"]), "{changed}");
    let since = Instant::now();
    while texts(&server, anna, chat).await.is_empty() {
        assert!(since.elapsed() < Duration::from_secs(15), "never sent");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(texts(&server, anna, chat).await, ["changed"]);
    // Who is no member any more when the time comes is told so on the item.
    let (_, late) = schedule(&server, bert, chat, "too late", 2_000).await;
    let removal = json!({"members": [bert.user_id.to_string()]});
    let members = format!("/v1/conversations/{chat}/members");
    let (status, _) = call(&server, Method::DELETE, &members, &anna.access_token, &removal).await;
    assert_eq!(status, 200);
    let since = Instant::now();
    let failed = loop {
        let [item] = &waiting(&server, bert).await[..] else { panic!("one waits") };
        if item["state"] == "failed" {
            break item.clone();
        }
        assert!(since.elapsed() < Duration::from_secs(15), "never decided: {item}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert_eq!(failed["scheduled_id"], late["scheduled_id"]);
    assert_eq!(failed["failure"], ErrorCode::NotFound.as_str());
    assert_eq!(texts(&server, anna, chat).await, ["changed"], "nothing more was sent");
}
