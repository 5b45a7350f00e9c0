//! `POST /v1/provision`: many signed-in users at once, for load tests.

use actix_web::HttpResponse;
use actix_web::web::{self, ServiceConfig};
use actors::ports::{Identity, NewDevice, NewUser};
use garde::Validate;
use schema::{DeviceId, UserId};
use serde::{Deserialize, Serialize};

use super::admin::{Admin, TOKEN_TTL_S_MAX};
use crate::api::body::Valid;
use crate::api::{ApiError, ApiState, username};
use crate::config::TextDuration;

/// Rows written at once.
const BATCH: usize = 1_000;
/// Room for the random part and the number in a name of 32 characters.
const PREFIX_CHARACTERS_MAX: usize = 16;
const RANDOM_CHARACTERS: usize = 8;

pub(super) fn routes(config: &mut ServiceConfig) {
    config.route("/v1/provision", web::post().to(provision));
}

/// How many users, called what, signed in for how long.
#[derive(Clone, Debug, Serialize, Deserialize, Validate)]
pub struct ProvisionRequest {
    #[garde(range(min = 1, max = 10_000))]
    pub count: u32,
    /// Begins their names: `PREFIX-RANDOM-N`.
    #[serde(default = "default_prefix")]
    #[garde(length(chars, min = 1, max = PREFIX_CHARACTERS_MAX))]
    pub prefix: String,
    /// Seconds; default a day.
    #[serde(default = "default_ttl_s")]
    #[garde(range(min = 1, max = TOKEN_TTL_S_MAX))]
    pub token_ttl_s: u64,
}

fn default_prefix() -> String {
    "load".to_owned()
}

const fn default_ttl_s() -> u64 {
    86_400
}

/// Users without passwords, each with one signed-in device.
#[derive(Clone, Serialize, Deserialize)]
pub struct Provisioned {
    pub users: Vec<ProvisionedUser>,
}

/// One of them.
#[derive(Clone, Serialize, Deserialize)]
pub struct ProvisionedUser {
    pub user_id: UserId,
    pub device_id: DeviceId,
    pub username: String,
    pub access_token: String,
}

async fn provision(
    _: Admin,
    state: web::Data<ApiState>,
    Valid(body): Valid<ProvisionRequest>,
) -> Result<HttpResponse, ApiError> {
    let random = uuid::Uuid::new_v4().simple().to_string();
    let run = format!("{}-{}", body.prefix, &random[..RANDOM_CHARACTERS]);
    username::fold(&run)
        .map_err(|_| ApiError::field("prefix", "must be of the characters a-z 0-9 . _ -"))?;
    let run = run.to_ascii_lowercase();
    let numbers: Vec<u32> = (1..=body.count).collect();
    let mut users = Vec::with_capacity(numbers.len());
    for batch in numbers.chunks(BATCH) {
        let ttl = TextDuration::from_secs(body.token_ttl_s);
        let made: Vec<ProvisionedUser> =
            batch.iter().map(|number| new_user(&state, &run, *number, ttl)).collect();
        store(&state, &made).await?;
        users.extend(made);
    }
    Ok(HttpResponse::Created().json(Provisioned { users }))
}

fn new_user(state: &ApiState, run: &str, number: u32, ttl: TextDuration) -> ProvisionedUser {
    let identity = Identity { user_id: UserId::generate(), device_id: DeviceId::generate() };
    ProvisionedUser {
        user_id: identity.user_id,
        device_id: identity.device_id,
        username: format!("{run}-{number}"),
        access_token: state.auth.mint(identity, ttl),
    }
}

async fn store(state: &ApiState, made: &[ProvisionedUser]) -> Result<(), ApiError> {
    let created_at = state.clock.now_ms();
    let users = made.iter().map(|made| NewUser {
        user_id: made.user_id,
        username: made.username.clone(),
        display_name: made.username.clone(),
        password_hash: None,
        created_at,
    });
    state.users.create_users(users.collect()).await?.map_err(crate::auth::AuthError::from)?;
    let devices = made.iter().map(|made| NewDevice {
        device_id: made.device_id,
        user_id: made.user_id,
        name: "provisioned".to_owned(),
        created_at,
    });
    Ok(state.users.add_devices(devices.collect()).await?)
}
