//! The commands of the `switchboard` program.
//!
//! Exit codes: 0 done, and what was asked holds; 1 failed, or it does not hold; 2 the command line
//! or the configuration is wrong, or there is nothing to look at.

mod admin;
mod audit;
mod backup;
mod chat;
mod config;
mod doctor;
mod healthcheck;
mod import;
mod local;
mod migrate;
mod options;
mod prompt;
mod search;
mod token;
mod user;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::config::ConfigProblems;
use options::ServerOptions;

/// Self-hosted messaging: one gapless order per conversation, stored before it is acknowledged.
#[derive(Parser)]
#[command(name = "switchboard", version, about)]
struct Program {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a server. Needs no configuration and no other services.
    Serve(ServerOptions),
    /// Look at settings: check them, print the defaults.
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Make a cluster's keyspace, or bring its tables up to date.
    Migrate {
        /// Print what was done as JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        options: ServerOptions,
    },
    /// Move everything of an embedded store into a new cluster, numbers and positions kept.
    Import(import::ImportArguments),
    /// Copy the store as it stands, also while servers run, and prove the copy.
    Backup(backup::BackupArguments),
    /// Put a backup into a new data directory, with a new generation: clients fetch again.
    Restore(backup::RestoreArguments),
    /// After a restore by other means: tell all clients to fetch again. No server may run.
    RaiseGeneration(ServerOptions),
    /// Look at a running node and act on it; every act is logged.
    #[command(subcommand)]
    Admin(admin::AdminCommand),
    /// Manage accounts.
    #[command(subcommand)]
    User(user::UserCommand),
    /// Sign a new device of a user in and print its access token, for tests.
    Token(token::TokenArguments),
    /// Chat from the terminal, or through a pipe.
    Chat(chat::ChatArguments),
    /// Prove that the stored log has no hole and no duplicate.
    Audit(audit::AuditArguments),
    /// The search index: make it anew.
    #[command(subcommand)]
    Search(search::SearchCommand),
    /// Look for what will make trouble on this machine.
    Doctor(doctor::DoctorArguments),
    /// Ask a running server whether it is ready, by exit code.
    Healthcheck(healthcheck::HealthcheckOptions),
    /// Print a completion script.
    Completions { shell: clap_complete::Shell },
}

/// How a command ended that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// What was asked holds.
    Holds,
    /// It does not.
    DoesNotHold,
    /// There was nothing to look at.
    CannotTell,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Holds => Self::SUCCESS,
            Outcome::DoesNotHold => Self::from(1),
            Outcome::CannotTell => Self::from(2),
        }
    }
}

/// Parses the command line and does what it says.
#[must_use]
pub fn main() -> ExitCode {
    match run(Program::parse().command) {
        Ok(outcome) => outcome.into(),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            if error.is::<ConfigProblems>() { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
    }
}

fn run(command: Command) -> anyhow::Result<Outcome> {
    match command {
        Command::Serve(options) => {
            let config = options.load()?;
            crate::app::run(config, Box::new(move || options.load()))?;
            Ok(Outcome::Holds)
        }
        Command::Config(command) => config::run(command),
        Command::Import(arguments) => import::run(&arguments),
        Command::Admin(command) => admin::run(&command),
        Command::Backup(arguments) => backup::backup(&arguments),
        Command::Restore(arguments) => backup::restore(&arguments),
        Command::RaiseGeneration(options) => backup::raise(&options),
        Command::Migrate { json, options } => migrate::run(&options.cql()?, json),
        Command::User(command) => user::run(command),
        Command::Token(arguments) => token::run(&arguments),
        Command::Chat(arguments) => chat::run(arguments),
        Command::Audit(arguments) => audit::run(&arguments),
        Command::Search(command) => search::run(command),
        Command::Doctor(arguments) => doctor::run(&arguments),
        Command::Healthcheck(options) => healthcheck::run(&options),
        Command::Completions { shell } => {
            let mut command = Program::command();
            clap_complete::generate(shell, &mut command, "switchboard", &mut std::io::stdout());
            Ok(Outcome::Holds)
        }
    }
}

/// A runtime for commands that talk to a server or a store.
fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

/// Prints one JSON document.
fn print_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(value)?;
    writeln!(std::io::stdout(), "{text}")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Program::command().debug_assert();
    }

    #[test]
    fn flags_reach_the_configuration() {
        let arguments = [
            "switchboard",
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--data-dir",
            "/tmp/x",
            "--set",
            "limits.sends_burst=7",
            "--set",
            "log.format=json",
        ];
        let Command::Serve(options) = Program::parse_from(arguments).command else {
            panic!("not serve")
        };
        let config = options.load().unwrap();
        assert_eq!(config.listen.port(), 0);
        assert_eq!(config.data_dir.to_str(), Some("/tmp/x"));
        assert_eq!(config.limits.sends_burst, 7);
        let wrong = ["switchboard", "serve", "--set", "limits.sends_brst=7"];
        let Command::Serve(options) = Program::parse_from(wrong).command else {
            panic!("not serve")
        };
        let error = options.load().unwrap_err();
        assert!(error.is::<ConfigProblems>());
        assert!(error.to_string().contains("did you mean \"limits.sends_burst\"?"), "{error}");
    }
}
