//! `search reindex`: reads all logs into a fresh index, which is then searched.

use std::io::Write as _;
use std::time::Duration;

use actors::ports::WallClock as _;
use actors::ports::wall_clock::SystemClock;
use anyhow::{Context as _, bail};
use clap::Subcommand;
use serde::{Deserialize, Serialize};

use super::local::{Local, local};
use super::options::ServerOptions;
use super::{Outcome, block_on, print_json};
use crate::config::{Config, SearchAddress, StoreAddress};
use crate::internal::Reindexed;
use crate::search::{ClusterSearch, OpenSearchConfig, Rebuilt};
use crate::store::cql::{self, CqlConfig};

/// A large store takes its time.
const ANSWER_MAX: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Subcommand)]
pub(super) enum SearchCommand {
    /// Make the search index anew from the messages, while servers run or not
    Reindex {
        /// Print what was done as JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        options: ServerOptions,
    },
}

/// No fields: a POST has a body.
#[derive(Serialize, Deserialize)]
struct Nothing {}

pub(super) fn run(command: SearchCommand) -> anyhow::Result<Outcome> {
    let SearchCommand::Reindex { json, options } = command;
    let config = options.load()?;
    let entries = match (&config.search, &config.store) {
        (SearchAddress::OpenSearch(url), StoreAddress::Cql(store)) => {
            let (search, store) = (url.expose(), store.expose());
            block_on(async { cluster(search, store).await })?.entries
        }
        (SearchAddress::Embedded, StoreAddress::Embedded) => block_on(embedded(&config))?,
        _ => bail!("there is no index: see the setting search"),
    };
    if json {
        print_json(&Reindexed { entries })?;
    } else {
        writeln!(std::io::stdout(), "the index was made anew from {entries} entries")?;
    }
    Ok(Outcome::Holds)
}

async fn cluster(search: &str, store: &str) -> anyhow::Result<Rebuilt> {
    let store = cql::Store::connect(&CqlConfig::from_url(store)?).await;
    let store = store.context("the store cannot be opened")?;
    let config = OpenSearchConfig::from_url(search)?;
    let search = ClusterSearch::new(config, store, tokio::runtime::Handle::current())?;
    let progress = |done: &Rebuilt| {
        if done.conversations.is_multiple_of(10_000) {
            let _ = writeln!(std::io::stderr(), "{} conversations", done.conversations);
        }
    };
    search.reindex(SystemClock.now_ms(), &progress).await
}

async fn embedded(config: &Config) -> anyhow::Result<u64> {
    match local(config).await? {
        Local::Running(internal) => {
            let done: Reindexed =
                internal.post_within(ANSWER_MAX, "/v1/search/reindex", &Nothing {}).await?;
            Ok(done.entries)
        }
        Local::Stopped(opened) => {
            let entries = match opened.embedded() {
                Some(store) => store.reindex().await,
                None => bail!("the store is not embedded"),
            };
            opened.close();
            Ok(entries?)
        }
    }
}
