//! `switchboard-loadtest`: runs one scenario, prints its outcome, says PASS or FAIL by its status.

use std::process::ExitCode;

use clap::Parser as _;
use loadtest::cli::{Cli, Command};
use loadtest::{ExitStatus, cli_run};
use serde::Serialize;

// One thread: the client shares the machine with the server it measures.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Cli { command, json } = Cli::parse();
    let status = match do_it(command, json).await {
        Ok(true) => ExitStatus::Pass,
        Ok(false) => ExitStatus::Fail,
        Err(error) => {
            eprintln!("could not run: {error:#}");
            ExitStatus::CouldNotRun
        }
    };
    ExitCode::from(status as u8)
}

/// Whether all is well.
async fn do_it(command: Command, json: bool) -> anyhow::Result<bool> {
    match command {
        Command::List => cli_run::list(json),
        Command::Show(args) => args.show(json),
        Command::Helper => loadtest::engine::run_helper().await.map(|()| true),
        Command::Report(command) => command.run(json),
        Command::Machine(args) => {
            print(&args.run()?, json);
            Ok(true)
        }
        Command::Peer(args) => {
            let report = Box::pin(args.run()).await?;
            println!("{}", serde_json::to_string_pretty(&report)?);
            Ok(report.passed)
        }
        Command::Run(args) => {
            let report = Box::pin(args.run(json)).await?;
            print(&report, json);
            Ok(report.passed)
        }
        Command::Scenario(scenario) => {
            let outcome = scenario.run().await?;
            print(&outcome, json);
            Ok(outcome.passed)
        }
    }
}

fn print(outcome: &(impl Serialize + std::fmt::Display), json: bool) {
    if !json {
        print!("{outcome}");
        return;
    }
    match serde_json::to_string(outcome) {
        Ok(text) => println!("{text}"),
        Err(error) => eprintln!("the outcome cannot be written as JSON: {error}"),
    }
}
