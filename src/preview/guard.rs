//! Which URLs and addresses may be asked. Pure.
//!
//! Whoever names a URL makes this machine connect: it must reach nothing that the user could not
//! reach from outside.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

use crate::config::AddressRange;

const URL_CHARACTERS_MAX: usize = 2_048;
const PORTS: [u16; 2] = [80, 443];
/// Names that mean this machine or this network, whatever they resolve to.
const INNER_NAMES: [&str; 6] = ["localhost", "local", "internal", "intranet", "lan", "home.arpa"];

/// What is wrong with a URL, for whoever gave it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadUrl {
    #[error("not a URL of at most 2048 characters")]
    Malformed,
    #[error("must begin with http:// or https://")]
    Scheme,
    #[error("must not hold a user name or password")]
    Credentials,
    #[error("must be on the usual port")]
    Port,
}

/// Decides what may be asked.
#[derive(Clone, Debug, Default)]
pub(super) struct Guard {
    /// Addresses that may be asked nevertheless.
    also: Vec<AddressRange>,
    /// Names may have any port.
    #[cfg(test)]
    pub any_port: bool,
}

impl Guard {
    /// Permits these networks beside the public ones.
    pub fn with(also: Vec<AddressRange>) -> Self {
        Self {
            also,
            #[cfg(test)]
            any_port: false,
        }
    }

    /// Reads a URL that may be asked, as far as it says itself.
    pub fn read_url(&self, text: &str) -> Result<Url, BadUrl> {
        if text.len() > URL_CHARACTERS_MAX {
            return Err(BadUrl::Malformed);
        }
        let mut url = Url::parse(text).map_err(|_| BadUrl::Malformed)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(BadUrl::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(BadUrl::Credentials);
        }
        let port = url.port_or_known_default().unwrap_or_default();
        if !PORTS.contains(&port) && !self.permits_any_port(&url) {
            return Err(BadUrl::Port);
        }
        url.set_fragment(None);
        Ok(url)
    }

    /// Whether the host may be asked: a name outside, to be resolved, or a public address.
    pub fn permits_host(&self, url: &Url) -> bool {
        match url.host() {
            Some(Host::Ipv4(address)) => self.permits(address.into()),
            Some(Host::Ipv6(address)) => self.permits(address.into()),
            Some(Host::Domain(name)) => {
                let name = name.trim_end_matches('.');
                let is_inner = |inner: &str| {
                    name.strip_suffix(inner).is_some_and(|it| it.is_empty() || it.ends_with('.'))
                };
                !INNER_NAMES.into_iter().any(is_inner) && name.contains('.')
            }
            None => false,
        }
    }

    /// Whether an address may be connected to.
    pub fn permits(&self, address: IpAddr) -> bool {
        is_public(address) || self.is_named(address)
    }

    /// Whether the operator named a network that it is in.
    fn is_named(&self, address: IpAddr) -> bool {
        self.also.iter().any(|range| range.contains(address))
    }

    /// Names have the usual ports: what they lead to is not known yet.
    fn permits_any_port(&self, url: &Url) -> bool {
        #[cfg(test)]
        if self.any_port {
            return true;
        }
        match url.host() {
            Some(Host::Ipv4(address)) => self.is_named(address.into()),
            Some(Host::Ipv6(address)) => self.is_named(address.into()),
            _ => false,
        }
    }
}

/// Networks of the IANA special-purpose registries that are not globally reachable, and multicast.
const SPECIAL_V4: [(Ipv4Addr, u32); 15] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    // Cloud metadata among them.
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

/// Inside 2000::/3, outside of which nothing is public: IPv4 in other clothes, documentation.
const SPECIAL_V6: [(Ipv6Addr, u32); 4] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !SPECIAL_V4
            .iter()
            .any(|(network, length)| (address.to_bits() ^ network.to_bits()) >> (32 - length) == 0),
        IpAddr::V6(address) => {
            let is_in = |network: Ipv6Addr, length: u32| {
                (address.to_bits() ^ network.to_bits()) >> (128 - length) == 0
            };
            is_in(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3)
                && !SPECIAL_V6.iter().any(|(network, length)| is_in(*network, *length))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_are_permitted() {
        for public in ["93.184.216.34", "1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111"] {
            assert!(Guard::default().permits(public.parse().unwrap()), "{public}");
        }
        for inner in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "127.8.9.1",
            "169.254.169.254",
            "172.31.255.255",
            "192.0.0.8",
            "192.168.1.1",
            "198.19.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:93.184.216.34",
            "64:ff9b::7f00:1",
            "fe80::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "2001::1",
            "2002:7f00:1::",
            "2001:db8::1",
        ] {
            assert!(!Guard::default().permits(inner.parse().unwrap()), "{inner}");
        }
    }

    #[test]
    fn networks_of_ones_own_are_permitted_by_name_of_the_network_alone() {
        let guard = Guard::with(vec!["10.7.0.0/16".parse().unwrap()]);
        for (url, expected) in [
            ("http://10.7.1.2:8080/", true),
            ("http://10.7.1.2/", true),
            ("http://[::ffff:10.7.1.2]:8080/", true),
            ("http://10.8.1.2/", false),
            ("http://127.0.0.1/", false),
            ("http://localhost/", false),
            ("http://93.184.216.34/", true),
        ] {
            let read = guard.read_url(url).unwrap();
            assert_eq!(guard.permits_host(&read), expected, "{url}");
        }
        for url in ["http://10.8.1.2:8080/", "http://wiki.example:8080/", "http://1.1.1.1:22/"] {
            assert_eq!(guard.read_url(url), Err(BadUrl::Port), "{url}");
        }
    }

    #[test]
    fn urls_say_where_they_lead_in_many_ways() {
        let guard = Guard::default();
        for (url, expected) in [
            ("ftp://a.example/", BadUrl::Scheme),
            ("file:///etc/passwd", BadUrl::Scheme),
            ("http://ann:pass@a.example/", BadUrl::Credentials),
            ("http://a.example:22/", BadUrl::Port),
            ("no url", BadUrl::Malformed),
        ] {
            assert_eq!(guard.read_url(url), Err(expected), "{url}");
        }
        for inner in [
            "http://localhost/",
            "http://LOCALHOST./",
            "http://a.localhost/",
            "http://printer.local/",
            "http://router/",
            "http://metadata.google.internal/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://017700000001/",
            "http://127.1/",
            "http://[::1]/",
            "http://[::ffff:10.0.0.1]/",
            "http://169.254.169.254/latest/meta-data/",
        ] {
            let url = guard.read_url(inner).unwrap();
            assert!(!guard.permits_host(&url), "{inner}");
        }
        for outer in ["https://a.example/x?y#z", "http://93.184.216.34/", "http://local.example/"] {
            let url = guard.read_url(outer).unwrap();
            assert!(guard.permits_host(&url) && url.fragment().is_none(), "{outer}");
        }
    }
}
