//! A Redis Cluster of a few masters without copies, each with its share of the slots.

use std::net::SocketAddrV4;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use tokio::time::{Instant, sleep};

use super::redis::{LOOK_EVERY, PORT, READY_DEADLINE, Server};
use super::{AddressBlock, ServiceProcess, WorkFolder, redis_command};

const SLOTS: u32 = 16_384;
/// Redis Cluster's own choice: its nodes talk to each other on the client port and so much.
const BUS_PORT_OFFSET: u16 = 10_000;
/// After which nodes call one dead that does not answer.
const NODE_TIMEOUT_MS: u32 = 2_000;

/// A running cluster. Dropping it kills it.
#[derive(Debug)]
pub struct RedisCluster {
    servers: Vec<Server>,
    _folder: WorkFolder,
    _block: AddressBlock,
}

impl RedisCluster {
    /// Starts `nodes` masters (3 is the usual), gives them all slots, and waits until each calls
    /// the cluster whole.
    ///
    /// # Errors
    /// When that does not happen within 30 s.
    pub async fn start(nodes: u8) -> anyhow::Result<Self> {
        ensure!((3..=9).contains(&nodes), "{nodes} nodes: 3 to 9");
        let needed: Vec<(u8, u16)> =
            (1..=nodes).flat_map(|host| [(host, PORT), (host, PORT + BUS_PORT_OFFSET)]).collect();
        let block = AddressBlock::take(&needed)?;
        let folder = WorkFolder::create()?;
        let servers = (0..nodes)
            .map(|index| Server::start(index, &block, &folder, settings(index, &block)))
            .collect::<anyhow::Result<Vec<_>>>()?;
        let cluster = Self { servers, _folder: folder, _block: block };
        for server in &cluster.servers {
            server.wait_ready().await?;
        }
        cluster.introduce().await?;
        cluster.wait_whole().await?;
        Ok(cluster)
    }

    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddrV4> {
        self.servers.iter().map(|server| server.address).collect()
    }

    /// The bridge setting that names all nodes.
    #[must_use]
    pub fn url(&self) -> String {
        let hosts: Vec<String> = self.addresses().iter().map(ToString::to_string).collect();
        format!("redis+cluster://{}", hosts.join(","))
    }

    /// The process of a node, to pause, resume, kill or measure it.
    ///
    /// # Panics
    /// When there is no such node.
    #[must_use]
    pub fn node(&self, index: usize) -> &ServiceProcess {
        &self.servers[index].process
    }

    /// Starts a node again; it remembers its slots, and no keys.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn restart(&self, index: usize) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        self.servers[index].process.start_again()?;
        self.servers[index].wait_ready().await?;
        Ok(begun.elapsed())
    }

    /// Waits until each node sees all others and all slots served.
    ///
    /// # Errors
    /// When that is not so within 30 s.
    pub async fn wait_whole(&self) -> anyhow::Result<()> {
        let deadline = Instant::now() + READY_DEADLINE;
        let known = format!("cluster_known_nodes:{}", self.servers.len());
        let served = format!("cluster_slots_ok:{SLOTS}");
        for server in &self.servers {
            let address = server.address.to_string();
            loop {
                let info = redis_command(&address, &["CLUSTER", "INFO"]).await.unwrap_or_default();
                // The state alone is "ok" as soon as the node's own slots are served.
                if ["cluster_state:ok", &known, &served].iter().all(|it| info.contains(*it)) {
                    break;
                }
                ensure!(Instant::now() < deadline, "the cluster is not whole: {info}");
                sleep(LOOK_EVERY).await;
            }
        }
        Ok(())
    }

    async fn introduce(&self) -> anyhow::Result<()> {
        let count = self.servers.len() as u32;
        for (server, index) in self.servers.iter().zip(0..) {
            let address = server.address.to_string();
            let from = (SLOTS * index / count).to_string();
            let to = (SLOTS * (index + 1) / count - 1).to_string();
            redis_command(&address, &["CLUSTER", "ADDSLOTSRANGE", &from, &to]).await?;
            let epoch = (index + 1).to_string();
            redis_command(&address, &["CLUSTER", "SET-CONFIG-EPOCH", &epoch]).await?;
        }
        let first = self.servers[0].address.to_string();
        for server in &self.servers[1..] {
            let (host, port) = (server.address.ip().to_string(), server.address.port().to_string());
            let words = ["CLUSTER", "MEET", &host, &port];
            redis_command(&first, &words).await.context("introducing the nodes")?;
        }
        Ok(())
    }
}

fn settings(index: u8, block: &AddressBlock) -> Vec<String> {
    let host = block.address(index + 1, PORT).ip().to_string();
    let settings = [
        ("--cluster-enabled", "yes".to_owned()),
        ("--cluster-config-file", format!("nodes{index}.conf")),
        // Else the nodes take each other for 127.0.0.1, where packets seem to come from.
        ("--cluster-announce-ip", host),
        ("--cluster-node-timeout", NODE_TIMEOUT_MS.to_string()),
        // Sharded pub/sub and keys of the living nodes go on when one is down.
        ("--cluster-require-full-coverage", "no".to_owned()),
    ];
    settings.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect()
}
