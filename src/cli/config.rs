//! `config check|default|env|doc|cluster`.

use std::io::Write as _;

use clap::Subcommand;

use super::options::ServerOptions;
use super::{Outcome, print_json};
use crate::config::render;

#[derive(Subcommand)]
pub(super) enum ConfigCommand {
    /// Read all layers and say everything that is wrong
    Check(ServerOptions),
    /// Print a complete configuration file with the defaults
    Default {
        /// As JSON, with keys, variables and descriptions
        #[arg(long)]
        json: bool,
    },
    /// Print the settings that all nodes of a cluster share, with new secrets: keep it to yourself
    Cluster {
        /// Where messages are kept
        #[arg(long, value_name = "URL", default_value = "cql://127.0.0.1:9042/switchboard")]
        store: String,
        /// What carries frames between nodes
        #[arg(long, value_name = "URL", default_value = "redis://127.0.0.1:6379")]
        bridge: String,
    },
    /// Print the reference of all settings as a Markdown page
    Doc,
    /// Print every environment variable
    Env {
        /// As JSON, with keys, variables and descriptions
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(command: ConfigCommand) -> anyhow::Result<Outcome> {
    let mut out = std::io::stdout();
    match command {
        ConfigCommand::Check(options) => {
            let config = options.load()?;
            writeln!(out, "the configuration is good; data in {}", config.data_dir.display())?;
        }
        ConfigCommand::Cluster { store, bridge } => {
            write!(out, "{}", render::cluster_toml(&store, &bridge)?)?;
        }
        ConfigCommand::Default { json: true } | ConfigCommand::Env { json: true } => {
            print_json(&render::settings())?;
        }
        ConfigCommand::Default { json: false } => write!(out, "{}", render::default_toml())?,
        ConfigCommand::Doc => write!(out, "{}", render::reference_page())?,
        ConfigCommand::Env { json: false } => write!(out, "{}", render::default_environment())?,
    }
    Ok(Outcome::Holds)
}
