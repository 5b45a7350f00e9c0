use actix_web::http::Method;
use schema::record::{ConversationPatch, Event, Member, Role};
use schema::wire::ErrorCode;
use schema::{ConversationId, UserId};
use serde_json::{Value, json};

use super::fixture::{Fixture, Person, request};
use super::recording_node::Asked;

fn id_of(view: &Value) -> ConversationId {
    view["conversation_id"].as_str().unwrap().parse().unwrap()
}

async fn group(fixture: &Fixture, owner: &Person, members: &[&Person]) -> ConversationId {
    let ids: Vec<UserId> = members.iter().map(|member| member.identity.user_id).collect();
    let body = json!({"kind": "group", "name": "tea", "members": ids});
    id_of(&fixture.post(owner, "/v1/conversations", body).await.expect(201))
}

#[actix_web::test]
async fn a_pair_has_one_direct_conversation() {
    let fixture = Fixture::new();
    let (alice, bob) = (fixture.person("alice").await, fixture.person("bob").await);
    let ask = async |who: &Person, other: &Person| {
        let body = json!({"kind": "direct", "members": [other.identity.user_id]});
        fixture.post(who, "/v1/conversations", body).await
    };
    let made = ask(&alice, &bob).await.expect(201);
    assert_eq!(made["kind"], "direct");
    assert_eq!(made["head"], 0);
    assert_eq!(made["members"].as_array().unwrap().len(), 2);
    let existing = ask(&bob, &alice).await.expect(200);
    assert_eq!(existing["conversation_id"], made["conversation_id"]);
    let created = fixture.node.asked();
    let [Asked::Created(id, told)] = created.as_slice() else { panic!("{created:?}") };
    assert_eq!(*id, id_of(&made));
    assert_eq!(told.len(), 2);
}

#[actix_web::test]
async fn who_cannot_be_a_member_is_refused() {
    let fixture = Fixture::new();
    let (alice, bob) = (fixture.person("alice").await, fixture.person("bob").await);
    let (a, b, nobody) = (alice.identity.user_id, bob.identity.user_id, UserId::generate());
    for body in [
        json!({"kind": "direct", "members": []}),
        json!({"kind": "direct", "members": [a]}),
        json!({"kind": "direct", "members": [b, nobody]}),
        json!({"kind": "direct", "members": [nobody]}),
        json!({"kind": "group", "members": [b, nobody]}),
        json!({"kind": "group", "members": vec![b; 1001]}),
        json!({"kind": "group", "name": "", "members": [b]}),
        json!({"kind": "club", "members": [b]}),
        json!({"members": [b]}),
    ] {
        let answer = fixture.post(&alice, "/v1/conversations", body).await;
        answer.expect_problem(ErrorCode::InvalidField);
    }
    assert_eq!(fixture.node.asked(), []);
}

#[actix_web::test]
async fn a_group_has_an_owner_and_named_members() {
    let fixture = Fixture::new();
    let (alice, bob) = (fixture.person("alice").await, fixture.person("bob").await);
    let id = group(&fixture, &alice, &[&bob, &bob, &alice]).await;
    let view = fixture.get(&bob, &format!("/v1/conversations/{id}")).await.expect(200);
    assert_eq!(view["name"], "tea");
    let members = view["members"].as_array().unwrap();
    assert_eq!(members.len(), 2);
    let role = |name: &str| {
        members.iter().find(|member| member["username"] == name).unwrap()["role"].clone()
    };
    assert_eq!(role("alice"), "owner");
    assert_eq!(role("bob"), "member");
}

#[actix_web::test]
async fn absent_and_forbidden_look_the_same() {
    let fixture = Fixture::new();
    let (alice, bob) = (fixture.person("alice").await, fixture.person("bob").await);
    let stranger = fixture.person("stranger").await;
    let existing = group(&fixture, &alice, &[&bob]).await;
    let message = |id: &str| json!({"conversation_id": id, "content": {"text": {"text": "hi"}}});
    for id in [existing.to_string(), ConversationId::generate().to_string()] {
        let member = json!({"members": [{"user_id": stranger.identity.user_id, "role": "owner"}]});
        let removed = json!({"members": [bob.identity.user_id]});
        let receipt = json!({"conversation_id": id, "seq": 1});
        let base = format!("/v1/conversations/{id}");
        for (method, path, body) in [
            (Method::GET, base.clone(), None),
            (Method::PATCH, base.clone(), Some(json!({"name": "mine"}))),
            (Method::POST, format!("{base}/members"), Some(member)),
            (Method::DELETE, format!("{base}/members"), Some(removed)),
            (Method::GET, format!("{base}/messages"), None),
            (Method::POST, "/v1/messages".to_owned(), Some(message(&id))),
            (Method::POST, "/v1/read-receipt".to_owned(), Some(receipt)),
        ] {
            let answer = fixture.call(request(method.clone(), &path, Some(&stranger), body)).await;
            let problem = answer.expect_problem(ErrorCode::NotFound);
            assert_eq!(problem["detail"], "no such conversation, or none that you may see");
        }
    }
    let not_an_id = fixture.get(&alice, "/v1/conversations/7").await;
    not_an_id.expect_problem(ErrorCode::NotFound);
    assert_eq!(fixture.node.entries(), []);
}

#[actix_web::test]
async fn members_and_names_change_by_numbered_entries() {
    let fixture = Fixture::new();
    let (alice, bob) = (fixture.person("alice").await, fixture.person("bob").await);
    let carol = fixture.person("carol").await;
    let id = group(&fixture, &alice, &[&bob]).await;
    let path = format!("/v1/conversations/{id}/members");
    let new = Member { user_id: carol.identity.user_id, role: Role::Admin };

    let added = fixture.post(&alice, &path, json!({"members": [new]})).await.expect(200);
    assert_eq!(added["seq"], 1);
    let body = json!({"members": [bob.identity.user_id]});
    let removed = fixture.call(request(Method::DELETE, &path, Some(&alice), Some(body))).await;
    assert_eq!(removed.expect(200)["seq"], 2);
    let rename = json!({"name": "coffee"});
    let path = format!("/v1/conversations/{id}");
    let renamed = fixture.call(request(Method::PATCH, &path, Some(&alice), Some(rename))).await;
    assert_eq!(renamed.expect(200)["name"], "coffee");

    let events: Vec<Event> = fixture.node.entries().into_iter().map(|entry| entry.event).collect();
    assert_eq!(
        events,
        [
            Event::MembersChanged { added: vec![new], removed: Vec::new() },
            Event::MembersChanged { added: Vec::new(), removed: vec![bob.identity.user_id] },
            Event::ConversationChanged(Box::new(ConversationPatch::named("coffee"))),
        ]
    );
}

#[actix_web::test]
async fn member_lists_are_checked() {
    let fixture = Fixture::new();
    let (alice, bob) = (fixture.person("alice").await, fixture.person("bob").await);
    let path = format!("/v1/conversations/{}/members", group(&fixture, &alice, &[&bob]).await);
    let member = |user_id: UserId| json!({"user_id": user_id, "role": "member"});
    let b = bob.identity.user_id;
    for members in [
        json!([]),
        json!([member(b), member(b)]),
        json!([member(UserId::generate())]),
        json!([{"user_id": b, "role": "king"}]),
    ] {
        let answer = fixture.post(&alice, &path, json!({"members": members})).await;
        answer.expect_problem(ErrorCode::InvalidField);
    }
}

#[actix_web::test]
async fn the_chat_list_is_ones_own_and_pages() {
    let fixture = Fixture::new();
    let (alice, bob) = (fixture.person("alice").await, fixture.person("bob").await);
    let body = json!({"kind": "direct", "members": [bob.identity.user_id]});
    fixture.post(&alice, "/v1/conversations", body).await.expect(201);
    for _ in 0..2 {
        fixture.clock.advance(1);
        group(&fixture, &alice, &[&bob]).await;
    }
    let first = fixture.get(&alice, "/v1/users/me/conversations?limit=2").await.expect(200);
    assert_eq!(first["conversations"].as_array().unwrap().len(), 2);
    let cursor = first["next_cursor"].as_str().unwrap();
    let path =
        format!("/v1/users/{}/conversations?limit=2&cursor={cursor}", alice.identity.user_id);
    let second = fixture.get(&alice, &path).await.expect(200);
    assert_eq!(second["conversations"].as_array().unwrap().len(), 1);
    assert_eq!(second["conversations"][0]["peer"]["username"], "bob");
    assert_eq!(second["next_cursor"], Value::Null);

    fixture.get(&bob, &path).await.expect_problem(ErrorCode::NotFound);
    let forged = "/v1/users/me/conversations?cursor=AAAA";
    fixture.get(&alice, forged).await.expect_problem(ErrorCode::InvalidField);
}

#[actix_web::test]
async fn users_are_found_by_their_whole_name_only() {
    let fixture = Fixture::new();
    let (alice, bob) = (fixture.person("alice").await, fixture.person("bob").await);
    let found = fixture.get(&alice, "/v1/users?username=BOB").await.expect(200);
    assert_eq!(found["users"][0]["user_id"], json!(bob.identity.user_id));
    assert_eq!(found["users"][0].get("created_at"), None);
    for query in ["bo", "b%25", "*", ""] {
        let path = format!("/v1/users?username={query}");
        assert_eq!(fixture.get(&alice, &path).await.expect(200)["users"], json!([]));
    }
    let path = format!("/v1/users/{}", bob.identity.user_id);
    assert_eq!(fixture.get(&alice, &path).await.expect(200)["username"], "bob");
    let nobody = format!("/v1/users/{}", UserId::generate());
    fixture.get(&alice, &nobody).await.expect_problem(ErrorCode::NotFound);
}

#[actix_web::test]
async fn profiles_change_by_what_is_given() {
    let fixture = Fixture::new();
    let alice = fixture.person("alice").await;
    let patch = async |body: Value| {
        fixture.call(request(Method::PATCH, "/v1/users/me", Some(&alice), Some(body))).await
    };
    let changed = patch(json!({"status_text": "out", "display_name": "Alice"})).await.expect(200);
    assert_eq!(
        (&changed["status_text"], &changed["display_name"]),
        (&json!("out"), &json!("Alice"))
    );
    let cleared = patch(json!({"status_text": ""})).await.expect(200);
    assert_eq!(cleared.get("status_text"), None);
    assert_eq!(cleared["display_name"], "Alice");
    patch(json!({"display_name": ""})).await.expect_problem(ErrorCode::InvalidField);
    patch(json!({"status_text": "x".repeat(141)})).await.expect_problem(ErrorCode::InvalidField);
}
