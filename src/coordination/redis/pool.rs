//! Pooled connections for commands, to one server or a cluster.

use std::time::Duration;

use deadpool_redis::redis::aio::ConnectionLike;
use deadpool_redis::{Runtime, cluster};
use redis::{AsyncConnectionConfig, Cmd, Pipeline, RedisError, RedisFuture, Value};
use schema::cluster::channel::Names;

use crate::bridge::redis::{RedisConfig, Topology};

/// Longest wait for a connection to be free, made or checked, each.
const POOL_TIMEOUT: Duration = Duration::from_secs(1);
/// Shorter than the patience of who asks, so that it learns of the error and discards.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(800);

/// Redis could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum RedisPoolError {
    #[error("Redis: {0}")]
    Redis(#[from] RedisError),
    #[error("no connection to Redis: {0}")]
    Unavailable(String),
}

#[derive(Clone)]
enum Pools {
    Single(deadpool_redis::Pool),
    Cluster(cluster::Pool),
}

/// Connections that are shared and checked before each use. Cheap to clone; connects when used.
#[derive(Clone)]
pub struct RedisPool {
    pools: Pools,
    names: Names,
}

impl RedisPool {
    /// At most `size` connections.
    ///
    /// # Errors
    /// What the driver refuses of the configuration; it does not connect yet.
    pub fn open(config: &RedisConfig, size: usize) -> Result<Self, RedisPoolError> {
        let pools = match config.topology() {
            Topology::Single => Pools::Single(single(config, size)?),
            Topology::Cluster => Pools::Cluster(clustered(config, size)?),
        };
        Ok(Self { pools, names: config.names().clone() })
    }

    #[must_use]
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// # Errors
    /// [`RedisPoolError::Unavailable`] within a few seconds.
    pub async fn connection(&self) -> Result<PooledConnection, RedisPoolError> {
        match &self.pools {
            Pools::Single(pool) => pool.get().await.map(PooledConnection::Single).map_err(down),
            Pools::Cluster(pool) => pool.get().await.map(PooledConnection::Cluster).map_err(down),
        }
    }
}

fn down(error: impl std::fmt::Display) -> RedisPoolError {
    RedisPoolError::Unavailable(error.to_string())
}

fn single(config: &RedisConfig, size: usize) -> Result<deadpool_redis::Pool, RedisPoolError> {
    let timeouts = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(POOL_TIMEOUT))
        .set_response_timeout(Some(ANSWER_TIMEOUT));
    let server = config.servers()[0].clone();
    let manager = deadpool_redis::Manager::new_with_config(server, timeouts)?;
    deadpool_redis::Pool::builder(manager)
        .max_size(size)
        .wait_timeout(Some(POOL_TIMEOUT))
        .create_timeout(Some(POOL_TIMEOUT))
        .recycle_timeout(Some(POOL_TIMEOUT))
        .runtime(Runtime::Tokio1)
        .build()
        .map_err(down)
}

/// The driver's own time limits apply: half a second for an answer.
fn clustered(config: &RedisConfig, size: usize) -> Result<cluster::Pool, RedisPoolError> {
    let manager = cluster::Manager::new(config.servers().to_vec(), false)?;
    cluster::Pool::builder(manager)
        .max_size(size)
        .wait_timeout(Some(POOL_TIMEOUT))
        .create_timeout(Some(POOL_TIMEOUT))
        .recycle_timeout(Some(POOL_TIMEOUT))
        .runtime(cluster::Runtime::Tokio1)
        .build()
        .map_err(down)
}

/// Goes back to its pool when dropped.
pub enum PooledConnection {
    Single(deadpool_redis::Connection),
    Cluster(cluster::Connection),
}

impl PooledConnection {
    /// Closes it: after an error nobody knows what still comes through it.
    pub fn discard(self) {
        match self {
            Self::Single(connection) => drop(deadpool_redis::Connection::take(connection)),
            Self::Cluster(connection) => drop(cluster::Connection::take(connection)),
        }
    }
}

impl ConnectionLike for PooledConnection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Single(connection) => connection.req_packed_command(command),
            Self::Cluster(connection) => connection.req_packed_command(command),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Single(connection) => connection.req_packed_commands(pipeline, offset, count),
            Self::Cluster(connection) => connection.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Single(connection) => connection.get_db(),
            Self::Cluster(connection) => connection.get_db(),
        }
    }
}
