//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};

use crate::cli_run::{ReportCommand, RunArgs, ShowArgs};
use crate::client::Target;
use crate::faults::Mix;
use crate::machine::MachineArgs;
use crate::peers::PeerArgs;
use crate::scenario::{self, ServerChoice, cold_start, direct, faults, idle, kill9, replay};
use crate::server_process::ServerSpec;
use crate::services::CassandraSpec;
use crate::verdict::Outcome;

/// Drives a Switchboard server by its public contract and judges what comes back.
///
/// Exit status: 0 PASS, 1 FAIL, 2 could not run.
#[derive(Debug, Parser)]
#[command(name = "switchboard-loadtest", version)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
    /// Prints the outcome as one JSON object.
    #[arg(long, global = true)]
    pub json: bool,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Lists the bundled scenarios.
    List,
    /// Prints a bundled scenario, to read it or to begin one's own with.
    Show(ShowArgs),
    /// Runs a scenario: a bundled one by its name, or a TOML file.
    Run(RunArgs),
    /// Readers for another load tester, which tells by the standard input what to do.
    #[command(hide = true)]
    Helper,
    /// What this machine takes to hand a message to a socket, and to make a file durable.
    Machine(MachineArgs),
    /// One server of `benches/peers/run.sh`, which sets Switchboard beside ejabberd and Prosody.
    Peer(PeerArgs),
    /// Reports of earlier runs.
    #[command(subcommand)]
    Report(ReportCommand),
    #[command(flatten)]
    Scenario(Scenario),
}

/// Which server. Without `--target` one is started and stopped, from `--server-bin`.
#[derive(Clone, Debug, Args)]
pub struct ServerArgs {
    /// The server program to start: `PATH serve …`.
    #[arg(long, value_name = "PATH", conflicts_with = "target")]
    pub server_bin: Option<PathBuf>,
    /// Keeps the started server's data here, instead of in a folder that is removed.
    #[arg(long, value_name = "DIR", conflicts_with = "target")]
    pub data_dir: Option<PathBuf>,
    /// Added to the started server's environment. May be repeated.
    #[arg(long = "server-env", value_name = "NAME=VALUE", conflicts_with = "target")]
    pub server_environment: Vec<String>,
    /// A running server's public listener, `http://host:port`.
    #[arg(long, value_name = "URL")]
    pub target: Option<String>,
    /// Its internal listener, to make users at once.
    #[arg(long, value_name = "URL", requires = "target")]
    pub internal: Option<String>,
    /// The file that holds its admin token.
    #[arg(long, value_name = "FILE", requires = "internal")]
    pub admin_token_file: Option<PathBuf>,
    /// Its process, to read CPU and memory.
    #[arg(long, value_name = "PID", requires = "target")]
    pub server_pid: Option<u32>,
}

#[derive(Debug, Subcommand)]
pub enum Scenario {
    /// Replays logs of real chat and reads them back in every way.
    Replay(ReplayArgs),
    /// Pairs of users in a closed loop: messages a second, latency, CPU a message.
    Direct(DirectArgs),
    /// Many silent connections: bytes each.
    Idle(IdleArgs),
    /// From the start of the process to the first message stored.
    ColdStart(ColdStartArgs),
    /// kill -9 at random moments under load.
    Kill9(Kill9Args),
    /// A cluster under load while nodes, Cassandra, Redis and the ways between them break.
    Faults(FaultsArgs),
}

#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// Logs, one JSON object a line.
    #[arg(required = true, value_name = "FILE.jsonl")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    server: ServerArgs,
    /// Repeats a run's random choices.
    #[arg(long)]
    seed: Option<u64>,
    /// Of 1,000 lines, so many have the sender's socket reset round the send, and as many
    /// another speaker's.
    #[arg(long, value_name = "PER_MILLE", default_value_t = 0)]
    cut_sockets: u32,
    /// kill -9 of the started server while the line after this many is on its way.
    #[arg(long, value_name = "LINES", conflicts_with = "target")]
    kill_server_after: Option<usize>,
}

#[derive(Debug, Args)]
pub struct DirectArgs {
    #[command(flatten)]
    server: ServerArgs,
    #[arg(long, default_value_t = 100)]
    pairs: usize,
    #[arg(long, default_value_t = 10.0)]
    duration_s: f64,
    #[arg(long, default_value_t = 3.0)]
    warmup_s: f64,
    /// Bytes of each text, 16 at least.
    #[arg(long, default_value_t = 100)]
    body_bytes: usize,
    /// Receivers acknowledge their position once in so many messages.
    #[arg(long, default_value_t = 16)]
    ack_every: u64,
}

#[derive(Debug, Args)]
pub struct IdleArgs {
    #[command(flatten)]
    server: ServerArgs,
    #[arg(long, default_value_t = 10_000)]
    connections: usize,
    /// What each connection does once.
    #[arg(long, value_enum, default_value = "ping")]
    echo: idle::Echo,
    #[arg(long, default_value_t = 3.0)]
    settle_s: f64,
    /// Fails beyond this many resident bytes each.
    #[arg(long, value_name = "BYTES")]
    max_bytes_per_connection: Option<u64>,
}

#[derive(Debug, Args)]
pub struct ColdStartArgs {
    /// The server program: `PATH serve …`.
    #[arg(long, value_name = "PATH")]
    server_bin: PathBuf,
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Messages in the log before the first stop.
    #[arg(long, default_value_t = 1_000)]
    messages: usize,
    /// Fails when the median takes longer.
    #[arg(long, value_name = "MS")]
    max_ms: Option<u64>,
}

#[derive(Debug, Args)]
pub struct Kill9Args {
    #[command(flatten)]
    server: ServerArgs,
    #[arg(long, default_value_t = 20)]
    rounds: u32,
    #[arg(long, default_value_t = 100)]
    senders: usize,
    #[arg(long, default_value_t = 5)]
    conversations: usize,
    /// Messages a sender has on their way at once.
    #[arg(long, default_value_t = 4)]
    pipeline: usize,
    /// Repeats a run's random choices.
    #[arg(long)]
    seed: Option<u64>,
}

#[derive(Debug, Args)]
pub struct FaultsArgs {
    /// The server program: `PATH migrate`, `PATH serve …`, `PATH audit`.
    #[arg(long, value_name = "PATH", required_unless_present = "services_only")]
    server_bin: Option<PathBuf>,
    /// Starts Cassandra and Redis alone, prints their addresses, and waits for Ctrl-C.
    #[arg(long)]
    services_only: bool,
    #[arg(long, default_value_t = 3)]
    nodes: usize,
    /// Processes of Cassandra: 1 or 3.
    #[arg(long, default_value_t = 3)]
    database_nodes: u8,
    /// Over which the faults are spread; more of them than fit take longer.
    #[arg(long, default_value_t = 120)]
    seconds: u64,
    /// SIGSTOP of a node.
    #[arg(long, default_value_t = 20)]
    pauses: u32,
    /// kill -9 of a node.
    #[arg(long, default_value_t = 10)]
    kills: u32,
    /// Pauses and kills of Cassandra, and troubles on the ways to it, in turn.
    #[arg(long, default_value_t = 8)]
    database_faults: u32,
    /// Pauses, restarts, flushes, cut clients of Redis, and troubles on the ways to it, in turn.
    #[arg(long, default_value_t = 10)]
    redis_faults: u32,
    /// A node cut from everything but its clients; with --namespaces from these too.
    #[arg(long, default_value_t = 2)]
    partitions: u32,
    /// Each node has a network of its own, whose cable is cut. Needs root.
    #[arg(long)]
    namespaces: bool,
    /// The longest pause or trouble.
    #[arg(long, value_name = "MS", default_value_t = 20_000)]
    longest_ms: u64,
    #[arg(long, default_value_t = 4)]
    groups: usize,
    #[arg(long, default_value_t = 6)]
    group_members: usize,
    /// Direct conversations.
    #[arg(long, default_value_t = 3)]
    pairs: usize,
    /// Added to the servers' environment. May be repeated.
    #[arg(long = "server-env", value_name = "NAME=VALUE")]
    server_environment: Vec<String>,
    /// Instead of made-up load: replays these logs of real chat through the cluster, all at once.
    #[arg(long, value_name = "FILE.jsonl", num_args = 1..)]
    replay: Vec<PathBuf>,
    /// Writes the outcome into a file as JSON too.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Repeats a run's random choices.
    #[arg(long)]
    seed: Option<u64>,
}

impl FaultsArgs {
    async fn run(self) -> anyhow::Result<Outcome> {
        let Some(server_bin) = self.server_bin.filter(|_| !self.services_only) else {
            faults::services_only(self.database_nodes).await?;
            std::process::exit(0);
        };
        let seed = announce(self.seed);
        let mut options = faults::Options::new(server_bin, seed);
        options.nodes = self.nodes;
        options.database = CassandraSpec::kept(self.database_nodes);
        options.environment = names_and_values(&self.server_environment)?;
        options.in_namespaces = self.namespaces;
        options.groups = self.groups;
        options.group_members = self.group_members;
        options.pairs = self.pairs;
        options.duration = Duration::from_secs(self.seconds);
        options.mix = Mix {
            node_pauses: self.pauses,
            node_kills: self.kills,
            database_faults: self.database_faults,
            redis_faults: self.redis_faults,
            partitions: self.partitions,
            longest_ms: self.longest_ms,
        };
        let outcome = if self.replay.is_empty() {
            faults::run(options).await?
        } else {
            let replay = replay::Options {
                server: ServerChoice::Own(ServerSpec::default()),
                files: self.replay,
                seed,
                cut_per_mille: 0,
                kill_server_after: None,
                catch_up: replay::CATCH_UP,
            };
            replay::run_on_cluster(replay, options).await?
        };
        if let Some(file) = &self.report {
            let text = serde_json::to_string_pretty(&outcome)?;
            std::fs::write(file, text).with_context(|| file.display().to_string())?;
        }
        Ok(outcome)
    }
}

impl Scenario {
    /// Runs what was asked for.
    ///
    /// # Errors
    /// When it could not be run.
    pub async fn run(self) -> anyhow::Result<Outcome> {
        match self {
            Self::Replay(args) => {
                let seed = announce(args.seed);
                replay::run(replay::Options {
                    server: args.server.choice()?,
                    files: args.files,
                    seed,
                    cut_per_mille: args.cut_sockets,
                    kill_server_after: args.kill_server_after,
                    catch_up: replay::CATCH_UP,
                })
                .await
            }
            Self::Direct(args) => {
                direct::run(direct::Options {
                    server: args.server.choice()?,
                    pairs: args.pairs,
                    warmup: seconds(args.warmup_s)?,
                    duration: seconds(args.duration_s)?,
                    body_bytes: args.body_bytes,
                    ack_every: args.ack_every,
                })
                .await
            }
            Self::Idle(args) => {
                idle::run(idle::Options {
                    server: args.server.choice()?,
                    connections: args.connections,
                    echo: args.echo,
                    settle: seconds(args.settle_s)?,
                    bytes_per_connection_max: args.max_bytes_per_connection,
                })
                .await
            }
            Self::ColdStart(args) => {
                let spec = ServerSpec { binary: args.server_bin, ..ServerSpec::default() };
                cold_start::run(cold_start::Options {
                    spec,
                    rounds: args.rounds.max(1),
                    messages: args.messages,
                    median_max: args.max_ms.map(Duration::from_millis),
                })
                .await
            }
            Self::Kill9(args) => {
                let seed = announce(args.seed);
                let mut options = kill9::Options::new(args.server.choice()?, seed);
                options.rounds = args.rounds;
                options.senders = args.senders;
                options.conversations = args.conversations;
                options.pipeline = args.pipeline;
                kill9::run(options).await
            }
            Self::Faults(args) => args.run().await,
        }
    }
}

impl ServerArgs {
    /// The server that these arguments name.
    ///
    /// # Errors
    /// When they name none, or an address or file is unusable.
    pub fn choice(&self) -> anyhow::Result<ServerChoice> {
        if let Some(target) = &self.target {
            let target = Target {
                public: Target::parse_address(target)?,
                internal: self.internal.as_deref().map(Target::parse_address).transpose()?,
                admin_token: self.admin_token()?,
            };
            return Ok(ServerChoice::Running { target, pid: self.server_pid });
        }
        let binary = self.server_bin.clone().context("give --server-bin PATH or --target URL")?;
        let environment = names_and_values(&self.server_environment)?;
        Ok(ServerChoice::Own(ServerSpec { binary, data_dir: self.data_dir.clone(), environment }))
    }

    fn admin_token(&self) -> anyhow::Result<Option<String>> {
        let Some(file) = &self.admin_token_file else { return Ok(None) };
        let token = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
        Ok(Some(token.trim().to_owned()))
    }
}

pub(crate) fn names_and_values(texts: &[String]) -> anyhow::Result<Vec<(String, String)>> {
    let split = |text: &String| {
        let (name, value) =
            text.split_once('=').with_context(|| format!("{text}: no NAME=VALUE"))?;
        Ok((name.to_owned(), value.to_owned()))
    };
    texts.iter().map(split).collect()
}

/// Tells the seed at once: a run that hangs must be repeatable too.
fn announce(seed: Option<u64>) -> u64 {
    let seed = seed.unwrap_or_else(scenario::fresh_seed);
    eprintln!("seed {seed}");
    seed
}

fn seconds(seconds: f64) -> anyhow::Result<Duration> {
    Duration::try_from_secs_f64(seconds).with_context(|| format!("{seconds} seconds"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_server_must_be_named_once() {
        let parse = |args: &str| Cli::try_parse_from(args.split(' '));
        assert!(parse("x direct --server-bin a --target http://b:1").is_err());
        assert!(parse("x replay").is_err());
        assert!(parse("x replay a.jsonl --kill-server-after 9 --target http://b:1").is_err());
        let Command::Scenario(Scenario::Direct(args)) = parse("x direct").unwrap().command else {
            panic!()
        };
        assert!(args.server.choice().is_err());
        let parsed = parse("x idle --target http://b:1 --json").unwrap();
        let Command::Scenario(Scenario::Idle(args)) = parsed.command else { panic!() };
        assert!(matches!(args.server.choice(), Ok(ServerChoice::Running { .. })));
    }
}
