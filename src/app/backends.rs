//! The store and the bridge that the settings name, opened.

use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use actors::ports::{
    AdminLog, Bridge, CommitRing, Directory, InviteStore, LogIndex, MessageStore, PersonalStore,
    RosterStore, UserStore, WallClock as _, wall_clock::SystemClock,
};
use anyhow::Context as _;
use schema::NodeId;
use tokio::runtime::Runtime;

use crate::bridge::LocalBridge;
use crate::bridge::redis::{BridgeLimits, RedisBridge, RedisConfig};
use crate::config::{BridgeAddress, Config, SearchAddress, StoreAddress};
use crate::coordination::LocalDirectory;
use crate::coordination::redis::{Advertised, Members, Membership, RedisPool};
use crate::search::{ClusterSearch, OpenSearchConfig, SearchIndex};
use crate::store::cql::{self, CqlConfig};
use crate::store::embedded::{self, EmbeddedConfig, Health};

/// Connections for heartbeats and other small commands.
const POOL_CONNECTIONS: usize = 4;
/// Threads that move the bytes of the database and of Redis.
const BACKEND_THREADS: usize = 1;
const SHUTDOWN_MAX: Duration = Duration::from_secs(1);

/// The handles of one store, by port.
#[derive(Clone)]
pub struct Stores {
    pub ring: Arc<dyn CommitRing>,
    pub messages: Arc<dyn MessageStore>,
    pub roster: Arc<dyn RosterStore>,
    pub index: Arc<dyn LogIndex>,
    pub personal: Arc<dyn PersonalStore>,
    pub invites: Arc<dyn InviteStore>,
    pub users: Arc<dyn UserStore>,
    pub admin_log: Arc<dyn AdminLog>,
}

impl Stores {
    fn of<S>(store: S) -> Self
    where
        S: CommitRing + MessageStore + RosterStore + LogIndex,
        S: PersonalStore + InviteStore + UserStore + AdminLog,
    {
        let store = Arc::new(store);
        Self {
            ring: store.clone(),
            messages: store.clone(),
            roster: store.clone(),
            index: store.clone(),
            personal: store.clone(),
            invites: store.clone(),
            users: store.clone(),
            admin_log: store,
        }
    }
}

/// What a node stands on.
pub struct Backends {
    pub node: NodeId,
    pub stores: Stores,
    pub bridge: Arc<dyn Bridge>,
    pub directory: Arc<dyn Directory>,
    embedded: Option<embedded::Store>,
    search: Option<Arc<dyn SearchIndex>>,
    /// To follow the logs of this node's shards.
    cluster_search: Option<ClusterSearch>,
    membership: Option<Membership>,
    /// Serves the connections to the database and to Redis: away from the threads of actors, which
    /// may be busy, and from those of signing in.
    runtime: Option<Runtime>,
}

impl Backends {
    /// Opens what the settings name. `internal`: the internal listener, told to other nodes.
    ///
    /// # Errors
    /// What keeps it from opening: a data directory in use, a database that does not answer or was
    /// not migrated.
    pub fn open(config: &Config, internal: String) -> anyhow::Result<Self> {
        let node = NodeId::generate();
        let is_alone = config.store.is_embedded() && config.bridge.is_local();
        let runtime = if is_alone { None } else { Some(runtime()?) };
        let mut cluster_search = None;
        let (stores, embedded) = match (&config.store, &runtime) {
            (StoreAddress::Cql(url), Some(runtime)) => {
                make_directory(&config.data_dir)?;
                let cql = CqlConfig::from_url(url.expose()).context("store")?;
                let connect = runtime.spawn(async move { cql::Store::connect(&cql).await });
                let store = runtime.block_on(connect)?.context("the store cannot be opened")?;
                let mut stores = Stores::of(store.clone());
                if let SearchAddress::OpenSearch(url) = &config.search {
                    let config = OpenSearchConfig::from_url(url.expose()).context("search")?;
                    let search = ClusterSearch::new(config, store, runtime.handle().clone())?;
                    stores.messages = search.noting(stores.messages);
                    cluster_search = Some(search);
                }
                (stores, None)
            }
            _ => {
                let store = embedded::Store::open(EmbeddedConfig::new(&config.data_dir))?;
                (Stores::of(store.clone()), Some(store))
            }
        };
        let as_index = |it: &embedded::Store| Arc::new(it.clone()) as Arc<dyn SearchIndex>;
        let search = match config.search {
            SearchAddress::Embedded => embedded.as_ref().map(as_index),
            SearchAddress::Off => None,
            SearchAddress::OpenSearch(_) => cluster_search.clone().map(|it| Arc::new(it) as _),
        };
        let mut backends = Self {
            node,
            stores,
            bridge: Arc::new(LocalBridge),
            directory: Arc::new(LocalDirectory::default()),
            embedded,
            search,
            cluster_search,
            membership: None,
            runtime,
        };
        if let BridgeAddress::Redis(url) = &config.bridge {
            backends.join(&RedisConfig::from_url(url.expose()).context("bridge")?, internal)?;
        }
        Ok(backends)
    }

    /// Becomes one of several nodes.
    fn join(&mut self, config: &RedisConfig, internal: String) -> anyhow::Result<()> {
        let _on_runtime = self.runtime.as_ref().map(Runtime::enter);
        let pool = RedisPool::open(config, POOL_CONNECTIONS).context("bridge")?;
        let advertised = Advertised { address: internal, started_at_ms: SystemClock.now_ms() };
        let shards = self.stores.ring.shape().shards;
        let (directory, membership) = Membership::start(pool, self.node, advertised, shards);
        let peers = membership.peers();
        let bridge = RedisBridge::start(config, self.node, peers, BridgeLimits::default());
        (self.directory, self.bridge) = (directory, Arc::new(bridge));
        self.membership = Some(membership);
        Ok(())
    }

    /// There may be other nodes.
    #[must_use]
    pub const fn is_clustered(&self) -> bool {
        self.membership.is_some()
    }

    /// Who else is there; `None` for a node alone.
    #[must_use]
    pub fn members(&self) -> Option<Members> {
        self.membership.as_ref().map(Membership::watch_members)
    }

    /// The embedded store, if that is what messages are kept in.
    #[must_use]
    pub const fn embedded(&self) -> Option<&embedded::Store> {
        self.embedded.as_ref()
    }

    /// What finds messages by their words, if anything does.
    #[must_use]
    pub fn search(&self) -> Option<Arc<dyn SearchIndex>> {
        self.search.clone()
    }

    /// Begins to bring what the shards that `owned` names have into the index of a cluster.
    pub fn follow_logs(&self, owned: impl Fn() -> Vec<u32> + Send + Sync + 'static) {
        if let Some(search) = &self.cluster_search {
            search.follow(owned, Arc::new(SystemClock));
        }
    }

    /// The store takes writes, as far as it knows itself.
    #[must_use]
    pub fn is_store_well(&self) -> bool {
        self.embedded.as_ref().is_none_or(|store| matches!(store.health(), Health::Ready))
    }

    /// This node is known to the others and hears them.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        let is_member = self.membership.as_ref().is_none_or(Membership::is_connected);
        is_member && self.bridge.is_connected()
    }

    /// Gives all shards up; the others wait for what is released.
    pub async fn leave(&self) {
        if let Some(membership) = &self.membership
            && let Err(error) = membership.leave().await
        {
            tracing::warn!(%error, "the others could not be told; they find out");
        }
    }

    /// Ends everything; blocks for a moment.
    pub fn close(mut self) {
        let Some(runtime) = self.runtime.take() else {
            if let Some(store) = &self.embedded {
                store.close();
            }
            return;
        };
        if let Some(membership) = self.membership.take()
            && let Err(error) = runtime.block_on(membership.goodbye())
        {
            tracing::warn!(%error, "this node's entry was not deleted; it expires");
        }
        if let Some(store) = &self.embedded {
            store.close();
        }
        runtime.shutdown_timeout(SHUTDOWN_MAX);
    }
}

/// For secrets that are not set, and for the file that tells the addresses.
fn make_directory(path: &Path) -> anyhow::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder.create(path).with_context(|| format!("cannot make {}", path.display()))
}

fn runtime() -> anyhow::Result<Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(BACKEND_THREADS).thread_name("backends").enable_all();
    builder.build().context("threads cannot be started")
}
