//! Encrypted connections to the database.

use scylla::client::session::TlsContext;

use super::config::Tls;
use super::open::CqlOpenError;

/// What the driver needs to encrypt. Nodes are connected to by address: their certificates must
/// name their addresses.
pub(super) fn context(tls: &Tls) -> Result<TlsContext, CqlOpenError> {
    let config = crate::trust::client_config(tls.ca_file.as_deref());
    let config = config.map_err(|error| CqlOpenError::Tls(format!("{error:#}")))?;
    Ok(TlsContext::Rustls023(config))
}
