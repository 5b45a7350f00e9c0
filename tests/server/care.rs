//! What a conversation is set to, who may come, and what goes when its time is over.

mod retention;

use std::time::Duration;

use reqwest::Method;
use schema::record::{Content, ConversationKind, MessageRef, Posting};
use schema::wire::{
    ClientFrame, EditMessage, Encoding, ErrorCode, FetchHistory, History, LogFrame, SendMessage,
    ServerFrame,
};
use schema::{ConversationId, MessageId, Sequence};
use serde_json::{Value, json};

use crate::support::{Online, Server, call, get};

const NOTHING: Value = Value::Null;

fn text(text: &str) -> Content {
    Content::Text { text: text.into() }
}

fn message(conversation_id: ConversationId, content: Content) -> SendMessage {
    SendMessage::new(0, MessageId::generate(), conversation_id, content)
}

impl Online {
    async fn ask(&mut self, send: SendMessage) -> Result<Sequence, ErrorCode> {
        let reference = self.next_reference();
        self.say(ClientFrame::SendMessage(SendMessage { reference, ..send })).await;
        self.answer().await.map(|(seq, _)| seq).map_err(|error| error.code)
    }

    /// The number, and whether it had it before.
    async fn repeat(&mut self, send: SendMessage) -> Result<(Sequence, bool), ErrorCode> {
        let reference = self.next_reference();
        self.say(ClientFrame::SendMessage(SendMessage { reference, ..send })).await;
        self.answer().await.map_err(|error| error.code)
    }

    async fn edit_as(&mut self, edit: EditMessage) -> Result<(Sequence, bool), ErrorCode> {
        let reference = self.next_reference();
        self.say(ClientFrame::EditMessage(EditMessage { reference, ..edit })).await;
        self.answer().await.map_err(|error| error.code)
    }

    async fn pages(&mut self, fetch: FetchHistory) -> History {
        let reference = self.next_reference();
        self.say(ClientFrame::FetchHistory(FetchHistory { reference, ..fetch })).await;
        loop {
            match self.receive().await {
                ServerFrame::History(history) => return history,
                ServerFrame::Error(error) => panic!("{error:?}"),
                _ => {}
            }
        }
    }

    async fn newest(&mut self, conversation_id: ConversationId) -> History {
        let (before, after, at, limit) = (None, None, None, Some(50));
        let fetch = FetchHistory { reference: 0, conversation_id, before, after, at, limit };
        self.pages(fetch).await
    }

    async fn until<T>(&mut self, is_it: impl Fn(&ServerFrame) -> Option<T>) -> T {
        loop {
            if let Some(found) = is_it(&self.receive().await) {
                return found;
            }
        }
    }
}

#[tokio::test]
async fn settings_change_as_one_entry_and_hold() {
    let server = Server::start().await;
    let people = server.people(3).await;
    let token = |index: usize| people[index].access_token.as_str();
    let kind = ConversationKind::Group;
    let chat = server.conversation(kind, &people[0], &[&people[1], &people[2]]).await;
    let mut member = server.online(&people[1]).await;
    let path = format!("/v1/conversations/{chat}");
    let change = json!({
        "name": "Tea", "description": "All about tea", "photo": "https://example.org/tea.png",
        "retention_days": 30, "posting": "admins",
    });
    let (status, view) = call(&server, Method::PATCH, &path, token(0), &change).await;
    assert_eq!(status, 200, "{view}");
    assert_eq!(
        (&view["description"], &view["posting"]),
        (&json!("All about tea"), &json!("admins"))
    );
    let told = member
        .until(|frame| match frame {
            ServerFrame::ConversationChanged(it) => Some(it.clone()),
            _ => None,
        })
        .await;
    assert_eq!((told.seq, told.posting), (Sequence(1), Some(Posting::Admins)), "one entry");
    assert_eq!(told.retention_days, Some(Some(30)));
    assert_eq!(told.disappear_after_ms, None, "what was not named is not told");
    let refused = member.ask(message(chat, text("hello"))).await;
    assert_eq!(refused, Err(ErrorCode::Forbidden), "only admins post");
    let (status, _) = call(&server, Method::PATCH, &path, token(1), &json!({"name": "Mine"})).await;
    assert_eq!(status, 403);
    let back = json!({"description": null, "posting": "everyone"});
    let (status, view) = call(&server, Method::PATCH, &path, token(0), &back).await;
    assert_eq!((status, &view["description"]), (200, &NOTHING));
    assert_eq!(view["photo"], "https://example.org/tea.png", "what is not named stays");
    assert_eq!(member.ask(message(chat, text("hello"))).await, Ok(Sequence(3)));
    for bad in [
        json!({}),
        json!({"photo": "http://example.org/a.png"}),
        json!({"disappear_after_ms": 5}),
        json!({"description": "x".repeat(3_000)}),
    ] {
        let (status, answer) = call(&server, Method::PATCH, &path, token(0), &bad).await;
        assert_eq!((status, &answer["code"]), (422, &json!("invalid_field")), "{bad}");
    }
    let (_, view) = get(&server, &path, token(2)).await;
    assert_eq!((&view["name"], &view["retention_days"]), (&json!("Tea"), &json!(30)));

    let pair = server.conversation(ConversationKind::Direct, &people[0], &[&people[1]]).await;
    let path = format!("/v1/conversations/{pair}");
    let disappear = json!({"disappear_after_ms": 60_000});
    for who in [0, 1] {
        let (status, _) = call(&server, Method::PATCH, &path, token(who), &disappear).await;
        assert_eq!(status, 200, "either side");
    }
    for named in [json!({"name": "Us"}), json!({"name": "Us", "disappear_after_ms": 60_000})] {
        assert_eq!(call(&server, Method::PATCH, &path, token(0), &named).await.0, 403);
    }
}

#[tokio::test]
async fn bans_keep_users_out() {
    let server = Server::start().await;
    let people = server.people(4).await;
    let [owner, admin, member, other] = &people[..] else { panic!() };
    let chat = server.conversation(ConversationKind::Group, owner, &[admin, member]).await;
    let base = format!("/v1/conversations/{chat}");
    let token = |index: usize| people[index].access_token.as_str();
    let ban = |who: &loadtest::client::Credentials| format!("{base}/bans/{}", who.user_id);
    let mut theirs = server.online(member).await;
    let (status, _) = call(&server, Method::PUT, &ban(member), token(2), &json!({})).await;
    assert_eq!(status, 403);
    let (status, _) = call(&server, Method::PUT, &ban(owner), token(0), &json!({})).await;
    assert_eq!(status, 422, "nobody bans themselves");
    let (status, sent) = call(&server, Method::PUT, &ban(member), token(0), &json!({})).await;
    assert_eq!((status, &sent["seq"]), (200, &json!(1)), "{sent}");
    let told = theirs
        .until(|frame| match frame {
            ServerFrame::MembersChanged(it) => Some(it.clone()),
            _ => None,
        })
        .await;
    assert_eq!((&told.banned, &told.removed), (&vec![member.user_id], &vec![member.user_id]));
    let refused = theirs.ask(message(chat, text("hello"))).await;
    assert_eq!(refused, Err(ErrorCode::NotFound), "a member no more");

    let (status, bans) = get(&server, &format!("{base}/bans"), token(0)).await;
    assert_eq!((status, &bans["bans"][0]["user_id"]), (200, &json!(member.user_id.to_string())));
    let add = json!({"members": [{"user_id": member.user_id.to_string(), "role": "member"}]});
    let (status, _) = call(&server, Method::POST, &format!("{base}/members"), token(0), &add).await;
    assert_eq!(status, 422, "may not be added");
    let invites = format!("{base}/invites");
    let (status, invite) = call(&server, Method::POST, &invites, token(0), &json!({})).await;
    assert_eq!(status, 201);
    let join = format!("/v1/invites/{}/join", invite["token"].as_str().unwrap());
    assert_eq!(call(&server, Method::POST, &join, token(2), &json!({})).await.0, 404);

    let (status, _) = call(&server, Method::DELETE, &ban(member), token(0), &json!({})).await;
    assert_eq!(status, 200);
    assert_eq!(get(&server, &base, token(2)).await.0, 404, "no member by that alone");
    assert_eq!(call(&server, Method::POST, &join, token(2), &json!({})).await.0, 200);

    // A channel is open to all but those who are banned from it.
    let channel = server.conversation(ConversationKind::Channel, owner, &[]).await;
    let path = format!("/v1/conversations/{channel}");
    assert_eq!(get(&server, &path, token(3)).await.0, 200);
    let out = format!("{path}/bans/{}", other.user_id);
    assert_eq!(call(&server, Method::PUT, &out, token(0), &json!({})).await.0, 200);
    assert_eq!(get(&server, &path, token(3)).await.0, 404);
    assert_eq!(get(&server, &format!("{path}/messages"), token(3)).await.0, 404);
}

#[tokio::test]
async fn an_invite_lets_in_until_it_is_used_up() {
    let server = Server::start().await;
    let people = server.people(5).await;
    let token = |index: usize| people[index].access_token.as_str();
    let chat = server.conversation(ConversationKind::Group, &people[0], &[&people[1]]).await;
    let base = format!("/v1/conversations/{chat}");
    let invites = format!("{base}/invites");
    let limits = json!({"expires_in_ms": 3_600_000, "uses_max": 2});
    assert_eq!(call(&server, Method::POST, &invites, token(1), &limits).await.0, 403);
    let (status, made) = call(&server, Method::POST, &invites, token(0), &limits).await;
    assert_eq!(status, 201, "{made}");
    let secret = made["token"].as_str().unwrap();
    assert!(secret.len() >= 40 && made["url_path"].as_str().unwrap().ends_with(secret));
    let (_, listed) = get(&server, &invites, token(0)).await;
    assert_eq!(listed["invites"][0]["invite_id"], made["invite_id"]);
    assert!(!listed.to_string().contains(secret), "a token is told once");

    let (preview, join) = (format!("/v1/invites/{secret}"), format!("/v1/invites/{secret}/join"));
    let (status, seen) = get(&server, &preview, token(2)).await;
    assert_eq!((status, &seen["member_count"]), (200, &json!(2)), "{seen}");
    assert_eq!(seen["is_member"], false);
    let mut owner = server.online(&people[0]).await;
    for (who, expected) in [(2, 200), (2, 200), (1, 200), (3, 200), (4, 404), (2, 200)] {
        let (status, answer) = call(&server, Method::POST, &join, token(who), &json!({})).await;
        assert_eq!(status, expected, "{who}: {answer}");
    }
    let told = owner
        .until(|frame| match frame {
            ServerFrame::MembersChanged(it) => Some(it.clone()),
            _ => None,
        })
        .await;
    assert_eq!(told.added[0].user_id, people[2].user_id);
    assert_eq!(json!(told.invite_id.unwrap().to_string()), made["invite_id"]);
    let unknown = "/v1/invites/swi_nobody-ever-made-this-one";
    for path in [preview.as_str(), unknown] {
        let (status, answer) = get(&server, path, token(4)).await;
        assert_eq!((status, &answer["code"]), (404, &json!("not_found")), "they look the same");
    }
    let (_, listed) = get(&server, &invites, token(0)).await;
    assert_eq!(listed["invites"], json!([]), "used up");

    let (_, made) = call(&server, Method::POST, &invites, token(0), &json!({})).await;
    let end = format!("{invites}/{}", made["invite_id"].as_str().unwrap());
    assert_eq!(call(&server, Method::DELETE, &end, token(0), &json!({})).await.0, 204);
    let join = format!("/v1/invites/{}/join", made["token"].as_str().unwrap());
    assert_eq!(call(&server, Method::POST, &join, token(4), &json!({})).await.0, 404, "ended");

    // Who leaves leaves an owner behind.
    let leave = |who: usize| json!({"members": [people[who].user_id.to_string()]});
    let members = format!("{base}/members");
    assert_eq!(call(&server, Method::DELETE, &members, token(0), &leave(0)).await.0, 422);
    let role = format!("{members}/{}", people[1].user_id);
    let owner_role = json!({"role": "owner"});
    assert_eq!(call(&server, Method::PATCH, &role, token(0), &owner_role).await.0, 200);
    assert_eq!(call(&server, Method::DELETE, &members, token(0), &leave(0)).await.0, 200);
}

#[tokio::test]
async fn messages_disappear_everywhere() {
    let server = Server::start().await;
    let people = server.people(2).await;
    let chat = server.conversation(ConversationKind::Direct, &people[0], &[&people[1]]).await;
    let mut alice = server.online(&people[0]).await;
    let mut bob = server.online(&people[1]).await;
    let secret = "quarkstrudel";
    let short = SendMessage { expires_after_ms: Some(2_000), ..message(chat, text(secret)) };
    assert_eq!(alice.ask(short).await, Ok(Sequence(1)));
    assert_eq!(alice.ask(message(chat, text("stays"))).await, Ok(Sequence(2)));
    let edit = EditMessage {
        reference: alice.next_reference(),
        message_id: MessageId::generate(),
        conversation_id: chat,
        target: Sequence(1),
        content: text("quarkstrudel with cream"),
        mentions: None,
        retry: None,
    };
    alice.say(ClientFrame::EditMessage(edit)).await;
    assert_eq!(alice.answer().await.unwrap().0, Sequence(3));
    let told = bob
        .until(|frame| match frame {
            ServerFrame::NewMessage(it) => Some(it.clone()),
            _ => None,
        })
        .await;
    assert_eq!(told.content, text(secret));
    assert_eq!(told.expires_at, Some(told.sent_at + 2_000), "by the server's clock");
    // What a conversation says holds for those that do not say so themselves.
    let path = format!("/v1/conversations/{chat}");
    let token = people[1].access_token.as_str();
    let set = json!({"disappear_after_ms": 1_000});
    assert_eq!(call(&server, Method::PATCH, &path, token, &set).await.0, 200);
    assert_eq!(alice.ask(message(chat, text(secret))).await, Ok(Sequence(5)));

    tokio::time::sleep(Duration::from_millis(2_200)).await;
    let page = bob.newest(chat).await;
    let said: Vec<String> = page.entries.iter().map(|entry| format!("{entry:?}")).collect();
    assert!(!said.concat().contains(secret), "{said:#?}");
    assert_eq!(page.entries.len(), 5, "numbers stay");
    assert!(page.states.is_empty(), "nothing is told of what became of it: {:?}", page.states);
    let LogFrame::NewMessage(first) = &page.entries[0] else { panic!() };
    assert_eq!((&first.content, first.expires_at), (&Content::Deleted {}, told.expires_at));
    let (_, edits) = get(&server, &format!("{path}/messages/1/edits"), token).await;
    assert!(!edits.to_string().contains(secret), "{edits}");
    let (_, found) = get(&server, &format!("/v1/search?q={secret}"), token).await;
    assert_eq!(found["hits"], json!([]));
    let (_, list) = get(&server, "/v1/users/me/conversations", token).await;
    assert!(!list.to_string().contains(secret), "{list}");
    let (mut late, _) = server.online_from(&people[1], Encoding::Json, &[(chat, 0)]).await;
    let mut seen = 0;
    while seen < 5 {
        let frame = format!("{:?}", late.receive().await);
        assert!(!frame.contains(secret), "{frame}");
        seen += usize::from(frame.contains("seq: ") && !frame.starts_with("Welcome"));
    }
    // Nobody answers to what is gone, and it is not forwarded.
    let again = MessageRef { conversation_id: chat, seq: Sequence(1) };
    let forward = SendMessage { forwarded_from: Some(again), ..message(chat, text(secret)) };
    assert_eq!(alice.ask(forward).await, Err(ErrorCode::NotFound));

    // Within a while the words are out of the store.
    let database = server.process.data_dir().join("switchboard.sqlite3");
    let mut left = Vec::new();
    for _ in 0..40 {
        tokio::time::sleep(Duration::from_millis(500)).await;
        left = stored_events(&database, secret);
        if left.is_empty() {
            return;
        }
    }
    panic!("still stored: {left:?}");
}

/// Numbers of the entries whose stored event says something.
fn stored_events(database: &std::path::Path, needle: &str) -> Vec<i64> {
    use rusqlite::{Connection, OpenFlags};
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let connection = Connection::open_with_flags(database, flags).unwrap();
    let sql = "SELECT seq, event FROM message_log
               UNION ALL SELECT seq, event FROM message_changes";
    let mut statement = connection.prepare(sql).unwrap();
    let rows =
        statement.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?)));
    let rows: Vec<(i64, Vec<u8>)> = rows.unwrap().collect::<Result<_, _>>().unwrap();
    let has = |event: &[u8]| event.windows(needle.len()).any(|it| it == needle.as_bytes());
    rows.into_iter().filter(|(_, event)| has(event)).map(|(seq, _)| seq).collect()
}

#[tokio::test]
async fn what_is_forwarded_is_checked_and_not_named() {
    let server = Server::start().await;
    let people = server.people(3).await;
    let kind = ConversationKind::Group;
    let from = server.conversation(kind, &people[0], &[&people[1]]).await;
    let to = server.conversation(kind, &people[1], &[&people[2]]).await;
    let mut alice = server.online(&people[0]).await;
    let mut bob = server.online(&people[1]).await;
    let mut cleo = server.online(&people[2]).await;
    assert_eq!(alice.ask(message(from, text("the plan"))).await, Ok(Sequence(1)));
    let forward = |seq: u64, said: &str| SendMessage {
        forwarded_from: Some(MessageRef { conversation_id: from, seq: Sequence(seq) }),
        ..message(to, text(said))
    };
    assert_eq!(bob.ask(forward(1, "the plan")).await, Ok(Sequence(1)));
    let told = cleo
        .until(|frame| match frame {
            ServerFrame::NewMessage(it) => Some(it.clone()),
            _ => None,
        })
        .await;
    assert!(told.forwarded);
    let page = cleo.newest(to).await;
    assert!(!format!("{page:?}").contains(&from.to_string()), "where it is from is not told");
    assert_eq!(bob.ask(forward(1, "another plan")).await, Err(ErrorCode::InvalidContent));
    assert_eq!(bob.ask(forward(9, "the plan")).await, Err(ErrorCode::NotFound));
    let refused = cleo.ask(forward(1, "the plan")).await;
    assert_eq!(refused, Err(ErrorCode::NotFound), "who cannot see it cannot forward it");
    // What follows a forwarded message keeps its place.
    let reference = bob.next_reference();
    bob.say(ClientFrame::SendMessage(SendMessage { reference, ..forward(1, "the plan") })).await;
    bob.post(to, "and this").await;
    assert_eq!(bob.answer().await.unwrap().0, Sequence(2));
    assert_eq!(bob.answer().await.unwrap().0, Sequence(3));
}

/// The first answer may have been lost on the way, and what it was about changed since.
#[tokio::test]
async fn a_repeat_is_answered_as_before_whatever_became_of_what_it_is_about() {
    let mut server = Server::start().await;
    let people = server.people(2).await;
    let kind = ConversationKind::Group;
    let from = server.conversation(kind, &people[0], &[&people[1]]).await;
    let to = server.conversation(kind, &people[1], &[&people[0]]).await;
    let mut alice = server.online(&people[0]).await;
    let mut bob = server.online(&people[1]).await;
    assert_eq!(alice.ask(message(from, text("the plan"))).await, Ok(Sequence(1)));
    let original = Some(MessageRef { conversation_id: from, seq: Sequence(1) });
    let forward = SendMessage { forwarded_from: original, ..message(to, text("the plan")) };
    assert_eq!(bob.ask(forward.clone()).await, Ok(Sequence(1)));
    let edit = |said: &str| EditMessage {
        reference: 0,
        message_id: MessageId::generate(),
        conversation_id: from,
        target: Sequence(1),
        content: text(said),
        mentions: None,
        retry: None,
    };
    let first_edit = edit("another plan");
    assert_eq!(alice.edit_as(first_edit.clone()).await, Ok((Sequence(2), false)));
    let again = |send: &SendMessage| SendMessage { retry: Some(true), ..send.clone() };
    // What is forwarded is looked up in the tables, which follow the log.
    let shown = async || tokio::time::sleep(Duration::from_millis(700)).await;
    shown().await;
    assert_eq!(bob.repeat(again(&forward)).await, Ok((Sequence(1), true)), "it was edited");
    let path = format!("/v1/conversations/{from}/messages/1?scope=everyone");
    let token = people[0].access_token.clone();
    assert_eq!(call(&server, Method::DELETE, &path, &token, &NOTHING).await.0, 200);
    shown().await;
    assert_eq!(bob.repeat(again(&forward)).await, Ok((Sequence(1), true)), "it was deleted");
    assert_eq!(bob.repeat(forward.clone()).await, Ok((Sequence(1), true)), "also unmarked");
    assert_eq!(alice.edit_as(first_edit.clone()).await, Ok((Sequence(2), true)), "an edit of it");
    let path = format!("/v1/conversations/{to}/messages/1?scope=everyone");
    let own = people[1].access_token.clone();
    assert_eq!(call(&server, Method::DELETE, &path, &own, &NOTHING).await.0, 200);
    assert_eq!(bob.repeat(again(&forward)).await, Ok((Sequence(1), true)), "it was itself");
    // What was never stored is refused as ever, and spends no number.
    let late = SendMessage { message_id: MessageId::generate(), ..forward.clone() };
    assert_eq!(bob.repeat(again(&late)).await, Err(ErrorCode::NotFound));
    assert_eq!(alice.edit_as(edit("a third")).await, Err(ErrorCode::InvalidField));
    assert_eq!(bob.ask(message(to, text("next"))).await, Ok(Sequence(3)));

    server.process.kill_9().await.unwrap();
    server.process.restart().await.unwrap();
    let mut bob = server.online(&people[1]).await;
    assert_eq!(bob.repeat(again(&forward)).await, Ok((Sequence(1), true)), "over a kill");
    assert_eq!(bob.repeat(again(&late)).await, Err(ErrorCode::NotFound));
}

#[tokio::test]
async fn history_jumps_to_a_time() {
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
    tokio::time::sleep(Duration::from_millis(30)).await;
    for number in 301..=400 {
        alice.post(chat, &format!("line {number}")).await;
    }
    for _ in 301..=400 {
        alice.answer().await.unwrap();
    }
    let (_, page) = get(
        &server,
        &format!("/v1/conversations/{chat}/messages?after=299&limit=2"),
        &people[1].access_token,
    )
    .await;
    let sent_at = |index: usize| page["entries"][index]["new_message"]["sent_at"].as_i64().unwrap();
    let (before, after) = (sent_at(0), sent_at(1));
    assert!(before < after);
    let mut pages = Vec::new();
    for at in [after, before + 1, 0, after + 3_600_000] {
        let path = format!("/v1/conversations/{chat}/messages?at={at}&limit=20");
        let (status, page) = get(&server, &path, &people[1].access_token).await;
        assert_eq!(status, 200);
        let entries = page["entries"].as_array().unwrap();
        let seq = |entry: &Value| entry["new_message"]["seq"].as_u64().unwrap();
        pages.push((seq(&entries[0]), seq(&entries[entries.len() - 1])));
    }
    assert_eq!(pages[..3], [(291, 310), (291, 310), (1, 20)]);
    assert_eq!(pages[3].1, 400, "nothing was sent since: the newest");
    let both = format!("/v1/conversations/{chat}/messages?at=5&before=9");
    assert_eq!(get(&server, &both, &people[1].access_token).await.0, 422);
}
