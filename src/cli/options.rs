//! Options of every command that reads the server's settings.

use std::path::PathBuf;

use anyhow::bail;

use crate::config::{Config, Layers, StoreAddress, load};
use crate::store::cql::CqlConfig;

/// Settings come from a file, then the environment (SWITCHBOARD_…), then these flags.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct ServerOptions {
    /// A TOML file with settings
    #[arg(long, value_name = "FILE", env = "SWITCHBOARD_CONFIG")]
    config: Option<PathBuf>,
    /// Where data, signing key and admin token live
    #[arg(long, value_name = "DIRECTORY")]
    data_dir: Option<PathBuf>,
    /// Address of the public listener
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Address of the internal listener
    #[arg(long, value_name = "ADDRESS")]
    internal_listen: Option<String>,
    /// Any setting, such as limits.sends_per_second=100
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = key_and_value)]
    settings: Vec<(String, String)>,
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .map(|(key, value)| (key.trim().to_owned(), value.to_owned()))
        .filter(|(key, _)| !key.is_empty())
        .ok_or_else(|| "must be KEY=VALUE".to_owned())
}

impl ServerOptions {
    /// The settings, checked.
    pub(super) fn load(&self) -> anyhow::Result<Config> {
        let mut flags = self.settings.clone();
        let mut set = |key: &str, value: Option<String>| {
            flags.extend(value.map(|value| (key.to_owned(), value)));
        };
        set("listen", self.listen.clone());
        set("internal_listen", self.internal_listen.clone());
        let data_dir = self.data_dir.as_ref().map(|path| path.to_string_lossy().into_owned());
        set("data_dir", data_dir);
        Ok(load(&Layers::of_process(self.config.clone(), flags))?)
    }

    /// The database of a cluster that the settings name.
    pub(super) fn cql(&self) -> anyhow::Result<CqlConfig> {
        match self.load()?.store {
            StoreAddress::Cql(url) => Ok(CqlConfig::from_url(url.expose())?),
            StoreAddress::Embedded => bail!("this is for clusters: set store to cql://…"),
        }
    }
}
