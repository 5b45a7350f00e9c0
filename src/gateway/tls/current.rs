//! The certificate in force, read again when its files change.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use schema::metric;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::Ticketer;
use tokio_rustls::rustls::server::ProducesTickets;

use super::certificate::{Certificate, CertificateError};

/// Between two looks at the files.
const LOOK: Duration = Duration::from_secs(2);

/// What tells that a file is another: certificates are often replaced by moving a link.
type Stamp = Option<(SystemTime, u64)>;

struct Files {
    certificate: PathBuf,
    key: PathBuf,
    stamps: [Stamp; 2],
}

/// Shared by all workers.
pub struct CurrentTls {
    config: ArcSwap<ServerConfig>,
    /// Sessions are resumed across a change of the certificate.
    tickets: Arc<dyn ProducesTickets>,
    files: Mutex<Files>,
}

impl CurrentTls {
    /// # Errors
    /// What is wrong with the files.
    pub fn open(certificate: &Path, key: &Path) -> Result<Arc<Self>, CertificateError> {
        let stamps = [stamp(certificate), stamp(key)];
        let read = Certificate::read(certificate, key)?;
        let tickets = Ticketer::new()?;
        let config = read.server_config(Some(tickets.clone()))?;
        tell_expiry(&read);
        let files = Files { certificate: certificate.into(), key: key.into(), stamps };
        let config = ArcSwap::from_pointee(config);
        Ok(Arc::new(Self { config, tickets, files: Mutex::new(files) }))
    }

    /// What the next handshake uses.
    #[must_use]
    pub fn config(&self) -> Arc<ServerConfig> {
        self.config.load_full()
    }

    /// Takes other files, or the same again. On an error the old certificate stays.
    ///
    /// # Errors
    /// What is wrong with the files.
    pub fn load(&self, certificate: &Path, key: &Path) -> Result<(), CertificateError> {
        let stamps = [stamp(certificate), stamp(key)];
        let files = Files { certificate: certificate.into(), key: key.into(), stamps };
        // Even when they cannot be used: they are tried again once they change.
        *self.files() = files;
        let read = Certificate::read(certificate, key)?;
        self.config.store(Arc::new(read.server_config(Some(self.tickets.clone()))?));
        tell_expiry(&read);
        tracing::info!(file = %certificate.display(), "TLS certificate loaded");
        Ok(())
    }

    /// Looks at the files from time to time, for as long as the runtime lives.
    pub async fn watch(self: Arc<Self>) {
        loop {
            tokio::time::sleep(LOOK).await;
            let (certificate, key, stamps) = {
                let files = self.files();
                (files.certificate.clone(), files.key.clone(), files.stamps)
            };
            if [stamp(&certificate), stamp(&key)] != stamps
                && let Err(error) = self.load(&certificate, &key)
            {
                tracing::warn!(%error, "the new TLS certificate is not used; the old one stays");
            }
        }
    }

    fn files(&self) -> std::sync::MutexGuard<'_, Files> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn stamp(path: &Path) -> Stamp {
    use std::os::unix::fs::MetadataExt as _;
    let found = std::fs::metadata(path).ok()?;
    Some((found.modified().ok()?, found.ino()))
}

fn tell_expiry(certificate: &Certificate) {
    #[expect(clippy::cast_precision_loss, reason = "seconds are exact up to 2^52")]
    let expires_at_s = certificate.expires_at_s().unwrap_or(0) as f64;
    metrics::gauge!(metric::TLS_CERTIFICATE_EXPIRY).set(expires_at_s);
}
