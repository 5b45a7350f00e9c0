//! Why a statement failed, and what that says.

use std::fmt::Display;

use actors::ports::{RingError, StoreError};
use scylla::errors::{
    DbError, ExecutionError, FirstRowError, IntoRowsResultError, MaybeFirstRowError, NextRowError,
    PagerExecutionError, RequestAttemptError, RowsError,
};

/// How one statement, or what it is part of, failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// No answer in time, or too few replicas: the same may succeed later. A write may have
    /// been done.
    Unavailable(String),
    /// The statement contradicts the schema or what is stored, or a row cannot be read.
    Damaged(String),
}

impl Failure {
    pub fn damaged(what: &str) -> Self {
        Self::Damaged(what.to_owned())
    }

    pub fn unavailable(what: &str) -> Self {
        Self::Unavailable(what.to_owned())
    }
}

/// A row that is not what its statement asks for.
fn unreadable(error: &impl Display) -> Failure {
    Failure::Damaged(format!("a row cannot be read: {error}"))
}

/// Whether the database understood the statement and refused it for what it says.
const fn is_refusal(error: &DbError) -> bool {
    matches!(
        error,
        DbError::SyntaxError
            | DbError::Invalid
            | DbError::AlreadyExists { .. }
            | DbError::FunctionFailure { .. }
            | DbError::Unauthorized
            | DbError::ConfigError
    )
}

impl From<ExecutionError> for Failure {
    fn from(error: ExecutionError) -> Self {
        let why = error.to_string();
        match error {
            ExecutionError::BadQuery(_) => Self::Damaged(why),
            ExecutionError::LastAttemptError(RequestAttemptError::DbError(error, _))
                if is_refusal(&error) =>
            {
                Self::Damaged(why)
            }
            _ => Self::Unavailable(why),
        }
    }
}

impl From<PagerExecutionError> for Failure {
    fn from(error: PagerExecutionError) -> Self {
        match error {
            PagerExecutionError::NextPageError(error) => NextRowError::NextPageError(error).into(),
            PagerExecutionError::SerializationError(_) => Self::Damaged(error.to_string()),
            _ => Self::Unavailable(error.to_string()),
        }
    }
}

impl From<NextRowError> for Failure {
    fn from(error: NextRowError) -> Self {
        match &error {
            NextRowError::RowDeserializationError(_) => unreadable(&error),
            _ => Self::Unavailable(error.to_string()),
        }
    }
}

macro_rules! row_errors {
    ($($error:ty),+) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                unreadable(&error)
            }
        }
    )+};
}

row_errors! {
    FirstRowError, IntoRowsResultError, MaybeFirstRowError, RowsError,
    scylla::deserialize::DeserializationError, scylla::deserialize::TypeCheckError
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Unavailable(why) => Self::Unavailable(why),
            Failure::Damaged(why) => Self::Damaged(why),
        }
    }
}

/// Whatever went wrong, the statement may have been applied or may be later.
impl From<Failure> for RingError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Unavailable(why) | Failure::Damaged(why) => Self(why),
        }
    }
}

/// A failure without its kind, for people.
impl Display for Failure {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unavailable(why) | Self::Damaged(why) => formatter.write_str(why),
        }
    }
}
