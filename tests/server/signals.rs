//! What members tell each other and nobody stores: how far they are, who types, who is there.

use std::time::Duration;

use reqwest::Method;
use schema::record::ConversationKind;
use schema::wire::{
    Ack, ClientFrame, Encoding, ErrorCode, MessageStatus, PresenceStatus, ReadReceipt, ServerFrame,
    SetPresence, SubscribePresence, TypingIndicator, TypingState, UserOnline,
};
use schema::{ConversationId, Sequence, UserId};
use serde_json::json;

use crate::support::{Online, Server, call, get};

impl Online {
    async fn status(&mut self) -> MessageStatus {
        loop {
            if let ServerFrame::MessageStatus(status) = self.receive().await {
                return status;
            }
        }
    }

    async fn presence(&mut self) -> UserOnline {
        loop {
            if let ServerFrame::UserOnline(online) = self.receive().await {
                return online;
            }
        }
    }

    async fn acks(&mut self, conversation_id: ConversationId, seq: u64) {
        self.say(ClientFrame::Ack(Ack { conversation_id, seq: Sequence(seq) })).await;
    }

    async fn reads(&mut self, conversation_id: ConversationId, seq: u64) {
        let read = ReadReceipt { conversation_id, seq: Sequence(seq), thread: None };
        self.say(ClientFrame::ReadReceipt(read)).await;
    }

    async fn types(&mut self, conversation_id: ConversationId, state: TypingState) {
        let typing = TypingIndicator { conversation_id, state };
        self.say(ClientFrame::TypingIndicator(typing)).await;
    }

    async fn watches(&mut self, users: &[UserId]) {
        let watch = SubscribePresence { user_ids: users.to_vec() };
        self.say(ClientFrame::SubscribePresence(watch)).await;
    }
}

fn seq(number: u64) -> Option<Sequence> {
    Some(Sequence(number))
}

#[tokio::test]
async fn a_sender_hears_what_was_delivered_and_read_and_so_do_own_devices() {
    let server = Server::start().await;
    let people = [server.people(1).await.remove(0), server.signed_in("register", "bert").await];
    let second = server.signed_in("login", "bert").await;
    let chat = server.conversation(ConversationKind::Direct, &people[0], &[&people[1]]).await;
    let mut alice = server.online(&people[0]).await;
    let mut bob = server.online(&people[1]).await;
    let (mut tablet, _) = server.online_from(&second, Encoding::Json, &[]).await;
    alice.send(chat, "one").await;
    alice.send(chat, "two").await;
    bob.entry().await;
    bob.acks(chat, 2).await;
    let status = alice.status().await;
    assert_eq!((status.user_id, status.delivered, status.read), (people[1].user_id, seq(2), None));
    bob.reads(chat, 2).await;
    let status = alice.status().await;
    assert_eq!((status.user_id, status.read), (people[1].user_id, seq(2)));
    let status = tablet.status().await;
    assert_eq!((status.user_id, status.read), (people[1].user_id, seq(2)), "one's other device");
    // By REST too, and a position never goes back.
    alice.send(chat, "three").await;
    let body = json!({"conversation_id": chat.to_string(), "seq": 3});
    let token = &people[1].access_token;
    assert_eq!(call(&server, Method::POST, "/v1/read-receipt", token, &body).await.0, 204);
    assert_eq!(alice.status().await.read, seq(3));
    assert_eq!(tablet.status().await.read, seq(3));
    bob.reads(chat, 1).await;
    bob.acks(chat, 3).await;
    alice.silence().await;
}

#[tokio::test]
async fn in_a_group_those_hear_whose_messages_were_reached() {
    let server = Server::start().await;
    let people = server.people(3).await;
    let kind = ConversationKind::Group;
    let chat = server.conversation(kind, &people[0], &[&people[1], &people[2]]).await;
    let mut author = server.online(&people[0]).await;
    let mut silent = server.online(&people[1]).await;
    let mut reader = server.online(&people[2]).await;
    author.send(chat, "to all").await;
    reader.entry().await;
    silent.entry().await;
    reader.reads(chat, 1).await;
    let status = author.status().await;
    assert_eq!((status.user_id, status.read), (people[2].user_id, seq(1)));
    silent.silence().await;
}

#[tokio::test]
async fn typing_is_told_to_the_others_and_not_stored() {
    let server = Server::start().await;
    let people = server.people(3).await;
    let chat = server.conversation(ConversationKind::Direct, &people[0], &[&people[1]]).await;
    let mut alice = server.online(&people[0]).await;
    let mut bob = server.online(&people[1]).await;
    let mut stranger = server.online(&people[2]).await;
    alice.send(chat, "hello").await;
    bob.entry().await;
    stranger.types(chat, TypingState::Typing).await;
    // Said again at once: told once.
    alice.types(chat, TypingState::Typing).await;
    alice.types(chat, TypingState::Typing).await;
    alice.types(chat, TypingState::Stopped).await;
    let mut told = Vec::new();
    while told.len() < 2 {
        if let ServerFrame::TypingUpdate(update) = bob.receive().await {
            assert_eq!((update.conversation_id, update.user_id), (chat, people[0].user_id));
            told.push(update.state);
        }
    }
    assert_eq!(told, [TypingState::Typing, TypingState::Stopped]);
    bob.silence().await;
    alice.silence().await;
    assert_eq!(alice.send(chat, "again").await, Sequence(2), "typing takes no number");
}

#[tokio::test]
async fn subscribers_hear_who_comes_and_goes() {
    let server = Server::start().await;
    let people = server.people(2).await;
    let (anna, bert) = (people[0].user_id, people[1].user_id);
    let mut alice = server.online(&people[0]).await;
    alice.watches(&[anna, bert]).await;
    let mut first = [alice.presence().await, alice.presence().await];
    first.sort_by_key(|it| it.user_id != anna);
    assert_eq!(first.map(|it| it.status), [PresenceStatus::Online, PresenceStatus::Offline]);
    let mut bob = server.online(&people[1]).await;
    assert_eq!(alice.presence().await.status, PresenceStatus::Online);
    bob.say(ClientFrame::SetPresence(SetPresence { status: PresenceStatus::Away })).await;
    assert_eq!(alice.presence().await.status, PresenceStatus::Away);
    let path = format!("/v1/presence/{bert}");
    let (status, body) = get(&server, &path, &people[0].access_token).await;
    assert_eq!((status, &body["status"]), (200, &json!("away")));
    // Coming back at once is not leaving.
    drop(bob);
    let bob = server.online(&people[1]).await;
    assert_eq!(alice.presence().await.status, PresenceStatus::Online);
    drop(bob);
    let offline = tokio::time::timeout(Duration::from_secs(20), alice.presence()).await.unwrap();
    assert_eq!((offline.user_id, offline.status), (bert, PresenceStatus::Offline));
    assert!(offline.last_seen.is_some());
    let (_, body) = get(&server, &path, &people[0].access_token).await;
    assert_eq!(body["status"], "offline");
    assert!(body["last_seen"].is_i64(), "{body}");
    // A newer list replaces the older one; what is no list is refused.
    alice.watches(&[]).await;
    let _bob = server.online(&people[1]).await;
    alice.silence().await;
    alice.watches(&vec![bert; 501]).await;
    assert_eq!(alice.error().await.code, ErrorCode::InvalidField);
    alice.say(ClientFrame::SetPresence(SetPresence { status: PresenceStatus::Offline })).await;
    assert_eq!(alice.error().await.code, ErrorCode::InvalidField);
    let nobody = format!("/v1/presence/{}", UserId::generate());
    assert_eq!(get(&server, &nobody, &people[0].access_token).await.0, 404);
}
