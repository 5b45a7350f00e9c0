//! The servers that a run is about: one of its own, a cluster of its own, or somebody else's.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::Instant;

use crate::client::{RestClient, Target};
use crate::faults::{Fault, Nemesis, Tally};
use crate::plan::Plan;
use crate::scenario::faults::{Options, stage::Stage};
use crate::server_process::{ServerProcess, ServerSpec};
use crate::services::CassandraSpec;

/// Where the servers come from.
#[derive(Clone, Debug)]
pub enum Source {
    /// Started here, as the plan says.
    Own { binary: PathBuf, data_dir: Option<PathBuf>, environment: Vec<(String, String)> },
    /// Running somewhere. Processes of this machine can be measured.
    Given { targets: Vec<Target>, pids: Vec<u32> },
}

/// What a process is for: figures are summed by role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Server,
    Store,
    Bridge,
    LoadTester,
}

/// A process to be measured; another one after each restart.
#[derive(Clone, Debug)]
pub struct Watched {
    pub name: String,
    pub role: Role,
    pub pid: Option<u32>,
}

/// All servers, up.
pub struct World {
    kind: Kind,
    pub rest: RestClient,
    pub targets: Vec<Target>,
    pub addresses: Arc<[String]>,
    /// For people.
    pub description: String,
}

enum Kind {
    Single { server: Box<AsyncMutex<ServerProcess>>, pid: AtomicU32 },
    Cluster { nemesis: Arc<Nemesis>, stage: Box<Stage> },
    Given { pids: Vec<u32> },
}

/// A drained node is to end within this time.
const STOP_DEADLINE: Duration = Duration::from_secs(60);
const START_DEADLINE: Duration = Duration::from_secs(90);
const LOOK_EVERY: Duration = Duration::from_millis(50);

impl World {
    /// Starts what is to be started.
    ///
    /// # Errors
    /// When that fails.
    pub async fn open(source: Source, plan: &Plan) -> anyhow::Result<Self> {
        match source {
            Source::Given { targets, pids } => {
                let described = targets.iter().map(|target| target.public.as_str());
                let description = format!("given: {}", described.collect::<Vec<_>>().join(", "));
                Self::new(Kind::Given { pids }, targets, description)
            }
            Source::Own { binary, data_dir, mut environment } => {
                let planned = plan.server.environment.iter();
                environment
                    .splice(0..0, planned.map(|(name, value)| (name.clone(), value.clone())));
                if plan.server.is_cluster() {
                    return Self::cluster(binary, environment, plan).await;
                }
                let spec = ServerSpec { binary, data_dir, environment };
                let server = ServerProcess::start(spec).await?;
                let targets = vec![server.target()];
                let pid = AtomicU32::new(server.pid().unwrap_or_default());
                let kind = Kind::Single { server: Box::new(AsyncMutex::new(server)), pid };
                Self::new(kind, targets, "own: 1 node, embedded store".to_owned())
            }
        }
    }

    async fn cluster(
        binary: PathBuf,
        environment: Vec<(String, String)>,
        plan: &Plan,
    ) -> anyhow::Result<Self> {
        let server = &plan.server;
        let mut options = Options::new(binary, 0);
        options.nodes = server.nodes;
        // What is killed keeps what it has acknowledged; what is measured runs fast.
        options.proxied = plan.events.iter().any(|event| event.action.strikes_servers());
        let synced;
        (options.database, synced) = if options.proxied {
            (CassandraSpec::kept(server.database_nodes), "before each answer")
        } else {
            (CassandraSpec::for_load(server.database_nodes), "once a second")
        };
        options.environment = environment;
        options.ring = format!("shards={}&slots={}", server.shards, server.ring_slots);
        let stage = Stage::start(&options).await?;
        let nemesis = Arc::new(stage.nemesis().quiet());
        let targets = stage.cluster.targets();
        let description = format!(
            "own: {} nodes, {} Cassandra (synced {synced}), 1 Redis",
            server.nodes, server.database_nodes
        );
        Self::new(Kind::Cluster { nemesis, stage: Box::new(stage) }, targets, description)
    }

    fn new(kind: Kind, targets: Vec<Target>, description: String) -> anyhow::Result<Self> {
        let rest = RestClient::new(targets.first().context("no target")?.clone())?;
        let addresses = targets.iter().map(|target| target.public.clone()).collect();
        Ok(Self { kind, rest, targets, addresses, description })
    }

    /// Whether faults can be done here without hooks.
    #[must_use]
    pub const fn is_own(&self) -> bool {
        !matches!(self.kind, Kind::Given { .. })
    }

    /// All processes that can be measured now.
    #[must_use]
    pub fn processes(&self) -> Vec<Watched> {
        let watched = |name: &str, number: Option<usize>, role, pid| Watched {
            name: number.map_or_else(|| name.to_owned(), |number| format!("{name} {number}")),
            role,
            pid,
        };
        let mut all = Vec::new();
        match &self.kind {
            Kind::Single { pid, .. } => {
                let pid = Some(pid.load(Ordering::Relaxed)).filter(|pid| *pid > 0);
                all.push(watched("server", None, Role::Server, pid));
            }
            Kind::Cluster { stage, .. } => {
                for (number, node) in stage.cluster.nodes().iter().enumerate() {
                    all.push(watched("server", Some(number), Role::Server, node.process().pid()));
                }
                for number in 0..stage.database.len() {
                    let pid = stage.database.node(number).pid();
                    all.push(watched("cassandra", Some(number), Role::Store, pid));
                }
                all.push(watched("redis", None, Role::Bridge, stage.redis.process().pid()));
            }
            Kind::Given { pids } => {
                for (number, pid) in pids.iter().enumerate() {
                    all.push(watched("server", Some(number), Role::Server, Some(*pid)));
                }
            }
        }
        all.push(watched("load tester", None, Role::LoadTester, Some(std::process::id())));
        all
    }

    /// How many nodes, and replicas of the database, can be struck.
    #[must_use]
    pub fn victims(&self, is_database: bool) -> usize {
        match &self.kind {
            Kind::Cluster { stage, .. } if is_database => stage.database.len(),
            Kind::Cluster { stage, .. } => stage.cluster.nodes().len(),
            _ => self.targets.len(),
        }
    }

    /// Does a fault and waits for its end. False where this world has no such thing.
    ///
    /// # Errors
    /// When it cannot be done, or what it struck does not come back.
    pub async fn strike(&self, fault: Fault) -> anyhow::Result<bool> {
        match &self.kind {
            Kind::Cluster { nemesis, .. } => {
                let name = fault.class().name();
                let struck = |tally: &Tally| tally.struck.get(name).copied().unwrap_or_default();
                let before = nemesis.tally();
                nemesis.carry_out(fault).await;
                let after = nemesis.tally();
                let told = after.problems.get(before.problems.len()..).unwrap_or_default();
                anyhow::ensure!(told.is_empty(), told.join("; "));
                Ok(struck(&after) > struck(&before))
            }
            Kind::Single { server, pid } => {
                let lasts = Duration::from_millis(fault.lasts_ms());
                match fault {
                    Fault::NodeKill { .. } => {
                        let mut server = server.lock().await;
                        server.kill_9().await?;
                        pid.store(0, Ordering::Relaxed);
                        tokio::time::sleep(lasts).await;
                        server.restart().await?;
                        pid.store(server.pid().unwrap_or_default(), Ordering::Relaxed);
                    }
                    Fault::NodePause { .. } => {
                        let server = server.lock().await;
                        let id = server.pid().context("it does not run")?;
                        signal(id, rustix::process::Signal::STOP)?;
                        tokio::time::sleep(lasts).await;
                        signal(id, rustix::process::Signal::CONT)?;
                    }
                    _ => return Ok(false),
                }
                Ok(true)
            }
            Kind::Given { .. } => Ok(false),
        }
    }

    /// Ends a node with SIGTERM, waits until it has drained, and starts it again.
    ///
    /// # Errors
    /// When it does not come back.
    pub async fn restart_node(&self, number: usize) -> anyhow::Result<()> {
        match &self.kind {
            Kind::Cluster { stage, .. } => {
                let node = stage.cluster.node(number);
                node.process().terminate()?;
                let end = Instant::now() + STOP_DEADLINE;
                while node.process().ended().is_none() && Instant::now() < end {
                    tokio::time::sleep(LOOK_EVERY).await;
                }
                node.restart(START_DEADLINE).await?;
            }
            Kind::Single { server, pid } => {
                let mut server = server.lock().await;
                server.stop(STOP_DEADLINE).await?;
                pid.store(0, Ordering::Relaxed);
                server.restart().await?;
                pid.store(server.pid().unwrap_or_default(), Ordering::Relaxed);
            }
            Kind::Given { .. } => anyhow::bail!("only an own server can be restarted"),
        }
        Ok(())
    }

    /// Heals everything and waits until every node is ready.
    ///
    /// # Errors
    /// When something does not come back.
    pub async fn heal(&self) -> anyhow::Result<()> {
        match &self.kind {
            Kind::Cluster { nemesis, .. } => nemesis.heal().await,
            _ => Ok(()),
        }
    }

    /// `switchboard audit` of an own server's store; `None` where there is none. An error in the
    /// result when the log does not hold.
    ///
    /// # Errors
    /// When it cannot be run.
    pub async fn audit(
        &self,
    ) -> anyhow::Result<Option<Result<serde_json::Value, serde_json::Value>>> {
        match &self.kind {
            Kind::Cluster { stage, .. } => Ok(Some(stage.cluster.audit().await?)),
            Kind::Single { server, .. } => Ok(Some(server.lock().await.audit().await?)),
            Kind::Given { .. } => Ok(None),
        }
    }

    /// What the nemesis wanted and could not have.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        match &self.kind {
            Kind::Cluster { nemesis, .. } => nemesis.tally().problems,
            _ => Vec::new(),
        }
    }

    /// Lines of the servers' output that must not be there.
    #[must_use]
    pub fn told_problems(&self) -> Option<String> {
        let Kind::Cluster { stage, .. } = &self.kind else { return None };
        let mut told = crate::cluster::Told::default();
        for node in stage.cluster.nodes() {
            told += node.told();
        }
        let (panics, broken) = (told.panics, told.broken);
        (panics + broken > 0)
            .then(|| format!("the servers tell of {panics} panics and {broken} broken shards"))
    }

    /// Leaves data and output behind; tells where.
    pub fn keep_evidence(self) -> Option<String> {
        match self.kind {
            Kind::Single { server, .. } => {
                let mut server = server.into_inner();
                server.keep_data();
                let folder = server.data_dir().display();
                Some(format!("the server's data and output are in {folder}"))
            }
            Kind::Cluster { nemesis, mut stage } => {
                drop(nemesis);
                stage.keep()
            }
            Kind::Given { .. } => None,
        }
    }
}

fn signal(pid: u32, signal: rustix::process::Signal) -> anyhow::Result<()> {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    Ok(rustix::process::kill_process(pid.context("no process")?, signal)?)
}
