//! One encrypted socket against a client of the same library.

use std::path::Path;
use std::sync::Arc;

use actix_rt::net::TcpStream;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};

use super::{CurrentTls, TlsConfig, TlsSocket};
use crate::gateway::stream::ClientStream;

/// Writes a new certificate and its key; gives what trusts it.
fn make(folder: &Path, name: &str) -> RootCertStore {
    let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
    std::fs::write(folder.join("certificate.pem"), made.cert.pem()).unwrap();
    std::fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    roots
}

fn open(folder: &Path) -> Arc<CurrentTls> {
    CurrentTls::open(&folder.join("certificate.pem"), &folder.join("key.pem")).unwrap()
}

fn client(roots: RootCertStore, versions: &[&'static SupportedProtocolVersion]) -> ClientConfig {
    ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

/// Both ends of a connection, or why the client did not shake hands.
async fn connect(
    current: &CurrentTls,
    config: ClientConfig,
) -> std::io::Result<(ClientStream, tokio_rustls::client::TlsStream<TcpStream>)> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let tcp = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (accepted, _) = listener.accept().await.unwrap();
    let name = ServerName::try_from("chat.example").unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    let (server, client) =
        tokio::join!(TlsSocket::accept(accepted, current.config()), connector.connect(name, tcp));
    let client = client?;
    Ok((ClientStream::Tls(Box::new(server?)), client))
}

#[actix_web::test]
async fn megabytes_go_both_ways_over_both_versions() {
    let folder = tempfile::tempdir().unwrap();
    let roots = make(folder.path(), "chat.example");
    let current = open(folder.path());
    for version in [&TLS12, &TLS13] {
        let (mut server, mut client) =
            connect(&current, client(roots.clone(), &[version])).await.unwrap();
        let sent: Vec<u8> = (0..3_000_000_u32).map(|at| (at % 251) as u8).collect();
        let (to_server, to_client) = (sent.clone(), sent.clone());
        let client_work = async {
            let (mut read, mut write) = tokio::io::split(&mut client);
            let mut got = vec![0; to_client.len()];
            let (written, read) =
                tokio::join!(write.write_all(&to_server), read.read_exact(&mut got));
            written.unwrap();
            read.unwrap();
            write.flush().await.unwrap();
            got
        };
        let server_work = async {
            let (mut read, mut write) = tokio::io::split(&mut server);
            let mut got = vec![0; sent.len()];
            let (written, read) = tokio::join!(
                async {
                    write.write_all(&to_client).await?;
                    write.flush().await
                },
                read.read_exact(&mut got)
            );
            written.unwrap();
            read.unwrap();
            got
        };
        let (at_client, at_server) = tokio::join!(client_work, server_work);
        assert!(at_client == sent && at_server == sent);
        server.shutdown().await.unwrap();
        // A proper goodbye: rustls would call anything else an error.
        assert_eq!(client.read(&mut [0; 16]).await.unwrap(), 0);
    }
}

#[actix_web::test]
async fn protocols_other_than_http_1_are_not_spoken() {
    let folder = tempfile::tempdir().unwrap();
    let roots = make(folder.path(), "chat.example");
    let current = open(folder.path());
    let mut config = client(roots, &[&TLS13]);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let (_server, stream) = connect(&current, config.clone()).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    config.alpn_protocols = vec![b"h2".to_vec()];
    assert!(connect(&current, config).await.is_err());
}

#[actix_web::test]
async fn another_certificate_is_used_from_the_next_handshake_and_a_bad_one_never() {
    let folder = tempfile::tempdir().unwrap();
    let before = make(folder.path(), "chat.example");
    let current = open(folder.path());
    let key = folder.path().join("key.pem");
    let certificate = folder.path().join("certificate.pem");
    std::fs::write(&certificate, "nonsense").unwrap();
    assert!(current.load(&certificate, &key).is_err());
    assert!(connect(&current, client(before.clone(), &[&TLS13])).await.is_ok());
    let after = make(folder.path(), "chat.example");
    actix_rt::spawn(current.clone().watch());
    let seen = async {
        while connect(&current, client(after.clone(), &[&TLS13])).await.is_err() {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), seen).await.expect("seen in time");
    assert!(connect(&current, client(before, &[&TLS13])).await.is_err());
}

#[test]
fn problems_name_the_file_and_nothing_of_its_content() {
    let folder = tempfile::tempdir().unwrap();
    make(folder.path(), "chat.example");
    let path = |name: &str| Some(folder.path().join(name));
    let problems = |certificate_file, key_file| {
        let mut found = Vec::new();
        TlsConfig { certificate_file, key_file }
            .check(&mut |key, reason| found.push(format!("{key}: {reason}")));
        found.join("; ")
    };
    assert_eq!(problems(path("certificate.pem"), path("key.pem")), "");
    assert_eq!(problems(path("certificate.pem"), None), "tls.key_file: must be set too");
    assert!(problems(path("certificate.pem"), path("none.pem")).contains("none.pem"));
    let key_only = problems(path("key.pem"), path("key.pem"));
    assert!(key_only.contains("no certificate"), "{key_only}");
    let other = tempfile::tempdir().unwrap();
    make(other.path(), "other.example");
    let mixed = problems(path("certificate.pem"), Some(other.path().join("key.pem")));
    assert!(mixed.contains("cannot be used"), "{mixed}");
}
