//! Settings that say where the store, the bridge and the search index are: a word or a URL.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::SecretText;

/// Neither a word that is known nor a URL of a scheme that is.
#[derive(Debug, thiserror::Error)]
#[error("{given:?} is not available; choose {available}")]
pub struct NoSuchAddress {
    given: String,
    available: &'static str,
}

/// Where messages are kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum StoreAddress {
    /// SQLite in the data directory.
    Embedded,
    /// `ScyllaDB` or Cassandra: `cql://…`. May hold a password.
    Cql(SecretText),
}

/// What carries frames between nodes.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum BridgeAddress {
    /// This process alone.
    Local,
    /// Redis: `redis://…`, `rediss://…`, `redis+cluster://…`. May hold a password.
    Redis(SecretText),
}

/// What finds messages by their words.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum SearchAddress {
    /// The index beside the embedded store. A cluster has none.
    Embedded,
    /// Nothing: search is refused.
    Off,
    /// `OpenSearch`: `http://…`, `https://…`. May hold a password.
    OpenSearch(SecretText),
}

impl StoreAddress {
    #[must_use]
    pub const fn is_embedded(&self) -> bool {
        matches!(self, Self::Embedded)
    }
}

impl BridgeAddress {
    #[must_use]
    pub const fn is_local(&self) -> bool {
        matches!(self, Self::Local)
    }
}

impl TryFrom<String> for StoreAddress {
    type Error = NoSuchAddress;

    fn try_from(given: String) -> Result<Self, NoSuchAddress> {
        match given.as_str() {
            "embedded" => Ok(Self::Embedded),
            url if url.starts_with("cql://") => Ok(Self::Cql(SecretText::new(given))),
            _ => {
                let available = "\"embedded\" or \"cql://HOST:PORT/KEYSPACE\"";
                Err(NoSuchAddress { given: without_password(&given), available })
            }
        }
    }
}

impl TryFrom<String> for BridgeAddress {
    type Error = NoSuchAddress;

    fn try_from(given: String) -> Result<Self, NoSuchAddress> {
        let schemes = ["redis://", "rediss://", "redis+cluster://"];
        match given.as_str() {
            "local" => Ok(Self::Local),
            url if schemes.iter().any(|scheme| url.starts_with(scheme)) => {
                Ok(Self::Redis(SecretText::new(given)))
            }
            _ => {
                let available = "\"local\" or \"redis://HOST:PORT\"";
                Err(NoSuchAddress { given: without_password(&given), available })
            }
        }
    }
}

impl TryFrom<String> for SearchAddress {
    type Error = NoSuchAddress;

    fn try_from(given: String) -> Result<Self, NoSuchAddress> {
        match given.as_str() {
            "embedded" => Ok(Self::Embedded),
            "off" => Ok(Self::Off),
            url if url.starts_with("http://") || url.starts_with("https://") => {
                Ok(Self::OpenSearch(SecretText::new(given)))
            }
            _ => {
                let available = "\"embedded\", \"off\" or \"http://HOST:PORT/PREFIX\"";
                Err(NoSuchAddress { given: without_password(&given), available })
            }
        }
    }
}

impl fmt::Display for StoreAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedded => formatter.write_str("embedded"),
            Self::Cql(url) => formatter.write_str(&without_password(url.expose())),
        }
    }
}

impl fmt::Display for BridgeAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local => formatter.write_str("local"),
            Self::Redis(url) => formatter.write_str(&without_password(url.expose())),
        }
    }
}

impl fmt::Display for SearchAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedded => formatter.write_str("embedded"),
            Self::Off => formatter.write_str("off"),
            Self::OpenSearch(url) => formatter.write_str(&without_password(url.expose())),
        }
    }
}

impl From<SearchAddress> for String {
    fn from(address: SearchAddress) -> Self {
        address.to_string()
    }
}

impl From<StoreAddress> for String {
    fn from(address: StoreAddress) -> Self {
        address.to_string()
    }
}

impl From<BridgeAddress> for String {
    fn from(address: BridgeAddress) -> Self {
        address.to_string()
    }
}

/// A URL with what stands between `://` and `@` left out.
fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    match rest.rsplit_once('@') {
        Some((_, rest)) => format!("{scheme}://[redacted]@{rest}"),
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_never_shown() {
        let store = StoreAddress::try_from("cql://ann:s3cret@db:9042/chat?tls=true".to_owned());
        let store = store.unwrap();
        assert_eq!(store.to_string(), "cql://[redacted]@db:9042/chat?tls=true");
        assert!(!format!("{store:?}").contains("s3cret"));
        let bridge = BridgeAddress::try_from("redis://:p@ss@cache:6379".to_owned()).unwrap();
        assert_eq!(bridge.to_string(), "redis://[redacted]@cache:6379");
        let search = SearchAddress::try_from("https://ann:s3cret@search:9200/chat".to_owned());
        assert_eq!(search.unwrap().to_string(), "https://[redacted]@search:9200/chat");
        let wrong = StoreAddress::try_from("postgres://ann:s3cret@db/chat".to_owned());
        assert!(!wrong.unwrap_err().to_string().contains("s3cret"));
    }

    #[test]
    fn words_and_known_schemes_are_taken() {
        assert!(StoreAddress::try_from("embedded".to_owned()).unwrap().is_embedded());
        assert!(BridgeAddress::try_from("local".to_owned()).unwrap().is_local());
        assert!(BridgeAddress::try_from("redis+cluster://a:1,b:2".to_owned()).is_ok());
        assert!(BridgeAddress::try_from("nats://a".to_owned()).is_err());
    }
}
