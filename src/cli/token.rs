//! `token USER`.

use std::io::Write as _;

use actors::ports::{Identity, NewDevice, WallClock as _, wall_clock::SystemClock};
use anyhow::Context as _;
use schema::DeviceId;

use super::local::{Local, Opened, local};
use super::options::ServerOptions;
use super::{Outcome, block_on, print_json};
use crate::config::TextDuration;
use crate::internal::{MintTokenRequest, MintedToken};

#[derive(clap::Args)]
pub(super) struct TokenArguments {
    /// Whose
    user: String,
    /// How long it is good for, such as 30m or 1d
    #[arg(long, default_value = "1h", value_name = "DURATION")]
    ttl: TextDuration,
    /// Print user, device and token as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    options: ServerOptions,
}

pub(super) fn run(arguments: &TokenArguments) -> anyhow::Result<Outcome> {
    let config = arguments.options.load()?;
    let request = MintTokenRequest {
        username: arguments.user.trim().to_ascii_lowercase(),
        token_ttl_s: arguments.ttl.0.as_secs().max(1),
    };
    let minted = block_on(async {
        match local(&config).await? {
            Local::Running(internal) => internal.post("/v1/tokens", &request).await,
            Local::Stopped(opened) => {
                let minted = mint(&opened, &request).await;
                opened.close();
                minted
            }
        }
    })?;
    if arguments.json {
        print_json(&minted)?;
    } else {
        writeln!(std::io::stdout(), "{}", minted.access_token)?;
    }
    Ok(Outcome::Holds)
}

async fn mint(opened: &Opened, request: &MintTokenRequest) -> anyhow::Result<MintedToken> {
    let name = &request.username;
    let user = opened.users.user_by_name(name.clone()).await?;
    let user = user.with_context(|| format!("there is no user {name}"))?;
    let identity = Identity { user_id: user.user_id, device_id: DeviceId::generate() };
    let device = NewDevice {
        device_id: identity.device_id,
        user_id: identity.user_id,
        name: "made by the command line".to_owned(),
        created_at: SystemClock.now_ms(),
    };
    opened.users.add_devices(vec![device]).await?;
    let ttl = TextDuration::from_secs(request.token_ttl_s);
    let access_token = opened.auth.mint(identity, ttl);
    Ok(MintedToken { user_id: identity.user_id, device_id: identity.device_id, access_token })
}
