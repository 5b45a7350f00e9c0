//! `healthcheck`: for containers and service managers.

use std::io::Write as _;
use std::time::Duration;

use anyhow::Context as _;

use super::options::ServerOptions;
use super::{Outcome, block_on, local};

const ANSWER_MAX: Duration = Duration::from_secs(3);

pub(super) fn run(options: &ServerOptions) -> anyhow::Result<Outcome> {
    let config = options.load()?;
    // With port 0 the configuration does not know the port: the server wrote it down.
    let address = match local::addresses(&config) {
        Some(addresses) if config.internal_listen.port() == 0 => addresses.internal,
        _ => config.internal_listen.to_string(),
    };
    let url = format!("http://{address}/readyz?verbose");
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
