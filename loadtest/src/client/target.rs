//! Where the server is.

use anyhow::Context as _;

/// A running server's listeners, as `host:port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub public: String,
    /// Where users are provisioned; without it they register one by one.
    pub internal: Option<String>,
    /// For the internal listener.
    pub admin_token: Option<String>,
}

impl Target {
    /// `http://host:port`, or `host:port` alone.
    ///
    /// # Errors
    /// When there is another scheme, a path, or no port.
    pub fn parse_address(text: &str) -> anyhow::Result<String> {
        let rest = text.strip_prefix("http://").unwrap_or(text).trim_end_matches('/');
        anyhow::ensure!(!rest.contains("://"), "{text}: only http:// is spoken here");
        let (host, port) =
            rest.rsplit_once(':').with_context(|| format!("{text}: no port given"))?;
        anyhow::ensure!(!host.is_empty(), "{text}: no host given");
        port.parse::<u16>().with_context(|| format!("{text}: {port:?} is no port"))?;
        Ok(rest.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_host_and_port() {
        assert_eq!(Target::parse_address("http://127.0.0.1:8080/").unwrap(), "127.0.0.1:8080");
        assert_eq!(Target::parse_address("localhost:80").unwrap(), "localhost:80");
        for bad in ["https://a:1", "localhost", "http://a:1/b", ":80"] {
            assert!(Target::parse_address(bad).is_err(), "{bad}");
        }
    }
}
