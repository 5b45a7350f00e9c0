//! Canaries: what must never be in a log line.

use actix_web::http::Method;
use serde_json::json;

use super::fixture::{Fixture, Person, request};
use crate::telemetry::LogFormat;
use crate::telemetry::logs::capture::Capture;

#[actix_web::test]
async fn passwords_and_tokens_never_reach_the_log() {
    const PASSWORD: &str = "canary-password-of-alice";
    for format in [LogFormat::Text, LogFormat::Json] {
        let capture = Capture::everything(format);
        let fixture = Fixture::new();
        let body = json!({"username": "alice", "password": PASSWORD});
        let signed_in = fixture.post_open("/v1/register", body.clone()).await.expect(201);
        fixture.post_open("/v1/login", body).await.expect(200);
        let wrong = json!({"username": "alice", "password": format!("{PASSWORD}-wrong")});
        fixture.post_open("/v1/login", wrong).await.expect(401);
        let access = signed_in["access_token"].as_str().unwrap().to_owned();
        let refresh = signed_in["refresh_token"].as_str().unwrap().to_owned();
        let me = Person { identity: fixture.person("bob").await.identity, token: access.clone() };
        fixture.get(&me, "/v1/users/me").await.expect(200);
        fixture.get(&me, &format!("/v1/users/me?access_token={access}")).await.expect(401);
        fixture.get(&me, &format!("/v1/{access}")).await.expect(404);
        for _ in 0..2 {
            let body = json!({"refresh_token": refresh});
            fixture.post_open("/v1/token/refresh", body).await;
        }
        let keyed = request(Method::POST, "/v1/logout", Some(&me), Some(json!({})))
            .insert_header(("idempotency-key", "k"));
        fixture.call(keyed).await;

        let log = capture.text();
        assert!(log.contains("request answered"), "nothing was logged");
        assert!(log.contains("trace_id"), "lines do not name their request");
        for secret in [PASSWORD, &access, &refresh] {
            assert!(!log.contains(secret), "a secret was logged:\n{log}");
        }
    }
}
