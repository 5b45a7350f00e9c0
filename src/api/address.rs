//! The address behind a request, through proxies that are trusted and no others.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use actix_web::HttpRequest;
use actix_web::http::header::HeaderMap;

use crate::config::AddressRange;

/// The client's address of a request.
#[must_use]
pub fn client_address(request: &HttpRequest, trusted_proxies: &[AddressRange]) -> IpAddr {
    address_behind(request.peer_addr(), request.headers(), trusted_proxies)
}

/// The same from a request's parts, for upgrades, which never become an [`HttpRequest`].
#[must_use]
pub fn address_behind(
    peer: Option<SocketAddr>,
    headers: &HeaderMap,
    trusted_proxies: &[AddressRange],
) -> IpAddr {
    let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |address| address.ip());
    let forwarded: Vec<&str> =
        headers.get_all("x-forwarded-for").filter_map(|value| value.to_str().ok()).collect();
    forwarded_address(peer, &forwarded, trusted_proxies)
}

/// Walks `X-Forwarded-For` from the right, past trusted proxies: the first address that is not one
/// of them was seen by one of them. What stands further left anyone may have written.
#[must_use]
pub fn forwarded_address(
    peer: IpAddr,
    forwarded_for: &[&str],
    trusted_proxies: &[AddressRange],
) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted_proxies.iter().any(|range| range.contains(address));
    let mut address = peer;
    let hops = forwarded_for.iter().rev().flat_map(|header| header.rsplit(','));
    for hop in hops {
        if !is_trusted(address) {
            break;
        }
        let Ok(next) = hop.trim().parse() else { break };
        address = next;
    }
    address.to_canonical()
}

/// What rate limits count by: one IPv4 address, or one IPv6 /64 (a household's share).
#[must_use]
pub fn limited_as(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(peer: &str, forwarded_for: &[&str], trusted: &[&str]) -> String {
        let trusted: Vec<AddressRange> =
            trusted.iter().map(|range| range.parse().unwrap()).collect();
        forwarded_address(peer.parse().unwrap(), forwarded_for, &trusted).to_string()
    }

    #[test]
    fn the_header_counts_only_behind_trusted_proxies() {
        let spoofed = ["203.0.113.9"];
        assert_eq!(seen("198.51.100.1", &spoofed, &[]), "198.51.100.1");
        assert_eq!(seen("198.51.100.1", &spoofed, &["10.0.0.0/8"]), "198.51.100.1");
        assert_eq!(seen("10.0.0.1", &spoofed, &["10.0.0.0/8"]), "203.0.113.9");
        assert_eq!(
            seen("10.0.0.1", &["6.6.6.6, 203.0.113.9, 10.0.0.2"], &["10.0.0.0/8"]),
            "203.0.113.9"
        );
        assert_eq!(seen("10.0.0.1", &["6.6.6.6", "203.0.113.9"], &["10.0.0.1"]), "203.0.113.9");
        assert_eq!(seen("10.0.0.1", &["6.6.6.6, nonsense"], &["10.0.0.0/8"]), "10.0.0.1");
        assert_eq!(seen("::ffff:10.0.0.1", &[], &[]), "10.0.0.1");
    }

    #[test]
    fn an_ipv6_household_counts_as_one() {
        let as_one = |text: &str| limited_as(text.parse().unwrap());
        assert_eq!(as_one("2001:db8:1:2:3::4"), as_one("2001:db8:1:2:ffff::1"));
        assert_ne!(as_one("2001:db8:1:2::1"), as_one("2001:db8:1:3::1"));
        assert_ne!(as_one("10.0.0.1"), as_one("10.0.0.2"));
    }
}
