//! Where the database is, from one URL.

use std::fmt;
use std::path::PathBuf;

use actors::ports::RingShape;
use url::Url;

use crate::config::SecretText;

/// Where a cluster's database is and how its keyspace is made.
///
/// `cql://[user:password@]host[:port][,host2[:port]...]/keyspace[?parameter=value&...]`.
/// The password never shows in `Debug` or `Display`.
#[derive(Clone)]
pub struct CqlConfig {
    /// `host:port` of each node that is asked first; the others are found through them.
    pub hosts: Vec<String>,
    pub keyspace: String,
    pub credentials: Option<Credentials>,
    /// `shards`, `slots`: of a store that is made now. A store that exists must have these, if
    /// they are given.
    pub shards: Option<u32>,
    pub slots: Option<u32>,
    /// `replication_factor`: copies of every row, in each datacenter, of a keyspace made now.
    pub replication_factor: u32,
    /// `datacenter`: the one that is asked, and the only one that a keyspace made now lies in.
    pub datacenter: Option<String>,
    /// `tls`, `ca_file`.
    pub tls: Option<Tls>,
}

/// Who the server is for the database.
#[derive(Clone, Debug)]
pub struct Credentials {
    pub user: String,
    pub password: SecretText,
}

/// How connections are encrypted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// PEM file of the authorities that are trusted; `None`: those of the system.
    pub ca_file: Option<PathBuf>,
}

/// What is wrong with a URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CqlUrlError {
    #[error("must begin with cql://")]
    Scheme,
    #[error("is not a URL: {0}")]
    Malformed(url::ParseError),
    #[error("names no host")]
    NoHost,
    #[error("{0:?} is not a host with an optional port")]
    Host(String),
    #[error("must end in /KEYSPACE: up to 48 of a-z, 0-9 and _, beginning with a letter")]
    Keyspace,
    #[error("has a user name but no password, or the other way round")]
    HalfCredentials,
    #[error("has a user name or password with a broken %-escape")]
    Escape,
    #[error("has an unknown parameter {name:?}; known are {}", PARAMETERS.join(", "))]
    UnknownParameter { name: String },
    #[error("has the parameter {0} twice")]
    Repeated(&'static str),
    #[error("{name} must be {expected}, not {value:?}")]
    Parameter { name: &'static str, expected: &'static str, value: String },
    #[error("names a ca_file without tls=true")]
    CaWithoutTls,
}

const PARAMETERS: [&str; 6] =
    ["shards", "slots", "replication_factor", "datacenter", "tls", "ca_file"];
const PORT: u16 = 9042;
const KEYSPACE_CHARACTERS_MAX: usize = 48;
const REPLICATION_FACTOR: u32 = 3;
/// Shape of a new store whose URL names none.
const NEW_SHAPE: RingShape = RingShape { shards: 64, slots: 256 };
/// Many shards cost as many conditional statements at rest as at work.
const SHARDS_MAX: u32 = 65_536;
const SLOTS_MAX: u32 = 65_536;

impl CqlConfig {
    /// Reads a URL.
    ///
    /// # Errors
    /// See [`CqlUrlError`]; none of them holds the password.
    pub fn from_url(text: &str) -> Result<Self, CqlUrlError> {
        let rest = text.strip_prefix("cql://").ok_or(CqlUrlError::Scheme)?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path_and_query) = rest.split_at(end);
        let (user_info, hosts) = match authority.rsplit_once('@') {
            Some((user_info, hosts)) => (Some(user_info), hosts),
            None => (None, authority),
        };
        // A URL has one host: the list is read here, the rest by a parser.
        let url = Url::parse(&format!("cql://host{path_and_query}"));
        let url = url.map_err(CqlUrlError::Malformed)?;
        let mut config = Self {
            hosts: read_hosts(hosts)?,
            keyspace: read_keyspace(url.path())?,
            credentials: user_info.map(read_credentials).transpose()?,
            shards: None,
            slots: None,
            replication_factor: REPLICATION_FACTOR,
            datacenter: None,
            tls: None,
        };
        config.read_parameters(&url)?;
        Ok(config)
    }

    fn read_parameters(&mut self, url: &Url) -> Result<(), CqlUrlError> {
        let (mut seen, mut tls, mut ca_file) = (Vec::new(), false, None);
        for (key, value) in url.query_pairs() {
            let known = PARAMETERS.into_iter().find(|name| *name == key);
            let unknown = || CqlUrlError::UnknownParameter { name: key.into_owned() };
            let name = known.ok_or_else(unknown)?;
            if seen.contains(&name) {
                return Err(CqlUrlError::Repeated(name));
            }
            seen.push(name);
            match name {
                "shards" => self.shards = Some(number(name, "1 to 65536", &value, 1, SHARDS_MAX)?),
                "slots" => self.slots = Some(number(name, "2 to 65536", &value, 2, SLOTS_MAX)?),
                "replication_factor" => {
                    self.replication_factor = number(name, "1 to 9", &value, 1, 9)?;
                }
                "datacenter" => self.datacenter = Some(read_datacenter(&value)?),
                "tls" => tls = read_switch(name, &value)?,
                _ => ca_file = Some(PathBuf::from(value.into_owned())),
            }
        }
        if ca_file.is_some() && !tls {
            return Err(CqlUrlError::CaWithoutTls);
        }
        self.tls = tls.then_some(Tls { ca_file });
        Ok(())
    }

    /// Shape of a store that is made with this configuration.
    #[must_use]
    pub fn new_shape(&self) -> RingShape {
        RingShape {
            shards: self.shards.unwrap_or(NEW_SHAPE.shards),
            slots: self.slots.unwrap_or(NEW_SHAPE.slots),
        }
    }

    /// Whether an existing store of this shape is what the URL asks for.
    pub(super) fn accepts(&self, shape: RingShape) -> bool {
        self.shards.is_none_or(|shards| shards == shape.shards)
            && self.slots.is_none_or(|slots| slots == shape.slots)
    }
}

/// The URL without user and password.
impl fmt::Display for CqlConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "cql://{}/{}", self.hosts.join(","), self.keyspace)
    }
}

impl fmt::Debug for CqlConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "CqlConfig({self})")
    }
}

fn read_hosts(text: &str) -> Result<Vec<String>, CqlUrlError> {
    if text.is_empty() {
        return Err(CqlUrlError::NoHost);
    }
    text.split(',').map(read_host).collect()
}

fn read_host(text: &str) -> Result<String, CqlUrlError> {
    let wrong = || CqlUrlError::Host(text.to_owned());
    // The scheme's own rules for hosts: names, IPv4, IPv6 in brackets.
    let url = Url::parse(&format!("http://{text}")).map_err(|_| wrong())?;
    let host = url.host_str().ok_or_else(wrong)?;
    let names_only_a_host = url.path() == "/" && url.query().is_none() && !text.ends_with('/');
    // The parser drops a port that is the scheme's own.
    let port = match url.port() {
        Some(port) => port,
        None if text.ends_with(":80") => 80,
        None => PORT,
    };
    if names_only_a_host { Ok(format!("{host}:{port}")) } else { Err(wrong()) }
}

fn read_keyspace(path: &str) -> Result<String, CqlUrlError> {
    let name = path.strip_prefix('/').unwrap_or(path);
    let is_name = !name.is_empty()
        && name.len() <= KEYSPACE_CHARACTERS_MAX
        && name.chars().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '_')
        && name.starts_with(|it: char| it.is_ascii_lowercase());
    if is_name { Ok(name.to_owned()) } else { Err(CqlUrlError::Keyspace) }
}

fn read_credentials(text: &str) -> Result<Credentials, CqlUrlError> {
    let (user, password) = text.split_once(':').ok_or(CqlUrlError::HalfCredentials)?;
    if user.is_empty() || password.is_empty() {
        return Err(CqlUrlError::HalfCredentials);
    }
    Ok(Credentials { user: unescaped(user)?, password: SecretText::new(unescaped(password)?) })
}

/// Text with its %-escapes replaced.
fn unescaped(text: &str) -> Result<String, CqlUrlError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let digits = rest.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(byte.ok_or(CqlUrlError::Escape)?);
        rest = &rest[2..];
    }
    String::from_utf8(bytes).map_err(|_| CqlUrlError::Escape)
}

fn read_datacenter(value: &str) -> Result<String, CqlUrlError> {
    let is_name = !value.is_empty()
        && value.chars().all(|it| it.is_ascii_alphanumeric() || matches!(it, '_' | '-' | '.'));
    if is_name {
        return Ok(value.to_owned());
    }
    let expected = "letters, digits, '_', '-' and '.'";
    Err(CqlUrlError::Parameter { name: "datacenter", expected, value: value.to_owned() })
}

fn read_switch(name: &'static str, value: &str) -> Result<bool, CqlUrlError> {
    let expected = "true or false";
    value.parse().map_err(|_| CqlUrlError::Parameter { name, expected, value: value.to_owned() })
}

fn number(
    name: &'static str,
    expected: &'static str,
    value: &str,
    min: u32,
    max: u32,
) -> Result<u32, CqlUrlError> {
    let number = value.parse().ok().filter(|number| (min..=max).contains(number));
    number.ok_or_else(|| CqlUrlError::Parameter { name, expected, value: value.to_owned() })
}
