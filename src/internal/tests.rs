use actix_web::http::Method;
use actix_web::test::TestRequest;
use schema::wire::ErrorCode;
use serde_json::{Value, json};

use super::internal_routes;
use crate::api::tests::fixture::{Answered, Fixture, Person, call, request};
use crate::auth::AuthConfig;
use crate::config::{Config, SecretText};
use crate::telemetry::install_metrics;

const ADMIN_TOKEN: &str = "an-admin-token-for-these-tests";

fn fixture() -> Fixture {
    let auth = AuthConfig {
        admin_token: Some(SecretText::new(ADMIN_TOKEN.to_owned())),
        ..AuthConfig::default()
    };
    Fixture::with(Config { auth, ..Config::default() })
}

async fn get(fixture: &Fixture, path: &str) -> Answered {
    call(internal_routes(fixture.state.clone()), TestRequest::get().uri(path)).await
}

async fn post(fixture: &Fixture, path: &str, token: Option<&str>, body: Value) -> Answered {
    let mut request = request(Method::POST, path, None, Some(body));
    if let Some(token) = token {
        request = request.insert_header(("authorization", format!("Bearer {token}")));
    }
    call(internal_routes(fixture.state.clone()), request).await
}

#[actix_web::test]
async fn ready_means_a_ring_a_store_and_no_drain() {
    let fixture = fixture();
    assert_eq!(get(&fixture, "/livez").await.status, 200);
    assert_eq!(get(&fixture, "/readyz").await.status, 503);
    fixture.state.readiness.set_ring(true);
    assert_eq!(get(&fixture, "/readyz").await.status, 503);
    fixture.state.readiness.set_bridge(true);
    assert_eq!(get(&fixture, "/readyz").await.status, 200);
    assert_eq!(get(&fixture, "/healthz").await.status, 200);
    let verbose = get(&fixture, "/readyz?verbose").await.expect(200);
    assert_eq!(verbose, json!({"store": true, "ring": true, "bridge": true, "draining": false}));
    fixture.state.readiness.start_draining();
    let verbose = get(&fixture, "/readyz?verbose=1").await.expect(503);
    assert_eq!(verbose["draining"], true);
    assert_eq!(get(&fixture, "/livez").await.status, 200);
}

#[actix_web::test]
async fn metrics_are_rendered() {
    let mut fixture = fixture();
    assert_eq!(get(&fixture, "/metrics").await.status, 404);
    fixture.state.metrics = Some(install_metrics().unwrap());
    get(&fixture, "/livez").await;
    let page = get(&fixture, "/metrics").await;
    assert_eq!(page.status, 200);
    let text = page.text();
    assert!(text.contains("switchboard_build_info{version="), "{text}");
    assert!(text.contains("switchboard_http_seconds_bucket{route=\"/livez\",status=\"200\""));
    assert!(text.contains("# HELP switchboard_connections_open "));
}

#[actix_web::test]
async fn only_the_admin_token_administers() {
    let fixture = fixture();
    let alice = fixture.person("alice").await;
    for path in ["/v1/provision", "/v1/users", "/v1/tokens"] {
        for token in [None, Some("wrong"), Some(alice.token.as_str())] {
            let answer = post(&fixture, path, token, json!({"count": 1})).await;
            answer.expect_problem(ErrorCode::BadToken);
        }
    }
    let answer = get(&fixture, "/v1/nowhere").await;
    answer.expect_problem(ErrorCode::NotFound);
}

#[actix_web::test]
async fn provisioned_users_are_signed_in() {
    let fixture = fixture();
    let body = json!({"count": 2_500, "prefix": "Load", "token_ttl_s": 3_600});
    let made = post(&fixture, "/v1/provision", Some(ADMIN_TOKEN), body.clone()).await.expect(201);
    let users = made["users"].as_array().unwrap();
    assert_eq!(users.len(), 2_500);
    let name = users[2_499]["username"].as_str().unwrap();
    assert!(name.starts_with("load-") && name.ends_with("-2500"), "{name}");
    let person = Person {
        identity: fixture.person("someone").await.identity,
        token: users[7]["access_token"].as_str().unwrap().to_owned(),
    };
    let me = fixture.get(&person, "/v1/users/me").await.expect(200);
    assert_eq!(me["user_id"], users[7]["user_id"]);
    assert_eq!(me["device_id"], users[7]["device_id"]);
    post(&fixture, "/v1/provision", Some(ADMIN_TOKEN), body).await.expect(201);

    for wrong in [
        json!({"count": 0}),
        json!({"count": 10_001}),
        json!({"count": 1, "prefix": "has space"}),
        json!({"count": 1, "prefix": "much-too-long-for-a-name"}),
        json!({"count": 1, "token_ttl_s": 0}),
    ] {
        let answer = post(&fixture, "/v1/provision", Some(ADMIN_TOKEN), wrong).await;
        answer.expect_problem(ErrorCode::InvalidField);
    }
}

#[actix_web::test]
async fn accounts_and_tokens_for_the_command_line() {
    let fixture = fixture();
    let body = json!({"username": "Operator", "password": "correct horse battery"});
    let made = post(&fixture, "/v1/users", Some(ADMIN_TOKEN), body.clone()).await.expect(201);
    assert_eq!(made["username"], "operator");
    let again = post(&fixture, "/v1/users", Some(ADMIN_TOKEN), body.clone()).await;
    again.expect_problem(ErrorCode::UsernameTaken);
    fixture.post_open("/v1/login", body).await.expect(200);

    let body = json!({"username": "operator", "token_ttl_s": 60});
    let minted = post(&fixture, "/v1/tokens", Some(ADMIN_TOKEN), body).await.expect(201);
    assert_eq!(minted["user_id"], made["user_id"]);
    let nobody = json!({"username": "nobody", "token_ttl_s": 60});
    let answer = post(&fixture, "/v1/tokens", Some(ADMIN_TOKEN), nobody).await;
    answer.expect_problem(ErrorCode::NotFound);
}
