//! Opening a data directory: its lock, its files, its connections.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use actors::ports::RingShape;
use rusqlite::{Connection, OpenFlags};

use super::migrate::migrate;

/// How to open an embedded store.
#[derive(Clone, Debug)]
pub struct EmbeddedConfig {
    /// Made when absent, for the server's user alone.
    pub data_dir: PathBuf,
    /// Threads that answer reads.
    pub readers: usize,
    /// Writes that may wait, urgent and background each, and reads that may wait.
    pub queue_jobs_max: usize,
    /// Rows that may wait to be materialised.
    pub queue_rows_max: usize,
    /// Shape of a store that is made now; a store that exists keeps its own.
    pub new_shape: RingShape,
}

impl EmbeddedConfig {
    #[must_use]
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            readers: 2,
            queue_jobs_max: 4_096,
            queue_rows_max: 262_144,
            // Commits of two shards are twice as large as of four, and cost as much each: one thread
            // writes them all, and two carry what it writes. A ring of 256 would be half full after a
            // tenth of a second of small commits, and be materialised in groups too small to share
            // pages.
            new_shape: RingShape { shards: 2, slots: 1_024 },
        }
    }
}

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("another server uses the data directory {} (process {holder})", data_dir.display())]
    InUse { data_dir: PathBuf, holder: String },
    #[error(
        "the store is of a newer version of this program (its schema is {found}, known is {known})"
    )]
    Newer { found: i64, known: i64 },
    #[error("the file is not a store of this program")]
    NotAStore,
    #[error("there is no store in {}", .0.display())]
    Missing(PathBuf),
    #[error("the store cannot keep a write-ahead log here (journal mode is {0})")]
    NoWriteAheadLog(String),
    #[error("{} cannot be used: {source}", path.display())]
    File { path: PathBuf, source: std::io::Error },
    #[error("a thread could not be started: {0}")]
    Thread(std::io::Error),
    #[error("the database could not be opened: {0}")]
    Sqlite(#[from] rusqlite::Error),
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Write,
    Checkpoint,
    Read,
}

/// The database of a data directory.
pub const DATABASE_FILE: &str = "switchboard.sqlite3";

pub(super) fn database_path(data_dir: &Path) -> PathBuf {
    data_dir.join(DATABASE_FILE)
}

fn file_error(path: &Path) -> impl FnOnce(std::io::Error) -> OpenError {
    let path = path.to_owned();
    move |source| OpenError::File { path, source }
}

/// Makes the data directory if it is absent.
pub(super) fn make_directory(data_dir: &Path) -> Result<(), OpenError> {
    if data_dir.is_dir() {
        return Ok(());
    }
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o700).create(data_dir).map_err(file_error(data_dir))?;
    match data_dir.parent() {
        Some(parent) if parent != Path::new("") => {
            sync_directory(parent).map_err(file_error(parent))
        }
        _ => Ok(()),
    }
}

/// Takes the data directory for this process, until the file is dropped.
pub(super) fn lock(data_dir: &Path) -> Result<File, OpenError> {
    let path = data_dir.join("lock");
    let mut file = private_file(&path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            file.read_to_string(&mut holder).map_err(file_error(&path))?;
            let holder = holder.trim().to_owned();
            return Err(OpenError::InUse { data_dir: data_dir.to_owned(), holder });
        }
        Err(TryLockError::Error(source)) => return Err(OpenError::File { path, source }),
    }
    // The number is for people; the lock is what counts.
    let written = file
        .set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| writeln!(file, "{}", std::process::id()));
    written.map_err(file_error(&path))?;
    Ok(file)
}

/// Opens a file of the data directory, making it readable by its owner alone.
pub(super) fn private_file(path: &Path) -> Result<File, OpenError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    options.open(path).map_err(file_error(path))
}

/// Opens the database for writing, as new as this binary.
pub(super) fn open_database(data_dir: &Path) -> Result<Connection, OpenError> {
    let path = database_path(data_dir);
    // SQLite gives its log and index files the mode of the database file. The file is closed
    // before SQLite opens it: closing it later would give up SQLite's own locks.
    drop(private_file(&path)?);
    let mut connection = connect(&path, Access::Write)?;
    migrate(&mut connection)?;
    // The names of new files must survive a power cut as well as their contents.
    sync_directory(data_dir).map_err(file_error(data_dir))?;
    Ok(connection)
}

fn sync_directory(directory: &Path) -> std::io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Connects to the database as `access` needs it.
pub(super) fn connect(database: &Path, access: Access) -> Result<Connection, OpenError> {
    let mode = match access {
        Access::Write | Access::Checkpoint => OpenFlags::SQLITE_OPEN_READ_WRITE,
        Access::Read => OpenFlags::SQLITE_OPEN_READ_ONLY,
    };
    let connection = Connection::open_with_flags(database, mode | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY_MAX)?;
    connection.set_prepared_statement_cache_capacity(64);
    connection.execute_batch(COMMON)?;
    if access == Access::Write {
        let journal: String =
            connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
        if !journal.eq_ignore_ascii_case("wal") {
            return Err(OpenError::NoWriteAheadLog(journal));
        }
    }
    connection.execute_batch(match access {
        Access::Write => WRITER,
        Access::Checkpoint => CHECKPOINT,
        Access::Read => READER,
    })?;
    Ok(connection)
}

/// Longest wait for another connection: a tool of the operator, a log that starts over.
pub(super) const BUSY_MAX: Duration = Duration::from_millis(250);

const COMMON: &str = "
    PRAGMA trusted_schema = OFF;
    PRAGMA foreign_keys = OFF;
    PRAGMA mmap_size = 0;
    PRAGMA temp_store = MEMORY;
";

/// The cache holds what the next rows go to: 32 MiB. Checkpoints run elsewhere. The log file is
/// reused up to 64 MiB, because overwriting it syncs faster than growing it.
const WRITER: &str = "
    PRAGMA synchronous = FULL;
    PRAGMA cache_size = -32768;
    PRAGMA wal_autocheckpoint = 0;
    PRAGMA journal_size_limit = 67108864;
";

const CHECKPOINT: &str = "
    PRAGMA synchronous = FULL;
    PRAGMA cache_size = -256;
    PRAGMA wal_autocheckpoint = 0;
";

/// Every write empties a reader's cache: a large one would be of no use.
const READER: &str = "
    PRAGMA query_only = ON;
    PRAGMA cache_size = -2048;
";
