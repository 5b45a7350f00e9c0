//! What others may know of a user, and whom a user wants to be left alone by.

use std::time::Duration;

use loadtest::client::Credentials;
use reqwest::Method;
use schema::UserId;
use schema::record::ConversationKind;
use schema::wire::{
    Ack, ClientFrame, PresenceStatus, ReadReceipt, ServerFrame, SubscribePresence, TypingIndicator,
    TypingState,
};
use schema::{ConversationId, Sequence};
use serde_json::{Value, json};

use crate::support::{Online, Server, call, get};

impl Online {
    async fn watch(&mut self, user: UserId) {
        let watch = SubscribePresence { user_ids: vec![user] };
        self.say(ClientFrame::SubscribePresence(watch)).await;
    }

    async fn sees(&mut self, user: UserId) -> (PresenceStatus, bool) {
        self.soon(|frame| match frame {
            ServerFrame::UserOnline(it) if it.user_id == user => {
                Some((it.status, it.last_seen.is_some()))
            }
            _ => None,
        })
        .await
    }

    async fn has_and_read(&mut self, conversation_id: ConversationId, seq: u64) {
        let seq = Sequence(seq);
        self.say(ClientFrame::Ack(Ack { conversation_id, seq })).await;
        let read = ReadReceipt { conversation_id, seq, thread: None };
        self.say(ClientFrame::ReadReceipt(read)).await;
    }

    /// The next position told of another user, within a moment.
    async fn told_of(&mut self, user: UserId) -> Option<(Option<u64>, Option<u64>)> {
        let status = self.soon(|frame| match frame {
            ServerFrame::MessageStatus(it) if it.user_id == user => {
                Some((it.delivered.map(|it| it.0), it.read.map(|it| it.0)))
            }
            _ => None,
        });
        tokio::time::timeout(Duration::from_millis(1_500), status).await.ok()
    }
}

async fn set(server: &Server, who: &Credentials, settings: Value) {
    let path = "/v1/users/me/settings";
    let (status, answer) = call(server, Method::PATCH, path, &who.access_token, &settings).await;
    assert_eq!(status, 200, "{answer}");
}

async fn block(server: &Server, who: &Credentials, whom: UserId, method: Method) {
    let path = format!("/v1/blocks/{whom}");
    let (status, answer) = call(server, method, &path, &who.access_token, &json!({})).await;
    assert_eq!(status, 204, "{answer}");
}

#[tokio::test]
async fn presence_and_last_seen_are_seen_by_whom_one_lets() {
    let mut server = Server::start().await;
    let people = server.people(3).await;
    let [anna, friend, stranger] = &people[..] else { panic!() };
    server.conversation(ConversationKind::Direct, anna, &[friend]).await;
    let alice = server.online(anna).await;
    let mut contact = server.online(friend).await;
    let mut other = server.online(stranger).await;
    for watcher in [&mut contact, &mut other] {
        watcher.watch(anna.user_id).await;
        assert_eq!(watcher.sees(anna.user_id).await.0, PresenceStatus::Online);
    }
    // A change is heard at once by those whom it concerns.
    set(&server, anna, json!({"presence": "contacts", "last_seen": "nobody"})).await;
    assert_eq!(other.sees(anna.user_id).await, (PresenceStatus::Offline, false));
    assert_eq!(contact.sees(anna.user_id).await, (PresenceStatus::Online, false));
    let path = format!("/v1/presence/{}", anna.user_id);
    let status = async |who: &Credentials| get(&server, &path, &who.access_token).await.1;
    assert_eq!(status(stranger).await["status"], "offline");
    assert!(status(stranger).await["last_seen"].is_null());
    assert_eq!(status(friend).await["status"], "online");
    set(&server, anna, json!({"presence": "nobody", "last_seen": "everyone"})).await;
    assert_eq!(contact.sees(anna.user_id).await.0, PresenceStatus::Offline);
    assert_eq!(status(friend).await["status"], "offline");
    assert_eq!(status(anna).await["status"], "online", "oneself sees oneself");
    set(&server, anna, json!({"presence": "everyone"})).await;
    while other.sees(anna.user_id).await.0 != PresenceStatus::Online {}
    // When one was there last is known after a restart, also one without farewell.
    drop(alice);
    let last_seen = loop {
        if let ServerFrame::UserOnline(it) = other.receive().await
            && it.status == PresenceStatus::Offline
        {
            break it.last_seen.expect("anybody may see it");
        }
    };
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    server.process.kill_9().await.unwrap();
    server.process.restart().await.unwrap();
    let (_, shown) = get(&server, &path, &stranger.access_token).await;
    let after = shown["last_seen"].as_i64().unwrap_or_default();
    assert!((after - last_seen).abs() < 1_000, "{shown} is not about {last_seen}");
}

#[tokio::test]
async fn who_tells_nobody_what_they_read_is_told_of_nobody() {
    let server = Server::start().await;
    let people = [server.people(1).await.remove(0), server.signed_in("register", "bert").await];
    let second = server.signed_in("login", "bert").await;
    let [anna, bert] = &people;
    let chat = server.conversation(ConversationKind::Group, anna, &[bert]).await;
    let mut alice = server.online(anna).await;
    let mut bob = server.online(bert).await;
    let mut tablet = server.online(&second).await;
    set(&server, bert, json!({"read_receipts": false})).await;
    alice.send(chat, "one").await;
    bob.entry().await;
    bob.has_and_read(chat, 1).await;
    assert_eq!(alice.told_of(bert.user_id).await, Some((Some(1), None)), "delivered, no more");
    assert_eq!(tablet.told_of(bert.user_id).await, Some((None, Some(1))), "one's own devices");
    let path = format!("/v1/conversations/{chat}/messages/1/receipts");
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let (_, receipts) = get(&server, &path, &anna.access_token).await;
    assert_eq!((&receipts["delivered"], &receipts["read"]), (&json!(1), &json!(0)), "{receipts}");
    // By REST neither.
    alice.send(chat, "two").await;
    let read = json!({"conversation_id": chat.to_string(), "seq": 2});
    let token = &bert.access_token;
    assert_eq!(call(&server, Method::POST, "/v1/read-receipt", token, &read).await.0, 204);
    let told = alice.told_of(bert.user_id).await;
    assert!(told.is_none_or(|(_, read)| read.is_none()), "{told:?}");
    // Nor is bert told of others.
    let sent = bob.send(chat, "three").await;
    alice.has_and_read(chat, sent.0).await;
    assert_eq!(bob.told_of(anna.user_id).await, Some((Some(3), None)));
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let path = format!("/v1/conversations/{chat}/messages/3/receipts");
    let (_, receipts) = get(&server, &path, &bert.access_token).await;
    assert_eq!((&receipts["delivered"], &receipts["read"]), (&json!(1), &json!(0)), "{receipts}");
    assert_eq!(receipts["members"][0]["state"], "delivered");
    // Once told again, both hear again.
    set(&server, bert, json!({"read_receipts": true})).await;
    alice.send(chat, "four").await;
    bob.has_and_read(chat, 4).await;
    let read = alice.soon(|frame| match frame {
        ServerFrame::MessageStatus(it) if it.user_id == bert.user_id => it.read,
        _ => None,
    });
    assert_eq!(read.await, Sequence(4));
}

#[tokio::test]
async fn who_is_blocked_cannot_write_and_hears_nothing() {
    let server = Server::start().await;
    let people = server.people(3).await;
    let [anna, bully, other] = &people[..] else { panic!() };
    let chat = server.conversation(ConversationKind::Direct, anna, &[bully]).await;
    let group = server.conversation(ConversationKind::Group, other, &[anna, bully]).await;
    let mut alice = server.online(anna).await;
    let mut bob = server.online(bully).await;
    bob.send(chat, "you there").await;
    bob.watch(anna.user_id).await;
    assert_eq!(bob.sees(anna.user_id).await.0, PresenceStatus::Online);
    block(&server, anna, bully.user_id, Method::PUT).await;
    assert_eq!(bob.sees(anna.user_id).await, (PresenceStatus::Offline, false));
    // Neither by socket nor by REST, neither in the old conversation nor in a new one.
    bob.post(chat, "answer me").await;
    assert_eq!(bob.error().await.code, schema::wire::ErrorCode::Forbidden);
    let message =
        json!({"conversation_id": chat.to_string(), "content": {"text": {"text": "hey"}}});
    let token = &bully.access_token;
    assert_eq!(call(&server, Method::POST, "/v1/messages", token, &message).await.0, 403);
    let direct = json!({"kind": "direct", "members": [anna.user_id.to_string()]});
    assert_eq!(call(&server, Method::POST, "/v1/conversations", token, &direct).await.0, 403);
    // What anna does in it is not told.
    alice.has_and_read(chat, 1).await;
    let typing = TypingIndicator { conversation_id: chat, state: TypingState::Typing };
    alice.say(ClientFrame::TypingIndicator(typing)).await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    bob.silence().await;
    let path = format!("/v1/conversations/{chat}/messages/1/receipts");
    let (_, receipts) = get(&server, &path, token).await;
    assert_eq!((&receipts["delivered"], &receipts["read"]), (&json!(0), &json!(0)), "{receipts}");
    // Groups are as before.
    bob.send(group, "to all").await;
    alice.has_and_read(group, 1).await;
    assert!(bob.told_of(anna.user_id).await.is_some());
    let (_, list) = get(&server, "/v1/blocks", &anna.access_token).await;
    assert_eq!(list["blocked"][0]["user_id"], bully.user_id.to_string());
    let (status, _) = {
        let path = format!("/v1/blocks/{}", anna.user_id);
        call(&server, Method::PUT, &path, &anna.access_token, &json!({})).await
    };
    assert_eq!(status, 422, "nobody blocks themselves");
    block(&server, anna, bully.user_id, Method::DELETE).await;
    assert_eq!(bob.sees(anna.user_id).await.0, PresenceStatus::Online);
    bob.send(chat, "sorry").await;
}
