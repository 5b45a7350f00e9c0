//! Several servers over one store and one bridge, each with its own way to both.
//!
//! ```text
//! clients ── node 0 ──┬─ proxy ── store (Cassandra)
//!                     └─ proxy ── bridge (Redis)
//!            node 1 … the same, by proxies of its own: a node can be cut off alone
//! ```

mod link;
mod node;
mod secrets;

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use tokio::process::Command;
use tokio::time::timeout;

use crate::client::Target;
use crate::faults::{Framing, Namespace, Network};
use crate::server_process::audited;
use crate::services::{AddressBlock, WorkFolder};

pub use link::Link;
use node::Place;
pub use node::{Node, Told};
use secrets::Secrets;

/// Of a block.
const PUBLIC_PORT: u16 = 80;
const INTERNAL_PORT: u16 = 90;
/// Addresses below are the services'.
const FIRST_HOST: u8 = 101;
const NODES_MAX: usize = 100;
const MIGRATE_DEADLINE: Duration = Duration::from_secs(180);

/// Which cluster to start.
#[derive(Clone, Debug)]
pub struct ClusterSpec {
    pub nodes: usize,
    /// The server program.
    pub server_bin: PathBuf,
    /// `cql://…`
    pub store_url: String,
    /// `redis://…`
    pub bridge_url: String,
    /// Puts a proxy between each node and each host of both.
    pub proxied: bool,
    /// Added to every node's environment, after the raised limits.
    pub environment: Vec<(String, String)>,
    /// Puts each node into a network namespace of this network, on which store and bridge must be
    /// too. Needs root.
    pub network: Option<Arc<Network>>,
}

impl ClusterSpec {
    /// Three nodes with proxies.
    #[must_use]
    pub fn new(server_bin: PathBuf, store_url: String, bridge_url: String) -> Self {
        let (nodes, proxied, environment, network) = (3, true, Vec::new(), None);
        Self { nodes, server_bin, store_url, bridge_url, proxied, environment, network }
    }
}

/// A running cluster. Dropping it kills all nodes and removes their data.
#[derive(Debug)]
pub struct Cluster {
    nodes: Vec<Node>,
    spec: ClusterSpec,
    secrets: Secrets,
    folder: WorkFolder,
    _block: Arc<AddressBlock>,
}

impl Cluster {
    /// Makes the store's tables (`switchboard migrate`), starts all nodes, and waits until each is
    /// ready.
    ///
    /// # Errors
    /// When that fails; with what the program last said.
    pub async fn start(spec: ClusterSpec) -> anyhow::Result<Self> {
        ensure!(spec.server_bin.is_file(), "{}: no such program", spec.server_bin.display());
        ensure!((1..=NODES_MAX).contains(&spec.nodes), "{} nodes: 1 to {NODES_MAX}", spec.nodes);
        let hosts = FIRST_HOST..FIRST_HOST + spec.nodes as u8;
        let block = match &spec.network {
            Some(network) => Arc::clone(network.block()),
            None => {
                let ports = |host| [(host, PUBLIC_PORT), (host, INTERNAL_PORT)];
                let needed: Vec<(u8, u16)> = hosts.clone().flat_map(ports).collect();
                Arc::new(AddressBlock::take(&needed)?)
            }
        };
        let folder = WorkFolder::create()?;
        let secrets = Secrets::generate();
        migrate(&spec, &secrets, &folder).await?;
        let mut nodes = Vec::new();
        for (index, host) in hosts.enumerate() {
            let store = open_link(&spec, &spec.store_url, Framing::Cql, index).await?;
            let bridge = open_link(&spec, &spec.bridge_url, Framing::Redis, index).await?;
            let data_dir = folder.path().join(format!("server{index}"));
            let target = Target {
                public: block.address(host, PUBLIC_PORT).to_string(),
                internal: Some(block.address(host, INTERNAL_PORT).to_string()),
                admin_token: Some(secrets.admin_token.clone()),
            };
            let namespace = spec.network.as_ref().map(|network| Namespace::create(network, host));
            let place = Place { data_dir, store, bridge, namespace: namespace.transpose()? };
            nodes.push(Node::start(&spec, &secrets, target, place)?);
        }
        let cluster = Self { nodes, spec, secrets, folder, _block: block };
        for (index, node) in cluster.nodes.iter().enumerate() {
            node.wait_ready().await.with_context(|| format!("node {index}"))?;
        }
        Ok(cluster)
    }

    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// # Panics
    /// When there is no such node.
    #[must_use]
    pub fn node(&self, index: usize) -> &Node {
        &self.nodes[index]
    }

    /// Where clients find the nodes.
    #[must_use]
    pub fn targets(&self) -> Vec<Target> {
        self.nodes.iter().map(Node::target).collect()
    }

    /// Runs `switchboard audit --json` on the store, past all proxies, and returns what it says.
    /// `Err` in the result when the log does not hold.
    ///
    /// # Errors
    /// When it cannot be run, or cannot tell.
    pub async fn audit(&self) -> anyhow::Result<Result<serde_json::Value, serde_json::Value>> {
        let output = run(&self.spec, &self.secrets, &self.folder, &["audit", "--json"]).await?;
        audited(&output)
    }

    /// Leaves data and logs behind; tells where.
    pub fn keep_data(&mut self) -> PathBuf {
        self.folder.keep();
        self.folder.path().to_owned()
    }
}

async fn open_link(
    spec: &ClusterSpec,
    url: &str,
    framing: Framing,
    index: usize,
) -> anyhow::Result<Link> {
    if spec.proxied { Link::proxied(url, framing, index).await } else { Ok(Link::direct(url)) }
}

async fn migrate(spec: &ClusterSpec, secrets: &Secrets, folder: &WorkFolder) -> anyhow::Result<()> {
    let output = run(spec, secrets, folder, &["migrate"]).await?;
    ensure!(
        output.status.success(),
        "switchboard migrate ended with {}: {}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    Ok(())
}

/// One of the program's commands, with the cluster's store and bridge.
async fn run(
    spec: &ClusterSpec,
    secrets: &Secrets,
    folder: &WorkFolder,
    arguments: &[&str],
) -> anyhow::Result<std::process::Output> {
    let running = Command::new(&spec.server_bin)
        .args(arguments)
        .arg("--data-dir")
        .arg(folder.path().join("commands"))
        .env("SWITCHBOARD_STORE", &spec.store_url)
        .env("SWITCHBOARD_BRIDGE", &spec.bridge_url)
        .envs(secrets.environment())
        .envs(spec.environment.iter().cloned())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = timeout(MIGRATE_DEADLINE, running).await;
    output
        .with_context(|| format!("{arguments:?} has not ended in 3 minutes"))?
        .with_context(|| spec.server_bin.display().to_string())
}
