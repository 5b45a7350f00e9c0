//! Who may do what: every route by every kind of caller. A route that is not listed fails.

use std::collections::BTreeSet;

use reqwest::Method;
use schema::record::ConversationKind;
use serde_json::{Value, json};

use crate::support::{Server, call, get};

/// Callers, in the order of the table's columns.
const CALLERS: [&str; 7] =
    ["owner", "admin", "member", "ex-member", "stranger", "blocked", "nobody"];

/// A route of one conversation, a request for it, and the status for each caller. Message 1 is
/// the owner's, 2 the admin's, 3 the member's.
struct Rule {
    route: &'static str,
    path: &'static str,
    body: fn(&People) -> Value,
    expected: [u16; 7],
}

struct People {
    /// A message that the owner scheduled.
    scheduled: String,
    member: String,
    spare: String,
    chat: String,
    invite: String,
    token: String,
}

impl People {
    fn named_in(&self, path: &str) -> String {
        path.replace("{member}", &self.member)
            .replace("{spare}", &self.spare)
            .replace("{invite}", &self.invite)
            .replace("{token}", &self.token)
            .replace("{chat}", &self.chat)
            .replace("{scheduled}", &self.scheduled)
    }
}

fn nothing(_: &People) -> Value {
    json!({})
}

fn edit(_: &People) -> Value {
    json!({"content": {"text": {"text": "changed"}}})
}

fn draft(_: &People) -> Value {
    json!({"text": "not yet"})
}

/// Harmless ones first, then those that change who is there.
const RULES: &[Rule] = &[
    Rule {
        route: "GET /v1/conversations/{id}",
        path: "",
        body: nothing,
        expected: [200, 200, 200, 404, 404, 200, 401],
    },
    Rule {
        route: "GET /v1/conversations/{id}/messages",
        path: "/messages",
        body: nothing,
        // Who left sees what there was until then.
        expected: [200, 200, 200, 200, 404, 200, 401],
    },
    Rule {
        route: "GET /v1/conversations/{id}/messages/{seq}/edits",
        path: "/messages/3/edits",
        body: nothing,
        expected: [200, 200, 200, 200, 404, 200, 401],
    },
    Rule {
        route: "GET /v1/conversations/{id}/messages/{seq}/receipts",
        path: "/messages/3/receipts",
        body: nothing,
        expected: [200, 200, 200, 404, 404, 200, 401],
    },
    Rule {
        route: "PUT /v1/conversations/{id}/messages/{seq}/reactions/{emoji}",
        path: "/messages/3/reactions/+1",
        body: nothing,
        expected: [200, 200, 200, 404, 404, 200, 401],
    },
    Rule {
        route: "DELETE /v1/conversations/{id}/messages/{seq}/reactions/{emoji}",
        path: "/messages/3/reactions/+1",
        body: nothing,
        expected: [200, 200, 200, 404, 404, 200, 401],
    },
    Rule {
        route: "PUT /v1/conversations/{id}/messages/{seq}/pin",
        path: "/messages/3/pin",
        body: nothing,
        expected: [200, 200, 403, 404, 404, 403, 401],
    },
    Rule {
        route: "DELETE /v1/conversations/{id}/messages/{seq}/pin",
        path: "/messages/3/pin",
        body: nothing,
        expected: [200, 200, 403, 404, 404, 403, 401],
    },
    Rule {
        route: "PATCH /v1/conversations/{id}/messages/{seq}",
        path: "/messages/3",
        body: edit,
        // Not even an owner edits what another said.
        expected: [403, 403, 200, 404, 404, 403, 401],
    },
    Rule {
        route: "DELETE /v1/conversations/{id}/messages/{seq}",
        path: "/messages/1",
        body: nothing,
        expected: [200, 200, 403, 404, 404, 403, 401],
    },
    Rule {
        route: "PATCH /v1/conversations/{id}",
        path: "",
        body: |_| json!({"name": "Another"}),
        expected: [200, 200, 403, 404, 404, 403, 401],
    },
    Rule {
        route: "GET /v1/conversations/{id}/bans",
        path: "/bans",
        body: nothing,
        expected: [200, 200, 403, 404, 404, 403, 401],
    },
    Rule {
        route: "PUT /v1/conversations/{id}/bans/{user}",
        path: "/bans/{spare}",
        body: nothing,
        // The owner bans; for the admin the user is banned already.
        expected: [200, 422, 403, 404, 404, 403, 401],
    },
    Rule {
        route: "DELETE /v1/conversations/{id}/bans/{user}",
        path: "/bans/{spare}",
        body: nothing,
        expected: [200, 422, 403, 404, 404, 403, 401],
    },
    Rule {
        route: "POST /v1/conversations/{id}/invites",
        path: "/invites",
        body: nothing,
        expected: [201, 201, 403, 404, 404, 403, 401],
    },
    Rule {
        route: "GET /v1/conversations/{id}/invites",
        path: "/invites",
        body: nothing,
        expected: [200, 200, 403, 404, 404, 403, 401],
    },
    Rule {
        route: "DELETE /v1/conversations/{id}/invites/{invite}",
        path: "/invites/{invite}",
        body: nothing,
        // The owner ends it, as a repeat does.
        expected: [204, 204, 403, 404, 404, 403, 401],
    },
    Rule {
        route: "GET /v1/invites/{token}",
        path: "=/v1/invites/{token}",
        body: nothing,
        // Whoever has the link may look where it leads, but for those who are banned.
        expected: [200, 200, 200, 200, 200, 200, 401],
    },
    Rule {
        route: "PATCH /v1/conversations/{id}/members/{user}",
        path: "/members/{member}",
        body: |_| json!({"role": "member"}),
        expected: [200, 403, 403, 404, 404, 403, 401],
    },
    Rule {
        route: "POST /v1/messages",
        path: "=/v1/messages",
        body: |it| json!({"conversation_id": it.chat, "content": {"text": {"text": "hello"}}}),
        expected: [201, 201, 201, 404, 404, 201, 401],
    },
    Rule {
        route: "POST /v1/read-receipt",
        path: "=/v1/read-receipt",
        body: |it| json!({"conversation_id": it.chat, "seq": 1}),
        expected: [204, 204, 204, 404, 404, 204, 401],
    },
    Rule {
        route: "GET /v1/conversations/{id}/threads",
        path: "/threads",
        body: nothing,
        expected: [200, 200, 200, 200, 404, 200, 401],
    },
    Rule {
        route: "GET /v1/conversations/{id}/threads/{seq}/messages",
        path: "/threads/3/messages",
        body: nothing,
        expected: [200, 200, 200, 200, 404, 200, 401],
    },
    Rule {
        route: "PUT /v1/conversations/{id}/threads/{seq}/follow",
        path: "/threads/3/follow",
        body: nothing,
        expected: [204, 204, 204, 404, 404, 204, 401],
    },
    Rule {
        route: "DELETE /v1/conversations/{id}/threads/{seq}/follow",
        path: "/threads/3/follow",
        body: nothing,
        expected: [204, 204, 204, 404, 404, 204, 401],
    },
    Rule {
        route: "GET /v1/users/me/conversations/{id}",
        path: "=/v1/users/me/conversations/{chat}",
        body: nothing,
        expected: [200, 200, 200, 404, 404, 200, 401],
    },
    Rule {
        route: "PATCH /v1/users/me/conversations/{id}",
        path: "=/v1/users/me/conversations/{chat}",
        body: |_| json!({"pinned": true}),
        expected: [200, 200, 200, 404, 404, 200, 401],
    },
    Rule {
        route: "PUT /v1/users/me/conversations/{id}/draft",
        path: "=/v1/users/me/conversations/{chat}/draft",
        body: draft,
        expected: [200, 200, 200, 404, 404, 200, 401],
    },
    Rule {
        route: "POST /v1/scheduled",
        path: "=/v1/scheduled",
        body: |it| {
            json!({
                "conversation_id": it.chat,
                "content": {"text": {"text": "later"}},
                "send_at": crate::own::now_ms() + 3_600_000,
            })
        },
        expected: [201, 201, 201, 404, 404, 201, 401],
    },
    Rule {
        // One's own alone, whoever asks.
        route: "GET /v1/scheduled",
        path: "=/v1/scheduled",
        body: nothing,
        expected: [200, 200, 200, 200, 200, 200, 401],
    },
    Rule {
        route: "PATCH /v1/scheduled/{id}",
        path: "=/v1/scheduled/{scheduled}",
        body: |_| json!({"content": {"text": {"text": "later still"}}}),
        expected: [200, 404, 404, 404, 404, 404, 401],
    },
    Rule {
        route: "DELETE /v1/scheduled/{id}",
        path: "=/v1/scheduled/{scheduled}",
        body: nothing,
        expected: [204, 404, 404, 404, 404, 404, 401],
    },
    Rule {
        route: "POST /v1/conversations/{id}/members",
        path: "/members",
        body: |it| json!({"members": [{"user_id": it.spare, "role": "member"}]}),
        // The owner adds; for the admin there is nobody left to add.
        expected: [200, 422, 403, 404, 404, 403, 401],
    },
    Rule {
        route: "DELETE /v1/conversations/{id}/members",
        path: "/members",
        body: |it| json!({"members": [it.spare]}),
        expected: [200, 422, 403, 404, 404, 403, 401],
    },
    Rule {
        route: "POST /v1/invites/{token}/join",
        path: "=/v1/invites/{token}/join",
        body: nothing,
        // Members stay; all others come.
        expected: [200, 200, 200, 200, 200, 200, 401],
    },
];

/// Routes that are about the caller alone, open to everyone, or that tell everyone signed in the
/// same. `src/api/tests/contract.rs` holds that all but the open ones refuse who is not signed in.
const WITHOUT_CONVERSATION: [&str; 22] = [
    "DELETE /v1/blocks/{user}",
    "GET /v1/blocks",
    "GET /v1/users/me/settings",
    "PATCH /v1/users/me/settings",
    "PUT /v1/blocks/{user}",
    "DELETE /v1/devices/{id}",
    "GET /v1/devices",
    "GET /v1/link-preview",
    "GET /v1/presence/{id}",
    "GET /v1/search",
    "GET /v1/users",
    "GET /v1/users/me",
    "GET /v1/users/{id}",
    "GET /v1/users/{id}/conversations",
    "PATCH /v1/users/me",
    "POST /v1/conversations",
    "POST /v1/login",
    "POST /v1/logout",
    "POST /v1/register",
    "POST /v1/token/refresh",
    "GET /v1/openapi.json",
    "GET /v1/errors",
];

#[tokio::test]
async fn every_route_knows_every_caller() {
    let server = Server::start().await;
    let people = server.people(7).await;
    let [owner, admin, member, ex, stranger, blocked, spare] = &people[..] else { panic!() };
    let others = [admin, member, ex, blocked];
    let chat = server.conversation(ConversationKind::Group, owner, &others).await;
    for (author, text) in [(owner, "one"), (admin, "two"), (member, "three")] {
        server.online(author).await.send(chat, text).await;
    }
    let base = format!("/v1/conversations/{chat}");
    let role = json!({"role": "admin"});
    let path = format!("{base}/members/{}", admin.user_id);
    assert_eq!(call(&server, Method::PATCH, &path, &owner.access_token, &role).await.0, 200);
    let removal = json!({"members": [ex.user_id.to_string()]});
    let path = format!("{base}/members");
    assert_eq!(call(&server, Method::DELETE, &path, &owner.access_token, &removal).await.0, 200);
    let (token, nothing) = (&owner.access_token, json!({}));
    let path = format!("/v1/blocks/{}", blocked.user_id);
    assert_eq!(call(&server, Method::PUT, &path, token, &nothing).await.0, 204);
    let later = json!({
        "conversation_id": chat.to_string(),
        "content": {"text": {"text": "later"}},
        "send_at": crate::own::now_ms() + 3_600_000,
    });
    let (_, scheduled) = call(&server, Method::POST, "/v1/scheduled", token, &later).await;

    let mut made = (String::new(), String::new());
    for one in [&mut made.0, &mut made.1] {
        let path = format!("{base}/invites");
        let (status, invite) =
            call(&server, Method::POST, &path, &owner.access_token, &json!({})).await;
        assert_eq!(status, 201);
        *one = format!("{} {}", invite["invite_id"], invite["token"]).replace('"', "");
    }
    // One to be ended, another to be used.
    let part = |text: &str, index: usize| text.split(' ').nth(index).unwrap().to_owned();
    let made = (part(&made.0, 0), part(&made.1, 1));
    let named = People {
        scheduled: scheduled["scheduled_id"].as_str().unwrap().to_owned(),
        member: member.user_id.to_string(),
        spare: spare.user_id.to_string(),
        chat: chat.to_string(),
        invite: made.0,
        token: made.1,
    };
    let tokens = [owner, admin, member, ex, stranger, blocked].map(|it| it.access_token.as_str());
    let mut wrong = Vec::new();
    for rule in RULES {
        let (method, _) = rule.route.split_once(' ').unwrap();
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let path = match rule.path.strip_prefix('=') {
            Some(whole) => named.named_in(whole),
            None => format!("{base}{}", named.named_in(rule.path)),
        };
        for (caller, expected) in CALLERS.iter().zip(rule.expected) {
            let index = CALLERS.iter().position(|it| it == caller).unwrap();
            let token = tokens.get(index).copied().unwrap_or("none");
            let (status, answer) = if method == Method::GET {
                get(&server, &path, token).await
            } else {
                call(&server, method.clone(), &path, token, &(rule.body)(&named)).await
            };
            if status != expected {
                wrong.push(format!(
                    "{} as {caller}: {status}, not {expected}: {answer}",
                    rule.route
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// In a direct conversation, the one whom the other blocks: reads what there was, and does no more.
#[tokio::test]
async fn who_is_blocked_reads_and_writes_nothing() {
    let server = Server::start().await;
    let people = server.people(2).await;
    let [anna, blocked] = &people[..] else { panic!() };
    let chat = server.conversation(ConversationKind::Direct, anna, &[blocked]).await;
    for person in [anna, blocked] {
        server.online(person).await.send(chat, "before").await;
    }
    let path = format!("/v1/blocks/{}", blocked.user_id);
    let nothing = json!({});
    assert_eq!(call(&server, Method::PUT, &path, &anna.access_token, &nothing).await.0, 204);
    let base = format!("/v1/conversations/{chat}");
    let said = json!({"conversation_id": chat.to_string(), "content": {"text": {"text": "x"}}});
    let direct = json!({"kind": "direct", "members": [anna.user_id.to_string()]});
    let edit = json!({"content": {"text": {"text": "y"}}});
    let rules = [
        (Method::POST, "/v1/conversations".to_owned(), &direct, 403),
        (Method::POST, "/v1/messages".to_owned(), &said, 403),
        (Method::PATCH, format!("{base}/messages/2"), &edit, 403),
        (Method::DELETE, format!("{base}/messages/2"), &nothing, 403),
        (Method::PUT, format!("{base}/messages/1/reactions/+1"), &nothing, 403),
        (Method::PUT, format!("{base}/messages/1/pin"), &nothing, 403),
        (Method::DELETE, format!("{base}/messages/1?scope=me"), &nothing, 204),
    ];
    for (method, path, body, expected) in rules {
        let token = &blocked.access_token;
        let (status, answer) = call(&server, method.clone(), &path, token, body).await;
        assert_eq!(status, expected, "{method} {path}: {answer}");
    }
    for path in [base.clone(), format!("{base}/messages"), format!("{base}/messages/2/receipts")] {
        assert_eq!(get(&server, &path, &blocked.access_token).await.0, 200, "{path}");
    }
}

#[tokio::test]
async fn every_route_is_in_the_table() {
    let server = Server::start().await;
    let (_, document) = get(&server, "/v1/openapi.json", "none").await;
    let listed: BTreeSet<String> = RULES
        .iter()
        .map(|rule| rule.route)
        .chain(WITHOUT_CONVERSATION)
        .map(str::to_owned)
        .collect();
    let mut unlisted = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            let route = format!("{} {path}", method.to_uppercase());
            if !listed.contains(&route) {
                unlisted.push(route);
            }
        }
    }
    assert!(unlisted.is_empty(), "routes without a rule: {unlisted:#?}");
}
