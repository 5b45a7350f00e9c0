//! Connecting to the database, and why that may fail.

use std::collections::BTreeSet;
use std::time::Duration;

use actors::ports::RingShape;
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::errors::{
    DbError, ExecutionError, PrepareError, RequestAttemptError, UseKeyspaceError,
};
use tokio::time::timeout;

use super::config::CqlConfig;
use super::failure::Failure;
use super::statements::Profiles;

/// Longest wait for a first connection and what is learned from it.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// Longest wait for one node to take a connection.
const CONNECTION_MAX: Duration = Duration::from_secs(4);

/// Why a store could not be connected to, or not be migrated.
#[derive(Debug, thiserror::Error)]
pub enum CqlOpenError {
    #[error("no database answers at {address}: {reason}")]
    Unreachable { address: String, reason: String },
    #[error(
        "the database at {address} is not ready for this version (missing: {}); \
         run `switchboard migrate`", missing.join(", ")
    )]
    NotMigrated { address: String, missing: Vec<String> },
    #[error(
        "the store is of a newer version of this program (its schema is {found}, known is {known})"
    )]
    Newer { found: i32, known: i32 },
    #[error(
        "the store has {} shards of {} slots, which cannot be changed; \
         the settings ask for {} of {}",
        found.shards, found.slots, asked.shards, asked.slots
    )]
    OtherShape { found: RingShape, asked: RingShape },
    #[error("an import into the store was begun and not finished; run `switchboard import` again")]
    ImportUnfinished,
    #[error(
        "the database has the datacenters {}: one of them must be named by ?datacenter=",
        .0.join(", ")
    )]
    DatacenterNeeded(Vec<String>),
    #[error("the database has no datacenter {asked:?}, only {}", found.join(", "))]
    UnknownDatacenter { asked: String, found: Vec<String> },
    #[error(
        "the store lives in the datacenter {found:?}: a server that asks {asked:?} would not see \
         what the others write"
    )]
    OtherDatacenter { found: String, asked: String },
    #[error("{needed} copies of each row need {needed} database nodes; there are {found}")]
    TooFewNodes { needed: u32, found: usize },
    #[error("another `switchboard migrate` is at work; it holds the lock for {0} s at most")]
    Locked(u64),
    #[error("encryption cannot be set up: {0}")]
    Tls(String),
    #[error("the database refuses: {0}")]
    Database(String),
}

impl From<Failure> for CqlOpenError {
    fn from(failure: Failure) -> Self {
        Self::Database(failure.to_string())
    }
}

impl From<ExecutionError> for CqlOpenError {
    fn from(error: ExecutionError) -> Self {
        Failure::from(error).into()
    }
}

impl From<PrepareError> for CqlOpenError {
    fn from(error: PrepareError) -> Self {
        Self::Database(error.to_string())
    }
}

/// A session and where its nodes are.
pub(super) struct Connected {
    pub session: Session,
    pub profiles: Profiles,
    /// The datacenter that is asked; empty when the database names none.
    pub datacenter: String,
}

/// Connects, without choosing the keyspace yet.
pub(super) async fn connect(config: &CqlConfig) -> Result<Connected, CqlOpenError> {
    let unreachable =
        |reason: String| CqlOpenError::Unreachable { address: config.to_string(), reason };
    let profiles = Profiles::new();
    let builder = builder(config, &profiles)?;
    let session = timeout(CONNECT_MAX, builder.build())
        .await
        .map_err(|_| unreachable(format!("no answer in {} s", CONNECT_MAX.as_secs())))?
        .map_err(|error| unreachable(error.to_string()))?;
    let datacenter = datacenter(config, &session)?;
    Ok(Connected { session, profiles, datacenter })
}

fn builder(config: &CqlConfig, profiles: &Profiles) -> Result<SessionBuilder, CqlOpenError> {
    let mut builder = SessionBuilder::new()
        .known_nodes(&config.hosts)
        .connection_timeout(CONNECTION_MAX)
        .default_execution_profile_handle(profiles.plain())
        .keyspaces_to_fetch([&config.keyspace]);
    if let Some(credentials) = &config.credentials {
        builder = builder.user(&credentials.user, credentials.password.expose());
    }
    if let Some(datacenter) = &config.datacenter {
        builder = builder.prefer_datacenter(datacenter.clone());
    }
    match &config.tls {
        None => Ok(builder),
        Some(tls) => Ok(builder.tls_context(Some(super::tls::context(tls)?))),
    }
}

/// Conditional statements are ordered inside one datacenter alone (LOCAL_SERIAL), so all servers
/// must ask the same.
fn datacenter(config: &CqlConfig, session: &Session) -> Result<String, CqlOpenError> {
    let state = session.get_cluster_state();
    let found: BTreeSet<String> =
        state.get_nodes_info().iter().filter_map(|node| node.datacenter.clone()).collect();
    let found: Vec<String> = found.into_iter().collect();
    match (&config.datacenter, &found[..]) {
        (Some(asked), _) if found.contains(asked) => Ok(asked.clone()),
        (Some(asked), _) => {
            Err(CqlOpenError::UnknownDatacenter { asked: asked.clone(), found: found.clone() })
        }
        (None, []) => Ok(String::new()),
        (None, [only]) => Ok(only.clone()),
        (None, _) => Err(CqlOpenError::DatacenterNeeded(found)),
    }
}

/// Chooses the keyspace; false when it does not exist.
pub(super) async fn use_keyspace(session: &Session, keyspace: &str) -> Result<bool, CqlOpenError> {
    match session.use_keyspace(keyspace, true).await {
        Ok(()) => Ok(true),
        Err(UseKeyspaceError::RequestError(RequestAttemptError::DbError(DbError::Invalid, _))) => {
            Ok(false)
        }
        Err(error) => Err(CqlOpenError::Database(error.to_string())),
    }
}
