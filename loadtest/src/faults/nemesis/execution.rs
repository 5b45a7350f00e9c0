//! Carries out a schedule, counts what really struck, and heals everything.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use serde::Serialize;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use super::fault::{Fault, Way, mode_of};
use super::schedule::{Schedule, Shape};
use crate::cluster::{Cluster, Link};
use crate::faults::Mode;
use crate::services::{Cassandra, Redis};

/// A node whose services are away comes back only when they do.
const RESTART_DEADLINE: Duration = Duration::from_secs(120);
/// A trouble on a way that nobody has met by its end goes on for so long.
const VICTIM_WAIT: Duration = Duration::from_secs(15);
const LOOK_EVERY: Duration = Duration::from_millis(20);
const HEAL_DEADLINE: Duration = Duration::from_secs(120);

/// What came of a schedule.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Tally {
    /// Faults begun, by class.
    pub begun: BTreeMap<&'static str, u64>,
    /// Of these, the ones that met somebody.
    pub struck: BTreeMap<&'static str, u64>,
    /// From being started again to being ready, milliseconds.
    pub node_restart_ms: Vec<u64>,
    pub database_restart_ms: Vec<u64>,
    /// What the schedule wanted and could not have.
    pub problems: Vec<String>,
}

/// One fault at a time for each of these.
#[derive(Debug, Default)]
struct Locks {
    nodes: Vec<Mutex<()>>,
    stores: Vec<Mutex<()>>,
    bridges: Vec<Mutex<()>>,
    replicas: Vec<Mutex<()>>,
    redis: Mutex<()>,
}

/// Strikes a cluster and its services. All of them are also healed by it.
#[derive(Debug)]
pub struct Nemesis {
    cluster: Arc<Cluster>,
    database: Arc<Cassandra>,
    redis: Arc<Redis>,
    locks: Locks,
    tally: StdMutex<Tally>,
    begun: Instant,
    /// Lines are for people; without it they go to the standard error output.
    is_quiet: bool,
}

impl Nemesis {
    #[must_use]
    pub fn new(cluster: Arc<Cluster>, database: Arc<Cassandra>, redis: Arc<Redis>) -> Self {
        let locks = |count| (0..count).map(|_| Mutex::new(())).collect();
        let nodes = cluster.nodes().len();
        let locks = Locks {
            nodes: locks(nodes),
            stores: locks(nodes),
            bridges: locks(nodes),
            replicas: locks(database.len()),
            redis: Mutex::new(()),
        };
        let (tally, begun) = (StdMutex::default(), Instant::now());
        Self { cluster, database, redis, locks, tally, begun, is_quiet: false }
    }

    /// Tells nothing: whoever calls does.
    #[must_use]
    pub const fn quiet(mut self) -> Self {
        self.is_quiet = true;
        self
    }

    #[must_use]
    pub fn shape(&self) -> Shape {
        Shape { nodes: self.cluster.nodes().len(), replicas: self.database.len() }
    }

    /// Does what the schedule says, from now on; returns when the last fault is over.
    pub async fn execute(self: &Arc<Self>, schedule: &Schedule) {
        let begun = Instant::now();
        let mut going_on = JoinSet::new();
        for step in schedule.steps.iter().copied() {
            sleep_until(begun + Duration::from_millis(step.at_ms)).await;
            let nemesis = Arc::clone(self);
            going_on.spawn(async move { nemesis.carry_out(step.fault).await });
        }
        while going_on.join_next().await.is_some() {}
    }

    /// What struck so far.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.note(|tally| tally.clone())
    }

    /// Ends all faults, starts whatever does not run, and waits until every node is ready.
    ///
    /// # Errors
    /// When something does not come back.
    pub async fn heal(&self) -> anyhow::Result<()> {
        for node in self.cluster.nodes() {
            node.store().set_mode(Mode::Pass);
            node.bridge().set_mode(Mode::Pass);
            if let Some(namespace) = node.namespace() {
                namespace.join()?;
            }
        }
        // What does not run needs no resuming; it is started below.
        let _ = self.redis.resume();
        if !is_running(self.redis.process()) {
            self.redis.restart().await.context("Redis")?;
        }
        for replica in 0..self.database.len() {
            let _ = self.database.resume(replica);
            if !is_running(self.database.node(replica)) {
                self.database.restart(replica).await?;
            }
        }
        self.database.wait_all_up().await?;
        for (index, node) in self.cluster.nodes().iter().enumerate() {
            let _ = node.process().resume();
            if let Some(status) = node.process().ended() {
                self.note(|tally| {
                    let last = node.process().last_output();
                    tally.problems.push(format!("node {index} ended by itself ({status}); {last}"));
                });
            }
            if !is_running(node.process()) {
                let restart = node.restart(HEAL_DEADLINE).await;
                restart.with_context(|| format!("node {index}"))?;
            }
            node.wait_ready().await.with_context(|| format!("node {index} after all faults"))?;
        }
        Ok(())
    }

    /// Does one fault and waits for its end; the tally tells what came of it.
    pub async fn carry_out(&self, fault: Fault) {
        let name = fault.class().name();
        self.note(|tally| *tally.begun.entry(name).or_default() += 1);
        match self.strike(fault).await {
            Ok(true) => self.note(|tally| *tally.struck.entry(name).or_default() += 1),
            Ok(false) => self.log(&format!("{fault}: met nobody")),
            Err(error) => {
                self.log(&format!("{fault}: {error:#}"));
                self.note(|tally| tally.problems.push(format!("{fault}: {error:#}")));
            }
        }
    }

    /// Does it, waits for its end, and tells whether it met anybody.
    async fn strike(&self, fault: Fault) -> anyhow::Result<bool> {
        let lasts = Duration::from_millis(fault.lasts_ms());
        match fault {
            Fault::NodePause { node, .. } => {
                let _one = self.locks.nodes[node].lock().await;
                self.log(&fault.to_string());
                let process = self.cluster.node(node).process();
                process.pause()?;
                sleep(lasts).await;
                process.resume()?;
            }
            Fault::NodeKill { node, .. } => {
                let _one = self.locks.nodes[node].lock().await;
                self.log(&fault.to_string());
                let node = self.cluster.node(node);
                if !node.process().kill_9() {
                    return Ok(false);
                }
                sleep(lasts).await;
                let took_ms = node.restart(RESTART_DEADLINE).await?.as_millis() as u64;
                self.note(|tally| tally.node_restart_ms.push(took_ms));
            }
            Fault::DatabasePause { replica, .. } => {
                let _one = self.locks.replicas[replica].lock().await;
                self.log(&fault.to_string());
                self.database.pause(replica)?;
                sleep(lasts).await;
                self.database.resume(replica)?;
            }
            Fault::DatabaseKill { replica, .. } => {
                let _one = self.locks.replicas[replica].lock().await;
                self.log(&fault.to_string());
                if !self.database.kill(replica) {
                    return Ok(false);
                }
                sleep(lasts).await;
                let took_ms = self.database.restart(replica).await?.as_millis() as u64;
                self.note(|tally| tally.database_restart_ms.push(took_ms));
            }
            Fault::On { node, way, trouble, severity, .. } => {
                let (locks, link) = self.way(node, way);
                let _one = locks[node].lock().await;
                self.log(&fault.to_string());
                let faults = || link.struck().faults();
                return Ok(match mode_of(trouble, severity) {
                    Some(mode) => with_mode(&[link], mode, lasts, faults).await,
                    None => reset(link, faults).await,
                });
            }
            Fault::Partition { node, .. } => {
                let (stores, store) = self.way(node, Way::Store);
                let (bridges, bridge) = self.way(node, Way::Bridge);
                let _store = stores[node].lock().await;
                let _bridge = bridges[node].lock().await;
                self.log(&fault.to_string());
                if let Some(namespace) = self.cluster.node(node).namespace() {
                    namespace.cut()?;
                    sleep(lasts).await;
                    namespace.join()?;
                    return Ok(true);
                }
                let held = || store.struck().held + bridge.struck().held;
                return Ok(with_mode(&[store, bridge], Mode::Blackhole, lasts, held).await);
            }
            Fault::RedisPause { .. }
            | Fault::RedisRestart { .. }
            | Fault::RedisFlush
            | Fault::RedisClientKill => return self.strike_redis(fault, lasts).await,
        }
        Ok(true)
    }

    async fn strike_redis(&self, fault: Fault, lasts: Duration) -> anyhow::Result<bool> {
        let _one = self.locks.redis.lock().await;
        self.log(&fault.to_string());
        match fault {
            Fault::RedisPause { .. } => {
                self.redis.pause()?;
                sleep(lasts).await;
                self.redis.resume()?;
            }
            Fault::RedisRestart { .. } => {
                if !self.redis.kill() {
                    return Ok(false);
                }
                sleep(lasts).await;
                self.redis.restart().await?;
            }
            Fault::RedisClientKill => return Ok(self.redis.kill_clients().await? > 0),
            _ => self.redis.flush_all().await?,
        }
        Ok(true)
    }

    fn way(&self, node: usize, way: Way) -> (&[Mutex<()>], &Link) {
        let links = self.cluster.node(node);
        match way {
            Way::Store => (&self.locks.stores, links.store()),
            Way::Bridge => (&self.locks.bridges, links.bridge()),
        }
    }

    fn note<T>(&self, write: impl FnOnce(&mut Tally) -> T) -> T {
        write(&mut self.tally.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn log(&self, what: &str) {
        if self.is_quiet {
            return;
        }
        eprintln!("{:>9.3} s  {what}", self.begun.elapsed().as_secs_f64());
    }
}

/// At least for `lasts`, and until somebody has met it; false when nobody has for too long.
async fn with_mode(links: &[&Link], mode: Mode, lasts: Duration, struck: impl Fn() -> u64) -> bool {
    let before = struck();
    for link in links {
        link.set_mode(mode);
    }
    sleep(lasts).await;
    if struck() == before && matches!(mode, Mode::DropFrames { .. }) {
        // A node without a shard hears little from its store: the next frame it is.
        links.iter().for_each(|link| link.set_mode(Mode::DropFrames { per_mille: 1_000 }));
    }
    let has_struck = until(|| struck() > before).await;
    for link in links {
        link.set_mode(Mode::Pass);
    }
    has_struck
}

/// Resets what is connected. A node that is just starting is not, for a moment.
async fn reset(link: &Link, struck: impl Fn() -> u64) -> bool {
    let before = struck();
    until(|| {
        link.reset_all();
        struck() > before
    })
    .await
}

async fn until(is_so: impl Fn() -> bool) -> bool {
    let end = Instant::now() + VICTIM_WAIT;
    while !is_so() {
        if Instant::now() >= end {
            return false;
        }
        sleep(LOOK_EVERY).await;
    }
    true
}

fn is_running(process: &crate::services::ServiceProcess) -> bool {
    process.pid().is_some() && process.ended().is_none()
}
