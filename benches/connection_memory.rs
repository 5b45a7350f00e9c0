//! Resident bytes of the server per idle authenticated connection, at 10,000 of them.
//!
//! `cargo bench --bench connection_memory [-- CONNECTIONS]`

use loadtest::ServerSpec;
use loadtest::scenario::{ServerChoice, idle};

/// The goal is 3 KiB; beyond this the bench fails.
const BYTES_MAX: u64 = 4_096;

fn main() -> std::process::ExitCode {
    let asked = std::env::args().skip(1).find_map(|argument| argument.parse().ok());
    let binary = env!("CARGO_BIN_EXE_switchboard").into();
    let options = idle::Options {
        server: ServerChoice::Own(ServerSpec { binary, ..ServerSpec::default() }),
        connections: asked.unwrap_or(10_000),
        echo: idle::Echo::Ping,
        settle: std::time::Duration::from_secs(3),
        bytes_per_connection_max: Some(BYTES_MAX),
    };
    let runtime = tokio::runtime::Runtime::new();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(idle::run(options)),
        Err(error) => Err(error.into()),
    };
    match outcome {
        Ok(outcome) => {
            println!("{outcome}");
            std::process::ExitCode::from(u8::from(!outcome.passed))
        }
        Err(error) => {
            eprintln!("could not run: {error:#}");
            std::process::ExitCode::from(2)
        }
    }
}
