//! Where Redis is: from one URL.

use std::fmt;
use std::path::{Path, PathBuf};

use redis::{Client, ConnectionInfo, IntoConnectionInfo as _, ProtocolVersion, TlsCertificates};
use schema::cluster::channel::{BadPrefix, Names, PREFIX_DEFAULT};
use url::Url;

/// The URL does not say where Redis is. Never shows the URL: it may hold a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedisConfigError {
    #[error("a Redis URL begins with redis://, rediss:// or redis+cluster://")]
    Scheme,
    #[error("a Redis URL names a host: redis://host:port")]
    Host,
    #[error("only redis+cluster:// takes several hosts")]
    SeveralHosts,
    #[error("a Redis Cluster has no numbered databases")]
    Database,
    #[error("a Redis URL has the settings prefix and ca_file, and nothing after them")]
    Setting,
    #[error("ca_file is for rediss:// alone")]
    CaWithoutTls,
    #[error("the Redis URL's ca_file {0}")]
    Ca(String),
    #[error("the prefix in the Redis URL: {0}")]
    Prefix(#[from] BadPrefix),
    #[error("the Redis URL cannot be read: {0}")]
    Malformed(String),
}

/// One server or a cluster of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topology {
    Single,
    /// Channels are spread over the servers; those in the URL are asked first.
    Cluster,
}

/// How to reach Redis, and what names to use there. Prints without the password.
#[derive(Clone)]
pub struct RedisConfig {
    topology: Topology,
    /// At least one; they differ in the address only. What the driver prints of them is redacted.
    servers: Vec<ConnectionInfo>,
    names: Names,
}

impl RedisConfig {
    /// Reads `redis://[user:password@]host:port[/database][?prefix=sb]`, the same with `rediss` for
    /// TLS, which takes `?ca_file=PATH` too, or `redis+cluster://[user:password@]host:port,host:port[?prefix=sb]`. What URLs cannot
    /// hold in a user or password stands percent-encoded.
    ///
    /// # Errors
    /// [`RedisConfigError`]: what is wrong, without the URL.
    pub fn from_url(url: &str) -> Result<Self, RedisConfigError> {
        let (scheme, rest) = url.split_once("://").ok_or(RedisConfigError::Scheme)?;
        let (topology, scheme) = match scheme {
            "redis" | "rediss" => (Topology::Single, scheme),
            "redis+cluster" => (Topology::Cluster, "redis"),
            _ => return Err(RedisConfigError::Scheme),
        };
        let (authority, tail) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let (login, hosts) = match authority.rsplit_once('@') {
            Some((login, hosts)) => (format!("{login}@"), hosts),
            None => (String::new(), authority),
        };
        if topology == Topology::Single && hosts.contains(',') {
            return Err(RedisConfigError::SeveralHosts);
        }
        // A parser of URLs knows one host; so each becomes a URL of its own.
        let urls = hosts.split(',').map(|host| one_server(scheme, &login, host, tail));
        let urls: Vec<Url> = urls.collect::<Result<_, _>>()?;
        let settings = settings(&urls[0])?;
        let mut servers: Vec<ConnectionInfo> = urls.iter().map(server).collect::<Result<_, _>>()?;
        if let Some(ca_file) = &settings.ca_file {
            if scheme != "rediss" {
                return Err(RedisConfigError::CaWithoutTls);
            }
            for server in &mut servers {
                *server = trusting(server.clone(), ca_file)?;
            }
        }
        if topology == Topology::Cluster && servers.iter().any(|it| it.redis_settings().db() != 0) {
            return Err(RedisConfigError::Database);
        }
        Ok(Self { topology, servers, names: Names::try_new(&settings.prefix)? })
    }

    #[must_use]
    pub fn topology(&self) -> Topology {
        self.topology
    }

    #[must_use]
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// For the driver: one of a single server, else those of the cluster that are asked first.
    #[must_use]
    pub fn servers(&self) -> &[ConnectionInfo] {
        &self.servers
    }
}

impl fmt::Display for RedisConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.topology == Topology::Cluster { "redis+cluster" } else { "redis" };
        let hosts: Vec<String> = self.servers.iter().map(|it| it.addr().to_string()).collect();
        write!(formatter, "{scheme}://{}?prefix={}", hosts.join(","), self.names.prefix())
    }
}

impl fmt::Debug for RedisConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "RedisConfig({self})")
    }
}

fn one_server(scheme: &str, login: &str, host: &str, tail: &str) -> Result<Url, RedisConfigError> {
    if host.is_empty() || host.starts_with(':') {
        return Err(RedisConfigError::Host);
    }
    Url::parse(&format!("{scheme}://{login}{host}{tail}"))
        .map_err(|error| RedisConfigError::Malformed(error.to_string()))
}

fn server(url: &Url) -> Result<ConnectionInfo, RedisConfigError> {
    let server = url
        .clone()
        .into_connection_info()
        .map_err(|error| RedisConfigError::Malformed(error.to_string()))?;
    // RESP3: the only protocol that carries messages and answers on one connection.
    let settings = server.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
    Ok(server.set_redis_settings(settings))
}

/// The same server, with the authorities of a PEM file as the only ones trusted.
fn trusting(server: ConnectionInfo, ca_file: &Path) -> Result<ConnectionInfo, RedisConfigError> {
    let wrong = |reason: String| RedisConfigError::Ca(format!("{}: {reason}", ca_file.display()));
    let root_cert = Some(std::fs::read(ca_file).map_err(|error| wrong(error.to_string()))?);
    let certificates = TlsCertificates { client_tls: None, root_cert };
    let client = Client::build_with_tls(server, certificates);
    Ok(client.map_err(|error| wrong(error.to_string()))?.get_connection_info().clone())
}

struct Settings {
    prefix: String,
    ca_file: Option<PathBuf>,
}

fn settings(url: &Url) -> Result<Settings, RedisConfigError> {
    let mut settings = Settings { prefix: PREFIX_DEFAULT.to_owned(), ca_file: None };
    for (name, value) in url.query_pairs() {
        match name.as_ref() {
            "prefix" => settings.prefix = value.into_owned(),
            "ca_file" => settings.ca_file = Some(value.into_owned().into()),
            _ => return Err(RedisConfigError::Setting),
        }
    }
    if url.fragment().is_some() {
        return Err(RedisConfigError::Setting);
    }
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(config: &RedisConfig) -> Vec<String> {
        config.servers().iter().map(|it| it.addr().to_string()).collect()
    }

    #[test]
    fn reads_one_server() {
        let config = RedisConfig::from_url("redis://me:p%40ss@redis.internal:7000/3?prefix=eu");
        let config = config.unwrap();
        assert_eq!((config.topology(), config.names().prefix()), (Topology::Single, "eu"));
        assert_eq!(hosts(&config), ["redis.internal:7000"]);
        let settings = config.servers()[0].redis_settings();
        assert_eq!(settings.username(), Some("me"));
        assert_eq!(settings.password(), Some("p@ss"));
        assert_eq!((settings.db(), settings.protocol()), (3, ProtocolVersion::RESP3));
        let plain = RedisConfig::from_url("redis://localhost").unwrap();
        assert_eq!((hosts(&plain), plain.names().prefix()), (vec!["localhost:6379".into()], "sb"));
        let secure = RedisConfig::from_url("rediss://[::1]:7001").unwrap();
        assert!(matches!(secure.servers()[0].addr(), redis::ConnectionAddr::TcpTls { .. }));
    }

    #[test]
    fn reads_a_cluster() {
        let config =
            RedisConfig::from_url("redis+cluster://:pw@a:7000,b:7001,c/?prefix=x").unwrap();
        assert_eq!(config.topology(), Topology::Cluster);
        assert_eq!(hosts(&config), ["a:7000", "b:7001", "c:6379"]);
        let passwords = config.servers().iter().map(|it| it.redis_settings().password());
        assert!(passwords.eq([Some("pw"); 3]));
    }

    #[test]
    fn says_what_is_wrong() {
        use RedisConfigError as E;
        for (url, expected) in [
            ("localhost:6379", E::Scheme),
            ("http://localhost", E::Scheme),
            ("redis://", E::Host),
            ("redis+cluster://a:1,,b:2", E::Host),
            ("redis://a:1,b:2", E::SeveralHosts),
            ("redis+cluster://a:1,b:2/1", E::Database),
            ("redis://a/?prefx=b", E::Setting),
            ("rediss://a/#insecure", E::Setting),
            ("redis://a/?ca_file=/x", E::CaWithoutTls),
            ("redis+cluster://a/?ca_file=/x", E::CaWithoutTls),
            ("redis://a/?prefix=a{b}", E::Prefix(BadPrefix)),
        ] {
            assert_eq!(RedisConfig::from_url(url).unwrap_err(), expected, "{url}");
        }
        for url in ["redis://a:70000", "redis://a/x", "redis://a b"] {
            let error = RedisConfig::from_url(url).unwrap_err();
            assert!(matches!(error, E::Malformed(_)), "{url}: {error}");
        }
    }

    #[test]
    fn a_private_authority_is_for_encrypted_connections() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        let url = format!("rediss://:pw@cache:7001?prefix=x&ca_file={}", path.display());
        let missing = RedisConfig::from_url(&url).unwrap_err().to_string();
        assert!(missing.contains("ca.pem"), "{missing}");
        let made = rcgen::generate_simple_self_signed(vec!["cache".to_owned()]).unwrap();
        std::fs::write(&path, made.cert.pem()).unwrap();
        let config = RedisConfig::from_url(&url).unwrap();
        assert_eq!((hosts(&config), config.names().prefix()), (vec!["cache:7001".into()], "x"));
        assert_eq!(config.servers()[0].redis_settings().protocol(), ProtocolVersion::RESP3);
    }

    #[test]
    fn never_shows_the_password() {
        for url in ["redis://me:hunter2@a:1/0", "redis+cluster://me:hunter2@a:1,b:2"] {
            let config = RedisConfig::from_url(url).unwrap();
            let shown = format!("{config} {config:?} {:?}", config.servers());
            assert!(!shown.contains("hunter2"), "{shown}");
        }
        for url in ["redis://me:hunter2@a:1x", "redis://me:hunter2@", "hunter2://a"] {
            let error = RedisConfig::from_url(url).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        }
    }
}
