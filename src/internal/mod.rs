//! The internal listener: health, metrics, and administration behind the admin token.
//!
//! ```text
//! GET  /livez /readyz[?verbose] /healthz   is it alive, may it be given work
//! GET  /metrics                            Prometheus text
//! POST /v1/provision                       users for load tests
//! POST /v1/users /v1/tokens                what the command line asks of a running server
//! POST /v1/search/reindex                  the same
//! GET  /v1/log-level, PUT                  what is logged, changed while it runs
//! GET  /v1/nodes /v1/shards /v1/actors     what runs, and where
//! GET  /v1/mailboxes                       how long messages wait, by kind of actor; deaths
//! GET  /v1/conversations/busiest           which make this node work most
//! POST /v1/shards/move                     a shard to another node; logged before it is done
//! GET  /v1/connections                     who is connected here
//! POST /v1/connections/close /v1/users/sign-out /v1/drain     logged before they are done
//! GET  /v1/audit-log                       what operators did
//! GET  /admin/                             a page for all of it; the token is typed in
//! ```

mod admin;
mod health;
mod log_level;
mod operate;
mod page;
mod provision;

#[cfg(test)]
mod tests;

use actix_web::middleware::from_fn;
use actix_web::web::{self, ServiceConfig};

pub use admin::{CreateUserRequest, CreatedUser, MintTokenRequest, MintedToken, Reindexed};
pub use operate::{AdminLogPage, AdminLogRecord, Closed, MoveShardRequest, SignedOut, WhoRequest};
pub use provision::{ProvisionRequest, Provisioned, ProvisionedUser};

use crate::api::{ApiState, body, observe, problem};

/// Everything on the internal listener.
pub fn internal_routes(state: ApiState) -> impl FnOnce(&mut ServiceConfig) {
    move |config| {
        let all = web::scope("")
            .app_data(web::Data::new(state.clone()))
            .app_data(body::json_settings(&state.settings))
            .wrap(from_fn(observe::observe))
            .configure(health::routes)
            .configure(provision::routes)
            .configure(admin::routes)
            .configure(log_level::routes)
            .configure(operate::routes)
            .configure(page::routes)
            .default_service(web::to(problem::no_such_internal_route));
        config.service(all);
    }
}
