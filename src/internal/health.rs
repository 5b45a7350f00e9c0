//! `/livez`, `/readyz`, `/healthz`, `/metrics`.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use schema::ConversationId;
use serde::Serialize;

use crate::api::ApiState;
#[cfg(debug_assertions)]
use crate::telemetry::allocations;

/// A store that takes longer cannot serve anyone.
const STORE_ANSWER_MAX: Duration = Duration::from_secs(2);

pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .route("/livez", web::get().to(livez))
        .route("/readyz", web::get().to(readyz))
        .route("/healthz", web::get().to(readyz))
        .route("/metrics", web::get().to(metrics));
}

/// What readiness depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
struct Checks {
    /// The store answers.
    store: bool,
    /// This node's shards are claimed and replayed.
    ring: bool,
    /// This node is known to the others and hears them.
    bridge: bool,
    /// The node is going away.
    draining: bool,
}

impl Checks {
    const fn is_ready(self) -> bool {
        self.store && self.ring && self.bridge && !self.draining
    }
}

async fn livez() -> HttpResponse {
    HttpResponse::Ok().insert_header((CONTENT_TYPE, "text/plain")).body("ok\n")
}

async fn readyz(request: HttpRequest, state: web::Data<ApiState>) -> HttpResponse {
    let checks = Checks {
        store: store_answers(&state).await,
        ring: state.readiness.is_ring_ready(),
        bridge: state.readiness.is_bridge_connected(),
        draining: state.readiness.is_draining(),
    };
    let status = if checks.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let is_verbose =
        request.query_string().split('&').any(|pair| pair.split('=').next() == Some("verbose"));
    let mut response = HttpResponse::build(status);
    if is_verbose {
        return response.json(checks);
    }
    let text = if checks.is_ready() { "ok\n" } else { "not ready\n" };
    response.insert_header((CONTENT_TYPE, "text/plain")).body(text)
}

async fn store_answers(state: &ApiState) -> bool {
    let nobody = ConversationId::from_bytes([0; 16]);
    let answer = state.roster.conversation(nobody);
    matches!(tokio::time::timeout(STORE_ANSWER_MAX, answer).await, Ok(Ok(_)))
}

async fn metrics(state: web::Data<ApiState>) -> HttpResponse {
    match &state.metrics {
        None => HttpResponse::NotFound().finish(),
        Some(handle) => {
            #[cfg(debug_assertions)]
            {
                metrics::counter!(allocations::ALLOCATIONS).absolute(allocations::taken());
                metrics::gauge!(allocations::ALLOCATED_BYTES).set(allocations::in_use() as f64);
            }
            HttpResponse::Ok()
                .insert_header((CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8"))
                .body(crate::telemetry::metrics::render(handle))
        }
    }
}
