//! Where the server is.

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

/// A running server's listeners: `host:port`, or `https://host:port` for TLS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    pub public: String,
    /// Where users are provisioned; without it they register one by one.
    pub internal: Option<String>,
    /// For the internal listener.
    pub admin_token: Option<String>,
}

/// A listener's address, read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address<'a> {
    pub is_tls: bool,
    pub host_port: &'a str,
}

impl<'a> Address<'a> {
    /// Of what [`Target`] holds.
    #[must_use]
    pub fn read(text: &'a str) -> Self {
        match text.strip_prefix("https://") {
            Some(host_port) => Self { is_tls: true, host_port },
            None => Self { is_tls: false, host_port: text },
        }
    }

    /// Without the port, and without the brackets of an IPv6 address.
    #[must_use]
    pub fn host(self) -> &'a str {
        let host = self.host_port.rsplit_once(':').map_or(self.host_port, |(host, _)| host);
        host.trim_start_matches('[').trim_end_matches(']')
    }

    /// A REST route's URL.
    #[must_use]
    pub fn url(self, path: &str) -> String {
        let scheme = if self.is_tls { "https" } else { "http" };
        format!("{scheme}://{}{path}", self.host_port)
    }
}

impl Target {
    /// Reads `http://host:port`, `ws://…`, or `host:port` alone; `https://host:port` or `wss://…`
    /// for TLS, where the port may be left out.
    ///
    /// # Errors
    /// When there is another scheme, a path, or no port.
    pub fn parse_address(text: &str) -> anyhow::Result<String> {
        let (is_tls, rest) = match text.split_once("://") {
            None | Some(("http" | "ws", _)) => {
                (false, text.rsplit_once("://").map_or(text, |(_, rest)| rest))
            }
            Some(("https" | "wss", rest)) => (true, rest),
            Some((scheme, _)) => {
                anyhow::bail!("{text}: {scheme}:// is not spoken here: http, https, ws or wss")
            }
        };
        let rest = rest.trim_end_matches('/');
        let has_port = rest.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
        let rest = if is_tls && !has_port { format!("{rest}:443") } else { rest.to_owned() };
        let (host, port) =
            rest.rsplit_once(':').with_context(|| format!("{text}: no port given"))?;
        anyhow::ensure!(!host.is_empty(), "{text}: no host given");
        anyhow::ensure!(!host.contains('/'), "{text}: a path is no part of an address");
        port.parse::<u16>().with_context(|| format!("{text}: {port:?} is no port"))?;
        Ok(if is_tls { format!("https://{rest}") } else { rest })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_host_and_port() {
        for (text, read) in [
            ("http://127.0.0.1:8080/", "127.0.0.1:8080"),
            ("ws://127.0.0.1:8080", "127.0.0.1:8080"),
            ("localhost:80", "localhost:80"),
            ("https://chat.example", "https://chat.example:443"),
            ("wss://[::1]:8443/", "https://[::1]:8443"),
            ("https://[::1]", "https://[::1]:443"),
        ] {
            assert_eq!(Target::parse_address(text).unwrap(), read);
        }
        for bad in ["ftp://a:1", "localhost", "http://a:1/b", ":80", "https://a/b"] {
            assert!(Target::parse_address(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_address_knows_its_parts() {
        let tls = Address::read("https://[::1]:8443");
        assert_eq!((tls.is_tls, tls.host()), (true, "::1"));
        assert_eq!(tls.url("/v1"), "https://[::1]:8443/v1");
        assert_eq!(Address::read("a:1").url("/v1"), "http://a:1/v1");
    }
}
