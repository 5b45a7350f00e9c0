//! What is one user's own: two devices agree on all of it, at once and after any time apart.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use loadtest::client::Credentials;
use reqwest::Method;
use schema::record::{ConversationKind, MentionAll};
use schema::wire::{
    ClientFrame, DeleteMessage, DeleteScope, EditMessage, Encoding, ErrorCode, FollowThread, Ping,
    PresenceStatus, ReadReceipt, SendMessage, ServerFrame, SetPresence,
};
use schema::{ConversationId, MessageId, Sequence, UserId};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::support::{Online, Server, call, get};

/// Devices agree within this time.
const SOON: Duration = Duration::from_secs(1);

impl Online {
    /// Waits for a frame that `pick` takes; it must come soon.
    pub async fn soon<T>(&mut self, pick: impl Fn(ServerFrame) -> Option<T>) -> T {
        let since = Instant::now();
        loop {
            if let Some(found) = pick(self.receive().await) {
                assert!(since.elapsed() < 5 * SOON, "came after {:?}", since.elapsed());
                return found;
            }
        }
    }

    async fn hides(&mut self, conversation_id: ConversationId, target: u64) {
        let reference = self.next_reference();
        self.say(ClientFrame::DeleteMessage(DeleteMessage {
            reference,
            message_id: MessageId::generate(),
            conversation_id,
            target: Sequence(target),
            scope: DeleteScope::Me,
            retry: None,
        }))
        .await;
        let hidden = self.soon(|frame| match frame {
            ServerFrame::MessageHidden(it) => Some(it),
            ServerFrame::Error(error) => panic!("{error:?}"),
            _ => None,
        });
        let hidden = hidden.await;
        assert_eq!((hidden.reference, hidden.seq), (Some(reference), Sequence(target)));
    }

    async fn asks(&mut self, send: SendMessage) -> Result<Sequence, ErrorCode> {
        let reference = self.next_reference();
        self.say(ClientFrame::SendMessage(SendMessage { reference, ..send })).await;
        self.answer().await.map(|(seq, _)| seq).map_err(|error| error.code)
    }

    async fn edits(&mut self, edit: EditMessage) -> Result<Sequence, ErrorCode> {
        let reference = self.next_reference();
        self.say(ClientFrame::EditMessage(EditMessage { reference, ..edit })).await;
        self.answer().await.map(|(seq, _)| seq).map_err(|error| error.code)
    }

    async fn follows(
        &mut self,
        conversation_id: ConversationId,
        thread: u64,
        on: bool,
    ) -> Result<(), ErrorCode> {
        let (reference, thread) = (self.next_reference(), Sequence(thread));
        let follow = FollowThread { reference, conversation_id, thread, on };
        self.say(ClientFrame::FollowThread(follow)).await;
        self.soon(|frame| match frame {
            ServerFrame::ThreadFollowed(it) if it.reference == Some(reference) => Some(Ok(())),
            ServerFrame::Error(error) => Some(Err(error.code)),
            _ => None,
        })
        .await
    }

    async fn sends(&mut self, send: SendMessage) -> Sequence {
        let reference = self.next_reference();
        self.say(ClientFrame::SendMessage(SendMessage { reference, ..send })).await;
        self.answer().await.unwrap().0
    }
}

fn message(conversation_id: ConversationId, text: &str) -> SendMessage {
    SendMessage::new(
        0,
        MessageId::generate(),
        conversation_id,
        schema::record::Content::Text { text: text.into() },
    )
}

pub fn now_ms() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

async fn patch(server: &Server, who: &Credentials, path: &str, body: Value) -> Value {
    let (status, answer) = call(server, Method::PATCH, path, &who.access_token, &body).await;
    assert_eq!(status, 200, "{answer}");
    answer
}

/// The only row of a chat list.
async fn row(server: &Server, who: &Credentials) -> Value {
    let (_, list) = get(server, "/v1/users/me/conversations", &who.access_token).await;
    assert_eq!(list["conversations"].as_array().map(Vec::len), Some(1), "{list}");
    list["conversations"][0].clone()
}

#[tokio::test]
async fn two_devices_agree_within_a_second_and_after_any_time_apart() {
    let mut server = Server::start().await;
    let phone = server.signed_in("register", "anna").await;
    let desk = server.signed_in("login", "anna").await;
    let friend = server.people(1).await.remove(0);
    let chat = server.conversation(ConversationKind::Group, &friend, &[&phone]).await;
    let mut writer = server.online(&friend).await;
    for text in ["one", "two", "three"] {
        writer.send(chat, text).await;
    }
    let mut on_phone = server.online(&phone).await;
    let mut on_desk = server.online(&desk).await;
    let base = format!("/v1/users/me/conversations/{chat}");

    patch(&server, &phone, "/v1/users/me/settings", json!({"presence": "contacts"})).await;
    let told = on_desk.soon(|frame| match frame {
        ServerFrame::SettingsChanged(it) => Some(it),
        _ => None,
    });
    assert_eq!(told.await.presence, schema::record::Visibility::Contacts);

    let until = now_ms() + 3_600_000;
    patch(&server, &phone, &base, json!({"muted_until": until, "pinned": true})).await;
    let told = on_desk.soon(|frame| match frame {
        ServerFrame::ConversationSettings(it) => Some(it),
        _ => None,
    });
    let told = told.await;
    assert_eq!((told.muted_until, told.archived, told.pinned), (Some(until), false, true));
    patch(&server, &desk, &base, json!({"muted_until": null, "archived": true})).await;
    let told = on_phone.soon(|frame| match frame {
        ServerFrame::ConversationSettings(it) => Some(it),
        _ => None,
    });
    let told = told.await;
    assert_eq!((told.muted_until, told.archived, told.pinned), (None, true, true));

    let draft = json!({"text": "see you", "reply_to": 2});
    let path = format!("{base}/draft");
    let (status, kept) = call(&server, Method::PUT, &path, &phone.access_token, &draft).await;
    assert_eq!(status, 200, "{kept}");
    let told = on_desk.soon(|frame| match frame {
        ServerFrame::DraftChanged(it) => Some(it),
        _ => None,
    });
    let told = told.await;
    assert_eq!((told.text.as_str(), told.reply_to), ("see you", Some(Sequence(2))));

    on_phone.hides(chat, 2).await;
    let told = on_desk.soon(|frame| match frame {
        ServerFrame::MessageHidden(it) => Some(it),
        _ => None,
    });
    let told = told.await;
    assert_eq!((told.reference, told.seq), (None, Sequence(2)));

    let read = |thread| ReadReceipt { conversation_id: chat, seq: Sequence(3), thread };
    on_phone.say(ClientFrame::ReadReceipt(read(Some(Sequence(1))))).await;
    let told = on_desk.soon(|frame| match frame {
        ServerFrame::ThreadRead(it) => Some(it),
        _ => None,
    });
    let told = told.await;
    assert_eq!((told.thread, told.seq), (Sequence(1), Sequence(3)));
    on_phone.say(ClientFrame::ReadReceipt(read(None))).await;
    let told = on_desk.soon(|frame| match frame {
        ServerFrame::MessageStatus(it) if it.user_id == phone.user_id => it.read,
        _ => None,
    });
    assert_eq!(told.await, Sequence(3));

    // The device that did it is not told what it knows; another user hears of nothing.
    on_phone.silence().await;
    let mine = get(&server, &base, &desk.access_token).await.1;
    drop((on_phone, on_desk, writer));
    server.process.kill_9().await.unwrap();
    server.process.restart().await.unwrap();
    assert_eq!(get(&server, &base, &phone.access_token).await.1, mine, "also after a kill");
    let wanted = json!({
        "conversation_id": chat.to_string(), "archived": true, "pinned": true,
        "draft": {"text": "see you", "reply_to": 2, "updated_at": kept["updated_at"]},
        "hidden": [2], "threads": [{"thread": 1, "read": 3}],
    });
    assert_eq!(mine, wanted);
    let (_, welcome) = server.online_from(&desk, Encoding::Json, &[]).await;
    let state = welcome.conversations[0];
    assert_eq!((state.archived, state.pinned, state.muted_until), (true, true, None));
    let listed = row(&server, &phone).await;
    assert_eq!((&listed["archived"], &listed["pinned"]), (&json!(true), &json!(true)));
    assert_eq!(listed["draft"]["text"], "see you");
    let path = "/v1/users/me/conversations?archived=false";
    let (_, list) = get(&server, path, &phone.access_token).await;
    assert_eq!(list["conversations"], json!([]));
    // What is sent clears the draft when the client says so.
    let mut on_phone = server.online(&phone).await;
    let mut on_desk = server.online(&desk).await;
    let sent = SendMessage { clear_draft: Some(true), ..message(chat, "see you") };
    on_phone.sends(sent).await;
    let told = on_desk.soon(|frame| match frame {
        ServerFrame::DraftChanged(it) => Some(it.text),
        _ => None,
    });
    assert_eq!(told.await, "");
    assert!(row(&server, &phone).await["draft"].is_null());
}

#[tokio::test]
async fn what_one_deleted_for_oneself_is_gone_for_oneself_alone() {
    let mut server = Server::start().await;
    let people = server.people(2).await;
    let [anna, bert] = &people[..] else { panic!() };
    let chat = server.conversation(ConversationKind::Direct, anna, &[bert]).await;
    let mut alice = server.online(anna).await;
    let mut bob = server.online(bert).await;
    alice.send(chat, "harmless words").await;
    alice.send(chat, "regrettable words").await;
    bob.entry().await;
    bob.entry().await;
    bob.hides(chat, 2).await;
    let path = format!("/v1/conversations/{chat}/messages");
    let says = async |server: &Server, who: &Credentials| {
        let (_, page) = get(server, &path, &who.access_token).await;
        page["entries"][1]["new_message"]["content"].clone()
    };
    assert_eq!(says(&server, bert).await, json!({"deleted": {}}));
    assert_eq!(says(&server, anna).await, json!({"text": {"text": "regrettable words"}}));
    assert_eq!(row(&server, bert).await["last"]["new_message"]["content"], json!({"deleted": {}}));
    // Nor does a later edit tell, live or in a page.
    let edit = json!({"content": {"text": {"text": "regrettable words again"}}});
    let edited = format!("{path}/2");
    let (status, _) = call(&server, Method::PATCH, &edited, &anna.access_token, &edit).await;
    assert_eq!(status, 200);
    let live = bob.soon(|frame| match frame {
        ServerFrame::MessageEdited(it) => Some(it.content),
        _ => None,
    });
    assert_eq!(live.await, schema::record::Content::Deleted {});
    let (_, page) = get(&server, &path, &bert.access_token).await;
    assert!(!page.to_string().contains("regrettable"), "{page}");
    let (_, edits) = get(&server, &format!("{edited}/edits"), &bert.access_token).await;
    assert!(!edits.to_string().contains("regrettable"), "{edits}");
    let (_, hers) = get(&server, &path, &anna.access_token).await;
    assert!(hers.to_string().contains("regrettable words again"), "{hers}");
    // By REST too, after a restart too, on a device that has nothing yet too.
    let gone = format!("{path}/1?scope=me");
    let nothing = json!({});
    let (status, _) = call(&server, Method::DELETE, &gone, &bert.access_token, &nothing).await;
    assert_eq!(status, 204);
    let (_, found) = get(&server, "/v1/search?q=words", &bert.access_token).await;
    assert_eq!(found["hits"], json!([]), "{found}");
    server.process.kill_9().await.unwrap();
    server.process.restart().await.unwrap();
    assert_eq!(says(&server, bert).await, json!({"deleted": {}}));
    let (mut bob, _) = server.online_from(bert, Encoding::MessagePack, &[(chat, 0)]).await;
    let first = bob.soon(|frame| match frame {
        ServerFrame::NewMessage(it) => Some(it),
        _ => None,
    });
    assert_eq!(first.await.content, schema::record::Content::Deleted {});
    // What is not there, or is no message, cannot be deleted.
    for (target, expected) in [(99, 404), (3, 422)] {
        let path = format!("{path}/{target}?scope=me");
        let (status, _) = call(&server, Method::DELETE, &path, &bert.access_token, &nothing).await;
        assert_eq!(status, expected, "{target}");
    }
}

#[tokio::test]
async fn unread_counts_messages_and_mentions_and_no_changes() {
    let mut server = Server::start().await;
    let people = server.people(3).await;
    let [anna, bert, cleo] = &people[..] else { panic!() };
    let chat = server.conversation(ConversationKind::Group, anna, &[bert, cleo]).await;
    let mentions = |users: &[&str]| json!(users);
    let everyone = "00000000-0000-0000-0000-000000000000";
    let bert_id = bert.user_id.to_string();
    for (text, who) in [("1", vec![]), ("2", vec![bert_id.as_str()]), ("3", vec![everyone])] {
        let body = json!({
            "conversation_id": chat.to_string(),
            "content": {"text": {"text": text}},
            "mentions": mentions(&who),
        });
        let (status, answer) =
            call(&server, Method::POST, "/v1/messages", &anna.access_token, &body).await;
        assert_eq!(status, 201, "{answer}");
    }
    // Changes take numbers and are not unread.
    let base = format!("/v1/conversations/{chat}/messages");
    for at in 1..=3 {
        let path = format!("{base}/{at}/reactions/+1");
        let token = &anna.access_token;
        assert_eq!(call(&server, Method::PUT, &path, token, &json!({})).await.0, 200);
    }
    let counts = async |server: &Server, who: &Credentials| {
        let row = row(server, who).await;
        (row["unread"].as_u64().unwrap(), row["mentions"].as_u64().unwrap())
    };
    assert_eq!(counts(&server, bert).await, (3, 2));
    assert_eq!(counts(&server, cleo).await, (3, 1));
    assert_eq!(counts(&server, anna).await, (0, 0), "who writes has read");
    let mut bob = server.online(bert).await;
    let (conversation_id, seq) = (chat, Sequence(2));
    bob.say(ClientFrame::ReadReceipt(ReadReceipt { conversation_id, seq, thread: None })).await;
    until(async || counts(&server, bert).await == (1, 1)).await;
    // From the tables alone: after a restart, and with more than memory holds.
    server.process.kill_9().await.unwrap();
    server.process.restart().await.unwrap();
    assert_eq!(counts(&server, bert).await, (1, 1));
    assert_eq!(counts(&server, cleo).await, (3, 1));
    let mut alice = server.online(anna).await;
    for number in 0..200 {
        alice.send(chat, &format!("more {number}")).await;
    }
    assert_eq!(counts(&server, bert).await, (201, 1));
    let gone = format!("{base}/3");
    assert_eq!(call(&server, Method::DELETE, &gone, &anna.access_token, &json!({})).await.0, 200);
    until(async || counts(&server, bert).await.1 == 0).await;
}

/// Waits until it is so.
async fn until(is_so: impl AsyncFn() -> bool) {
    let since = Instant::now();
    while !is_so().await {
        assert!(since.elapsed() < Duration::from_secs(10), "never so");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_thread_has_its_own_unread_count_and_pages() {
    let server = Server::start().await;
    let people = server.people(3).await;
    let [anna, bert, cleo] = &people[..] else { panic!() };
    let chat = server.conversation(ConversationKind::Group, anna, &[bert, cleo]).await;
    let mut alice = server.online(anna).await;
    let mut bob = server.online(bert).await;
    alice.send(chat, "a question").await;
    alice.send(chat, "something else").await;
    let reply = |text| SendMessage { thread: Some(Sequence(1)), ..message(chat, text) };
    for text in ["first", "second", "third"] {
        bob.sends(reply(text)).await;
    }
    let path = format!("/v1/conversations/{chat}/threads");
    let thread = async |who: &Credentials| {
        let (status, list) = get(&server, &path, &who.access_token).await;
        assert_eq!(status, 200, "{list}");
        assert_eq!(list["threads"].as_array().unwrap().len(), 1, "{list}");
        list["threads"][0].clone()
    };
    let of_author = thread(anna).await;
    assert_eq!(of_author["root"]["new_message"]["content"]["text"]["text"], "a question");
    assert_eq!((&of_author["replies"], &of_author["last_seq"]), (&json!(3), &json!(5)));
    assert_eq!(of_author["participants"], json!([bert.user_id.to_string()]));
    assert_eq!((&of_author["following"], &of_author["unread"]), (&json!(true), &json!(3)));
    let of_replier = thread(bert).await;
    assert_eq!((&of_replier["following"], &of_replier["unread"]), (&json!(true), &json!(0)));
    let of_other = thread(cleo).await;
    assert_eq!((&of_other["following"], &of_other["unread"]), (&json!(false), &json!(0)));
    let read = json!({"conversation_id": chat.to_string(), "seq": 4, "thread": 1});
    let token = &anna.access_token;
    assert_eq!(call(&server, Method::POST, "/v1/read-receipt", token, &read).await.0, 204);
    let of_author = thread(anna).await;
    assert_eq!((&of_author["read"], &of_author["unread"]), (&json!(4), &json!(1)));
    let page = format!("{path}/1/messages?limit=2");
    let (_, newest) = get(&server, &page, token).await;
    let numbers = |page: &Value| -> Vec<u64> {
        let entries = page["entries"].as_array().unwrap().iter();
        entries.map(|entry| entry["new_message"]["seq"].as_u64().unwrap()).collect()
    };
    assert_eq!(numbers(&newest), [4, 5], "{newest}");
    let (_, older) = get(&server, &format!("{page}&before=4"), token).await;
    assert_eq!(numbers(&older), [3]);
    let (_, later) = get(&server, &format!("{page}&after=3"), token).await;
    assert_eq!(numbers(&later), [4, 5]);
}

#[tokio::test]
async fn a_thread_is_followed_and_left_by_hand_on_all_devices() {
    let mut server = Server::start().await;
    let people = server.people(2).await;
    let [anna, bert] = &people[..] else { panic!() };
    let (phone, desk) =
        (server.signed_in("register", "cleo").await, server.signed_in("login", "cleo").await);
    let chat = server.conversation(ConversationKind::Group, anna, &[bert, &phone]).await;
    let mut alice = server.online(anna).await;
    let mut bob = server.online(bert).await;
    let mut on_phone = server.online(&phone).await;
    let mut on_desk = server.online(&desk).await;
    alice.send(chat, "a question").await;
    let reply = |text| SendMessage { thread: Some(Sequence(1)), ..message(chat, text) };
    bob.sends(reply("first")).await;
    let path = format!("/v1/conversations/{chat}/threads");
    let thread = async |server: &Server, who: &Credentials| {
        let (_, list) = get(server, &path, &who.access_token).await;
        let it = &list["threads"][0];
        (it["following"].as_bool().unwrap(), it["unread"].as_u64().unwrap())
    };
    on_phone.entry().await;
    on_phone.entry().await;
    assert_eq!(thread(&server, &phone).await, (false, 0));

    // By the socket: the other device hears of it, the asker is answered.
    assert_eq!(on_phone.follows(chat, 1, true).await, Ok(()));
    let followed = |frame| match frame {
        ServerFrame::ThreadFollowed(it) => Some((it.reference, it.thread, it.on)),
        _ => None,
    };
    assert_eq!(on_desk.soon(followed).await, (None, Sequence(1), true));
    assert_eq!(thread(&server, &phone).await, (true, 0), "from now on");
    bob.sends(reply("second")).await;
    assert_eq!(thread(&server, &desk).await, (true, 1));
    for wrong in [0, 99] {
        assert_eq!(on_phone.follows(chat, wrong, true).await, Err(ErrorCode::NotFound));
    }

    // By REST it is left, and stays so over a kill; also by who wrote what it is about.
    let follow = format!("{path}/1/follow");
    let nothing = json!({});
    for who in [&desk, anna] {
        let token = &who.access_token;
        assert_eq!(call(&server, Method::DELETE, &follow, token, &nothing).await.0, 204);
    }
    assert_eq!(on_phone.soon(followed).await, (None, Sequence(1), false));
    server.process.kill_9().await.unwrap();
    server.process.restart().await.unwrap();
    let mut bob = server.online(bert).await;
    bob.sends(reply("third")).await;
    assert_eq!(thread(&server, &phone).await, (false, 0));
    assert_eq!(thread(&server, anna).await, (false, 0));
    let mine = format!("/v1/users/me/conversations/{chat}");
    let (_, own) = get(&server, &mine, &desk.access_token).await;
    assert_eq!(own["threads"], json!([{"thread": 1, "read": 0, "following": false}]));

    // Who replies is back in it.
    let mut alice = server.online(anna).await;
    alice.sends(reply("fourth")).await;
    bob.sends(reply("fifth")).await;
    assert_eq!(thread(&server, anna).await, (true, 1));
    let token = &phone.access_token;
    assert_eq!(call(&server, Method::PUT, &follow, token, &nothing).await.0, 204);
    assert_eq!(thread(&server, &phone).await, (true, 0));
    let beyond = format!("{path}/99/follow");
    assert_eq!(call(&server, Method::PUT, &beyond, token, &nothing).await.0, 404);
}

/// `@here` is for those who are online and not away when it is said.
#[tokio::test]
async fn a_mention_of_who_is_there_counts_for_them_alone() {
    let mut server = Server::start().await;
    let people = server.people(4).await;
    let [anna, there, away, gone] = &people[..] else { panic!() };
    let chat = server.conversation(ConversationKind::Group, anna, &[there, away, gone]).await;
    let mut alice = server.online(anna).await;
    let mut bob = server.online(there).await;
    let mut cleo = server.online(away).await;
    cleo.say(ClientFrame::SetPresence(SetPresence { status: PresenceStatus::Away })).await;
    cleo.say(ClientFrame::Ping(Ping::default())).await;
    cleo.soon(|frame| matches!(frame, ServerFrame::Pong(_)).then_some(())).await;
    let here = |text| SendMessage { mention_all: Some(MentionAll::Here), ..message(chat, text) };
    let counts = async |server: &Server, who: &Credentials| {
        let row = row(server, who).await;
        (row["unread"].as_u64().unwrap(), row["mentions"].as_u64().unwrap())
    };
    alice.sends(here("lunch?")).await;
    bob.entry().await;
    assert_eq!(counts(&server, there).await, (1, 1));
    assert_eq!(counts(&server, away).await, (1, 0));
    assert_eq!(counts(&server, gone).await, (1, 0));
    // Who comes afterwards and catches up was not there.
    let mut dave = server.online(gone).await;
    dave.entry().await;
    assert_eq!(counts(&server, gone).await, (1, 0));
    alice.sends(here("now then")).await;
    dave.entry().await;
    bob.entry().await;
    assert_eq!(counts(&server, gone).await, (2, 1));
    assert_eq!(counts(&server, there).await, (2, 2));
    // One by name counts as ever, and twice named is once.
    let mentions = Some(vec![there.user_id, UserId::HERE]);
    alice.sends(SendMessage { mentions, ..message(chat, "you there") }).await;
    bob.entry().await;
    assert_eq!(counts(&server, there).await, (3, 3));

    tokio::time::sleep(SOON).await;
    server.process.kill_9().await.unwrap();
    server.process.restart().await.unwrap();
    assert_eq!(counts(&server, there).await, (3, 3), "also after a kill");
    assert_eq!(counts(&server, gone).await, (3, 2));
    assert_eq!(counts(&server, away).await, (3, 0));
    // What is deleted mentions nobody, and what was read is not counted again.
    let path = format!("/v1/conversations/{chat}/messages/2");
    let token = &anna.access_token;
    assert_eq!(call(&server, Method::DELETE, &path, token, &json!({})).await.0, 200);
    until(async || counts(&server, there).await.1 == 2).await;
    let read = json!({"conversation_id": chat.to_string(), "seq": 1});
    let token = &there.access_token;
    assert_eq!(call(&server, Method::POST, "/v1/read-receipt", token, &read).await.0, 204);
    until(async || counts(&server, there).await.1 == 1).await;
}

/// In a large room a member does not call all of them, neither at once nor by an edit.
#[tokio::test]
async fn in_a_large_room_owners_and_admins_mention_everyone() {
    let server = Server::start().await;
    let people = server.people(52).await;
    let others: Vec<&Credentials> = people[1..].iter().collect();
    let large = server.conversation(ConversationKind::Group, &people[0], &others).await;
    let small = server.conversation(ConversationKind::Group, &people[0], &others[..3]).await;
    let mut owner = server.online(&people[0]).await;
    let mut member = server.online(&people[1]).await;
    let all = |chat, mention_all| SendMessage {
        mention_all: Some(mention_all),
        ..message(chat, "look here")
    };
    for mention_all in [MentionAll::Everyone, MentionAll::Here] {
        assert_eq!(member.asks(all(large, mention_all)).await, Err(ErrorCode::Forbidden));
        let by_id = SendMessage {
            mentions: Some(vec![mention_all.as_user()]),
            ..message(large, "look here")
        };
        assert_eq!(member.asks(by_id).await, Err(ErrorCode::Forbidden));
        assert!(member.asks(all(small, mention_all)).await.is_ok(), "few may be called by any");
        assert!(owner.asks(all(large, mention_all)).await.is_ok());
    }
    let sent = member.asks(message(large, "nothing yet")).await.unwrap();
    let edit = |conversation_id, target, user| EditMessage {
        reference: 0,
        message_id: MessageId::generate(),
        conversation_id,
        target,
        content: schema::record::Content::Text { text: "look here".into() },
        mentions: Some(vec![user]),
        retry: None,
    };
    for user in [UserId::EVERYONE, UserId::HERE] {
        assert_eq!(member.edits(edit(large, sent, user)).await, Err(ErrorCode::Forbidden));
        assert!(owner.edits(edit(large, Sequence(1), user)).await.is_ok());
        assert!(member.edits(edit(small, Sequence(1), user)).await.is_ok());
    }
    assert!(member.edits(edit(large, sent, people[2].user_id)).await.is_ok(), "one by name");
    let by_rest = json!({"content": {"text": {"text": "look"}}, "mentions": [UserId::EVERYONE]});
    let path = format!("/v1/conversations/{large}/messages/{sent}");
    let token = &people[1].access_token;
    assert_eq!(call(&server, Method::PATCH, &path, token, &by_rest).await.0, 403);
}

/// In place of what one deleted for oneself a page has the next ones.
#[tokio::test]
async fn a_page_of_search_is_full_whatever_one_hid() {
    let server = Server::start().await;
    let people = server.people(2).await;
    let [anna, bert] = &people[..] else { panic!() };
    let chat = server.conversation(ConversationKind::Direct, anna, &[bert]).await;
    let mut alice = server.online(anna).await;
    for number in 1..=12 {
        alice.send(chat, &format!("pizza {number}")).await;
    }
    let token = &bert.access_token;
    let page = async |cursor: Option<&str>| {
        let cursor = cursor.map(|it| format!("&cursor={it}")).unwrap_or_default();
        let (_, page) = get(&server, &format!("/v1/search?q=pizza&limit=4{cursor}"), token).await;
        let seq = |hit: &Value| hit["entry"]["new_message"]["seq"].as_u64().unwrap();
        let hits: Vec<u64> = page["hits"].as_array().unwrap().iter().map(seq).collect();
        (hits, page["next_cursor"].as_str().map(str::to_owned))
    };
    until(async || {
        let (_, all) = get(&server, "/v1/search?q=pizza", token).await;
        all["hits"].as_array().unwrap().len() == 12
    })
    .await;
    // The first six of what is found first.
    let (first, cursor) = page(None).await;
    let (second, _) = page(cursor.as_deref()).await;
    let mut bob = server.online(bert).await;
    let hidden: Vec<u64> = first.into_iter().chain(second.into_iter().take(2)).collect();
    for seq in &hidden {
        bob.hides(chat, *seq).await;
    }
    let (first, cursor) = page(None).await;
    assert_eq!(first.len(), 4, "{first:?}");
    let (second, cursor) = page(cursor.as_deref()).await;
    assert_eq!((second.len(), cursor), (2, None), "{second:?}");
    let mut seen = [hidden, first, second].concat();
    seen.sort_unstable();
    assert_eq!(seen, (1..=12).collect::<Vec<u64>>(), "each once");
}
