//! Where OpenSearch is, from one URL.

use std::fmt;
use std::path::PathBuf;

use url::Url;

use crate::config::SecretText;

/// `http(s)://[user:password@]host[:port]/index-prefix[?shards=1&replicas=1&ca_file=PATH]`.
/// The password never shows in `Debug` or `Display`.
#[derive(Clone)]
pub struct OpenSearchConfig {
    /// Scheme, host and port alone.
    pub base: Url,
    pub credentials: Option<(String, SecretText)>,
    /// The name that searches ask; indexes are called this, a hyphen and a number.
    pub prefix: String,
    /// Of an index that is made now.
    pub shards: u32,
    /// Copies of each shard beside itself; `None`: one as soon as there are two nodes.
    pub replicas: Option<u32>,
    /// PEM file of an authority that is trusted beside those of the system.
    pub ca_file: Option<PathBuf>,
}

/// What is wrong with a URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenSearchUrlError {
    #[error("is not a URL: {0}")]
    Malformed(url::ParseError),
    #[error("must begin with http:// or https:// and name a host")]
    Host,
    #[error("must end in /PREFIX: up to 64 of a-z, 0-9, _ and -, beginning with a letter")]
    Prefix,
    #[error("has an unknown parameter {0:?}; known are shards, replicas, ca_file")]
    UnknownParameter(String),
    #[error("{name} must be {expected}")]
    Parameter { name: &'static str, expected: &'static str },
    #[error("has a user name but no password, or the other way round")]
    HalfCredentials,
    #[error("has a user name or password with a broken %-escape")]
    Escape,
}

const PREFIX_CHARACTERS_MAX: usize = 64;

impl OpenSearchConfig {
    /// Reads a URL.
    ///
    /// # Errors
    /// See [`OpenSearchUrlError`]; none of them holds the password.
    pub fn from_url(text: &str) -> Result<Self, OpenSearchUrlError> {
        let mut url = Url::parse(text).map_err(OpenSearchUrlError::Malformed)?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
            return Err(OpenSearchUrlError::Host);
        }
        let prefix = url.path().trim_start_matches('/').to_owned();
        let is_name =
            |it: char| it.is_ascii_lowercase() || it.is_ascii_digit() || "_-".contains(it);
        if prefix.len() > PREFIX_CHARACTERS_MAX
            || !prefix.starts_with(|it: char| it.is_ascii_lowercase())
            || !prefix.chars().all(is_name)
        {
            return Err(OpenSearchUrlError::Prefix);
        }
        let credentials = match (url.username(), url.password()) {
            ("", None) => None,
            (user, Some(password)) if !user.is_empty() => {
                Some((unescaped(user)?, SecretText::new(unescaped(password)?)))
            }
            _ => return Err(OpenSearchUrlError::HalfCredentials),
        };
        let (mut shards, mut replicas, mut ca_file) = (1, None, None);
        for (name, value) in url.query_pairs() {
            let number = |name, expected, max| match value.parse::<u32>() {
                Ok(number) if number <= max => Ok(number),
                _ => Err(OpenSearchUrlError::Parameter { name, expected }),
            };
            match name.as_ref() {
                "shards" => shards = number("shards", "1 to 1024", 1_024)?.max(1),
                "replicas" => replicas = Some(number("replicas", "0 to 9", 9)?),
                "ca_file" => ca_file = Some(PathBuf::from(value.as_ref())),
                _ => return Err(OpenSearchUrlError::UnknownParameter(name.into_owned())),
            }
        }
        url.set_path("/");
        url.set_query(None);
        url.set_fragment(None);
        // Refused for URLs without a host alone.
        let (_, _) = (url.set_username(""), url.set_password(None));
        Ok(Self { base: url, credentials, prefix, shards, replicas, ca_file })
    }
}

/// A part of a URL as it was meant.
fn unescaped(text: &str) -> Result<String, OpenSearchUrlError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        let (Some(high), Some(low)) = (digit(), digit()) else {
            return Err(OpenSearchUrlError::Escape);
        };
        bytes.push(u8::try_from(high * 16 + low).unwrap_or_default());
    }
    String::from_utf8(bytes).map_err(|_| OpenSearchUrlError::Escape)
}

impl fmt::Display for OpenSearchConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}{}", self.base, self.prefix)
    }
}

impl fmt::Debug for OpenSearchConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_and_its_password_not_shown() {
        let url = "https://ann:p%40ss@search.example:9200/chat?shards=3&replicas=2";
        let config = OpenSearchConfig::from_url(url).unwrap();
        assert_eq!(config.to_string(), "https://search.example:9200/chat");
        assert!(!format!("{config:?}").contains("p@ss"));
        let (user, password) = config.credentials.unwrap();
        assert_eq!((user.as_str(), password.expose()), ("ann", "p@ss"));
        assert_eq!((config.shards, config.replicas, config.prefix.as_str()), (3, Some(2), "chat"));
    }

    #[test]
    fn what_is_wrong_is_told() {
        for (url, expected) in [
            ("http://a:9200/", OpenSearchUrlError::Prefix),
            ("http://a:9200/Chat", OpenSearchUrlError::Prefix),
            ("http://a:9200/a/b", OpenSearchUrlError::Prefix),
            ("ftp://a/chat", OpenSearchUrlError::Host),
            ("http://ann@a/chat", OpenSearchUrlError::HalfCredentials),
            ("http://ann:%zz@a/chat", OpenSearchUrlError::Escape),
            ("http://a/chat?x=1", OpenSearchUrlError::UnknownParameter("x".to_owned())),
            (
                "http://a/chat?shards=lots",
                OpenSearchUrlError::Parameter { name: "shards", expected: "1 to 1024" },
            ),
        ] {
            assert_eq!(OpenSearchConfig::from_url(url).unwrap_err(), expected, "{url}");
        }
    }
}
