//! REST under `/v1`, one resource a file.
//!
//! ```text
//! door.rs           what REST asks of the running node
//! state.rs          what handlers share
//! observe.rs        around every request: trace id, headers, duration
//! identity.rs       Bearer token → who asks
//! body.rs           JSON bodies, decoded and validated
//! problem.rs        every error as application/problem+json
//! idempotency.rs    Idempotency-Key: one answer a key
//! limits.rs         rate limits by address, user name and user
//! auth.rs users.rs devices.rs conversations.rs members.rs chat_list.rs messages.rs
//! bans.rs invites.rs  who may not come, and who may
//! entries.rs        what is numbered and stored, by whichever route
//! changes.rs        edits, deletions, reactions, pins
//! personal.rs       one's own settings, conversations, drafts
//! blocks.rs         who is to leave one alone
//! scheduled.rs      messages to be sent later
//! threads.rs        replies that belong together
//! presence.rs       who is there
//! search.rs         full text
//! link_preview.rs   what links lead to
//! receipts.rs       who has read, and has, a message
//! openapi.rs        the route table, and its description
//! ```

pub mod address;
pub mod auth;
pub mod bans;
pub mod blocks;
pub mod body;
pub mod changes;
pub mod chat_list;
pub mod conversations;
pub mod devices;
pub mod door;
pub mod entries;
pub mod idempotency;
pub mod identity;
pub mod invites;
pub mod limits;
pub mod link_preview;
pub mod members;
pub mod messages;
pub mod observe;
pub mod openapi;
pub mod operations;
pub mod personal;
pub mod presence;
pub mod problem;
pub mod readiness;
pub mod receipts;
pub mod scheduled;
pub mod search;
pub mod state;
pub mod threads;
pub mod username;
pub mod users;

#[cfg(test)]
pub(crate) mod tests;

use actix_cors::Cors;
use actix_web::middleware::from_fn;
use actix_web::web::{self, ServiceConfig};

pub use door::Door;
pub use limits::RateLimits;
pub use problem::ApiError;
pub use readiness::Readiness;
pub use state::{ApiSettings, ApiState, Rooms};

/// Everything on the public listener but `/ws`: REST, its documentation, and the pages.
///
/// Call it once per worker, last: its pages answer whatever nothing else did.
pub fn public_routes(state: ApiState) -> impl FnOnce(&mut ServiceConfig) {
    move |config| {
        let rest = web::scope("/v1")
            .app_data(web::Data::new(state.clone()))
            .app_data(body::json_settings(&state.settings))
            .app_data(body::payload_settings(&state.settings))
            .app_data(body::query_settings())
            .app_data(body::path_settings())
            // The last one wrapped is the first to see a request.
            .wrap(from_fn(idempotency::answer_once))
            .wrap(cross_origin(&state.settings))
            .wrap(from_fn(observe::observe))
            .configure(|config| {
                openapi::routes(&mut utoipa_actix_web::service_config::ServiceConfig::new(config));
                openapi::documentation(config);
            })
            .default_service(web::to(problem::no_such_route));
        config.service(rest).configure(crate::web::pages);
    }
}

/// No other origin may call REST, except those that are configured.
fn cross_origin(settings: &ApiSettings) -> Cors {
    let cors = Cors::default()
        .allowed_methods(["GET", "POST", "PATCH", "PUT", "DELETE"])
        .allowed_headers(["authorization", "content-type", "idempotency-key"])
        .expose_headers(["x-trace-id", "retry-after", "idempotency-replayed"])
        .max_age(3600);
    settings.allowed_origins.iter().fold(cors, |cors, origin| cors.allowed_origin(origin))
}
