use std::collections::BTreeSet;

use actix_web::http::Method;
use actix_web::test::TestRequest;
use schema::wire::ErrorCode;

use super::fixture::{Fixture, request};
use crate::api::openapi::openapi;
use crate::config::Config;

/// The public contract. A change here is a change of the interface.
const ROUTES: [&str; 56] = [
    "DELETE /v1/blocks/{user}",
    "DELETE /v1/conversations/{id}/bans/{user}",
    "DELETE /v1/conversations/{id}/invites/{invite}",
    "DELETE /v1/conversations/{id}/members",
    "DELETE /v1/conversations/{id}/messages/{seq}",
    "DELETE /v1/conversations/{id}/messages/{seq}/pin",
    "DELETE /v1/conversations/{id}/messages/{seq}/reactions/{emoji}",
    "DELETE /v1/devices/{id}",
    "DELETE /v1/scheduled/{id}",
    "GET /v1/blocks",
    "GET /v1/conversations/{id}",
    "GET /v1/conversations/{id}/bans",
    "GET /v1/conversations/{id}/invites",
    "GET /v1/conversations/{id}/messages",
    "GET /v1/conversations/{id}/messages/{seq}/edits",
    "GET /v1/conversations/{id}/messages/{seq}/receipts",
    "GET /v1/conversations/{id}/threads",
    "GET /v1/conversations/{id}/threads/{seq}/messages",
    "PUT /v1/conversations/{id}/threads/{seq}/follow",
    "DELETE /v1/conversations/{id}/threads/{seq}/follow",
    "GET /v1/devices",
    "GET /v1/invites/{token}",
    "GET /v1/link-preview",
    "GET /v1/presence/{id}",
    "GET /v1/scheduled",
    "GET /v1/search",
    "GET /v1/users",
    "GET /v1/users/me",
    "GET /v1/users/me/conversations/{id}",
    "GET /v1/users/me/settings",
    "GET /v1/users/{id}",
    "GET /v1/users/{id}/conversations",
    "PATCH /v1/conversations/{id}",
    "PATCH /v1/conversations/{id}/members/{user}",
    "PATCH /v1/conversations/{id}/messages/{seq}",
    "PATCH /v1/scheduled/{id}",
    "PATCH /v1/users/me",
    "PATCH /v1/users/me/conversations/{id}",
    "PATCH /v1/users/me/settings",
    "POST /v1/conversations",
    "POST /v1/conversations/{id}/invites",
    "POST /v1/conversations/{id}/members",
    "POST /v1/invites/{token}/join",
    "POST /v1/login",
    "POST /v1/logout",
    "POST /v1/messages",
    "POST /v1/read-receipt",
    "POST /v1/register",
    "POST /v1/scheduled",
    "POST /v1/token/refresh",
    "PUT /v1/blocks/{user}",
    "PUT /v1/conversations/{id}/bans/{user}",
    "PUT /v1/conversations/{id}/messages/{seq}/pin",
    "PUT /v1/conversations/{id}/messages/{seq}/reactions/{emoji}",
    "PUT /v1/users/me/conversations/{id}/draft",
    "GET /v1/openapi.json",
];
const OPEN: [&str; 3] = ["POST /v1/login", "POST /v1/register", "POST /v1/token/refresh"];

fn described() -> Vec<(String, serde_json::Value)> {
    let document = serde_json::to_value(openapi()).unwrap();
    let mut routes = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            if ["get", "post", "patch", "delete", "put"].contains(&method.as_str()) {
                routes.push((format!("{} {path}", method.to_uppercase()), operation.clone()));
            }
        }
    }
    routes
}

#[test]
fn every_route_is_described_once() {
    let described: BTreeSet<String> = described().into_iter().map(|(route, _)| route).collect();
    let wanted: BTreeSet<String> = ROUTES
        .iter()
        .filter(|route| **route != "GET /v1/openapi.json")
        .map(ToString::to_string)
        .collect();
    assert_eq!(described, wanted);
}

#[test]
fn operations_have_distinct_names_and_say_what_they_do() {
    let mut names = BTreeSet::new();
    for (route, operation) in described() {
        let name = operation["operationId"].as_str().unwrap().to_owned();
        assert!(names.insert(name.clone()), "{name} is there twice");
        assert!(operation["summary"].is_string(), "{route} says nothing");
        assert!(operation["responses"].as_object().is_some_and(|all| !all.is_empty()), "{route}");
    }
}

#[test]
fn references_of_the_description_lead_somewhere() {
    let document = serde_json::to_value(openapi()).unwrap();
    let text = document.to_string();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    for reference in text.split("\"$ref\":\"#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(schemas.contains_key(name), "{name} is not described");
    }
    for (route, operation) in described() {
        let is_open =
            operation["security"].as_array().is_some_and(|all| all[0] == serde_json::json!({}));
        assert_eq!(is_open, OPEN.contains(&route.as_str()), "{route}");
    }
}

#[actix_web::test]
async fn every_route_answers_and_refuses_strangers() {
    let fixture = Fixture::new();
    for (route, _) in described() {
        let (method, path) = route.split_once(' ').unwrap();
        let id = "00000000-0000-7000-8000-000000000001";
        let path = path.replace("{id}", id).replace("{user}", id).replace("{seq}", "1");
        let path = path.replace("{emoji}", "+1").replace("{invite}", id).replace("{token}", "swi_");
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let answer = fixture.call(request(method, &path, None, None)).await;
        if OPEN.contains(&route.as_str()) {
            answer.expect_problem(ErrorCode::BadFrame);
        } else {
            answer.expect_problem(ErrorCode::BadToken);
        }
    }
}

#[actix_web::test]
async fn unknown_routes_and_methods_are_problems() {
    let fixture = Fixture::new();
    let answer = fixture.call(TestRequest::get().uri("/v1/nowhere")).await;
    answer.expect_problem(ErrorCode::NotFound);
    let answer = fixture.call(TestRequest::put().uri("/v1/users/me")).await;
    answer.expect_problem(ErrorCode::MethodNotAllowed);
    let answer = fixture.call(TestRequest::get().uri("/v1/login")).await;
    answer.expect_problem(ErrorCode::MethodNotAllowed);
    for internal in ["/metrics", "/readyz", "/livez", "/healthz", "/v1/provision", "/v1/tokens"] {
        assert_eq!(fixture.call(TestRequest::get().uri(internal)).await.status, 404, "{internal}");
    }
}

#[actix_web::test]
async fn answers_carry_security_headers() {
    let fixture = Fixture::new();
    let alice = fixture.person("alice").await;
    for path in ["/v1/users/me", "/v1/nowhere", "/v1/openapi.json"] {
        let answer = fixture.get(&alice, path).await;
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
        assert_eq!(answer.header("cache-control"), "no-store");
        assert!(answer.header("content-security-policy").contains("default-src 'none'"));
        assert_eq!(answer.header("x-trace-id").len(), 32);
    }
}

#[actix_web::test]
async fn the_documentation_is_served_from_the_binary() {
    let fixture = Fixture::new();
    let document = fixture.call(TestRequest::get().uri("/v1/openapi.json")).await.expect(200);
    assert_eq!(document["info"]["title"], "Switchboard");
    let moved = fixture.call(TestRequest::get().uri("/v1/docs")).await;
    assert_eq!((moved.status.as_u16(), moved.header("location")), (308, "/v1/docs/"));
    let page = fixture.call(TestRequest::get().uri("/v1/docs/")).await;
    assert_eq!(page.status, 200);
    assert!(page.text().contains("swagger"));
    assert!(page.header("content-security-policy").contains("style-src 'self' 'unsafe-inline'"));
    assert!(!page.text().contains("https://"), "the page fetches from elsewhere");
    let start = fixture.call(TestRequest::get().uri("/v1/docs/swagger-initializer.js")).await;
    assert!(start.text().contains("/v1/openapi.json"));
    let codes = fixture.call(TestRequest::get().uri("/v1/errors")).await;
    for code in ErrorCode::ALL {
        assert!(codes.text().contains(&format!("id=\"{code}\"")), "{code}");
    }
}

#[actix_web::test]
async fn other_origins_may_call_only_when_configured() {
    let preflight = || {
        TestRequest::default()
            .method(Method::OPTIONS)
            .uri("/v1/users/me")
            .insert_header(("origin", "https://chat.example"))
            .insert_header(("access-control-request-method", "PATCH"))
            .insert_header(("access-control-request-headers", "authorization"))
    };
    let closed = Fixture::new().call(preflight()).await;
    assert_eq!(closed.header("access-control-allow-origin"), "");
    let config =
        Config { allowed_origins: vec!["https://chat.example".to_owned()], ..Config::default() };
    let open = Fixture::with(config).call(preflight()).await;
    assert_eq!(open.status, 200);
    assert_eq!(open.header("access-control-allow-origin"), "https://chat.example");
    assert_eq!(open.header("access-control-allow-credentials"), "");
}

#[actix_web::test]
async fn pages_answer_what_is_no_rest() {
    let fixture = Fixture::new();
    let answer = fixture.call(TestRequest::get().uri("/no-such-page")).await;
    assert_eq!(answer.status, 404);
    assert_eq!(answer.code(), "not_found");
}
