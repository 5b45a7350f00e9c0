//! The services that a cluster of servers needs, real ones, as processes of this machine:
//! Apache Cassandra, Redis and OpenSearch. No process outlives the program that started it.

mod address_block;
pub mod cassandra;
mod cql_probe;
pub mod opensearch;
mod process;
pub mod redis;
mod redis_cluster;
mod redis_probe;
mod work_folder;

use std::path::PathBuf;

pub use address_block::AddressBlock;
pub use cassandra::{
    Cassandra, CassandraPurpose, CassandraSpec, CommitlogSync, cassandra_for_tests,
};
pub use cql_probe::{Consistency, CqlProbe};
pub use opensearch::{OpenSearch, opensearch_for_tests};
pub use process::{Launch, ServiceProcess};
pub use redis::{Redis, RedisSpec, redis_for_tests};
pub use redis_cluster::RedisCluster;
pub use redis_probe::redis_command;
pub use work_folder::WorkFolder;

/// Names the folder of the service scripts, where the program does not lie in its checkout.
const SCRIPTS_VARIABLE: &str = "SWITCHBOARD_LOADTEST_SERVICES";

/// `scripts/services` of the checkout.
///
/// # Errors
/// When it is nowhere; all places looked at are named.
fn script(name: &str) -> anyhow::Result<PathBuf> {
    let places = [
        std::env::var_os(SCRIPTS_VARIABLE).map(PathBuf::from),
        Some(PathBuf::from("scripts/services")),
        Some(PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/services"))),
    ];
    let places: Vec<PathBuf> =
        places.into_iter().flatten().map(|folder| folder.join(name)).collect();
    places.iter().find(|path| path.is_file()).map_or_else(
        || anyhow::bail!("{name} is in none of {places:?}: set {SCRIPTS_VARIABLE}"),
        |path| Ok(path.canonicalize()?),
    )
}
