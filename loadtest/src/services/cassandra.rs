//! Apache Cassandra: one node, or three that hold copies of each other's data.
//!
//! `scripts/services/cassandra.sh` fetches it and knows how a node is run; here nodes are started,
//! watched, paused and killed.

use std::net::SocketAddrV4;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use tokio::process::Command;
use tokio::sync::OnceCell;
use tokio::time::{Instant, sleep};

use super::cql_probe::{Consistency, CqlProbe};
use super::process::{Launch, ServiceProcess};
use super::{AddressBlock, WorkFolder, script};

/// Ports of a block; so much lies between them wherever they are.
const STORAGE_PORT: u16 = 0;
const NATIVE_PORT: u16 = 2_042;
const NODES_MAX: u8 = 3;
/// For all nodes; a busy machine needs some minutes.
const READY_DEADLINE: Duration = Duration::from_secs(240);
const LOOK_EVERY: Duration = Duration::from_millis(100);
const LOCAL_READ: &str = "SELECT key FROM system.local";
/// Copied to three nodes, if there are as many: read at ALL it proves that this node sees them up.
const SHARED_READ: &str = "SELECT keyspace_name FROM system_distributed.repair_history LIMIT 1";
const SCHEMA_READ: &str = "SELECT schema_version FROM system.local";

/// When a write counts as stored on a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CommitlogSync {
    /// Before it is on disk: fast, and a killed node may forget its last second.
    #[default]
    Periodic,
    /// Once it is on disk. For whoever kills nodes and counts what is left.
    Batch,
}

/// What a node is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CassandraPurpose {
    /// Starts fast and stays small.
    #[default]
    Tests,
    /// Runs fast: all of its compiler, a young generation of half the heap, large memtables.
    Load,
}

/// Which Cassandra to start.
#[derive(Clone, Debug)]
pub struct CassandraSpec {
    /// 1 or 3.
    pub nodes: u8,
    /// Of each node. Its process takes some 300 MB more. A keyspace of tests takes 15 to 20 MB:
    /// Cassandra ends when there is no more.
    pub heap_mb: u32,
    pub commitlog_sync: CommitlogSync,
    pub purpose: CassandraPurpose,
}

impl Default for CassandraSpec {
    fn default() -> Self {
        Self {
            nodes: 1,
            heap_mb: 1_024,
            commitlog_sync: CommitlogSync::default(),
            purpose: CassandraPurpose::default(),
        }
    }
}

impl CassandraSpec {
    /// Three nodes that keep what they have acknowledged.
    #[must_use]
    pub const fn three() -> Self {
        let (commitlog_sync, purpose) = (CommitlogSync::Batch, CassandraPurpose::Tests);
        Self { nodes: 3, heap_mb: 600, commitlog_sync, purpose }
    }

    /// Nodes that may be killed while somebody counts what they have acknowledged.
    #[must_use]
    pub fn kept(nodes: u8) -> Self {
        Self { nodes, commitlog_sync: CommitlogSync::Batch, ..Self::default() }
    }

    /// Nodes that are measured, and never killed.
    #[must_use]
    pub const fn for_load(nodes: u8) -> Self {
        let (commitlog_sync, purpose) = (CommitlogSync::Periodic, CassandraPurpose::Load);
        Self { nodes, heap_mb: 1_536, commitlog_sync, purpose }
    }
}

/// A running Cassandra. Dropping it kills all nodes and removes their data.
#[derive(Debug)]
pub struct Cassandra {
    nodes: Vec<Node>,
    folder: WorkFolder,
    _block: Arc<AddressBlock>,
}

#[derive(Debug)]
struct Node {
    process: ServiceProcess,
    address: SocketAddrV4,
}

impl Cassandra {
    /// Starts it, after fetching it if need be, and waits until every node serves and sees all
    /// others.
    ///
    /// # Errors
    /// When that is not so within four minutes; with a node's last output.
    pub async fn start(spec: CassandraSpec) -> anyhow::Result<Self> {
        let needed: Vec<(u8, u16)> =
            (1..=spec.nodes).flat_map(|host| [(host, NATIVE_PORT), (host, STORAGE_PORT)]).collect();
        Self::start_at(spec, Arc::new(AddressBlock::take(&needed)?)).await
    }

    /// The same on the first addresses of a given block.
    ///
    /// # Errors
    /// As [`Cassandra::start`].
    pub async fn start_at(spec: CassandraSpec, block: Arc<AddressBlock>) -> anyhow::Result<Self> {
        ensure!(matches!(spec.nodes, 1 | NODES_MAX), "{} nodes: 1 or 3", spec.nodes);
        fetch().await?;
        let folder = WorkFolder::create()?;
        let nodes = (0..spec.nodes)
            .map(|index| {
                let launch = launch(&spec, index, &block, &folder)?;
                let address = block.address(index + 1, NATIVE_PORT);
                Ok(Node { process: ServiceProcess::start(launch)?, address })
            })
            .collect::<anyhow::Result<_>>()?;
        let cassandra = Self { nodes, folder, _block: block };
        cassandra.wait_all_up().await?;
        Ok(cassandra)
    }

    /// `host:port` of the first node's CQL listener.
    #[must_use]
    pub fn address(&self) -> String {
        self.nodes[0].address.to_string()
    }

    /// Of all nodes. The port is the same everywhere.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddrV4> {
        self.nodes.iter().map(|node| node.address).collect()
    }

    /// The store setting that names all nodes and a keyspace copied to all of them:
    /// `cql://…/KEYSPACE?replication_factor=…`. More settings may follow.
    #[must_use]
    pub fn url(&self, keyspace: &str) -> String {
        let hosts: Vec<String> = self.addresses().iter().map(ToString::to_string).collect();
        format!("cql://{}/{keyspace}?replication_factor={}", hosts.join(","), self.nodes.len())
    }

    /// Runs a statement at the first node.
    ///
    /// # Errors
    /// What the node says is wrong with it.
    pub async fn run(&self, statement: &str) -> anyhow::Result<()> {
        let consistency =
            if self.nodes.len() == 1 { Consistency::One } else { Consistency::Quorum };
        CqlProbe::connect(&self.address()).await?.run(statement, consistency).await?;
        Ok(())
    }

    /// Runs a statement that makes or changes tables, and waits until all nodes know of it.
    ///
    /// # Errors
    /// What the node says is wrong with it, or a node that does not answer.
    pub async fn define(&self, statement: &str) -> anyhow::Result<()> {
        self.run(statement).await?;
        self.wait_schema_agreed(Instant::now() + READY_DEADLINE).await
    }

    /// The process of a node, to pause, resume, kill or measure it.
    ///
    /// # Panics
    /// When there is no such node.
    #[must_use]
    pub fn node(&self, index: usize) -> &ServiceProcess {
        &self.nodes[index].process
    }

    #[must_use]
    pub const fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Never: a Cassandra has nodes.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// SIGSTOP to one node.
    ///
    /// # Errors
    /// When it does not run.
    pub fn pause(&self, index: usize) -> anyhow::Result<()> {
        self.node(index).pause()
    }

    /// SIGCONT to one node.
    ///
    /// # Errors
    /// When it does not run.
    pub fn resume(&self, index: usize) -> anyhow::Result<()> {
        self.node(index).resume()
    }

    /// `kill -9` of one node; false when it did not run.
    pub fn kill(&self, index: usize) -> bool {
        self.node(index).kill_9()
    }

    /// Starts one node again on its data (killing it first when it runs) and waits until it serves;
    /// returns how long that took. Other nodes may be down meanwhile.
    ///
    /// # Errors
    /// As [`Cassandra::start`].
    pub async fn restart(&self, index: usize) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        self.node(index).start_again()?;
        let wait = self.wait(index, LOCAL_READ, Consistency::One, begun + READY_DEADLINE);
        wait.await.with_context(|| format!("restarting node {index}"))?;
        Ok(begun.elapsed())
    }

    /// Waits until every node serves and sees all others up.
    ///
    /// # Errors
    /// When that is not so within four minutes; with a node's last output.
    pub async fn wait_all_up(&self) -> anyhow::Result<()> {
        let deadline = Instant::now() + READY_DEADLINE;
        let (statement, consistency) = if self.nodes.len() == 1 {
            (LOCAL_READ, Consistency::One)
        } else {
            (SHARED_READ, Consistency::All)
        };
        for index in 0..self.nodes.len() {
            self.wait(index, statement, consistency, deadline).await?;
        }
        self.wait_schema_agreed(deadline).await
    }

    async fn wait_schema_agreed(&self, deadline: Instant) -> anyhow::Result<()> {
        loop {
            let mut versions = Vec::new();
            for Node { address, .. } in &self.nodes {
                let mut probe = CqlProbe::connect(&address.to_string()).await?;
                versions.push(probe.run(SCHEMA_READ, Consistency::One).await?);
            }
            if versions.iter().all(|version| *version == versions[0]) {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "the nodes do not agree on the schema");
            sleep(LOOK_EVERY).await;
        }
    }

    /// Process ids of the running nodes.
    #[must_use]
    pub fn pids(&self) -> Vec<u32> {
        self.nodes.iter().filter_map(|node| node.process.pid()).collect()
    }

    /// Leaves data and logs behind; tells where.
    pub fn keep_data(&mut self) -> PathBuf {
        self.folder.keep();
        self.folder.path().to_owned()
    }

    async fn wait(
        &self,
        index: usize,
        statement: &str,
        consistency: Consistency,
        deadline: Instant,
    ) -> anyhow::Result<()> {
        let Node { process, address } = &self.nodes[index];
        loop {
            let answer = async {
                let mut probe = CqlProbe::connect(&address.to_string()).await?;
                probe.run(statement, consistency).await
            };
            let Err::<_, anyhow::Error>(error) = answer.await else { return Ok(()) };
            if let Some(status) = process.ended() {
                bail!("Cassandra node {index} ended ({status}); {}", process.last_output());
            }
            if Instant::now() >= deadline {
                let output = process.last_output();
                bail!("Cassandra node {index} is not ready in time ({error:#}); {output}");
            }
            sleep(LOOK_EVERY).await;
        }
    }
}

fn launch(
    spec: &CassandraSpec,
    index: u8,
    block: &AddressBlock,
    folder: &WorkFolder,
) -> anyhow::Result<Launch> {
    let sync = match spec.commitlog_sync {
        CommitlogSync::Periodic => "periodic",
        CommitlogSync::Batch => "batch",
    };
    let purpose = match spec.purpose {
        CassandraPurpose::Tests => "tests",
        CassandraPurpose::Load => "load",
    };
    let arguments = [
        "node".to_owned(),
        format!("--nodes={}", spec.nodes),
        format!("--index={index}"),
        format!("--dir={}", folder.path().display()),
        format!("--address-base={}", block.base()),
        format!("--port-base={}", block.port(NATIVE_PORT)),
        format!("--heap-mb={}", spec.heap_mb),
        format!("--commitlog-sync={sync}"),
        format!("--purpose={purpose}"),
    ];
    Ok(Launch {
        program: script("cassandra.sh")?,
        arguments: arguments.into(),
        output: folder.path().join(format!("node{index}.log")),
        ..Launch::default()
    })
}

/// Fetches Cassandra into the cache. Programs that do it at once wait for the first.
///
/// # Errors
/// What the script says.
pub async fn fetch() -> anyhow::Result<()> {
    let output = Command::new(script("cassandra.sh")?)
        .arg("fetch")
        .stdin(Stdio::null())
        .output()
        .await
        .context("cassandra.sh fetch")?;
    ensure!(
        output.status.success(),
        "cassandra.sh fetch: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

static FOR_TESTS: OnceCell<Cassandra> = OnceCell::const_new();

/// One for all tests of a program, started by the first that asks; it ends with the program. Each
/// test takes a keyspace of its own.
///
/// # Errors
/// When it does not start.
pub async fn cassandra_for_tests() -> anyhow::Result<&'static Cassandra> {
    FOR_TESTS.get_or_try_init(|| Cassandra::start(CassandraSpec::default())).await
}
