//! What operators did: written before it is done, never changed.

use uuid::Uuid;

use super::PortFuture;

/// One administrative operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminRecord {
    /// UUID of version 7: the order of the log.
    pub id: Uuid,
    /// Milliseconds since 1970 UTC.
    pub at_ms: i64,
    /// Such as `sign_out`.
    pub action: String,
    /// Whom or what it was done to; no secret.
    pub target: String,
    /// The address that asked.
    pub from: String,
}

/// Records that one read gives at most.
pub const ADMIN_RECORDS_MAX: usize = 200;

/// The log of administrative operations.
///
/// Guarantees: a record that was appended is durable and stays as it is; appending the same record
/// again changes nothing.
pub trait AdminLog: Send + Sync + 'static {
    fn append(&self, record: AdminRecord) -> PortFuture<()>;

    /// The newest records before `before` (or of all), newest first, at most `limit` and
    /// [`ADMIN_RECORDS_MAX`].
    fn recent(&self, before: Option<Uuid>, limit: usize) -> PortFuture<Vec<AdminRecord>>;
}
