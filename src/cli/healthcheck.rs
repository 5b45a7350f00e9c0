//! `healthcheck`: for containers and service managers.

use std::io::Write as _;
use std::time::Duration;

use anyhow::Context as _;

use super::options::ServerOptions;
use super::{Outcome, block_on, local};

#[derive(clap::Args)]
pub(super) struct HealthcheckOptions {
    /// The internal listener of the server to ask; default: the one that the settings name
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    #[command(flatten)]
    server: ServerOptions,
}

const ANSWER_MAX: Duration = Duration::from_secs(3);

pub(super) fn run(options: &HealthcheckOptions) -> anyhow::Result<Outcome> {
    let base = match &options.url {
        Some(url) => url.trim_end_matches('/').to_owned(),
        None => of_settings(&options.server)?,
    };
    let url = format!("{base}/readyz?verbose");
    let (status, body) = block_on(async {
        let http = reqwest::Client::builder().timeout(ANSWER_MAX).no_proxy().build()?;
        let answer = http.get(&url).send().await.with_context(|| format!("no answer: {url}"))?;
        let status = answer.status();
        Ok((status, answer.text().await.unwrap_or_default()))
    })?;
    if status.is_success() {
        return Ok(Outcome::Holds);
    }
    writeln!(std::io::stderr(), "not ready: {status} {body}")?;
    Ok(Outcome::DoesNotHold)
}

fn of_settings(options: &ServerOptions) -> anyhow::Result<String> {
    let config = options.load()?;
    // With port 0 the configuration does not know the port: the server wrote it down.
    Ok(match local::addresses(&config) {
        Some(addresses) if config.internal_listen.port() == 0 => {
            format!("http://{}", addresses.internal)
        }
        _ => format!("http://{}", config.internal_listen),
    })
}
