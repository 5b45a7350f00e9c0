//! `/v1/log-level`: what is logged, read and changed while the server runs.

use actix_web::HttpResponse;
use actix_web::web::{self, ServiceConfig};
use garde::Validate;
use serde::{Deserialize, Serialize};

use super::admin::Admin;
use crate::api::ApiError;
use crate::api::body::Valid;
use crate::telemetry::logs;

pub(super) fn routes(config: &mut ServiceConfig) {
    config.service(
        web::resource("/v1/log-level").route(web::get().to(level)).route(web::put().to(set_level)),
    );
}

/// A level or directives, as in `log.level`.
#[derive(Clone, Debug, Serialize, Deserialize, Validate)]
pub struct LogLevel {
    #[garde(length(chars, min = 1, max = 1_000))]
    pub level: String,
}

async fn level(_: Admin) -> Result<HttpResponse, ApiError> {
    let level = logs::level().ok_or_else(ApiError::internal)?;
    Ok(HttpResponse::Ok().json(LogLevel { level }))
}

/// Until the next change, or the next start.
async fn set_level(_: Admin, Valid(body): Valid<LogLevel>) -> Result<HttpResponse, ApiError> {
    logs::set_level(&body.level).map_err(|error| ApiError::field("level", error.to_string()))?;
    Ok(HttpResponse::Ok().json(body))
}
