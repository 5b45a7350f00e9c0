//! Encrypted connections to the database.

use scylla::client::session::TlsContext;

use super::config::Tls;
use super::open::CqlOpenError;

/// What the driver needs to encrypt.
pub(super) fn context(tls: &Tls) -> Result<TlsContext, CqlOpenError> {
    let _ = tls;
    Err(CqlOpenError::Tls("not built in".to_owned()))
}
