use actix_web::http::Method;
use actix_web::test::TestRequest;
use schema::wire::{CloseCode, ErrorCode};
use serde_json::json;

use super::fixture::{Fixture, NOW_MS, PASSWORD, Person, call, request};
use super::recording_node::Asked;
use crate::api::public_routes;
use crate::auth::{AuthConfig, Registration};
use crate::config::{Config, LimitsConfig};

fn with_token(token: &serde_json::Value) -> TestRequest {
    let bearer = format!("Bearer {}", token.as_str().unwrap());
    TestRequest::get().uri("/v1/users/me").insert_header(("authorization", bearer))
}

#[actix_web::test]
async fn registering_signs_in_and_names_fold() {
    let fixture = Fixture::new();
    let signed_in = fixture.register("Alice.W").await;
    assert_eq!(signed_in["expires_in"], 600);
    let me = fixture.call(with_token(&signed_in["access_token"])).await.expect(200);
    assert_eq!(me["username"], "alice.w");
    assert_eq!(me["display_name"], "alice.w");
    assert_eq!(me["device_id"], signed_in["device_id"]);
    assert_eq!(me["created_at"], NOW_MS);

    let again = json!({"username": "ALICE.w", "password": PASSWORD});
    fixture.post_open("/v1/register", again).await.expect_problem(ErrorCode::UsernameTaken);
}

#[actix_web::test]
async fn every_refused_field_is_named() {
    let fixture = Fixture::new();
    let body = json!({"username": "a", "password": "short", "display_name": ""});
    let problem =
        fixture.post_open("/v1/register", body).await.expect_problem(ErrorCode::InvalidField);
    let fields: Vec<&str> = problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["field"].as_str().unwrap())
        .collect();
    assert_eq!(fields, ["display_name", "password", "username"]);

    let weak = json!({"username": "alice", "password": "password1"});
    let problem =
        fixture.post_open("/v1/register", weak).await.expect_problem(ErrorCode::InvalidField);
    assert_eq!(problem["errors"][0]["field"], "password");

    let spaced = json!({"username": "has space", "password": PASSWORD});
    fixture.post_open("/v1/register", spaced).await.expect_problem(ErrorCode::InvalidField);
}

#[actix_web::test]
async fn a_closed_server_takes_no_registrations() {
    let auth = AuthConfig { registration: Registration::Closed, ..AuthConfig::default() };
    let fixture = Fixture::with(Config { auth, ..Config::default() });
    let body = json!({"username": "alice", "password": PASSWORD});
    fixture.post_open("/v1/register", body).await.expect_problem(ErrorCode::Forbidden);
}

#[actix_web::test]
async fn wrong_names_and_wrong_passwords_look_the_same() {
    let fixture = Fixture::new();
    fixture.register("alice").await;
    let login = async |username: &str, password: &str| {
        let body = json!({"username": username, "password": password});
        fixture.post_open("/v1/login", body).await
    };
    let signed_in = login("Alice", PASSWORD).await.expect(200);
    assert!(signed_in["refresh_token"].as_str().unwrap().starts_with("swr_"));
    let mut wrong =
        login("alice", "wrong horse battery").await.expect_problem(ErrorCode::BadCredentials);
    let mut unknown = login("nobody", PASSWORD).await.expect_problem(ErrorCode::BadCredentials);
    for problem in [&mut wrong, &mut unknown] {
        problem.as_object_mut().unwrap().remove("trace_id");
    }
    assert_eq!(wrong, unknown);
}

#[actix_web::test]
async fn sign_ins_are_limited_by_address_and_by_name() {
    let limits = LimitsConfig {
        sign_ins_per_user_per_minute: 2,
        registrations_per_hour: 1,
        ..LimitsConfig::default()
    };
    let fixture = Fixture::with(Config { limits, ..Config::default() });
    let body = json!({"username": "victim", "password": "guess"});
    for _ in 0..2 {
        let answer = fixture.post_open("/v1/login", body.clone()).await;
        answer.expect_problem(ErrorCode::BadCredentials);
    }
    let limited = fixture.post_open("/v1/login", body).await;
    let problem = limited.expect_problem(ErrorCode::RateLimited);
    assert!(problem["retry_after_ms"].as_u64().unwrap() > 0);
    assert!(limited.header("retry-after").parse::<u64>().unwrap() >= 1);

    fixture.register("first").await;
    let second = json!({"username": "second", "password": PASSWORD});
    fixture.post_open("/v1/register", second).await.expect_problem(ErrorCode::RateLimited);
}

#[actix_web::test]
async fn a_refresh_token_works_once_and_reuse_signs_the_device_out() {
    let fixture = Fixture::new();
    let first = fixture.register("alice").await;
    let refresh = async |token: &serde_json::Value| {
        fixture.post_open("/v1/token/refresh", json!({"refresh_token": token})).await
    };
    let second = refresh(&first["refresh_token"]).await.expect(200);
    assert_eq!(second["device_id"], first["device_id"]);
    assert_ne!(second["refresh_token"], first["refresh_token"]);
    fixture.call(with_token(&second["access_token"])).await.expect(200);

    refresh(&first["refresh_token"]).await.expect_problem(ErrorCode::TokenRevoked);
    let device = second["device_id"].as_str().unwrap().parse().unwrap();
    assert_eq!(fixture.node.asked(), [Asked::Disconnected(device, CloseCode::TokenRevoked)]);
    fixture.call(with_token(&second["access_token"])).await.expect_problem(ErrorCode::TokenRevoked);
    refresh(&second["refresh_token"]).await.expect_problem(ErrorCode::BadToken);
    refresh(&json!("swr_unknown")).await.expect_problem(ErrorCode::BadToken);
}

#[actix_web::test]
async fn refresh_tokens_expire() {
    let fixture = Fixture::new();
    let first = fixture.register("alice").await;
    fixture.clock.advance(31 * 86_400_000);
    let body = json!({"refresh_token": first["refresh_token"]});
    fixture.post_open("/v1/token/refresh", body).await.expect_problem(ErrorCode::BadToken);
}

#[actix_web::test]
async fn access_tokens_expire_and_are_only_taken_from_the_header() {
    let fixture = Fixture::new();
    let alice = fixture.person("alice").await;
    fixture.get(&alice, "/v1/users/me").await.expect(200);

    let in_query = format!("/v1/users/me?access_token={}", alice.token);
    fixture.call(TestRequest::get().uri(&in_query)).await.expect_problem(ErrorCode::BadToken);
    fixture.get(&alice, &in_query).await.expect_problem(ErrorCode::BadToken);

    for header in ["", "Bearer", "Bearer ", "Basic YTpi", "Token x", &alice.token] {
        let request =
            TestRequest::get().uri("/v1/users/me").insert_header(("authorization", header));
        let answer = fixture.call(request).await;
        answer.expect_problem(ErrorCode::BadToken);
        assert_eq!(answer.header("www-authenticate"), "Bearer");
    }
    fixture.clock.advance(11 * 60_000 + 1_000);
    fixture.get(&alice, "/v1/users/me").await.expect_problem(ErrorCode::TokenExpired);
}

#[actix_web::test]
async fn signing_a_device_out_closes_its_socket_and_ends_its_tokens() {
    let fixture = Fixture::new();
    fixture.register("alice").await;
    let body = json!({"username": "alice", "password": PASSWORD, "device": "laptop"});
    let laptop = fixture.post_open("/v1/login", body).await.expect(200);
    let me = Person {
        identity: fixture.person("unrelated").await.identity,
        token: laptop["access_token"].as_str().unwrap().to_owned(),
    };
    let devices = fixture.get(&me, "/v1/devices").await.expect(200);
    let names: Vec<(&str, bool)> = devices["devices"]
        .as_array()
        .unwrap()
        .iter()
        .map(|device| (device["name"].as_str().unwrap(), device["current"].as_bool().unwrap()))
        .collect();
    assert_eq!(names, [("phone", false), ("laptop", true)]);

    let phone = devices["devices"][0]["device_id"].as_str().unwrap();
    let path = format!("/v1/devices/{phone}");
    fixture.call(request(Method::DELETE, &path, Some(&me), None)).await.expect(204);
    let closed = Asked::Disconnected(phone.parse().unwrap(), CloseCode::TokenRevoked);
    assert_eq!(fixture.node.asked(), [closed]);

    let stranger = fixture.person("stranger").await;
    let laptop_path = format!("/v1/devices/{}", laptop["device_id"].as_str().unwrap());
    for path in [&laptop_path, "/v1/devices/not-an-id"] {
        let answer = fixture.call(request(Method::DELETE, path, Some(&stranger), None)).await;
        answer.expect_problem(ErrorCode::NotFound);
    }

    fixture.post(&me, "/v1/logout", json!({})).await.expect(204);
    fixture.get(&me, "/v1/users/me").await.expect_problem(ErrorCode::TokenRevoked);
}

#[actix_web::test]
async fn requests_of_one_user_are_limited() {
    let limits =
        LimitsConfig { requests_per_second: 1, requests_burst: 3, ..LimitsConfig::default() };
    let fixture = Fixture::with(Config { limits, ..Config::default() });
    let (alice, bob) = (fixture.person("alice").await, fixture.person("bob").await);
    for _ in 0..3 {
        fixture.get(&alice, "/v1/users/me").await.expect(200);
    }
    fixture.get(&alice, "/v1/users/me").await.expect_problem(ErrorCode::RateLimited);
    fixture.get(&bob, "/v1/users/me").await.expect(200);
}

#[actix_web::test]
async fn addresses_behind_a_trusted_proxy_are_told_apart() {
    let limits = LimitsConfig { registrations_per_hour: 1, ..LimitsConfig::default() };
    let trusted_proxies = vec!["203.0.113.0/24".parse().unwrap()];
    let fixture = Fixture::with(Config { limits, trusted_proxies, ..Config::default() });
    for (index, address) in ["198.51.100.1", "198.51.100.2"].iter().enumerate() {
        let body = json!({"username": format!("user{index}"), "password": PASSWORD});
        let request = request(Method::POST, "/v1/register", None, Some(body))
            .insert_header(("x-forwarded-for", *address));
        call(public_routes(fixture.state.clone()), request).await.expect(201);
    }
}
