//! `switchboard-loadtest`: runs one scenario, prints its outcome, says PASS or FAIL by its status.

use std::process::ExitCode;

use clap::Parser as _;
use loadtest::cli::Cli;
use loadtest::{ExitStatus, Outcome};

// One thread: the client shares the machine with the server it measures.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Cli { scenario, json } = Cli::parse();
    let status = match scenario.run().await {
        Ok(outcome) => {
            print(&outcome, json);
            if outcome.passed { ExitStatus::Pass } else { ExitStatus::Fail }
        }
        Err(error) => {
            eprintln!("could not run: {error:#}");
            ExitStatus::CouldNotRun
        }
    };
    ExitCode::from(status as u8)
}

fn print(outcome: &Outcome, json: bool) {
    if !json {
        print!("{outcome}");
        return;
    }
    match serde_json::to_string(outcome) {
        Ok(text) => println!("{text}"),
        Err(error) => eprintln!("the outcome cannot be written as JSON: {error}"),
    }
}
