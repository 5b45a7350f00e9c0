//! Users to play with: many at once by the internal listener, or one by one.

use anyhow::Context as _;
use schema::rest::{RegisterRequest, SignedIn};
use schema::{DeviceId, UserId};
use serde::{Deserialize, Serialize};

use super::rest::RestClient;

/// What one device needs to sign in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credentials {
    pub user_id: UserId,
    pub device_id: DeviceId,
    pub username: String,
    pub access_token: String,
}

/// `POST /v1/provision` on the internal listener.
#[derive(Clone, Debug, Serialize)]
struct ProvisionRequest<'a> {
    count: usize,
    prefix: &'a str,
    token_ttl_s: u64,
}

#[derive(Clone, Debug, Deserialize)]
struct Provisioned {
    users: Vec<Credentials>,
}

/// Users made by one request.
const CHUNK: usize = 1_000;
/// Tokens outlive any run.
const TOKEN_TTL_S: u64 = 86_400;

/// Makes `count` users with one device each. Names begin with `prefix` (at most 16 characters) and
/// differ from run to run.
///
/// # Errors
/// When neither way of making users works; both answers are told.
pub async fn provision(
    rest: &RestClient,
    prefix: &str,
    count: usize,
) -> anyhow::Result<Vec<Credentials>> {
    let mut users: Vec<Credentials> = Vec::with_capacity(count);
    while users.len() < count {
        let chunk = CHUNK.min(count - users.len());
        match at_once(rest, prefix, chunk).await {
            Ok(made) => users.extend(made),
            Err(refused) => {
                eprintln!("users are registered one by one, which is slow: {refused:#}");
                let made = one_by_one(rest, prefix, count - users.len()).await;
                users.extend(made.with_context(|| format!("provisioning: {refused:#}"))?);
            }
        }
    }
    Ok(users)
}

async fn at_once(
    rest: &RestClient,
    prefix: &str,
    count: usize,
) -> anyhow::Result<Vec<Credentials>> {
    let request = ProvisionRequest { count, prefix, token_ttl_s: TOKEN_TTL_S };
    let made: Provisioned = rest.post_internal("/v1/provision", &request).await?;
    anyhow::ensure!(made.users.len() == count, "{} of {count} users were made", made.users.len());
    Ok(made.users)
}

async fn one_by_one(
    rest: &RestClient,
    prefix: &str,
    count: usize,
) -> anyhow::Result<Vec<Credentials>> {
    let mut users = Vec::with_capacity(count);
    // The part of a v7 id that is random: names of several runs must not meet.
    let run = uuid::Uuid::now_v7().simple().to_string();
    let prefix = format!("{prefix}-{}", &run[24..]);
    for index in 0..count {
        let username = format!("{prefix}-{index}");
        let request = RegisterRequest {
            username: username.clone(),
            password: format!("quite a long passphrase {}", uuid::Uuid::now_v7().simple()),
            display_name: None,
            device: None,
        };
        let SignedIn { user_id, device_id, access_token, .. } =
            rest.post_public("/v1/register", None, &request).await?;
        users.push(Credentials { user_id, device_id, username, access_token });
    }
    Ok(users)
}
