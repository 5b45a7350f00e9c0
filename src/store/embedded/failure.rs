//! Why a job of the store failed, and what that says about the store.

use actors::ports::StoreError;
use rusqlite::ErrorCode;

/// How one job, or one transaction, failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The same job may succeed later: busy, or no space.
    Unavailable(String),
    /// The job contradicts what is stored, or what is stored cannot be read.
    Damaged(String),
    /// What the file holds is not known any more: nothing may be written until it is opened anew.
    Fatal(String),
}

impl Failure {
    pub fn damaged(what: &str) -> Self {
        Self::Damaged(what.to_owned())
    }

    pub const fn is_fatal(&self) -> bool {
        matches!(self, Self::Fatal(_))
    }

    /// The same failure where it leaves the state of the file open. A transaction whose end failed
    /// for another reason than space may be in the file or not; after a failed sync the system may
    /// have dropped what it could not write and report success the next time.
    pub fn at_commit(self) -> Self {
        match self {
            Self::Unavailable(_) => self,
            Self::Damaged(why) | Self::Fatal(why) => Self::Fatal(why),
        }
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        let why = error.to_string();
        match error.sqlite_error_code() {
            Some(
                ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::DiskFull
                | ErrorCode::OutOfMemory
                | ErrorCode::OperationInterrupted
                | ErrorCode::CannotOpen,
            ) => Self::Unavailable(why),
            Some(
                ErrorCode::SystemIoFailure
                | ErrorCode::DatabaseCorrupt
                | ErrorCode::NotADatabase
                | ErrorCode::ReadOnly,
            ) => Self::Fatal(why),
            _ => Self::Damaged(why),
        }
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Unavailable(why) | Failure::Fatal(why) => Self::Unavailable(why),
            Failure::Damaged(why) => Self::Damaged(why),
        }
    }
}

/// The answer to whoever asks a store that ended.
pub(super) fn stopped() -> StoreError {
    StoreError::Unavailable("the store has stopped".to_owned())
}
