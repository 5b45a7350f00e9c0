//! Who may say what on a socket: every client frame by every kind of caller. A frame that is not
//! listed fails.

use std::collections::BTreeSet;
use std::time::Duration;

use loadtest::client::{Credentials, Socket, SocketStyle};
use reqwest::Method;
use schema::record::ConversationKind;
use schema::wire::{ClientFrame, Encoding, Ping, ServerFrame};
use schema::{ConversationId, MessageId, Sequence, UserId};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::support::{Online, PATIENCE, Server, call};

/// Callers, in the order of the table's columns. The owner blocks one of the members. Nobody has
/// not said hello.
const CALLERS: [&str; 7] =
    ["owner", "admin", "member", "ex-member", "stranger", "blocked", "nobody"];
/// How long a witness waits for what should not come.
const SILENCE: Duration = Duration::from_millis(400);

/// A frame and what becomes of it for each caller: the name of its answer, or the code of the
/// error. Of frames without an answer: whether another member hears of them. Message 2 is the
/// owner's, 3 the member's, 4 the witness's.
struct Rule {
    frame: fn(&Place) -> Value,
    expected: [&'static str; 7],
}

struct Place {
    chat: ConversationId,
    witness: UserId,
    reference: u64,
}

const HEARD: &str = "heard";
const IGNORED: &str = "ignored";
const FIRST: &str = "hello_required";

/// Positions and signals first: whoever writes has read what stands above.
const RULES: &[Rule] = &[
    Rule {
        frame: |it| json!({"ack": {"conversation_id": it.chat, "seq": 4}}),
        expected: [HEARD, HEARD, HEARD, IGNORED, IGNORED, HEARD, FIRST],
    },
    Rule {
        frame: |it| json!({"read_receipt": {"conversation_id": it.chat, "seq": 4}}),
        expected: [HEARD, HEARD, HEARD, IGNORED, IGNORED, HEARD, FIRST],
    },
    Rule {
        frame: |it| json!({"typing_indicator": {"conversation_id": it.chat, "state": "typing"}}),
        expected: [HEARD, HEARD, HEARD, IGNORED, IGNORED, HEARD, FIRST],
    },
    Rule {
        // Who left sees what there was until then.
        frame: |it| json!({"fetch_history": {"ref": it.reference, "conversation_id": it.chat}}),
        expected: ["history", "history", "history", "history", "not_found", "history", FIRST],
    },
    Rule {
        frame: |it| it.entry("send_message", json!({"content": text()})),
        expected: ["accepted", "accepted", "accepted", "not_found", "not_found", "accepted", FIRST],
    },
    Rule {
        // Not even an owner edits what another said.
        frame: |it| it.entry("edit_message", json!({"target": 3, "content": text()})),
        expected: [
            "forbidden",
            "forbidden",
            "accepted",
            "not_found",
            "not_found",
            "forbidden",
            FIRST,
        ],
    },
    Rule {
        frame: |it| it.entry("react", json!({"target": 3, "emoji": "+1", "on": true})),
        expected: ["accepted", "accepted", "accepted", "not_found", "not_found", "accepted", FIRST],
    },
    Rule {
        frame: |it| it.entry("pin_message", json!({"target": 3, "on": true})),
        expected: [
            "accepted",
            "accepted",
            "forbidden",
            "not_found",
            "not_found",
            "forbidden",
            FIRST,
        ],
    },
    Rule {
        frame: |it| it.entry("delete_message", json!({"target": 2, "scope": "everyone"})),
        expected: [
            "accepted",
            "accepted",
            "forbidden",
            "not_found",
            "not_found",
            "forbidden",
            FIRST,
        ],
    },
    Rule {
        frame: |it| {
            let id = it.chat;
            json!({"follow_thread":
                {"ref": it.reference, "conversation_id": id, "thread": 3, "on": true}})
        },
        expected: [
            "thread_followed",
            "thread_followed",
            "thread_followed",
            "not_found",
            "not_found",
            "thread_followed",
            FIRST,
        ],
    },
    Rule {
        // Only channels are open to others than members.
        frame: |it| json!({"join_conversation": {"ref": it.reference, "conversation_id": it.chat}}),
        expected: ["joined", "joined", "joined", "not_found", "not_found", "joined", FIRST],
    },
    Rule {
        // Ends what one listened to, if one did.
        frame: |it| json!({"leave_conversation": {"ref": it.reference, "conversation_id": it.chat}}),
        expected: ["left", "left", "left", "left", "left", "left", FIRST],
    },
    Rule {
        frame: |_| json!({"set_presence": {"status": "online"}}),
        expected: ["pong", "pong", "pong", "pong", "pong", "pong", FIRST],
    },
    Rule {
        frame: |it| json!({"subscribe_presence": {"user_ids": [it.witness]}}),
        expected: ["pong", "pong", "pong", "pong", "pong", "pong", FIRST],
    },
    Rule {
        frame: |_| json!({"ping": {}}),
        expected: ["pong", "pong", "pong", "pong", "pong", "pong", FIRST],
    },
    Rule {
        frame: |_| json!({"hello": {"token": "none"}}),
        expected: [
            "already_greeted",
            "already_greeted",
            "already_greeted",
            "already_greeted",
            "already_greeted",
            "already_greeted",
            "bad_token",
        ],
    },
];

impl Place {
    /// A frame that asks for a number.
    fn entry(&self, name: &str, mut body: Value) -> Value {
        body["ref"] = json!(self.reference);
        body["message_id"] = json!(MessageId::generate());
        body["conversation_id"] = json!(self.chat);
        json!({name: body})
    }

    /// What a rule says.
    fn frame(&self, rule: &Rule) -> ClientFrame {
        serde_json::from_value((rule.frame)(self)).expect("a frame")
    }
}

fn text() -> Value {
    json!({"text": {"text": "words"}})
}

/// What the caller is answered. To frames without an answer a ping is added.
async fn answer(caller: &mut Online, frame: &ClientFrame) -> String {
    let reference = frame.reference();
    let is_answered = reference.is_some() || matches!(frame, ClientFrame::Hello(_));
    caller.say(frame.clone()).await;
    if !is_answered && !matches!(frame, ClientFrame::Ping(_)) {
        // Nobody's socket is closed at once: the ping may find it so.
        let _ = caller.socket.send(&ClientFrame::Ping(Ping::default())).await;
    }
    loop {
        let name = match caller.receive().await {
            ServerFrame::Error(error) => return error.code.to_string(),
            ServerFrame::Accepted(it) if Some(it.reference) == reference => "accepted",
            ServerFrame::History(it) if Some(it.reference) == reference => "history",
            ServerFrame::Joined(it) if Some(it.reference) == reference => "joined",
            ServerFrame::Left(it) if Some(it.reference) == reference => "left",
            ServerFrame::ThreadFollowed(it) if it.reference == reference => "thread_followed",
            ServerFrame::Pong(_) if !is_answered => "pong",
            _ => continue,
        };
        return name.to_owned();
    }
}

/// Whether a frame's effect on others reaches the witness.
async fn is_heard(witness: &mut Online, who: UserId, frame: &ClientFrame, wait: Duration) -> bool {
    let hears = async {
        loop {
            let statuses = match (frame, witness.receive().await) {
                (ClientFrame::TypingIndicator(_), ServerFrame::TypingUpdate(it)) => {
                    if it.user_id == who {
                        return;
                    }
                    continue;
                }
                (_, ServerFrame::MessageStatus(it)) => vec![(it.user_id, it.delivered, it.read)],
                (_, ServerFrame::MessageStatuses(it)) => {
                    it.statuses.iter().map(|it| (it.user_id, it.delivered, it.read)).collect()
                }
                _ => continue,
            };
            let is_it = |&(user, delivered, read): &(UserId, Option<Sequence>, _)| {
                let wanted = match frame {
                    ClientFrame::Ack(_) => delivered,
                    ClientFrame::ReadReceipt(_) => read,
                    _ => None,
                };
                user == who && wanted.is_some()
            };
            if statuses.iter().any(is_it) {
                return;
            }
        }
    };
    timeout(wait, hears).await.is_ok()
}

#[tokio::test]
async fn every_frame_knows_every_caller() {
    let server = Server::start().await;
    let people = server.people(7).await;
    let [owner, admin, member, ex, stranger, blocked, seen_by] = &people[..] else { panic!() };
    let others = [admin, member, ex, blocked, seen_by];
    let chat = server.conversation(ConversationKind::Group, owner, &others).await;
    for author in [seen_by, owner, member, seen_by] {
        server.online(author).await.send(chat, "words").await;
    }
    let base = format!("/v1/conversations/{chat}/members");
    let role = json!({"role": "admin"});
    let path = format!("{base}/{}", admin.user_id);
    assert_eq!(call(&server, Method::PATCH, &path, &owner.access_token, &role).await.0, 200);
    let removal = json!({"members": [ex.user_id.to_string()]});
    assert_eq!(call(&server, Method::DELETE, &base, &owner.access_token, &removal).await.0, 200);

    let path = format!("/v1/blocks/{}", blocked.user_id);
    let (token, nothing) = (&owner.access_token, json!({}));
    assert_eq!(call(&server, Method::PUT, &path, token, &nothing).await.0, 204);

    let mut place = Place { chat, witness: seen_by.user_id, reference: 0 };
    let mut wrong = Vec::new();
    for rule in RULES {
        let name = place.frame(rule).name();
        for (index, expected) in rule.expected.into_iter().enumerate() {
            place.reference += 1;
            let frame = place.frame(rule);
            let who = [owner, admin, member, ex, stranger, blocked].get(index).copied();
            let mut caller = socket(&server, who).await;
            let mut witness = server.online(seen_by).await;
            let mut found = answer(&mut caller, &frame).await;
            if expected == HEARD || expected == IGNORED {
                let wait = if expected == HEARD { PATIENCE } else { SILENCE };
                let who = who.expect("signed in").user_id;
                let heard = is_heard(&mut witness, who, &frame, wait).await;
                found = if heard { HEARD } else { IGNORED }.to_owned();
            }
            if found != expected {
                wrong.push(format!("{name} as {}: {found}, not {expected}", CALLERS[index]));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// In the conversation of the two, blocking shuts every way to be heard.
#[tokio::test]
async fn who_is_blocked_says_nothing() {
    let server = Server::start().await;
    let people = server.people(2).await;
    let [anna, blocked] = &people[..] else { panic!() };
    let chat = server.conversation(ConversationKind::Direct, anna, &[blocked]).await;
    for author in [anna, anna, blocked] {
        server.online(author).await.send(chat, "before").await;
    }
    let path = format!("/v1/blocks/{}", blocked.user_id);
    assert_eq!(call(&server, Method::PUT, &path, &anna.access_token, &json!({})).await.0, 204);
    let mut place = Place { chat, witness: anna.user_id, reference: 0 };
    let mut caller = server.online(blocked).await;
    for rule in RULES {
        place.reference += 1;
        let frame = place.frame(rule);
        let expected = match frame.name() {
            "send_message" | "edit_message" | "delete_message" | "react" | "pin_message" => {
                "forbidden"
            }
            "fetch_history" => "history",
            _ => continue,
        };
        assert_eq!(answer(&mut caller, &frame).await, expected, "{}", frame.name());
    }
}

async fn socket(server: &Server, who: Option<&Credentials>) -> Online {
    match who {
        Some(who) => server.online(who).await,
        None => {
            let address = server.address();
            let socket = Socket::connect(address, Encoding::MessagePack, SocketStyle::Lean).await;
            Online::new(socket.unwrap())
        }
    }
}

#[test]
fn every_frame_is_in_the_table() {
    // The decoder names all that it knows when it is given another.
    let error = serde_json::from_str::<ClientFrame>("{\"no such frame\": {}}").unwrap_err();
    let error = error.to_string();
    let (_, known) = error.split_once("expected one of ").expect("the names of all frames");
    let known: BTreeSet<&str> = known.split('`').skip(1).step_by(2).collect();
    assert!(known.len() >= 15 && known.contains("hello"), "{error}");
    let chat = ConversationId::generate();
    let place = Place { chat, witness: UserId::generate(), reference: 1 };
    let listed: BTreeSet<&str> = RULES.iter().map(|rule| place.frame(rule).name()).collect();
    assert_eq!(listed, known, "frames without a rule, or rules without a frame");
}
