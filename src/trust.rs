//! Whose certificates this program believes when it connects to others.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// Trusts the authorities of a PEM file and no others, or those of the system.
///
/// # Errors
/// When the file cannot be read, or there is no authority to trust.
pub fn client_config(ca_file: Option<&Path>) -> anyhow::Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    match ca_file {
        None => {
            let found = rustls_native_certs::load_native_certs();
            let (added, _) = roots.add_parsable_certificates(found.certs);
            anyhow::ensure!(added > 0, "the system trusts no certificate authority");
        }
        Some(path) => {
            let named = || path.display().to_string();
            for certificate in CertificateDer::pem_file_iter(path).with_context(named)? {
                roots.add(certificate.with_context(named)?).with_context(named)?;
            }
            anyhow::ensure!(!roots.is_empty(), "{}: no certificate in it", path.display());
        }
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions()?;
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}

/// A service that speaks TLS, for tests.
#[cfg(test)]
pub(crate) mod terminator {
    use std::sync::Arc;

    use tokio::net::{TcpListener, TcpStream};
    use tokio_rustls::TlsAcceptor;
    use tokio_rustls::rustls::ServerConfig;
    use tokio_rustls::rustls::crypto::aws_lc_rs;
    use tokio_rustls::rustls::pki_types::PrivateKeyDer;

    /// TLS on a free port of the service's own host, since a database tells its clients where it is,
    /// passed on to `service`; files with the authority that vouches for it and with one that does not.
    pub(crate) struct Terminator {
        pub address: String,
        pub right: String,
        pub wrong: String,
        _folder: tempfile::TempDir,
    }

    pub(crate) async fn in_front_of(service: String) -> Terminator {
        let (host, _) = service.rsplit_once(':').unwrap();
        let make = || rcgen::generate_simple_self_signed(vec![host.to_owned()]).unwrap();
        let (made, other, folder) = (make(), make(), tempfile::tempdir().unwrap());
        let write = |name: &str, pem: String| {
            let path = folder.path().join(name);
            std::fs::write(&path, pem).unwrap();
            path.display().to_string()
        };
        let (right, wrong) =
            (write("right.pem", made.cert.pem()), write("wrong.pem", other.cert.pem()));
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let server = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(server));
        let listener = TcpListener::bind(format!("{host}:0")).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (acceptor, service) = (acceptor.clone(), service.clone());
                tokio::spawn(async move {
                    let mut client = acceptor.accept(client).await?;
                    let mut service = TcpStream::connect(service).await?;
                    tokio::io::copy_bidirectional(&mut client, &mut service).await
                });
            }
        });
        Terminator { address, right, wrong, _folder: folder }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_authority_is_read_and_problems_name_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        let refused = |path: &Path| format!("{:#}", client_config(Some(path)).unwrap_err());
        assert!(refused(&path).contains("ca.pem"));
        std::fs::write(&path, "").unwrap();
        assert!(refused(&path).contains("no certificate"));
        let made = rcgen::generate_simple_self_signed(vec!["db".to_owned()]).unwrap();
        std::fs::write(&path, made.cert.pem()).unwrap();
        assert!(client_config(Some(&path)).is_ok());
    }
}
