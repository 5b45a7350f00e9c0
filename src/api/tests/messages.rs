use std::time::Duration;

use actix_web::http::Method;
use actors::node::Page;
use schema::wire::{ErrorCode, Refusal};
use schema::{ConversationId, MessageId, Sequence};
use serde_json::{Value, json};

use super::fixture::{Answered, Fixture, Person, request};
use super::recording_node::Asked;

async fn pair(fixture: &Fixture) -> (Person, Person, ConversationId) {
    let (alice, bob) = (fixture.person("alice").await, fixture.person("bob").await);
    let body = json!({"kind": "direct", "members": [bob.identity.user_id]});
    let made = fixture.post(&alice, "/v1/conversations", body).await.expect(201);
    (alice, bob, made["conversation_id"].as_str().unwrap().parse().unwrap())
}

fn text(conversation: ConversationId, text: &str) -> Value {
    json!({"conversation_id": conversation, "content": {"text": {"text": text}}})
}

async fn post_with_key(fixture: &Fixture, who: &Person, body: &Value, key: &str) -> Answered {
    let request = request(Method::POST, "/v1/messages", Some(who), Some(body.clone()))
        .insert_header(("idempotency-key", key));
    fixture.call(request).await
}

#[actix_web::test]
async fn a_message_gets_its_number_and_keeps_it() {
    let fixture = Fixture::new();
    let (alice, _, conversation) = pair(&fixture).await;
    let mut body = text(conversation, "hello");
    let first = fixture.post(&alice, "/v1/messages", body.clone()).await.expect(201);
    assert_eq!((first["seq"].as_u64(), first["duplicate"].as_bool()), (Some(1), Some(false)));

    body["message_id"] = json!(MessageId::generate());
    let second = fixture.post(&alice, "/v1/messages", body.clone()).await.expect(201);
    let repeated = fixture.post(&alice, "/v1/messages", body).await.expect(201);
    assert_eq!(second["seq"], repeated["seq"]);
    assert_eq!(repeated["duplicate"], true);
    assert_eq!(fixture.node.entries().len(), 2);
}

#[actix_web::test]
async fn content_is_checked_before_the_node_sees_it() {
    let fixture = Fixture::new();
    let (alice, _, conversation) = pair(&fixture).await;
    let with = |content: Value| json!({"conversation_id": conversation, "content": content});
    let big = "x".repeat(64 * 1024 + 1);
    for (body, code) in [
        (text(conversation, ""), ErrorCode::InvalidContent),
        (text(conversation, &big), ErrorCode::InvalidContent),
        (with(json!({"media": {"media_id": MessageId::generate()}})), ErrorCode::InvalidContent),
        (with(json!({"custom": {"type": "", "body": "x"}})), ErrorCode::InvalidContent),
        (with(json!({"song": {}})), ErrorCode::InvalidField),
        (with(json!("hello")), ErrorCode::InvalidField),
    ] {
        let answer = fixture.post(&alice, "/v1/messages", body).await;
        answer.expect_problem(code);
    }
    let mut old_id = text(conversation, "x");
    old_id["message_id"] = json!(uuid::Uuid::new_v4());
    let answer = fixture.post(&alice, "/v1/messages", old_id).await;
    answer.expect_problem(ErrorCode::InvalidField);
    let mut crowd = text(conversation, "x");
    crowd["mentions"] = json!(vec![alice.identity.user_id; 101]);
    let answer = fixture.post(&alice, "/v1/messages", crowd).await;
    answer.expect_problem(ErrorCode::InvalidField);
    assert_eq!(fixture.node.entries(), []);
}

#[actix_web::test]
async fn bodies_that_are_no_json_or_too_large_are_problems() {
    let fixture = Fixture::new();
    let (alice, ..) = pair(&fixture).await;
    let raw = |content_type: &'static str, body: Vec<u8>| {
        request(Method::POST, "/v1/messages", Some(&alice), None)
            .insert_header(("content-type", content_type))
            .set_payload(body)
    };
    let json = "application/json";
    let answer = fixture.call(raw(json, b"{".to_vec())).await;
    answer.expect_problem(ErrorCode::BadFrame);
    let answer = fixture.call(raw("text/plain", b"{}".to_vec())).await;
    answer.expect_problem(ErrorCode::BadFrame);
    let answer = fixture.call(raw(json, vec![b' '; 256 * 1024 + 1])).await;
    answer.expect_problem(ErrorCode::TooLarge);
    let with_key = raw(json, vec![b' '; 256 * 1024 + 1]).insert_header(("idempotency-key", "k"));
    fixture.call(with_key).await.expect_problem(ErrorCode::TooLarge);
}

#[actix_web::test]
async fn history_is_read_by_number() {
    let fixture = Fixture::new();
    let (alice, bob, conversation) = pair(&fixture).await;
    fixture.post(&alice, "/v1/messages", text(conversation, "hello")).await.expect(201);
    let base = format!("/v1/conversations/{conversation}/messages");
    let page = fixture.get(&bob, &base).await.expect(200);
    assert_eq!(page["head"], 1);
    let entry = &page["entries"][0]["new_message"];
    assert_eq!(entry["content"]["text"]["text"], "hello");
    assert_eq!(entry["sender_id"], json!(alice.identity.user_id));
    fixture.get(&bob, &format!("{base}?before=9&limit=200")).await.expect(200);
    fixture.get(&bob, &format!("{base}?after=0&limit=1")).await.expect(200);
    let pages: Vec<Asked> = fixture
        .node
        .asked()
        .into_iter()
        .filter(|asked| matches!(asked, Asked::History(..)))
        .collect();
    assert_eq!(
        pages,
        [
            Asked::History(Page::Newest, 50),
            Asked::History(Page::Before(Sequence(9)), 200),
            Asked::History(Page::After(Sequence(0)), 1),
        ]
    );
    for query in ["before=1&after=1", "limit=0", "limit=201", "before=-1", "after=x"] {
        let answer = fixture.get(&bob, &format!("{base}?{query}")).await;
        answer.expect_problem(ErrorCode::InvalidField);
    }
}

#[actix_web::test]
async fn reading_is_noted() {
    let fixture = Fixture::new();
    let (_, bob, conversation) = pair(&fixture).await;
    let body = json!({"conversation_id": conversation, "seq": 3});
    fixture.post(&bob, "/v1/read-receipt", body).await.expect(204);
    let noted = Asked::ReadUpTo(bob.identity.user_id, Sequence(3));
    assert!(fixture.node.asked().contains(&noted));
}

#[actix_web::test]
async fn what_the_node_refuses_becomes_a_problem() {
    let fixture = Fixture::new();
    let (alice, _, conversation) = pair(&fixture).await;
    let refusal = Refusal::new(ErrorCode::MessageIdReused, "stored with other content");
    fixture.node.refuse_next(refusal.with_seq(Sequence(4)));
    let answer = fixture.post(&alice, "/v1/messages", text(conversation, "x")).await;
    let problem = answer.expect_problem(ErrorCode::MessageIdReused);
    assert_eq!(problem["detail"], "stored with other content; it has number 4");

    fixture.node.refuse_next(Refusal::retry_later("busy"));
    let answer = fixture.post(&alice, "/v1/messages", text(conversation, "x")).await;
    let problem = answer.expect_problem(ErrorCode::RetryLater);
    assert_eq!((&problem["temporary"], &problem["retry_after_ms"]), (&json!(true), &json!(500)));
}

#[actix_web::test]
async fn a_repeated_key_gets_the_first_answer() {
    let fixture = Fixture::new();
    let (alice, bob, conversation) = pair(&fixture).await;
    let body = text(conversation, "hello");
    let first = post_with_key(&fixture, &alice, &body, "k1").await;
    let repeat = post_with_key(&fixture, &alice, &body, "k1").await;
    assert_eq!(first.expect(201), repeat.expect(201));
    assert_eq!(first.header("idempotency-replayed"), "");
    assert_eq!(repeat.header("idempotency-replayed"), "true");
    assert_eq!(repeat.header("content-type"), "application/json");
    assert_eq!(fixture.node.entries().len(), 1);

    let other = text(conversation, "something else");
    let answer = post_with_key(&fixture, &alice, &other, "k1").await;
    answer.expect_problem(ErrorCode::IdempotencyKeyReused);
    post_with_key(&fixture, &bob, &body, "k1").await.expect(201);
    post_with_key(&fixture, &alice, &body, "k2").await.expect(201);
    assert_eq!(fixture.node.entries().len(), 3);

    let answer = post_with_key(&fixture, &alice, &body, &"k".repeat(256)).await;
    answer.expect_problem(ErrorCode::InvalidField);
}

#[actix_web::test]
async fn temporary_failures_do_not_use_a_key_up() {
    let fixture = Fixture::new();
    let (alice, _, conversation) = pair(&fixture).await;
    let body = text(conversation, "hello");
    fixture.node.refuse_next(Refusal::retry_later("busy"));
    let answer = post_with_key(&fixture, &alice, &body, "k").await;
    answer.expect_problem(ErrorCode::RetryLater);
    post_with_key(&fixture, &alice, &body, "k").await.expect(201);
}

#[actix_web::test]
async fn lasting_refusals_are_repeated_too() {
    let fixture = Fixture::new();
    let (alice, ..) = pair(&fixture).await;
    let body = text(ConversationId::generate(), "hello");
    for _ in 0..2 {
        let answer = post_with_key(&fixture, &alice, &body, "k").await;
        assert_eq!(answer.status, 404);
        assert_eq!(answer.code(), "not_found");
        assert_eq!(answer.header("content-type"), "application/problem+json");
    }
}

#[actix_web::test]
async fn a_client_that_hangs_up_finds_its_answer_when_it_returns() {
    let fixture = Fixture::new();
    let (alice, _, conversation) = pair(&fixture).await;
    let body = text(conversation, "hello");
    let gate = fixture.node.hold();
    {
        let first = post_with_key(&fixture, &alice, &body, "k");
        let hung_up = tokio::time::timeout(Duration::from_millis(200), first).await;
        assert!(hung_up.is_err(), "the node should be holding this");
    }
    let answer = post_with_key(&fixture, &alice, &body, "k").await;
    answer.expect_problem(ErrorCode::IdempotencyKeyInUse);
    gate.notify_one();
    while fixture.node.entries().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    let answer = post_with_key(&fixture, &alice, &body, "k").await;
    assert_eq!(answer.expect(201)["seq"], 1);
    assert_eq!(answer.header("idempotency-replayed"), "true");
    assert_eq!(fixture.node.entries().len(), 1);
}
