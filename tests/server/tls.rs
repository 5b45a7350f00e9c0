//! TLS of the public listener, met by the load tester's client, by curl-like requests and by
//! `switchboard chat`.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use loadtest::client::tls::{Trust, client_config};
use loadtest::client::{ConnectSettings, RestClient, Target, transport};
use loadtest::server_process::Signal;
use schema::record::ConversationKind;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, timeout};

use crate::memory::resident_kib;
use crate::support::{PATIENCE, Server, binary};

/// A certificate for loopback addresses, trusted by every TLS client of these tests.
pub struct Identity {
    folder: tempfile::TempDir,
}

pub static IDENTITY: LazyLock<Identity> = LazyLock::new(|| {
    let identity = Identity { folder: tempfile::tempdir().unwrap() };
    write_certificate(identity.folder.path());
    let trust = Trust::File(identity.certificate());
    let tls = Some(client_config(&trust).unwrap());
    transport::configure(ConnectSettings { tls, ..ConnectSettings::default() });
    identity
});

impl Identity {
    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("certificate.pem")
    }

    pub fn key(&self) -> PathBuf {
        self.folder.path().join("key.pem")
    }
}

fn write_certificate(folder: &Path) -> String {
    let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    std::fs::write(folder.join("certificate.pem"), made.cert.pem()).unwrap();
    std::fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    made.cert.pem()
}

/// A server with TLS; `settings` come on top.
pub async fn encrypted(settings: &[(&str, &str)]) -> Server {
    let (certificate, key) = (IDENTITY.certificate(), IDENTITY.key());
    with_files(&certificate, &key, settings).await
}

async fn with_files(certificate: &Path, key: &Path, settings: &[(&str, &str)]) -> Server {
    let mut all = vec![
        ("SWITCHBOARD_TLS__CERTIFICATE_FILE", certificate.to_str().unwrap()),
        ("SWITCHBOARD_TLS__KEY_FILE", key.to_str().unwrap()),
    ];
    all.extend(settings);
    let server = Server::with(&all).await;
    let target = server.process.target();
    let public = format!("https://{}", target.public);
    let rest = RestClient::new(Target { public, ..target }).unwrap();
    Server { rest, ..server }
}

async fn metric(server: &Server, name: &str) -> f64 {
    let internal = server.rest.target().internal.clone().unwrap();
    let page = reqwest::get(format!("http://{internal}/metrics")).await.unwrap();
    let page = page.text().await.unwrap();
    let line = page.lines().find(|line| line.starts_with(&format!("{name} "))).unwrap();
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn people_talk_over_tls_and_plain_http_is_not_spoken() {
    let server = encrypted(&[]).await;
    let people = server.people(2).await;
    let chat = server.conversation(ConversationKind::Direct, &people[0], &[&people[1]]).await;
    let (mut alice, mut bob) = (server.online(&people[0]).await, server.online(&people[1]).await);
    let long = "a long line ".repeat(4_000);
    for text in ["hello", &long, "bye"] {
        let seq = alice.send(chat, text).await;
        assert_eq!(bob.entry().await, (seq, text.to_owned()));
    }
    let plain = server.process.target().public;
    let answer = reqwest::get(format!("http://{plain}/v1/users/me")).await;
    assert!(answer.is_err(), "{answer:?}");
    let expiry = metric(&server, "switchboard_tls_certificate_expiry_timestamp_seconds").await;
    let year_3000_s = 32_503_680_000.0;
    assert!((1.8e9..7.0 * year_3000_s).contains(&expiry), "{expiry}");
}

#[tokio::test]
async fn the_terminal_client_speaks_tls_and_believes_only_whom_it_is_told() {
    let server = encrypted(&[]).await;
    let person = server.people(1).await.remove(0);
    let chat = |ca_file: Option<PathBuf>| {
        let mut command = tokio::process::Command::new(binary());
        command.args(["chat", "--list", "--url", server.address()]);
        command.args(["--token", &person.access_token]);
        command.args(ca_file.into_iter().flat_map(|path| ["--ca-file".into(), path]));
        async move { command.output().await.unwrap() }
    };
    let believed = chat(Some(IDENTITY.certificate())).await;
    assert!(believed.status.success(), "{believed:?}");
    assert!(!chat(None).await.status.success());
    // A socket too: a line in, an end of input.
    server.conversation(ConversationKind::Group, &person, &[]).await;
    let mut command = tokio::process::Command::new(binary());
    command.args(["chat", "--url", server.address(), "--token", &person.access_token]);
    command.arg("--ca-file").arg(IDENTITY.certificate());
    command.stdin(std::process::Stdio::null());
    let output = timeout(PATIENCE, command.output()).await.unwrap().unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[tokio::test]
async fn a_new_certificate_is_seen_in_its_file_and_on_sighup() {
    let folder = tempfile::tempdir().unwrap();
    let _ = &*IDENTITY;
    let first = write_certificate(folder.path());
    let path = |name: &str| folder.path().join(name);
    let server = with_files(&path("certificate.pem"), &path("key.pem"), &[]).await;
    let is_shown = async |pem: &str| {
        let root = reqwest::Certificate::from_pem(pem.as_bytes()).unwrap();
        let client = reqwest::Client::builder().tls_certs_only([root]).build().unwrap();
        client.get(format!("{}/v1/users/me", server.address())).send().await.is_ok()
    };
    assert!(is_shown(&first).await);
    let second = write_certificate(folder.path());
    let seen = async {
        while !is_shown(&second).await {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(PATIENCE, seen).await.expect("noticed without a signal");
    assert!(!is_shown(&first).await);
    std::fs::write(path("key.pem"), "nonsense").unwrap();
    server.process.signal(Signal::HUP).unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(is_shown(&second).await, "the old one stays");
    let third = write_certificate(folder.path());
    server.process.signal(Signal::HUP).unwrap();
    let seen = async {
        while !is_shown(&third).await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, seen).await.expect("taken on SIGHUP");
}

#[tokio::test]
async fn silent_and_broken_handshakes_end_and_are_few_of_one_address() {
    let limit = [("SWITCHBOARD_LIMITS__SILENT_CONNECTIONS_PER_ADDRESS", "3")];
    let server = encrypted(&limit).await;
    let plain = server.process.target().public;
    // Three of six are dropped at once, whichever a worker takes last, and the others after their
    // five seconds. A handshake of the client that started the server may still be one of them.
    let mut sockets = Vec::new();
    for _ in 0..6 {
        sockets.push(tokio::net::TcpStream::connect(&plain).await.unwrap());
    }
    let ends = futures_util::future::join_all(sockets.iter_mut().map(async |socket| {
        let ended = timeout(PATIENCE, socket.read(&mut [0; 16])).await.expect("dropped in time");
        assert!(matches!(ended, Ok(0) | Err(_)));
        Instant::now()
    }));
    let mut ends = ends.await;
    ends.sort_unstable();
    assert!(ends[4] - ends[2] > Duration::from_secs(2), "three too many of one address: {ends:?}");
    for garbage in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0x16, 3, 1, 0xff, 0xff, 0, 0]] {
        let mut socket = tokio::net::TcpStream::connect(&plain).await.unwrap();
        socket.write_all(garbage).await.unwrap();
        let mut rest = Vec::new();
        let _ = timeout(PATIENCE, socket.read_to_end(&mut rest)).await.expect("ended");
        assert!(rest.len() < 64, "{rest:?}");
    }
    let person = server.people(1).await.remove(0);
    drop(server.online(&person).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_tls_socket_is_weighed() {
    const SOCKETS: usize = 300;
    let weigh = async |server: Server| {
        let pid = server.process.pid().unwrap();
        let people = server.people(SOCKETS + 20).await;
        let mut sockets = Vec::new();
        // What the first few cost is not theirs alone.
        for person in &people[..20] {
            sockets.push(server.online(person).await);
        }
        let before_kib = resident_kib(pid);
        for person in &people[20..] {
            sockets.push(server.online(person).await);
        }
        resident_kib(pid).saturating_sub(before_kib) * 1024 / SOCKETS
    };
    let plain = weigh(Server::start().await).await;
    let over_tls = weigh(encrypted(&[]).await).await;
    println!("a socket with its session costs {plain} resident bytes, over TLS {over_tls}");
    assert!(over_tls < plain + 40 * 1024, "{plain} plain, {over_tls} over TLS");
}
