//! What values must satisfy, beyond being readable.

use super::{BridgeAddress, Config, ConfigProblem, SearchAddress, StoreAddress};
use crate::bridge::redis::RedisConfig;
use crate::search::OpenSearchConfig;
use crate::store::cql::CqlConfig;

/// More threads than this would be a slip of the hand.
const WORKERS_MAX: u16 = 256;

/// Adds a problem for each value that cannot work.
pub(super) fn check(config: &Config, problems: &mut Vec<ConfigProblem>) {
    let mut refuse = |key: &str, reason: String| {
        problems.push(ConfigProblem::Unacceptable { key: key.to_owned(), reason });
    };
    if config.listen == config.internal_listen && config.listen.port() != 0 {
        refuse("internal_listen", "must differ from listen".to_owned());
    }
    if config.data_dir.as_os_str().is_empty() {
        refuse("data_dir", "must not be empty".to_owned());
    }
    for origin in &config.allowed_origins {
        if let Err(reason) = check_origin(origin) {
            refuse("allowed_origins", format!("{origin:?} {reason}"));
        }
    }
    check_cluster(config, &mut refuse);
    check_limits(config, &mut refuse);
    config.retention.check(&mut refuse);
    config.auth.check(&mut refuse);
    config.log.check(&mut refuse);
    config.telemetry.check(&mut refuse);
    config.tls.check(&mut refuse);
    config.drain.check(&mut refuse);
    if config.workers > WORKERS_MAX {
        refuse("workers", format!("{} is more than {WORKERS_MAX}", config.workers));
    }
    if config.proxy_protocol && config.trusted_proxies.is_empty() {
        refuse("proxy_protocol", "needs trusted_proxies: nobody else is believed".to_owned());
    }
}

/// Nodes of one cluster share a store that several may open, and their secrets.
fn check_cluster(config: &Config, refuse: &mut impl FnMut(&str, String)) {
    if let StoreAddress::Cql(url) = &config.store
        && let Err(error) = CqlConfig::from_url(url.expose())
    {
        refuse("store", error.to_string());
    }
    if let SearchAddress::OpenSearch(url) = &config.search {
        if let Err(error) = OpenSearchConfig::from_url(url.expose()) {
            refuse("search", error.to_string());
        }
        if config.store.is_embedded() {
            let reason = "the embedded store has an index of its own: set search to embedded";
            refuse("search", reason.to_owned());
        }
    }
    let BridgeAddress::Redis(url) = &config.bridge else { return };
    if let Err(error) = RedisConfig::from_url(url.expose()) {
        refuse("bridge", error.to_string());
    }
    if config.store.is_embedded() {
        refuse("bridge", "needs a store that nodes share: set store to cql://…".to_owned());
    }
    if config.auth.signing_key.is_none() {
        let reason = "must be set where there is a bridge: the nodes share it; \
                      `switchboard config cluster` makes one";
        refuse("auth.signing_key", reason.to_owned());
    }
}

fn check_limits(config: &Config, refuse: &mut impl FnMut(&str, String)) {
    let limits = &config.limits;
    for (key, value) in [
        ("limits.sends_per_second", limits.sends_per_second),
        ("limits.sends_burst", limits.sends_burst),
        ("limits.sign_ins_per_minute", limits.sign_ins_per_minute),
        ("limits.sign_ins_per_user_per_minute", limits.sign_ins_per_user_per_minute),
        ("limits.registrations_per_hour", limits.registrations_per_hour),
        ("limits.connections_per_address", limits.connections_per_address),
        ("limits.silent_connections_per_address", limits.silent_connections_per_address),
        ("limits.requests_per_second", limits.requests_per_second),
        ("limits.requests_burst", limits.requests_burst),
    ] {
        if value == 0 {
            refuse(key, "must be at least 1".to_owned());
        }
    }
    if !(1024..=16 << 20).contains(&limits.request_body_max.0) {
        refuse("limits.request_body_max", "must be between 1KiB and 16MiB".to_owned());
    }
}

/// An origin as browsers send it: scheme, host, port if not the usual one, nothing else.
fn check_origin(origin: &str) -> Result<(), &'static str> {
    let host = origin
        .strip_prefix("https://")
        .or_else(|| origin.strip_prefix("http://"))
        .ok_or("must begin with https:// or http://")?;
    if host.is_empty() || host.contains(['/', '?', '#', '@', '*', ' ']) {
        return Err("must be scheme://host[:port] alone, without path or wildcard");
    }
    if origin.chars().any(|c| c.is_ascii_uppercase()) {
        return Err("must be in lower case, as browsers send it");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn origins_are_what_browsers_send() {
        for good in ["https://chat.example", "http://localhost:8080", "https://[::1]:8443"] {
            assert_eq!(check_origin(good), Ok(()), "{good}");
        }
        for bad in [
            "chat.example",
            "*",
            "https://",
            "https://a/b",
            "https://*.example",
            "https://A.example",
        ] {
            assert!(check_origin(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_bridge_needs_a_shared_store_and_a_shared_key() {
        let mut config = Config {
            bridge: BridgeAddress::try_from("redis://127.0.0.1:6379".to_owned()).unwrap(),
            ..Config::default()
        };
        let problems_of = |config: &Config| {
            let mut problems = Vec::new();
            check(config, &mut problems);
            problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
        };
        let problems = problems_of(&config);
        assert!(problems.contains("store to cql://") && problems.contains("auth.signing_key"));
        config.store = StoreAddress::try_from("cql://127.0.0.1/chat".to_owned()).unwrap();
        let key = crate::auth::SigningKey::generate_base64().expose_secret().to_owned();
        config.auth.signing_key = Some(crate::config::SecretText::new(key));
        assert_eq!(problems_of(&config), "");
        config.store = StoreAddress::try_from("cql://".to_owned()).unwrap();
        assert!(problems_of(&config).starts_with("store: "));
    }

    #[test]
    fn one_port_cannot_serve_both_listeners() {
        let config = Config { internal_listen: Config::default().listen, ..Config::default() };
        let mut problems = Vec::new();
        check(&config, &mut problems);
        assert_eq!(problems.len(), 1);
    }
}
