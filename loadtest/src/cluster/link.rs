//! A node's way to its store or its bridge.

use std::net::SocketAddr;

use anyhow::{Context as _, bail};
use tokio::net::lookup_host;

use crate::faults::{Framing, Mode, Proxy, Struck};

/// Proxies listen beside the service, on ports this much higher and more.
const PORT_OFFSET: u16 = 100;
/// Ports looked at before giving up.
const PORTS_TRIED: u16 = 200;

/// A URL, and the proxies that it leads through.
#[derive(Debug)]
pub struct Link {
    url: String,
    /// One for each host.
    proxies: Vec<Proxy>,
}

impl Link {
    /// Straight to the service.
    #[must_use]
    pub fn direct(url: &str) -> Self {
        Self { url: url.to_owned(), proxies: Vec::new() }
    }

    /// Through proxies on the hosts' own addresses and one port. Drivers of CQL find the other
    /// hosts by asking one, and take the port that they came by: so they stay behind the proxies.
    ///
    /// # Errors
    /// When the URL names no hosts, or the proxies cannot listen there.
    pub async fn proxied(url: &str, framing: Framing, index: usize) -> anyhow::Result<Self> {
        let parts = Parts::read(url)?;
        let mut upstreams = Vec::new();
        for host in parts.hosts.split(',') {
            let mut found = lookup_host(host).await.with_context(|| host.to_owned())?;
            upstreams.push(found.next().with_context(|| format!("{host}: no address"))?);
        }
        // Nodes differ in their first choice, so that they seldom meet.
        let first = PORT_OFFSET + index as u16;
        for offset in (first..first + PORTS_TRIED).step_by(PORT_OFFSET as usize / 10) {
            if let Ok(proxies) = listen(&upstreams, offset, framing).await {
                let hosts: Vec<String> =
                    proxies.iter().map(|proxy| proxy.address().to_string()).collect();
                return Ok(Self { url: parts.with_hosts(&hosts.join(",")), proxies });
            }
        }
        bail!("no proxy can listen beside {}", parts.hosts)
    }

    /// What the node is told.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    #[must_use]
    pub const fn is_proxied(&self) -> bool {
        !self.proxies.is_empty()
    }

    /// The same for the ways to all hosts.
    pub fn set_mode(&self, mode: Mode) {
        for proxy in &self.proxies {
            proxy.set_mode(mode);
        }
    }

    /// Resets what is connected now.
    pub fn reset_all(&self) {
        for proxy in &self.proxies {
            proxy.reset_all();
        }
    }

    /// Of all proxies together.
    #[must_use]
    pub fn struck(&self) -> Struck {
        let mut sum = Struck::default();
        for proxy in &self.proxies {
            sum += proxy.struck();
        }
        sum
    }
}

async fn listen(
    upstreams: &[SocketAddr],
    offset: u16,
    framing: Framing,
) -> anyhow::Result<Vec<Proxy>> {
    let mut proxies = Vec::new();
    for upstream in upstreams {
        let mut address = *upstream;
        address.set_port(upstream.port().checked_add(offset).context("no port is left")?);
        proxies.push(Proxy::start(address, *upstream, framing).await?);
    }
    Ok(proxies)
}

/// `scheme://user:password@` `host:port,host:port` `/path?query`.
struct Parts<'a> {
    before: &'a str,
    hosts: &'a str,
    after: &'a str,
}

impl<'a> Parts<'a> {
    fn read(url: &'a str) -> anyhow::Result<Self> {
        let (scheme, rest) = url.split_once("://").context("a URL has a scheme")?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let login = rest[..end].rfind('@').map_or(0, |at| at + 1);
        let from = scheme.len() + "://".len() + login;
        let to = from - login + end;
        let parts = Self { before: &url[..from], hosts: &url[from..to], after: &url[to..] };
        anyhow::ensure!(!parts.hosts.is_empty(), "a URL names a host");
        Ok(parts)
    }

    fn with_hosts(&self, hosts: &str) -> String {
        format!("{}{hosts}{}", self.before, self.after)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn urls_keep_all_but_their_hosts() {
        for (url, hosts) in [
            ("cql://u:p@a:1,b:2/keyspace?slots=8", "a:1,b:2"),
            ("redis://127.0.0.1:6379", "127.0.0.1:6379"),
            ("redis+cluster://a:1,b:1?prefix=x@y", "a:1,b:1"),
        ] {
            let parts = Parts::read(url).unwrap();
            assert_eq!(parts.hosts, hosts);
            assert_eq!(parts.with_hosts("new:3"), url.replace(hosts, "new:3"));
        }
        assert!(Parts::read("cql:///keyspace").is_err() && Parts::read("a:1").is_err());
    }

    #[tokio::test]
    async fn nodes_have_ways_of_their_own() {
        let service = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("redis://{}?prefix=x", service.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = service.accept().await {
                let _ = stream.write_all(b"hi").await;
            }
        });
        let links = [
            Link::proxied(&url, Framing::Opaque, 0).await.unwrap(),
            Link::proxied(&url, Framing::Opaque, 1).await.unwrap(),
        ];
        assert_ne!(links[0].url(), links[1].url());
        links[0].set_mode(Mode::Blackhole);
        let mut heard = Vec::new();
        for link in &links {
            let mut stream =
                TcpStream::connect(Parts::read(link.url()).unwrap().hosts).await.unwrap();
            let mut buffer = [0; 2];
            let wait = std::time::Duration::from_millis(200);
            let hearing = tokio::time::timeout(wait, stream.read_exact(&mut buffer));
            heard.push(hearing.await.is_ok());
        }
        assert_eq!(heard, [false, true]);
        assert!(links[0].url().ends_with("?prefix=x"));
    }
}
