//! The same workloads for Switchboard and for its peers: one client program, one set of rules.
//!
//! ```text
//! line.rs     a connection to either kind of server; xmpp/: as much of XMPP as that takes
//! idle.rs     connections that say nothing      direct.rs   pairs: closed loop, open loop
//! room.rs     one room, ever more messages      pacer.rs    when messages are due
//! ledger.rs   each reader's account of losses, repeats and disorder; tally.rs: of all readers
//! ```
//!
//! `benches/peers/run.sh` starts one server after the other and prints one table. Passwords or
//! tokens are checked, everything is kept in an archive, TLS is off; a loss, a repeat or disorder
//! at any reader voids the figure.

mod direct;
mod idle;
mod ledger;
mod line;
mod pacer;
mod room;
mod tally;
mod xmpp;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::client::RestClient;
use crate::server_process::{ServerProcess, ServerSpec};
use line::{Account, Peer};
use tally::Server;

/// Which protocol the server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Protocol {
    Switchboard,
    Xmpp,
}

/// Runs the workloads of the comparison against one server.
#[derive(Clone, Debug, Args)]
pub struct PeerArgs {
    #[arg(value_enum)]
    protocol: Protocol,
    /// Switchboard's program, which is started and stopped.
    #[arg(long, value_name = "PATH", required_if_eq("protocol", "switchboard"))]
    server_bin: Option<PathBuf>,
    /// `host:port` of a running XMPP server for the host `localhost`.
    #[arg(long, required_if_eq("protocol", "xmpp"))]
    address: Option<String>,
    /// Its processes, for CPU and memory.
    #[arg(long, value_name = "PID", required_if_eq("protocol", "xmpp"))]
    server_pid: Vec<u32>,
    /// Silent connections; 0 leaves that out.
    #[arg(long, default_value_t = 10_000)]
    connections: usize,
    #[arg(long, default_value_t = 10.0)]
    settle_s: f64,
    #[arg(long, default_value_t = 100)]
    pairs: usize,
    #[arg(long, default_value_t = 10.0)]
    warm_up_s: f64,
    #[arg(long, default_value_t = 20.0)]
    duration_s: f64,
    /// Messages a second of the open loop.
    #[arg(long, default_value_t = 1_000.0)]
    rate: f64,
    /// Members of the room; 0 leaves that out.
    #[arg(long, default_value_t = 500)]
    room: usize,
    #[arg(long, default_value_t = 20)]
    senders: usize,
    /// Messages a second to the room, stage after stage.
    #[arg(long, value_delimiter = ',', default_value = "5,10,20,50,100,200,400,800,1200")]
    room_rates: Vec<f64>,
    #[arg(long, default_value_t = 8.0)]
    stage_s: f64,
    #[arg(long, default_value_t = 100)]
    text_bytes: usize,
}

/// What all workloads came to.
#[derive(Clone, Debug, Serialize)]
pub struct PeerReport {
    /// No loss, no repeat, no disorder, no refusal, and the archives hold what was sent.
    pub passed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle: Option<idle::Idle>,
    pub closed: direct::Closed,
    pub open: direct::Open,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub room: Option<room::Room>,
}

impl PeerArgs {
    /// Runs everything, one workload after the other.
    ///
    /// # Errors
    /// When the server cannot be reached, or refuses users or connections.
    pub async fn run(self) -> anyhow::Result<PeerReport> {
        crate::engine::raise_descriptors();
        let (peer, server, process) = self.open().await?;
        let said = |what: &str| eprintln!("  {what}");
        let mut next = 0;
        let mut idle = None;
        if self.connections > 0 {
            said(&format!("{} silent connections", self.connections));
            let accounts = accounts(&peer, &mut next, self.connections).await?;
            let settle = seconds(self.settle_s)?;
            idle = Some(idle::idle(&peer, &accounts, settle, &server).await?);
        }
        let timing = direct::Timing {
            warm_up: seconds(self.warm_up_s)?,
            duration: seconds(self.duration_s)?,
            text_bytes: self.text_bytes,
        };
        said(&format!("{} pairs, closed loop", self.pairs));
        let people = accounts(&peer, &mut next, self.pairs * 2).await?;
        let closed = direct::closed(&peer, &people, timing, &server).await?;
        said(&format!("{} pairs, open loop of {} messages/s", self.pairs, self.rate));
        let people = accounts(&peer, &mut next, self.pairs * 2).await?;
        let open = direct::open(&peer, &people, self.rate, timing, &server).await?;
        let mut room = None;
        if self.room > 1 {
            said(&format!("a room of {}", self.room));
            let people = accounts(&peer, &mut next, self.room + 1).await?;
            let options = room::Options {
                senders: self.senders.clamp(1, self.room),
                rates: self.room_rates.clone(),
                stage: seconds(self.stage_s)?,
                text_bytes: self.text_bytes,
            };
            room = Some(room::room(&peer, &people, options, &server).await?);
        }
        drop(process);
        let mut report = PeerReport { passed: false, idle, closed, open, room };
        report.passed = report.is_sound();
        Ok(report)
    }

    async fn open(&self) -> anyhow::Result<(Peer, Server, Option<ServerProcess>)> {
        match self.protocol {
            Protocol::Switchboard => {
                let binary = self.server_bin.clone().context("give --server-bin PATH")?;
                let spec = ServerSpec { binary, ..ServerSpec::default() };
                let process = ServerProcess::start(spec).await?;
                let server = Server(process.pid().into_iter().collect());
                let peer = Peer::Switchboard(RestClient::new(process.target())?);
                Ok((peer, server, Some(process)))
            }
            Protocol::Xmpp => {
                let address = self.address.clone().context("give --address HOST:PORT")?;
                let prefix = format!("u{:08x}-", rand::random::<u32>());
                let server = Server(self.server_pid.clone());
                Ok((Peer::Xmpp { address, prefix }, server, None))
            }
        }
    }
}

impl PeerReport {
    fn is_sound(&self) -> bool {
        let room = self.room.as_ref();
        let faults = self.closed.faults + self.open.faults + room.map_or(0, |room| room.faults);
        let problems = self.closed.problems.len() + self.open.problems.len();
        let problems = problems + room.map_or(0, |room| room.problems.len());
        let is_kept = |archived: Option<u64>, sent: u64| archived.is_some_and(|held| held >= sent);
        faults == 0
            && problems == 0
            && is_kept(self.closed.archived, self.closed.sent)
            && room.is_none_or(|room| room.unfinished > 0 || is_kept(room.archived, room.sent))
    }
}

async fn accounts(peer: &Peer, next: &mut usize, count: usize) -> anyhow::Result<Vec<Account>> {
    let accounts = peer.accounts(*next, count).await.context("making users")?;
    *next += count;
    Ok(accounts)
}

fn seconds(seconds: f64) -> anyhow::Result<Duration> {
    Duration::try_from_secs_f64(seconds).with_context(|| format!("{seconds} seconds"))
}
