//! A cluster under load while everything around it breaks: no message that was acknowledged may be
//! lost, none stored twice, and in the end all readers on all nodes have seen the same.
//!
//! ```text
//! stage.rs     Cassandra, Redis, the nodes, the proxies between them
//! crowd.rs     users, conversations, devices on all nodes; what they read in the end
//! sender.rs    a device that sends all the time; latencies
//! figures.rs   what is reported
//! ```

mod crowd;
mod figures;
mod sender;
pub(crate) mod stage;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::time::{Instant, sleep};

use crate::client::Recorder;
use crate::faults::{Mix, Nemesis, Schedule, schedule};
use crate::services::CassandraSpec;
use crate::verdict::{self, Outcome};
use crowd::Crowd;
pub use figures::Figures;
use sender::Load;
use stage::Stage;

/// Which cluster, how much load, and what breaks.
#[derive(Clone, Debug)]
pub struct Options {
    pub server_bin: PathBuf,
    /// Servers.
    pub nodes: usize,
    /// The Cassandra under them.
    pub database: CassandraSpec,
    /// Puts a proxy, to break, between each server and what is under it.
    pub proxied: bool,
    /// Of the store: shards, and slots of each ring. The usual one is so small that it is often full.
    pub ring: String,
    /// Added to each server's environment.
    pub environment: Vec<(String, String)>,
    /// Puts each server into a network namespace: partitions cut its cable. Needs root.
    pub in_namespaces: bool,
    pub groups: usize,
    pub group_members: usize,
    /// Direct conversations, of two each.
    pub pairs: usize,
    /// Messages a device has on their way at once.
    pub pipeline: usize,
    /// A device's pause after each message, from and to, milliseconds.
    pub pause_ms: (u64, u64),
    pub mix: Mix,
    /// Over which the faults are spread.
    pub duration: Duration,
    /// How long all readers have at the end to get everything. One that has not fails.
    pub catch_up: Duration,
    pub seed: u64,
}

impl Options {
    #[must_use]
    pub fn new(server_bin: PathBuf, seed: u64) -> Self {
        Self {
            server_bin,
            nodes: 3,
            database: CassandraSpec::kept(3),
            proxied: true,
            ring: "shards=4&slots=8".to_owned(),
            environment: Vec::new(),
            in_namespaces: false,
            groups: 4,
            group_members: 6,
            pairs: 3,
            pipeline: 4,
            pause_ms: (50, 500),
            mix: Mix::default(),
            duration: Duration::from_secs(120),
            catch_up: Duration::from_secs(60),
            seed,
        }
    }
}

/// Of load without faults, before and after them.
const GOOD_WEATHER: Duration = Duration::from_secs(3);
const SETTLE: Duration = Duration::from_millis(300);

/// Runs the scenario.
///
/// # Errors
/// When it cannot be run: a service or a server does not start. What a server does wrong is in the
/// [`Outcome`].
pub async fn run(options: Options) -> anyhow::Result<Outcome> {
    let begun = Instant::now();
    let stage = Stage::start(&options).await?;
    eprintln!("all services and {} nodes are up in {:.1} s", options.nodes, secs(begun));
    let recorder = Recorder::new();
    let crowd = Crowd::assemble(&stage.cluster, &options, &recorder).await?;
    let load = Load::start(&crowd, &options);
    let nemesis = Arc::new(stage.nemesis());
    let schedule = schedule(options.seed, &options.mix, nemesis.shape(), options.duration);
    let mut figures = Figures::new(&options, &crowd, &schedule);
    let end_s = schedule.end_ms as f64 / 1_000.0;
    eprintln!("{} faults in {end_s:.0} s", schedule.steps.len());
    // From here on a failure is the cluster's, not the scenario's.
    let played = play(&stage, &nemesis, &schedule, load, crowd, &recorder, &options, &mut figures);
    if let Err(error) = played.await {
        recorder.problem(format!("{error:#}"));
    }
    figures.note_tally(nemesis.tally());
    figures.note_nodes(&stage.cluster);
    figures.elapsed_ms = begun.elapsed().as_millis() as u64;
    drop(nemesis);
    let (verdict, mut problems) = recorder.judge();
    problems.extend(figures.problems(&schedule));
    let figures = verdict::Figures::Faults(Box::new(figures));
    let outcome = Outcome::new("faults", Some(options.seed), figures, Some(verdict), problems);
    Ok(stage.end(outcome))
}

#[expect(clippy::too_many_arguments, reason = "one act of the play, cut out of `run`")]
async fn play(
    stage: &Stage,
    nemesis: &Arc<Nemesis>,
    schedule: &Schedule,
    load: Load,
    crowd: Crowd,
    recorder: &Recorder,
    options: &Options,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    sleep(GOOD_WEATHER).await;
    nemesis.execute(schedule).await;
    let healing = Instant::now();
    nemesis.heal().await.context("healing")?;
    figures.heal_ms = healing.elapsed().as_millis() as u64;
    eprintln!("healed in {:.1} s", secs(healing));
    sleep(GOOD_WEATHER).await;
    figures.note_load(load.end(recorder).await?);
    let catching_up = Instant::now();
    crowd.read_back(&stage.cluster, recorder, options).await?;
    figures.catch_up_ms = catching_up.elapsed().as_millis() as u64;
    sleep(SETTLE).await;
    match stage.cluster.audit().await.context("the audit")? {
        Ok(report) => figures.audit = Some(report),
        Err(report) => {
            recorder.problem(format!("the audit of the store fails: {report}"));
            figures.audit = Some(report);
        }
    }
    Ok(())
}

/// Starts Cassandra and Redis alone, prints their addresses, and waits for Ctrl-C.
///
/// # Errors
/// When they do not start.
pub async fn services_only(database_nodes: u8) -> anyhow::Result<()> {
    stage::services_only(CassandraSpec::kept(database_nodes)).await
}

fn secs(since: Instant) -> f64 {
    since.elapsed().as_secs_f64()
}
