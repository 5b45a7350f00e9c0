//! Messages are edited, deleted, reacted to and pinned; every reader ends in the same state.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use loadtest::client::Credentials;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use reqwest::Method;
use schema::record::{Content, ConversationKind, Entry, Event, MessageState, message_state};
use schema::wire::{
    ClientFrame, DeleteMessage, DeleteScope, EditMessage, Encoding, ErrorCode, FetchHistory,
    History, LogFrame, PinMessage, React, SendMessage, ServerFrame,
};
use schema::{ConversationId, MessageId, Sequence};
use serde_json::{Value, json};

use crate::support::{Online, Server, call, get};

fn text(text: &str) -> Content {
    Content::Text { text: text.into() }
}

impl Online {
    /// Sends what may disappear; `None` when it is refused.
    async fn send_for(
        &mut self,
        conversation_id: ConversationId,
        says: &str,
        expires_after_ms: Option<u64>,
    ) -> Option<Sequence> {
        let send = SendMessage {
            expires_after_ms,
            ..SendMessage::new(
                self.next_reference(),
                MessageId::generate(),
                conversation_id,
                text(says),
            )
        };
        self.say(ClientFrame::SendMessage(send)).await;
        self.answer().await.ok().map(|(seq, _)| seq)
    }

    async fn edit(&mut self, chat: ConversationId, target: u64, says: &str) {
        let edit = EditMessage {
            reference: self.next_reference(),
            message_id: MessageId::generate(),
            conversation_id: chat,
            target: Sequence(target),
            content: text(says),
            mentions: None,
            retry: None,
        };
        self.say(ClientFrame::EditMessage(edit)).await;
    }

    async fn delete(&mut self, chat: ConversationId, target: u64) {
        let deletion = DeleteMessage {
            reference: self.next_reference(),
            message_id: MessageId::generate(),
            conversation_id: chat,
            target: Sequence(target),
            scope: DeleteScope::Everyone,
            retry: None,
        };
        self.say(ClientFrame::DeleteMessage(deletion)).await;
    }

    async fn react(&mut self, chat: ConversationId, target: u64, emoji: &str, on: bool) {
        let reaction = React {
            reference: self.next_reference(),
            message_id: MessageId::generate(),
            conversation_id: chat,
            target: Sequence(target),
            emoji: emoji.into(),
            on,
            retry: None,
        };
        self.say(ClientFrame::React(reaction)).await;
    }

    async fn pin(&mut self, chat: ConversationId, target: u64, on: bool) {
        let pin = PinMessage {
            reference: self.next_reference(),
            message_id: MessageId::generate(),
            conversation_id: chat,
            target: Sequence(target),
            on,
            retry: None,
        };
        self.say(ClientFrame::PinMessage(pin)).await;
    }

    async fn page(&mut self, chat: ConversationId, before: Option<u64>, limit: u64) -> History {
        let fetch = FetchHistory {
            reference: self.next_reference(),
            conversation_id: chat,
            before: before.map(Sequence),
            after: None,
            at: None,
            limit: Some(limit),
        };
        self.say(ClientFrame::FetchHistory(fetch)).await;
        loop {
            match self.receive().await {
                ServerFrame::History(history) => return history,
                ServerFrame::Error(error) => panic!("{error:?}"),
                _ => {}
            }
        }
    }

    /// The next live entry that is no message.
    async fn change(&mut self) -> ServerFrame {
        loop {
            let frame = self.receive().await;
            if matches!(
                frame,
                ServerFrame::MessageEdited(_)
                    | ServerFrame::MessageDeleted(_)
                    | ServerFrame::ReactionChanged(_)
                    | ServerFrame::PinChanged(_)
                    | ServerFrame::MembersChanged(_)
            ) {
                return frame;
            }
        }
    }
}

#[tokio::test]
async fn a_message_is_edited_deleted_reacted_to_and_pinned() {
    let server = Server::start().await;
    let people = server.people(2).await;
    let chat = server.conversation(ConversationKind::Direct, &people[0], &[&people[1]]).await;
    let mut alice = server.online(&people[0]).await;
    let (mut bob, _) = server.online_from(&people[1], Encoding::Json, &[]).await;
    assert_eq!(alice.send(chat, "helo").await, Sequence(1));
    assert_eq!(alice.send(chat, "secret").await, Sequence(2));
    alice.edit(chat, 1, "hello").await;
    assert_eq!(alice.answer().await.unwrap().0, Sequence(3));
    let ServerFrame::MessageEdited(edit) = bob.change().await else { panic!() };
    assert_eq!((edit.seq, edit.target, edit.content), (Sequence(3), Sequence(1), text("hello")));
    bob.react(chat, 1, "👍", true).await;
    assert_eq!(bob.answer().await.unwrap().0, Sequence(4));
    let ServerFrame::ReactionChanged(reaction) = alice.change().await else { panic!() };
    assert_eq!((reaction.emoji.as_str(), reaction.on), ("👍", true));
    bob.pin(chat, 1, true).await;
    assert_eq!(bob.answer().await.unwrap().0, Sequence(5));
    assert!(matches!(alice.change().await, ServerFrame::PinChanged(pin) if pin.on));
    alice.delete(chat, 2).await;
    assert_eq!(alice.answer().await.unwrap().0, Sequence(6));
    assert!(matches!(bob.change().await, ServerFrame::MessageDeleted(it) if it.target.0 == 2));

    // A page tells how its messages stand, and nothing of what was deleted.
    let page = bob.page(chat, None, 50).await;
    let [first, second] = &page.states[..] else { panic!("{:?}", page.states) };
    assert_eq!(first.edited.as_ref().map(|it| &it.content), Some(&text("hello")));
    assert_eq!((first.reactions[0].count, first.pinned), (1, true));
    assert_eq!(second.deleted.map(|it| it.by), Some(people[0].user_id));
    let LogFrame::NewMessage(deleted) = &page.entries[1] else { panic!() };
    assert_eq!(deleted.content, Content::Deleted {});

    // A device that comes later never hears what was deleted.
    let (mut late, _) = server.online_from(&people[1], Encoding::MessagePack, &[(chat, 0)]).await;
    let mut seen = Vec::new();
    while seen.len() < 6 {
        match late.receive().await {
            ServerFrame::NewMessage(message) => {
                assert_ne!(message.content, text("secret"));
                seen.push(message.seq.0);
            }
            ServerFrame::MessageEdited(it) => seen.push(it.seq.0),
            ServerFrame::ReactionChanged(it) => seen.push(it.seq.0),
            ServerFrame::PinChanged(it) => seen.push(it.seq.0),
            ServerFrame::MessageDeleted(it) => seen.push(it.seq.0),
            _ => {}
        }
    }
    assert_eq!(seen, [1, 2, 3, 4, 5, 6]);
}

#[tokio::test]
async fn who_may_change_a_message_is_checked() {
    let server = Server::start().await;
    let people = server.people(4).await;
    let kind = ConversationKind::Group;
    let chat = server.conversation(kind, &people[0], &[&people[1], &people[2]]).await;
    let mut owner = server.online(&people[0]).await;
    let mut member = server.online(&people[1]).await;
    let mut stranger = server.online(&people[3]).await;
    owner.send(chat, "from the owner").await;
    member.send(chat, "from a member").await;
    member.edit(chat, 1, "mine now").await;
    assert_eq!(member.error().await.code, ErrorCode::Forbidden);
    member.delete(chat, 1).await;
    assert_eq!(member.error().await.code, ErrorCode::Forbidden);
    member.pin(chat, 1, true).await;
    assert_eq!(member.error().await.code, ErrorCode::Forbidden);
    member.edit(chat, 99, "nothing there").await;
    assert_eq!(member.error().await.code, ErrorCode::InvalidField);
    member.react(chat, 1, "two words", true).await;
    assert_eq!(member.error().await.code, ErrorCode::InvalidField);
    stranger.react(chat, 1, "+1", true).await;
    assert_eq!(stranger.error().await.code, ErrorCode::NotFound);
    // An owner takes away what a member said; nobody edits it then.
    owner.delete(chat, 2).await;
    assert_eq!(owner.answer().await.unwrap().0, Sequence(3));
    member.edit(chat, 2, "still here").await;
    assert_eq!(member.error().await.code, ErrorCode::InvalidField);
    member.react(chat, 3, "+1", true).await;
    assert_eq!(member.error().await.code, ErrorCode::InvalidField, "a deletion is no message");
}

#[tokio::test]
async fn an_old_message_is_changed_in_the_order_of_sending() {
    let server = Server::start().await;
    let people = server.people(2).await;
    let chat = server.conversation(ConversationKind::Direct, &people[0], &[&people[1]]).await;
    let mut alice = server.online(&people[0]).await;
    for number in 1..=300 {
        alice.post(chat, &format!("line {number}")).await;
    }
    for _ in 1..=300 {
        alice.answer().await.unwrap();
    }
    // The message is read from the store meanwhile; what follows waits behind it.
    alice.edit(chat, 5, "first").await;
    alice.edit(chat, 5, "second").await;
    alice.post(chat, "after the edits").await;
    let mut numbers = Vec::new();
    for _ in 0..3 {
        numbers.push(alice.answer().await.unwrap().0.0);
    }
    assert_eq!(numbers, [301, 302, 303]);
    let page = alice.page(chat, Some(8), 5).await;
    let [state] = &page.states[..] else { panic!("{:?}", page.states) };
    assert_eq!(state.edited.as_ref().map(|it| &it.content), Some(&text("second")));
    let path = format!("/v1/conversations/{chat}/messages/5/edits");
    let (status, edits) = get(&server, &path, &people[1].access_token).await;
    assert_eq!(status, 200);
    let said = |version: &serde_json::Value| -> String {
        let (_, body) = version.as_object().unwrap().iter().next().unwrap();
        body["content"]["text"]["text"].as_str().unwrap().to_owned()
    };
    let versions: Vec<String> = edits["versions"].as_array().unwrap().iter().map(said).collect();
    assert_eq!(versions, ["line 5", "first", "second"]);
}

#[tokio::test]
async fn rest_changes_messages_and_roles_and_tells_receipts() {
    let server = Server::start().await;
    let people = server.people(3).await;
    let kind = ConversationKind::Group;
    let chat = server.conversation(kind, &people[0], &[&people[1], &people[2]]).await;
    let mut alice = server.online(&people[0]).await;
    let mut bob = server.online(&people[1]).await;
    alice.send(chat, "one").await;
    let base = format!("/v1/conversations/{chat}");
    let token = |index: usize| people[index].access_token.as_str();
    let message = format!("{base}/messages/1");
    let edit = json!({"content": {"text": {"text": "uno"}}});
    let (status, sent) = call(&server, Method::PATCH, &message, token(0), &edit).await;
    assert_eq!((status, &sent["seq"]), (200, &json!(2)));
    let (status, _) = call(&server, Method::PATCH, &message, token(1), &edit).await;
    assert_eq!(status, 403);
    let reaction = format!("{message}/reactions/%F0%9F%91%8D");
    let nothing = json!({});
    let (status, _) = call(&server, Method::PUT, &reaction, token(1), &nothing).await;
    assert_eq!(status, 200);
    let (status, _) =
        call(&server, Method::PUT, &format!("{message}/pin"), token(0), &nothing).await;
    assert_eq!(status, 200);
    let (_, page) = get(&server, &format!("{base}/messages"), token(2)).await;
    let state = &page["states"][0];
    assert_eq!(state["edited"]["content"]["text"]["text"], "uno");
    assert_eq!(state["reactions"][0]["emoji"], "👍");
    assert_eq!(state["pinned"], true);
    let (status, _) = call(&server, Method::DELETE, &reaction, token(1), &nothing).await;
    assert_eq!(status, 200);

    let member = format!("{base}/members/{}", people[1].user_id);
    let role = |role: &str| json!({"role": role});
    let (status, _) = call(&server, Method::PATCH, &member, token(2), &role("admin")).await;
    assert_eq!(status, 403);
    let (status, _) = call(&server, Method::PATCH, &member, token(0), &role("admin")).await;
    assert_eq!(status, 200);
    loop {
        if let ServerFrame::MembersChanged(it) = bob.change().await {
            assert_eq!(it.changed[0].user_id, people[1].user_id);
            break;
        }
    }
    let (status, _) =
        call(&server, Method::PUT, &format!("{message}/pin"), token(1), &nothing).await;
    assert_eq!(status, 200, "an admin pins");
    let own = format!("{base}/members/{}", people[0].user_id);
    let (status, _) = call(&server, Method::PATCH, &own, token(0), &role("member")).await;
    assert_eq!(status, 422, "the last owner stays one");
    let (_, view) = get(&server, &base, token(1)).await;
    let roles: BTreeMap<&str, &str> = view["members"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it["user_id"].as_str().unwrap(), it["role"].as_str().unwrap()))
        .collect();
    assert_eq!(roles[people[1].user_id.to_string().as_str()], "admin");

    let receipts = format!("{message}/receipts");
    let (_, counted) = get(&server, &receipts, token(0)).await;
    assert_eq!((&counted["total"], &counted["read"]), (&json!(2), &json!(0)), "{counted}");
    let read = json!({"conversation_id": chat.to_string(), "seq": 1});
    call(&server, Method::POST, "/v1/read-receipt", token(2), &read).await;
    let (_, counted) = get(&server, &receipts, token(0)).await;
    assert_eq!((&counted["read"], &counted["pending"]), (&json!(1), &json!(1)), "{counted}");
    let (status, _) = call(&server, Method::DELETE, &message, token(1), &nothing).await;
    assert_eq!(status, 200, "an admin deletes");
}

/// Applies a log as a client does.
fn replayed(entries: &[LogFrame]) -> Vec<MessageState> {
    let changes: Vec<Entry> = entries.iter().filter_map(as_change).collect();
    message_state::states(&changes)
}

fn as_change(frame: &LogFrame) -> Option<Entry> {
    let event = match frame.clone() {
        LogFrame::MessageEdited(it) => {
            let (target, content, mentions) = (it.target, it.content, it.mentions);
            Event::MessageEdited { target, content, mentions, expires_at: None }
        }
        LogFrame::MessageDeleted(it) => Event::MessageDeleted { target: it.target },
        LogFrame::ReactionChanged(it) => {
            Event::ReactionChanged { target: it.target, emoji: it.emoji, on: it.on }
        }
        LogFrame::PinChanged(it) => Event::PinChanged { target: it.target, on: it.on },
        _ => return None,
    };
    Some(Entry {
        conversation_id: frame.conversation_id(),
        seq: frame.seq(),
        message_id: frame.message_id(),
        sender_id: frame.sender_id(),
        sent_at: frame.sent_at(),
        ordinal: 0,
        event,
    })
}

/// Whatever is done in whatever order, a client that replays the log and one that reads pages end
/// in the same state, before and after a restart of the server.
#[tokio::test]
async fn any_interleaving_ends_in_the_state_that_is_served() {
    let seed: u64 = rand::rng().random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut server = Server::start().await;
    let people = server.people(3).await;
    let kind = ConversationKind::Group;
    let chat = server.conversation(kind, &people[0], &[&people[1], &people[2]]).await;
    let mut online = Vec::new();
    for person in &people {
        online.push(server.online(person).await);
    }
    // Of whom each message is; what is refused takes no number.
    let mut authors: Vec<(u64, usize)> = Vec::new();
    for _ in 0..400 {
        let who = random.random_range(0..3);
        let emoji = ["👍", "🎉", ":party:"][random.random_range(0..3)];
        let target = authors.get(random.random_range(0..authors.len().max(1))).copied();
        if random.random_ratio(1, 12) {
            care(&server, &people, chat, random.random_range(0..6)).await;
            continue;
        }
        match (random.random_range(0..10), target) {
            (0..=3, _) | (_, None) => {
                let expires_after_ms = random.random_ratio(1, 4).then_some(1_000);
                let said = online[who].send_for(chat, "said", expires_after_ms).await;
                let Some(seq) = said else { continue };
                authors.push((seq.0, who));
                continue;
            }
            (4..=5, Some((seq, author))) => {
                online[author].edit(chat, seq, &format!("edit {}", random.random::<u16>())).await;
                let _ = online[author].answer().await;
            }
            (6, Some((seq, author))) => {
                online[author].delete(chat, seq).await;
                let _ = online[author].answer().await;
            }
            (7, Some((seq, _))) => {
                online[0].pin(chat, seq, random.random()).await;
                let _ = online[0].answer().await;
            }
            (_, Some((seq, _))) => {
                online[who].react(chat, seq, emoji, random.random()).await;
                let _ = online[who].answer().await;
            }
        }
    }
    // All that disappears has.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let mut served_before = Vec::new();
    for restarted in [false, true] {
        if restarted {
            server.process.kill_9().await.unwrap();
            server.process.restart().await.unwrap();
        }
        let mut reader = server.online(&people[1]).await;
        let newest = reader.page(chat, None, 1).await;
        let (mut log, mut served) = (Vec::new(), Vec::new());
        let mut before = newest.head.0 + 1;
        while before > 1 {
            let page = reader.page(chat, Some(before), 37).await;
            before = page.entries[0].seq().0;
            let mut entries = page.entries;
            entries.append(&mut log);
            log = entries;
            let mut states = page.states;
            states.append(&mut served);
            served = states;
        }
        assert_eq!(log.len() as u64, newest.head.0, "seed {seed}");
        let deleted = |states: &[MessageState]| -> Vec<Sequence> {
            states.iter().filter(|it| it.deleted.is_some()).map(|it| it.seq).collect()
        };
        let expired = expired(&log);
        assert!(!expired.is_empty(), "seed {seed}");
        let mut expected = replayed(&log);
        expected.retain(|it| it.deleted.is_some() || !expired.contains(&it.seq));
        let differs = served.iter().zip(&expected).find(|(one, other)| one != other);
        assert_eq!(differs, None, "seed {seed}, restarted: {restarted}");
        assert_eq!(served.len(), expected.len(), "seed {seed}, restarted: {restarted}");
        assert!(!deleted(&served).is_empty(), "seed {seed}");
        for frame in &log {
            let LogFrame::NewMessage(message) = frame else { continue };
            let is_deleted =
                deleted(&served).contains(&message.seq) || expired.contains(&message.seq);
            assert_eq!(message.content == Content::Deleted {}, is_deleted, "seed {seed}");
        }
        let path = format!("/v1/conversations/{chat}");
        let (_, view) = get(&server, &path, &people[0].access_token).await;
        let (_, bans) = get(&server, &format!("{path}/bans"), &people[0].access_token).await;
        assert_eq!(room_of(&view, &bans), room_replayed(&log, &people), "seed {seed}");
        if restarted {
            assert_eq!(served, served_before, "seed {seed}");
        }
        served_before = served;
    }
}

/// Messages that say nothing any more, as a client sees by itself.
fn expired(log: &[LogFrame]) -> BTreeSet<Sequence> {
    log.iter()
        .filter_map(|frame| match frame {
            LogFrame::NewMessage(it) if it.expires_at.is_some() => Some(it.seq),
            _ => None,
        })
        .collect()
}

/// Changes the conversation itself, or who may come; refusals change nothing.
async fn care(server: &Server, people: &[Credentials], chat: ConversationId, what: u8) {
    let base = format!("/v1/conversations/{chat}");
    let owner = people[0].access_token.as_str();
    let third = people[2].user_id.to_string();
    let ban = format!("{base}/bans/{third}");
    let (method, path, body) = match what {
        0 => (Method::PATCH, base, json!({"description": format!("as of {chat}")})),
        1 => (Method::PATCH, base, json!({"description": null, "retention_days": 7})),
        2 => (Method::PATCH, base, json!({"name": "Another", "photo": "https://example.org/a"})),
        3 => (Method::PUT, ban, json!({})),
        4 => (Method::DELETE, ban, json!({})),
        _ => {
            let members = json!({"members": [{"user_id": third, "role": "member"}]});
            (Method::POST, format!("{base}/members"), members)
        }
    };
    let (status, answer) = call(server, method, &path, owner, &body).await;
    assert!(status == 200 || status == 422, "{path}: {answer}");
}

/// Name, settings, members and banned users.
type Room = (Value, BTreeSet<String>, BTreeSet<String>);

fn room_of(view: &Value, bans: &Value) -> Room {
    let ids = |list: &Value| -> BTreeSet<String> {
        let all = list.as_array().unwrap().iter();
        all.map(|it| it["user_id"].as_str().unwrap().to_owned()).collect()
    };
    let facts = ["name", "description", "photo", "retention_days"].map(|it| view[it].clone());
    (json!(facts), ids(&view["members"]), ids(&bans["bans"]))
}

/// The same as a client replays it: from the first three members on, whom the log does not name.
fn room_replayed(log: &[LogFrame], first: &[Credentials]) -> Room {
    let mut facts = [Value::Null, Value::Null, Value::Null, Value::Null];
    let mut members: BTreeSet<String> = first.iter().map(|it| it.user_id.to_string()).collect();
    let mut bans = BTreeSet::new();
    for frame in log {
        match frame {
            LogFrame::ConversationChanged(change) => {
                if let Some(name) = &change.name {
                    facts[0] = json!(name);
                }
                if let Some(description) = &change.description {
                    facts[1] = json!(description);
                }
                if let Some(photo) = &change.photo {
                    facts[2] = json!(photo);
                }
                if let Some(days) = &change.retention_days {
                    facts[3] = json!(days);
                }
            }
            LogFrame::MembersChanged(change) => {
                for user in &change.removed {
                    members.remove(&user.to_string());
                }
                members.extend(change.added.iter().map(|it| it.user_id.to_string()));
                bans.extend(change.banned.iter().map(ToString::to_string));
                for user in &change.unbanned {
                    bans.remove(&user.to_string());
                }
            }
            _ => {}
        }
    }
    (json!(facts), members, bans)
}
