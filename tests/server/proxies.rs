//! The shipped configurations of nginx and HAProxy, in front of the real server.

use std::net::IpAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use loadtest::client::{Credentials, RestClient, Socket, SocketStyle, Target};
use loadtest::server_process::Signal;
use schema::record::ConversationKind;
use schema::wire::Encoding;
use tokio::time::timeout;

use crate::support::{PATIENCE, Server};
use crate::tls::{IDENTITY, encrypted};

const NGINX: &str = include_str!("../../deploy/nginx/switchboard.conf");
const HAPROXY: &str = include_str!("../../deploy/haproxy/haproxy.cfg");
const PASSTHROUGH: &str = include_str!("../../deploy/haproxy/passthrough.cfg");

/// A running proxy on a port of its own.
struct Proxy {
    child: Child,
    port: u16,
    folder: tempfile::TempDir,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The shipped text with these places of it replaced: each must be there.
fn adapted(shipped: &str, replaced: &[(&str, &str)]) -> String {
    let mut text = shipped.to_owned();
    for (from, to) in replaced {
        assert!(text.contains(from), "the shipped configuration has no {from:?}");
        text = text.replace(from, to);
    }
    text
}

impl Proxy {
    async fn start(port: u16, folder: tempfile::TempDir, mut command: Command) -> Self {
        let output = std::fs::File::create(folder.path().join("output")).unwrap();
        command.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output);
        let name = format!("{command:?}");
        let child = command.spawn().unwrap_or_else(|error| {
            panic!("{name}: {error}; scripts/setup.sh installs nginx and haproxy")
        });
        let mut proxy = Self { child, port, folder };
        let up = async {
            while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
                if let Some(status) = proxy.child.try_wait().unwrap() {
                    panic!("{status}: {}", proxy.output());
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(PATIENCE, up).await.expect("the proxy listens");
        proxy
    }

    fn output(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("output")).unwrap_or_default()
    }

    async fn nginx(nodes: &[&Server]) -> Self {
        let (port, plain_port) = (free_port(), free_port());
        let folder = tempfile::tempdir().unwrap();
        let address = |node: usize| nodes[node % nodes.len()].process.target().public;
        let site = adapted(
            NGINX,
            &[
                ("server 10.0.0.1:8080", &format!("server {}", address(0))),
                ("server 10.0.0.2:8080", &format!("server {}", address(1))),
                ("listen 443", &format!("listen 127.0.0.1:{port}")),
                ("listen 80", &format!("listen 127.0.0.1:{plain_port}")),
                ("/etc/nginx/tls/certificate.pem", IDENTITY.certificate().to_str().unwrap()),
                ("/etc/nginx/tls/key.pem", IDENTITY.key().to_str().unwrap()),
            ],
        );
        std::fs::write(folder.path().join("site.conf"), site).unwrap();
        let at = folder.path().display();
        let main = format!(
            "daemon off; master_process off; pid {at}/pid; error_log stderr;\n\
             events {{}}\n\
             http {{\n access_log off;\n client_body_temp_path {at}/a; proxy_temp_path {at}/b;\n\
             fastcgi_temp_path {at}/c; uwsgi_temp_path {at}/d; scgi_temp_path {at}/e;\n\
             include {at}/site.conf;\n}}\n"
        );
        std::fs::write(folder.path().join("nginx.conf"), main).unwrap();
        let mut command = Command::new("nginx");
        command.env("PATH", path_with_sbin());
        command.arg("-p").arg(folder.path()).arg("-c").arg(folder.path().join("nginx.conf"));
        command.args(["-e", "stderr"]);
        Self::start(port, folder, command).await
    }

    async fn haproxy(shipped: &str, nodes: &[&Server]) -> Self {
        let (port, folder) = (free_port(), tempfile::tempdir().unwrap());
        let pem = folder.path().join("both.pem");
        let read = |path: &Path| std::fs::read_to_string(path).unwrap();
        let both = read(&IDENTITY.certificate()) + &read(&IDENTITY.key());
        std::fs::write(&pem, both).unwrap();
        let server = |node: usize| {
            let target = nodes[node % nodes.len()].process.target();
            let internal = target.internal.unwrap();
            let check = internal.rsplit(':').next().unwrap().to_owned();
            format!("{} port {check}", target.public)
        };
        let bind = format!("bind 127.0.0.1:{port}");
        let (first, second) = (server(0), server(1));
        let mut places = vec![
            ("bind :443", bind.as_str()),
            ("10.0.0.1:8080", first.as_str()),
            ("10.0.0.2:8080", second.as_str()),
            ("maxconn 100000", "maxconn 1000"),
        ];
        if shipped.contains("/etc/haproxy/certificate.pem") {
            places.push(("/etc/haproxy/certificate.pem", pem.to_str().unwrap()));
        }
        let file = folder.path().join("haproxy.cfg");
        std::fs::write(&file, adapted(shipped, &places)).unwrap();
        let mut command = Command::new("haproxy");
        command.env("PATH", path_with_sbin());
        command.arg("-db").arg("-f").arg(file);
        Self::start(port, folder, command).await
    }

    fn address(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// The same people, through the proxy.
    fn seen_through(&self, server: &Server) -> RestClient {
        let target = Target { public: self.address(), ..server.process.target() };
        RestClient::new(target).unwrap()
    }
}

fn path_with_sbin() -> String {
    std::env::var("PATH").unwrap_or_default() + ":/usr/sbin"
}

/// A client with an address of its own.
fn client_from(address: &str) -> reqwest::Client {
    let root = std::fs::read(IDENTITY.certificate()).unwrap();
    let root = reqwest::Certificate::from_pem(&root).unwrap();
    let builder = reqwest::Client::builder().no_proxy().tls_certs_only([root]);
    builder.local_address(address.parse::<IpAddr>().unwrap()).build().unwrap()
}

const TRUSTING: (&str, &str) = ("SWITCHBOARD_TRUSTED_PROXIES", "127.0.0.1");
const TWO_ACCOUNTS: (&str, &str) = ("SWITCHBOARD_LIMITS__REGISTRATIONS_PER_HOUR", "2");

async fn chat_through(proxy: &Proxy, server: Server) {
    let server = Server { rest: proxy.seen_through(&server), ..server };
    let people = server.people(2).await;
    let chat = server.conversation(ConversationKind::Direct, &people[0], &[&people[1]]).await;
    let (mut alice, mut bob) = (server.online(&people[0]).await, server.online(&people[1]).await);
    let long = "a long line ".repeat(4_000);
    for text in ["hello", &long, "bye"] {
        let seq = alice.send(chat, text).await;
        assert_eq!(bob.entry().await, (seq, text.to_owned()), "{}", proxy.output());
    }
}

/// Two accounts an hour from one address: headers that a client writes itself do not help, and
/// another address has its own two.
async fn addresses_are_told_apart(proxy: &Proxy, own_headers: bool) {
    let register = async |client: &reqwest::Client, number: u32| {
        let name = format!("user{number}{}", proxy.port);
        let body = serde_json::json!({"username": name, "password": "a long password"});
        let mut request = client.post(format!("{}/v1/register", proxy.address())).json(&body);
        if own_headers {
            request = request
                .header("x-forwarded-for", format!("203.0.113.{number}"))
                .header("forwarded", format!("for=203.0.113.{number}"));
        }
        request.send().await.unwrap().status().as_u16()
    };
    let (one, other) = (client_from("127.0.0.21"), client_from("127.0.0.22"));
    assert_eq!(register(&one, 1).await, 201, "{}", proxy.output());
    assert_eq!(register(&one, 2).await, 201);
    assert_eq!(register(&one, 3).await, 429, "a header of its own is believed");
    assert_eq!(register(&other, 4).await, 201, "another address counts as the same");
}

#[tokio::test]
async fn chat_goes_through_nginx_and_clients_do_not_choose_their_address() {
    let server = Server::with(&[TRUSTING]).await;
    let proxy = Proxy::nginx(&[&server]).await;
    chat_through(&proxy, server).await;
    let server = Server::with(&[TRUSTING, TWO_ACCOUNTS]).await;
    let proxy = Proxy::nginx(&[&server]).await;
    addresses_are_told_apart(&proxy, true).await;
}

#[tokio::test]
async fn chat_goes_through_haproxy_and_clients_do_not_choose_their_address() {
    let server = Server::with(&[TRUSTING]).await;
    let proxy = Proxy::haproxy(HAPROXY, &[&server]).await;
    chat_through(&proxy, server).await;
    let server = Server::with(&[TRUSTING, TWO_ACCOUNTS]).await;
    let proxy = Proxy::haproxy(HAPROXY, &[&server]).await;
    addresses_are_told_apart(&proxy, true).await;
}

#[tokio::test]
async fn tls_is_passed_through_and_the_proxy_protocol_tells_the_address() {
    let settings = [TRUSTING, ("SWITCHBOARD_PROXY_PROTOCOL", "true"), TWO_ACCOUNTS];
    let server = encrypted(&settings).await;
    let proxy = Proxy::haproxy(PASSTHROUGH, &[&server]).await;
    addresses_are_told_apart(&proxy, true).await;
    // The older version of the protocol.
    let server = encrypted(&settings).await;
    let older = PASSTHROUGH.replace("send-proxy-v2", "send-proxy");
    let proxy = Proxy::haproxy(&older, &[&server]).await;
    addresses_are_told_apart(&proxy, false).await;
    let server = encrypted(&settings[..2]).await;
    let proxy = Proxy::haproxy(PASSTHROUGH, &[&server]).await;
    chat_through(&proxy, server).await;
}

#[tokio::test]
async fn the_proxy_protocol_is_believed_of_trusted_proxies_alone() {
    let line = "PROXY TCP4 203.0.113.7 10.0.0.1 8080 80\r\n";
    let request = "GET /v1/users/me HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let answer = async |server: &Server, bytes: String| {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let mut socket = tokio::net::TcpStream::connect(server.address()).await.unwrap();
        socket.write_all(bytes.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let _ = timeout(PATIENCE, socket.read_to_end(&mut answer)).await.expect("answered");
        String::from_utf8_lossy(&answer).into_owned()
    };
    let on = ("SWITCHBOARD_PROXY_PROTOCOL", "true");
    let trusting = Server::with(&[on, TRUSTING]).await;
    let good = answer(&trusting, format!("{line}{request}")).await;
    assert!(good.starts_with("HTTP/1.1 401"), "{good}");
    assert_eq!(answer(&trusting, request.to_owned()).await, "", "a proxy must say it");
    assert_eq!(answer(&trusting, format!("PROXY TCP4 x\r\n{request}")).await, "");
    let others = Server::with(&[on, ("SWITCHBOARD_TRUSTED_PROXIES", "10.0.0.0/8")]).await;
    let refused = answer(&others, format!("{line}{request}")).await;
    assert!(refused.starts_with("HTTP/1.1 400"), "{refused}");
    let plain = answer(&others, request.to_owned()).await;
    assert!(plain.starts_with("HTTP/1.1 401"), "{plain}");
}

/// Two servers of their own: a token tells by which one a request was answered.
async fn two_nodes() -> (Server, Server, Vec<Credentials>) {
    let leaving = Server::with(&[TRUSTING, ("SWITCHBOARD_DRAIN__NOTICE", "15s")]).await;
    let staying = Server::with(&[TRUSTING]).await;
    let people = staying.people(1).await;
    (leaving, staying, people)
}

#[tokio::test]
async fn a_draining_node_leaves_the_rotation_of_haproxy() {
    let (leaving, staying, people) = two_nodes().await;
    let proxy = Proxy::haproxy(HAPROXY, &[&leaving, &staying]).await;
    let client = client_from("127.0.0.1");
    let status = async || {
        let request = client.get(format!("{}/v1/users/me", proxy.address()));
        let request = request.bearer_auth(&people[0].access_token);
        request.send().await.unwrap().status().as_u16()
    };
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..40 {
        seen.insert(status().await);
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [200, 401], "both nodes answer");
    leaving.process.signal(Signal::TERM).unwrap();
    let mut in_a_row = 0;
    let left = async {
        while in_a_row < 40 {
            in_a_row = if status().await == 200 { in_a_row + 1 } else { 0 };
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(12), left).await.expect("out of rotation during the notice");
    assert!(!leaving.process.output().contains("drained"), "it was gone already");
}

#[tokio::test]
async fn new_sockets_do_not_go_to_a_draining_node_behind_nginx() {
    let (leaving, staying, people) = two_nodes().await;
    let proxy = Proxy::nginx(&[&leaving, &staying]).await;
    leaving.process.signal(Signal::TERM).unwrap();
    let said = async {
        while !leaving.process.output().contains("draining") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, said).await.unwrap();
    for _ in 0..10 {
        let connected =
            Socket::connect(&proxy.address(), Encoding::MessagePack, SocketStyle::Lean).await;
        connected.unwrap().greet(&people[0], Vec::new()).await.unwrap();
    }
    assert!(!leaving.process.output().contains("drained"), "it was gone already");
}
