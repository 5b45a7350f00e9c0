//! `import`: an embedded store grows into a cluster.

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;

use anyhow::Context as _;

use super::options::ServerOptions;
use super::{Outcome, block_on, print_json};
use crate::store::cql::{ImportReport, import};
use crate::store::embedded::Export;

#[derive(clap::Args)]
pub(super) struct ImportArguments {
    /// Data directory of the embedded store, whose server must be stopped
    #[arg(long, value_name = "DIRECTORY")]
    from: PathBuf,
    /// Print what was moved as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    options: ServerOptions,
}

pub(super) fn run(arguments: &ImportArguments) -> anyhow::Result<Outcome> {
    let target = arguments.options.cql()?;
    let report = block_on(async {
        let from = Export::open(&arguments.from).await;
        let from = from.with_context(|| format!("{}", arguments.from.display()))?;
        let shows_progress = std::io::stderr().is_terminal();
        let moved = import(&from, &target, |table, rows| {
            if shows_progress {
                let _ = write!(std::io::stderr(), "\r\x1b[K{table}: {rows} rows");
            }
        });
        let moved = moved.await.with_context(|| format!("nothing more was moved to {target}"));
        if shows_progress {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
        moved
    })?;
    if arguments.json {
        print_json(&report)?;
    } else {
        print(&report)?;
    }
    Ok(Outcome::Holds)
}

fn print(report: &ImportReport) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "moved {} users with {} devices, {} conversations with {} members and {} entries",
        report.users, report.devices, report.conversations, report.memberships, report.entries
    )?;
    writeln!(out, "prove it: switchboard audit")
}
