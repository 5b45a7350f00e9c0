//! `backup` and `restore`: a store as it stood at one moment, with what belongs to it.

mod manifest;
mod restore;

use std::fs::OpenOptions;
use std::io::{IsTerminal as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use actors::ports::WallClock as _;
use actors::ports::wall_clock::SystemClock;
use anyhow::{Context as _, ensure};

use super::options::ServerOptions;
use super::{Outcome, audit, block_on, print_json};
use crate::auth::accounts::{ADMIN_TOKEN_FILE, SIGNING_KEY_FILE};
use crate::config::StoreAddress;
use crate::store::cql::{self, CqlConfig};
use crate::store::embedded::{
    Copied, DATABASE_FILE, EmbeddedConfig, Store, copy_store, describe_store, open_read_only,
    raise_generation,
};
use manifest::{FileSum, Manifest};

pub(super) use restore::{RestoreArguments, raise, restore};

#[derive(clap::Args)]
pub(super) struct BackupArguments {
    /// A folder that does not exist yet or is empty
    #[arg(long, value_name = "DIRECTORY")]
    to: PathBuf,
    /// Do not prove the copy (`restore` does it again)
    #[arg(long)]
    no_audit: bool,
    /// Print the manifest as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    options: ServerOptions,
}

pub(super) fn backup(arguments: &BackupArguments) -> anyhow::Result<Outcome> {
    let config = arguments.options.load()?;
    let to = &arguments.to;
    check_empty(to)?;
    let copied = match &config.store {
        StoreAddress::Embedded => {
            copy_store(&config.data_dir, to, |done, all| shown(&format!("{done} of {all} pages")))
                .map_err(anyhow::Error::from)
        }
        StoreAddress::Cql(url) => cluster(&CqlConfig::from_url(url.expose())?, to),
    };
    shown("");
    let copied = copied?;
    let mut names = vec![DATABASE_FILE];
    // They never change while the data live, so any moment is the right one. Where settings give
    // them there are no files.
    for name in [SIGNING_KEY_FILE, ADMIN_TOKEN_FILE] {
        let from = config.data_dir.join(name);
        if config.store.is_embedded() && from.exists() {
            let bytes = std::fs::read(&from).with_context(|| from.display().to_string())?;
            write_private(&to.join(name), &bytes)?;
            names.push(name);
        }
    }
    let report = (!arguments.no_audit).then(|| audit_of(to)).transpose()?;
    let manifest = Manifest {
        format: Manifest::format(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        store_id: copied.facts.store_id,
        generation: copied.facts.generation,
        schema_version: copied.schema_version,
        taken_at_ms: SystemClock.now_ms(),
        audit_passed: report.as_ref().map(|report| report.passed),
        conversations: report.as_ref().map(|report| report.conversations),
        messages: report.as_ref().map(|report| report.messages),
        files: names.iter().map(|name| FileSum::of(to, name)).collect::<Result<_, _>>()?,
    };
    manifest.write(to)?;
    if arguments.json {
        print_json(&manifest)?;
    } else {
        let bytes: u64 = manifest.files.iter().map(|file| file.bytes).sum();
        let verdict = match manifest.audit_passed {
            Some(true) => "audit: PASS",
            Some(false) => "audit: FAIL (run `switchboard audit` on it)",
            None => "not audited",
        };
        writeln!(std::io::stdout(), "{}: {bytes} bytes, {verdict}", to.display())?;
    }
    let holds = manifest.audit_passed != Some(false);
    Ok(if holds { Outcome::Holds } else { Outcome::DoesNotHold })
}

/// What a cluster holds, as an embedded store: it can be imported into another cluster, or served
/// by a node alone.
fn cluster(from: &CqlConfig, to: &Path) -> anyhow::Result<Copied> {
    let copy = Store::open(EmbeddedConfig::new(to))?;
    let copied = block_on(async {
        let cluster = cql::Store::connect(from).await?;
        Ok(cql::export(&cluster, &copy, |table, rows| shown(&format!("{table}: {rows} rows")))
            .await?)
    });
    copy.close();
    drop(copy);
    let _: cql::Copied = copied?;
    // Wherever it goes, numbers after this moment are given again.
    raise_generation(to, restore::generation_by_clock())?;
    for entry in std::fs::read_dir(to)? {
        let entry = entry?;
        // The lock, and the search index, which is made again.
        if entry.file_name() != DATABASE_FILE {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(describe_store(to)?)
}

/// Progress, for people.
fn shown(text: &str) {
    if std::io::stderr().is_terminal() {
        let _ = write!(std::io::stderr(), "\r\x1b[K{text}");
    }
}

fn audit_of(folder: &Path) -> anyhow::Result<audit::Report> {
    audit::audit(&open_read_only(folder)?).context("the copy cannot be read")
}

fn check_empty(folder: &Path) -> anyhow::Result<()> {
    let is_empty = match std::fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => true,
        Err(error) => return Err(error).with_context(|| folder.display().to_string()),
    };
    ensure!(is_empty, "{} is not empty", folder.display());
    Ok(())
}

/// A new file for its owner alone, on disk when this returns.
fn write_private(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let write = || -> std::io::Result<()> {
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().with_context(|| path.display().to_string())
}
