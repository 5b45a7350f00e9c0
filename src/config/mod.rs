//! Settings: TOML file < environment < flags. Each room brings its own small struct.
//!
//! ```text
//! load.rs     the three layers, unknown keys, all problems at once
//! check.rs    what values must satisfy together
//! changes.rs  what is another value now, and what of it can be taken over while running
//! render.rs   the defaults as commented TOML, the environment's names
//! ```

pub mod address;
pub mod address_range;
pub mod changes;
pub mod check;
pub mod choice;
pub mod limits;
pub mod load;
pub mod nearest;
pub mod render;
pub mod retention;
pub mod secret;
pub mod text;

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use address::{BridgeAddress, SearchAddress, StoreAddress};
pub use address_range::AddressRange;
pub use limits::LimitsConfig;
pub use load::{ConfigProblem, ConfigProblems, Layers, load};
pub use retention::RetentionConfig;
pub use secret::SecretText;
pub use text::{ByteSize, TextDuration};

use crate::auth::AuthConfig;
use crate::drain::DrainConfig;
use crate::gateway::TlsConfig;
use crate::preview::LinkPreviewConfig;
use crate::telemetry::{LogConfig, TelemetryConfig};

/// Everything that can be set.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default)]
pub struct Config {
    /// Address of the public listener: page, REST and sockets.
    #[schema(value_type = String)]
    pub listen: SocketAddr,
    /// Address of the internal listener: health, metrics, provisioning. Keep it off the internet.
    #[schema(value_type = String)]
    pub internal_listen: SocketAddr,
    /// Where the embedded store, the signing key and the admin token live.
    /// Default: $XDG_DATA_HOME/switchboard, else ~/.local/share/switchboard.
    #[schema(value_type = String)]
    pub data_dir: PathBuf,
    /// Where messages are kept: "embedded" (SQLite in the data directory), or ScyllaDB or Cassandra:
    /// "cql://[USER:PASSWORD@]HOST:PORT[,HOST:PORT]/KEYSPACE". A cluster needs a bridge too.
    #[schema(value_type = String)]
    pub store: StoreAddress,
    /// What carries frames between nodes: "local" (this process alone), or
    /// "redis://[USER:PASSWORD@]HOST:PORT"; rediss:// for TLS, redis+cluster:// for Redis Cluster.
    #[schema(value_type = String)]
    pub bridge: BridgeAddress,
    /// What finds messages by their words: "embedded" (beside the embedded store; a cluster has
    /// none), "off", or OpenSearch for a cluster: "https://[USER:PASSWORD@]HOST:PORT/PREFIX".
    #[schema(value_type = String)]
    pub search: SearchAddress,
    /// Origins of web pages that may open sockets and call REST, such as "https://chat.example".
    /// Empty: only pages of the same host.
    pub allowed_origins: Vec<String>,
    /// Addresses or networks (10.0.0.0/8) of proxies whose X-Forwarded-For is believed.
    #[schema(value_type = Vec<String>)]
    pub trusted_proxies: Vec<AddressRange>,
    /// Whether trusted proxies say whom they speak for by the PROXY protocol (version 1 or 2). Then
    /// their connections must begin with it; from all others it is an error.
    pub proxy_protocol: bool,
    /// Threads that serve sockets and actors, 256 at most. 0: one for each core that the process
    /// may use. Give it when several nodes share a machine.
    pub workers: u16,
    /// What one user, address or node may ask for.
    pub limits: LimitsConfig,
    /// How long what was said is kept.
    pub retention: RetentionConfig,
    /// Signing in.
    pub auth: AuthConfig,
    /// TLS of the public listener.
    pub tls: TlsConfig,
    /// Going away on SIGTERM.
    pub drain: DrainConfig,
    /// Logs.
    pub log: LogConfig,
    /// Previews of links.
    pub link_previews: LinkPreviewConfig,
    /// Traces.
    pub telemetry: TelemetryConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            internal_listen: SocketAddr::from(([127, 0, 0, 1], 9090)),
            data_dir: default_data_dir(),
            store: StoreAddress::Embedded,
            bridge: BridgeAddress::Local,
            search: SearchAddress::Embedded,
            allowed_origins: Vec::new(),
            trusted_proxies: Vec::new(),
            proxy_protocol: false,
            workers: 0,
            tls: TlsConfig::default(),
            drain: DrainConfig::default(),
            limits: LimitsConfig::default(),
            retention: RetentionConfig::default(),
            auth: AuthConfig::default(),
            log: LogConfig::default(),
            link_previews: LinkPreviewConfig::default(),
            telemetry: TelemetryConfig::default(),
        }
    }
}

/// `$XDG_DATA_HOME/switchboard`, else `~/.local/share/switchboard`, else `./switchboard-data`.
fn default_data_dir() -> PathBuf {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|p| p.is_absolute());
    absolute("XDG_DATA_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/share")))
        .map_or_else(|| PathBuf::from("switchboard-data"), |base| base.join("switchboard"))
}
