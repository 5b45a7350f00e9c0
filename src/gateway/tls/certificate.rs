//! A certificate with its key, read from files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::{Error as PemError, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::ProducesTickets;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{self, ServerConfig};

use super::validity;

/// Why TLS cannot be spoken.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    #[error("{path}: {reason}")]
    File { path: PathBuf, reason: String },
    #[error("{0}: no certificate in it")]
    Empty(PathBuf),
    #[error("certificate and key cannot be used: {0}")]
    Unusable(#[from] rustls::Error),
}

/// What a listener shows to those who connect.
pub struct Certificate {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Certificate {
    /// Reads and checks both files.
    ///
    /// # Errors
    /// Which of them cannot be used, and why; nothing of their content.
    pub fn read(certificate: &Path, key: &Path) -> Result<Self, CertificateError> {
        let wrong = |path: &Path, error: PemError| CertificateError::File {
            path: path.to_owned(),
            reason: reason_of(&error),
        };
        let chain = CertificateDer::pem_file_iter(certificate)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| wrong(certificate, error))?;
        if chain.is_empty() {
            return Err(CertificateError::Empty(certificate.to_owned()));
        }
        let key = PrivateKeyDer::from_pem_file(key).map_err(|error| wrong(key, error))?;
        let read = Self { chain, key };
        // Fails when the key is another certificate's.
        read.server_config(None)?;
        Ok(read)
    }

    /// Seconds since 1970 UTC when the certificate ends.
    #[must_use]
    pub fn expires_at_s(&self) -> Option<i64> {
        self.chain.first().and_then(|first| validity::not_after(first))
    }

    /// TLS 1.2 and 1.3, HTTP/1.1 alone: sockets are upgraded from it.
    pub(super) fn server_config(
        &self,
        tickets: Option<Arc<dyn ProducesTickets>>,
    ) -> Result<ServerConfig, rustls::Error> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13, &TLS12])?
            .with_no_client_auth()
            .with_single_cert(self.chain.clone(), self.key.clone_key())?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.send_tls13_tickets = 1;
        if let Some(tickets) = tickets {
            config.ticketer = tickets;
        }
        Ok(config)
    }
}

/// Without what the file holds.
fn reason_of(error: &PemError) -> String {
    match error {
        PemError::Io(error) => error.to_string(),
        PemError::NoItemsFound => "nothing of the kind in it".to_owned(),
        _ => "is not PEM".to_owned(),
    }
}
