//! Logs of the real program: one JSON object a line, no secret in any, changed while it runs.

use std::fs;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Server, call};

const PASSWORD: &str = "canary-password-in-no-line";

#[tokio::test]
async fn no_secret_is_logged_over_a_whole_session() {
    let server =
        Server::with(&[("SWITCHBOARD_LOG__FORMAT", "json"), ("SWITCHBOARD_LOG__LEVEL", "trace")])
            .await;
    let body = json!({"username": "alice", "password": PASSWORD});
    let (_, signed_in) = call(&server, Method::POST, "/v1/register", "", &body).await;
    let access = signed_in["access_token"].as_str().unwrap().to_owned();
    let refresh = signed_in["refresh_token"].as_str().unwrap().to_owned();
    let wrong = json!({"username": "alice", "password": format!("{PASSWORD}-wrong")});
    assert_eq!(call(&server, Method::POST, "/v1/login", "", &wrong).await.0, 401);
    // Errors: a token where none belongs, one that is damaged, a body that is none.
    let path = format!("/v1/users/{access}?token={access}");
    assert!(call(&server, Method::GET, &path, &access, &json!({})).await.0 >= 400);
    let damaged = format!("{}x", &access[..access.len() - 2]);
    assert_eq!(call(&server, Method::GET, "/v1/users/me", &damaged, &json!({})).await.0, 401);
    let refreshed = json!({"refresh_token": refresh});
    let (status, answer) = call(&server, Method::POST, "/v1/token/refresh", "", &refreshed).await;
    assert_eq!(status, 200, "{answer}");
    let second = answer["refresh_token"].as_str().unwrap().to_owned();
    // Again, which is theft: all of them are revoked.
    call(&server, Method::POST, "/v1/token/refresh", "", &refreshed).await;
    // Sockets: a good hello, and one with a token that is none.
    let people = server.people(2).await;
    let mut online = server.online(&people[0]).await;
    let chat = server
        .conversation(schema::record::ConversationKind::Group, &people[0], &[&people[1]])
        .await;
    online.send(chat, "canary-text-in-no-line").await;
    let (mut bad, _) = tokio::join!(
        loadtest::client::Socket::connect(
            server.address(),
            schema::wire::Encoding::Json,
            loadtest::client::SocketStyle::Lean
        ),
        async {}
    );
    let stranger =
        loadtest::client::Credentials { access_token: damaged.clone(), ..people[1].clone() };
    assert!(bad.as_mut().unwrap().greet(&stranger, Vec::new()).await.is_err());

    let admin = server.rest.target().admin_token.clone().unwrap();
    let log = server.process.data_dir().join("server-output.log");
    let log = fs::read_to_string(log).unwrap();
    assert!(log.lines().count() > 20, "{log}");
    let mut with_trace_id = 0;
    for line in log.lines().filter(|line| line.starts_with('{')) {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|it| panic!("{it}: {line}"));
        assert!(line["level"].is_string() && line["timestamp"].is_string(), "{line}");
        with_trace_id += usize::from(line["span"]["trace_id"].is_string());
    }
    assert!(with_trace_id > 3, "requests name their trace");
    for (what, secret) in [
        ("password", PASSWORD),
        ("access token", &access),
        ("damaged token", &damaged),
        ("refresh token", &refresh),
        ("second refresh token", &second),
        ("token of a socket", &people[0].access_token),
        ("admin token", &admin),
        ("text", "canary-text-in-no-line"),
    ] {
        assert!(!log.contains(secret), "the {what} was logged");
    }
}

#[tokio::test]
async fn the_level_is_changed_while_it_runs() {
    let server = Server::with(&[("SWITCHBOARD_LOG__LEVEL", "error")]).await;
    let target = server.rest.target().clone();
    let (internal, admin) = (target.internal.unwrap(), target.admin_token.unwrap());
    let url = format!("http://{internal}/v1/log-level");
    let http = reqwest::Client::new();
    let put = |token: &str, level: &str| {
        http.put(&url).bearer_auth(token).json(&json!({"level": level})).send()
    };
    assert_eq!(put("wrong", "debug").await.unwrap().status(), 401);
    assert_eq!(put(&admin, "actors=loud").await.unwrap().status(), 422);
    let log = || fs::read_to_string(server.process.data_dir().join("server-output.log")).unwrap();
    assert!(!log().contains("request answered"));
    assert_eq!(put(&admin, "switchboard=debug").await.unwrap().status(), 200);
    let now: Value = http.get(&url).bearer_auth(&admin).send().await.unwrap().json().await.unwrap();
    assert_eq!(now["level"], "switchboard=debug");
    assert!(log().contains("request answered"), "{}", log());
    put(&admin, "error").await.unwrap();
    let before = log().matches("request answered").count();
    http.get(&url).bearer_auth(&admin).send().await.unwrap();
    assert_eq!(log().matches("request answered").count(), before);
}
