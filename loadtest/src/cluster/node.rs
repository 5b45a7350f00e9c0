//! One server of a cluster.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::time::{Instant, sleep};

use super::ClusterSpec;
use super::link::Link;
use super::secrets::Secrets;
use crate::client::Target;
use crate::faults::Namespace;
use crate::server_process::ENVIRONMENT;
use crate::services::{Launch, ServiceProcess};

/// From the start of the process to `/readyz` saying so.
const READY_DEADLINE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(50);
const HEALTH_ANSWER_MAX: Duration = Duration::from_secs(3);
/// Between attempts to start one that ends at once, as a service manager would wait.
const START_AGAIN: Duration = Duration::from_millis(500);

/// A server's process, and its ways to store and bridge.
#[derive(Debug)]
pub struct Node {
    process: ServiceProcess,
    store: Link,
    bridge: Link,
    target: Target,
    http: reqwest::Client,
    /// Dropped after the process that is in it.
    namespace: Option<Namespace>,
}

/// Where a node is.
pub(super) struct Place {
    pub data_dir: PathBuf,
    pub store: Link,
    pub bridge: Link,
    pub namespace: Option<Namespace>,
}

/// What a server's output tells of, in lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Told {
    pub panics: u64,
    /// Commits whose outcome had to be read back.
    pub unknown_outcomes: u64,
    /// Shards claimed and replayed.
    pub take_overs: u64,
    /// Activations that another owner ended.
    pub fenced: u64,
    /// Activations that found the ring in a state that cannot be.
    pub broken: u64,
}

impl std::ops::AddAssign for Told {
    fn add_assign(&mut self, other: Self) {
        self.panics += other.panics;
        self.unknown_outcomes += other.unknown_outcomes;
        self.take_overs += other.take_overs;
        self.fenced += other.fenced;
        self.broken += other.broken;
    }
}

impl Node {
    pub(super) fn start(
        spec: &ClusterSpec,
        secrets: &Secrets,
        target: Target,
        place: Place,
    ) -> anyhow::Result<Self> {
        let Place { data_dir, store, bridge, namespace } = place;
        fs::create_dir_all(&data_dir).with_context(|| data_dir.display().to_string())?;
        let internal = target.internal.clone().context("a node has an internal listener")?;
        let arguments = [
            "serve".to_owned(),
            "--listen".to_owned(),
            target.public.clone(),
            "--internal-listen".to_owned(),
            internal,
            "--data-dir".to_owned(),
            data_dir.display().to_string(),
        ];
        let raised = ENVIRONMENT.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let mut environment = Vec::from(raised);
        environment.extend(secrets.environment());
        environment.push(("SWITCHBOARD_STORE".to_owned(), store.url().to_owned()));
        environment.push(("SWITCHBOARD_BRIDGE".to_owned(), bridge.url().to_owned()));
        environment.extend(spec.environment.iter().cloned());
        let mut launch = Launch {
            program: spec.server_bin.clone(),
            arguments: arguments.into(),
            environment,
            output: data_dir.join("server-output.log"),
        };
        if let Some(namespace) = &namespace {
            launch = namespace.put_in(launch);
        }
        let http = reqwest::Client::builder().timeout(HEALTH_ANSWER_MAX).no_proxy().build()?;
        let process = ServiceProcess::start(launch)?;
        Ok(Self { process, store, bridge, target, http, namespace })
    }

    /// Where clients find it.
    #[must_use]
    pub fn target(&self) -> Target {
        self.target.clone()
    }

    /// Its process, to pause, resume, kill or measure it.
    #[must_use]
    pub const fn process(&self) -> &ServiceProcess {
        &self.process
    }

    /// Its way to the database.
    #[must_use]
    pub const fn store(&self) -> &Link {
        &self.store
    }

    /// Its way to the other nodes.
    #[must_use]
    pub const fn bridge(&self) -> &Link {
        &self.bridge
    }

    /// Where its network cable is, if it has one of its own.
    #[must_use]
    pub const fn namespace(&self) -> Option<&Namespace> {
        self.namespace.as_ref()
    }

    /// How many lines of its output tell of each of these.
    #[must_use]
    pub fn told(&self) -> Told {
        let output = fs::read(self.process.output()).unwrap_or_default();
        let text = String::from_utf8_lossy(&output);
        let count = |what: &str| text.lines().filter(|line| line.contains(what)).count() as u64;
        Told {
            panics: count("panicked at"),
            unknown_outcomes: count("outcome of a commit unknown"),
            take_overs: count("shard claimed and replayed"),
            fenced: count("reason=Fenced"),
            broken: count("reason=Broken"),
        }
    }

    /// Whether `/readyz` says so now.
    pub async fn is_ready(&self) -> bool {
        let Some(internal) = &self.target.internal else { return false };
        let answer = self.http.get(format!("http://{internal}/readyz")).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }

    /// Waits until the node is ready.
    ///
    /// # Errors
    /// When it ends, or is not ready in a minute; with its last output.
    pub async fn wait_ready(&self) -> anyhow::Result<()> {
        let deadline = Instant::now() + READY_DEADLINE;
        while !self.is_ready().await {
            if let Some(status) = self.process.ended() {
                bail!("it ended ({status}); {}", self.process.last_output());
            }
            if Instant::now() >= deadline {
                bail!("it is not ready in 60 s; {}", self.process.last_output());
            }
            sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// Starts it again on the same data and ports, killing it first when it runs. One that ends
    /// by itself, because its services are away, is started again until `deadline`. Returns how
    /// long it took to be ready.
    ///
    /// # Errors
    /// When it is not ready by then; with its last output.
    pub async fn restart(&self, deadline: Duration) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        self.process.start_again()?;
        while !self.is_ready().await {
            if begun.elapsed() >= deadline {
                bail!("it is not ready in {deadline:?}; {}", self.process.last_output());
            }
            if self.process.ended().is_some() {
                sleep(START_AGAIN).await;
                self.process.start_again()?;
            }
            sleep(LOOK_EVERY).await;
        }
        Ok(begun.elapsed())
    }
}
