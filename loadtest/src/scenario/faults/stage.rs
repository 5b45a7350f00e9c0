//! What the play is played on.

use std::sync::Arc;

use anyhow::Context as _;

use super::Options;
use crate::cluster::{Cluster, ClusterSpec};
use crate::faults::{Nemesis, Network};
use crate::services::{AddressBlock, Cassandra, CassandraSpec, Redis, RedisSpec};
use crate::verdict::Outcome;

const KEYSPACE: &str = "faults";

/// Fields in the order they are to be dropped: clients of services first.
pub(crate) struct Stage {
    pub cluster: Arc<Cluster>,
    pub database: Arc<Cassandra>,
    pub redis: Arc<Redis>,
}

impl Stage {
    pub async fn start(options: &Options) -> anyhow::Result<Self> {
        let network = options.in_namespaces.then(Network::create).transpose()?;
        let block = network.as_ref().map(|network| Arc::clone(network.block()));
        let (database, redis) = services(options.database.clone(), block).await?;
        let store_url = format!("{}&{}", database.url(KEYSPACE), options.ring);
        let cluster = Cluster::start(ClusterSpec {
            nodes: options.nodes,
            proxied: options.proxied,
            environment: options.environment.clone(),
            network,
            ..ClusterSpec::new(options.server_bin.clone(), store_url, redis.url())
        })
        .await
        .context("the cluster")?;
        Ok(Self {
            cluster: Arc::new(cluster),
            database: Arc::new(database),
            redis: Arc::new(redis),
        })
    }

    pub fn nemesis(&self) -> Nemesis {
        let Self { cluster, database, redis } = self;
        Nemesis::new(Arc::clone(cluster), Arc::clone(database), Arc::clone(redis))
    }

    /// Leaves the servers' output behind; tells where.
    pub fn keep(&mut self) -> Option<String> {
        let cluster = Arc::get_mut(&mut self.cluster)?;
        Some(format!("the servers' output is in {}", cluster.keep_data().display()))
    }

    /// After a failure the servers' output stays, and the outcome says where.
    pub fn end(mut self, mut outcome: Outcome) -> Outcome {
        if !outcome.passed
            && let Some(kept) = self.keep()
        {
            outcome.problems.push(kept);
        }
        outcome
    }
}

/// On addresses of their own, or on a network's.
async fn services(
    spec: CassandraSpec,
    block: Option<Arc<AddressBlock>>,
) -> anyhow::Result<(Cassandra, Redis)> {
    let Some(block) = block else {
        return tokio::try_join!(Cassandra::start(spec), Redis::start(RedisSpec::default()));
    };
    tokio::try_join!(
        Cassandra::start_at(spec, Arc::clone(&block)),
        Redis::start_at(RedisSpec::default(), block)
    )
}

pub(super) async fn services_only(spec: CassandraSpec) -> anyhow::Result<()> {
    let (database, redis) = services(spec, None).await?;
    println!("SWITCHBOARD_STORE='{}'", database.url("switchboard"));
    println!("SWITCHBOARD_BRIDGE='{}'", redis.url());
    eprintln!("Ctrl-C ends them");
    tokio::signal::ctrl_c().await.context("waiting for Ctrl-C")
}
