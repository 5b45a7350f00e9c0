//! Copying a store as it stands at one moment, also while a server writes to it.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use super::facts::{self, StoreFacts};
use super::migrate;
use super::open::{Access, OpenError, connect, database_path, make_directory, private_file};

/// Pages copied at a time, 4 MiB, and the pause for those who serve meanwhile.
const STEP_PAGES: i32 = 1_024;
const PAUSE: Duration = Duration::from_millis(2);
const BUSY_PAUSE: Duration = Duration::from_millis(20);

/// What was copied.
#[derive(Clone, Copy, Debug)]
pub struct Copied {
    pub facts: StoreFacts,
    /// Number of its last migration.
    pub schema_version: i64,
}

/// What a data directory holds that nobody serves.
///
/// # Errors
/// See [`OpenError`].
pub fn describe_store(data_dir: &Path) -> Result<Copied, OpenError> {
    let connection = connect(&database_path(data_dir), Access::Read)?;
    let facts = facts::read(&connection)?.ok_or(OpenError::NotAStore)?;
    Ok(Copied { facts, schema_version: migrate::version(&connection)? })
}

/// Copies the database of `data_dir` into `to`, which is made when absent and must hold none.
/// What is committed when it begins is in the copy, and nothing that comes later. `progress` is
/// told pages done and pages in all. Until it ends the write-ahead log of the source cannot start
/// over: it grows by what is written meanwhile.
///
/// # Errors
/// See [`OpenError`]; [`OpenError::Missing`] when there is nothing to copy.
pub fn copy_store(
    data_dir: &Path,
    to: &Path,
    mut progress: impl FnMut(u64, u64),
) -> Result<Copied, OpenError> {
    let source = database_path(data_dir);
    if !source.exists() {
        return Err(OpenError::Missing(data_dir.to_owned()));
    }
    make_directory(to)?;
    let target = database_path(to);
    let source = connect(&source, Access::Read)?;
    migrate::check(&source)?;
    // From here on this connection sees one moment: without it every write of the server would
    // make the copy begin anew.
    source.execute_batch("BEGIN")?;
    let facts = facts::read(&source)?.ok_or(OpenError::NotAStore)?;
    let schema_version = migrate::version(&source)?;
    drop(private_file(&target)?);
    let mut copy = Connection::open(&target)?;
    // It is synced once, at the end; half a copy is of no use anyway.
    copy.execute_batch("PRAGMA synchronous = OFF")?;
    {
        let backup = Backup::new(&source, &mut copy)?;
        loop {
            let step = backup.step(STEP_PAGES)?;
            let done = backup.progress();
            let count = |pages: i32| u64::try_from(pages).unwrap_or(0);
            progress(count(done.pagecount - done.remaining), count(done.pagecount));
            match step {
                StepResult::Done => break,
                StepResult::More => std::thread::sleep(PAUSE),
                _ => std::thread::sleep(BUSY_PAUSE),
            }
        }
    }
    // One file, without a log beside it.
    copy.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(()))?;
    copy.close().map_err(|(_, error)| error)?;
    let synced = File::open(&target).and_then(|file| file.sync_all());
    synced.map_err(|source| OpenError::File { path: target, source })?;
    Ok(Copied { facts, schema_version })
}
