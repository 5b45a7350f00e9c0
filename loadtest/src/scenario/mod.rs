//! The scenarios, and the server that each runs against.

pub mod cold_start;
pub mod direct;
pub mod faults;
pub mod idle;
pub mod kill9;
pub mod replay;

use anyhow::Context as _;

use crate::client::{RestClient, Target};
use crate::server_process::{ServerProcess, ServerSpec};
use crate::verdict::Outcome;

/// Against which server a scenario runs.
#[derive(Clone, Debug)]
pub enum ServerChoice {
    /// One of its own, which it may kill.
    Own(ServerSpec),
    /// A running one. `pid` allows its CPU and memory to be read.
    Running { target: Target, pid: Option<u32> },
}

/// The chosen server, ready.
#[derive(Debug)]
pub struct Backend {
    process: Option<ServerProcess>,
    running_pid: Option<u32>,
    pub rest: RestClient,
    /// Public listeners of all nodes; clients are spread over them.
    addresses: Vec<String>,
}

impl Backend {
    /// # Errors
    /// When an own server does not start.
    pub async fn open(choice: ServerChoice) -> anyhow::Result<Self> {
        let (process, target, running_pid) = match choice {
            ServerChoice::Own(spec) => {
                let process = ServerProcess::start(spec).await?;
                let target = process.target();
                (Some(process), target, None)
            }
            ServerChoice::Running { target, pid } => (None, target, pid),
        };
        let addresses = vec![target.public.clone()];
        Ok(Self { process, running_pid, rest: RestClient::new(target)?, addresses })
    }

    /// The nodes of a cluster, the first of which answers REST.
    ///
    /// # Errors
    /// When there is none.
    pub fn of_nodes(targets: Vec<Target>) -> anyhow::Result<Self> {
        let addresses = targets.iter().map(|target| target.public.clone()).collect();
        let first = targets.into_iter().next().context("a cluster without nodes")?;
        Ok(Self { process: None, running_pid: None, rest: RestClient::new(first)?, addresses })
    }

    /// `host:port` of the public listener.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.rest.target().public
    }

    /// Where the client of this number connects.
    #[must_use]
    pub fn address_of(&self, client: usize) -> &str {
        &self.addresses[client % self.addresses.len()]
    }

    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.running_pid.or_else(|| self.process.as_ref()?.pid())
    }

    /// The own server, for scenarios that kill it.
    ///
    /// # Errors
    /// When the server is someone else's.
    pub fn own(&mut self) -> anyhow::Result<&mut ServerProcess> {
        self.process.as_mut().context("only an own server (--server-bin) can be killed")
    }

    /// Leaves an own server's data behind; tells where.
    pub fn keep_data(&mut self) -> Option<String> {
        let process = self.process.as_mut()?;
        process.keep_data();
        Some(process.data_dir().display().to_string())
    }
}

/// A seed when none is given.
#[must_use]
pub fn fresh_seed() -> u64 {
    // Short, because people copy it.
    u64::from(rand::random::<u32>())
}

/// After a failure, an own server's data stay, and the outcome says where.
fn keep_evidence(mut outcome: Outcome, backend: &mut Backend) -> Outcome {
    if !outcome.passed
        && let Some(folder) = backend.keep_data()
    {
        outcome.problems.push(format!("the server's data and output are in {folder}"));
    }
    outcome
}
