//! A backup becomes a data directory again.

use std::fs::DirBuilder;
use std::io::Write as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use actors::ports::WallClock as _;
use actors::ports::wall_clock::SystemClock;
use anyhow::{Context as _, bail, ensure};
use serde::Serialize;

use super::{Manifest, audit_of, check_empty, write_private};
use crate::cli::options::ServerOptions;
use crate::cli::{Outcome, block_on, print_json};
use crate::config::StoreAddress;
use crate::store::cql::{self, CqlConfig};
use crate::store::embedded::raise_generation;

#[derive(clap::Args)]
pub(in crate::cli) struct RestoreArguments {
    /// What `backup` made
    #[arg(long, value_name = "DIRECTORY")]
    from: PathBuf,
    /// Print what was restored as JSON
    #[arg(long)]
    json: bool,
    /// The data directory must not exist yet, or be empty
    #[command(flatten)]
    options: ServerOptions,
}

#[derive(Debug, Serialize)]
struct Restored {
    data_dir: PathBuf,
    generation: u32,
    taken_at_ms: i64,
    conversations: u64,
    messages: u64,
    audit_passed: bool,
}

/// Whoever restores the same backup twice must get two generations: so they follow the clock.
/// Seconds since September 2020, which a signed number of 32 bits holds until 2088.
pub(super) fn generation_by_clock() -> u32 {
    u32::try_from(SystemClock.now_ms() / 1_000 - 1_600_000_000).unwrap_or(0)
}

pub(in crate::cli) fn restore(arguments: &RestoreArguments) -> anyhow::Result<Outcome> {
    let config = arguments.options.load()?;
    ensure!(config.store.is_embedded(), "this is for the embedded store: leave store unset");
    let data_dir = config.data_dir;
    check_empty(&data_dir)?;
    let manifest = Manifest::read(&arguments.from)?;
    // Beside it and moved at the end: whole or not there.
    let aside = aside(&data_dir)?;
    let generation = fill(&arguments.from, &manifest, &aside).inspect_err(|_| {
        let _ = std::fs::remove_dir_all(&aside);
    })?;
    let report = audit_of(&aside)?;
    let _ = std::fs::remove_dir(&data_dir);
    std::fs::rename(&aside, &data_dir).with_context(|| data_dir.display().to_string())?;
    let restored = Restored {
        data_dir,
        generation,
        taken_at_ms: manifest.taken_at_ms,
        conversations: report.conversations,
        messages: report.messages,
        audit_passed: report.passed,
    };
    if arguments.json {
        print_json(&restored)?;
    } else {
        let verdict = if restored.audit_passed { "PASS" } else { "FAIL" };
        writeln!(
            std::io::stdout(),
            "{}: {} messages in {} conversations, generation {}, audit: {verdict}",
            restored.data_dir.display(),
            restored.messages,
            restored.conversations,
            restored.generation
        )?;
    }
    Ok(if restored.audit_passed { Outcome::Holds } else { Outcome::DoesNotHold })
}

fn aside(data_dir: &Path) -> anyhow::Result<PathBuf> {
    let Some(name) = data_dir.file_name() else { bail!("{} is no folder", data_dir.display()) };
    let mut name = name.to_owned();
    name.push(".restoring");
    let aside = data_dir.with_file_name(name);
    let mut builder = DirBuilder::new();
    if let Some(parent) = data_dir.parent().filter(|parent| *parent != Path::new("")) {
        builder.recursive(true).mode(0o700).create(parent).context("data_dir")?;
    }
    let made = DirBuilder::new().mode(0o700).create(&aside);
    made.with_context(|| format!("{} (of another restore?)", aside.display()))?;
    Ok(aside)
}

fn fill(from: &Path, manifest: &Manifest, to: &Path) -> anyhow::Result<u32> {
    for file in &manifest.files {
        let (source, target) = (from.join(&file.name), to.join(&file.name));
        write_private(&target, b"")?;
        std::fs::copy(&source, &target).with_context(|| target.display().to_string())?;
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(&target, mode)?;
        std::fs::File::open(&target)?.sync_all()?;
    }
    Ok(raise_generation(to, generation_by_clock())?)
}

/// `raise-generation`.
pub(in crate::cli) fn raise(options: &ServerOptions) -> anyhow::Result<Outcome> {
    let config = options.load()?;
    let at_least = generation_by_clock();
    let generation = match &config.store {
        StoreAddress::Embedded => raise_generation(&config.data_dir, at_least)?,
        StoreAddress::Cql(url) => {
            let config = CqlConfig::from_url(url.expose())?;
            block_on(async { Ok(cql::raise_generation(&config, at_least).await?) })?
        }
    };
    writeln!(std::io::stdout(), "generation {generation}; clients fetch again")?;
    Ok(Outcome::Holds)
}
