//! The composition root: the only file that builds everything.

use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use actix::Arbiter;
use actors::Node;
use actors::committer::BatchLimits;
use actors::monitor::Workers;
use actors::ports::wall_clock::SystemClock;
use actors::ports::{Authenticator, RosterStore, UserStore, WallClock};
use actors::session::SendLimit;
use actors::supervisor::{Ports, Tree, TreeConfig};
use anyhow::Context as _;
use schema::NodeId;
use schema::record::Content;
use schema::wire::Limits;
use schema::wire::codec::FRAME_BYTES_MAX;
use tokio::sync::watch;

use crate::api::{ApiState, Readiness, public_routes};
use crate::auth::Auth;
use crate::bridge::LocalBridge;
use crate::config::Config;
use crate::coordination::LocalDirectory;
use crate::drain::{self, Draining};
use crate::gateway::{
    self, Admission, AdmissionLimits, Bound, GatewayContext, HEARTBEAT_S, Routes,
};
use crate::internal::internal_routes;
use crate::store::embedded::{EmbeddedConfig, Health, Store};
use crate::telemetry;

/// Where the addresses of a running server are written.
pub const ADDRESSES_FILE: &str = "addresses.json";

/// Worker threads end within this time once they are stopped.
const WORKERS_END: Duration = Duration::from_millis(100);
const PURGE_EVERY: Duration = Duration::from_secs(600);
const PURGE_ROWS: u64 = 500;
/// A repeated send is recognised for this long.
const SENT_INDEX_MS: i64 = 30 * 24 * 60 * 60 * 1000;

/// Runs a node until a signal ends it.
///
/// # Errors
/// What keeps it from starting: a taken port, a data directory in use, damaged secrets.
pub fn run(config: Config) -> anyhow::Result<()> {
    telemetry::install_logs(&config.log)?;
    let metrics = telemetry::install_metrics()?;
    let public = gateway::bind(config.listen).context("cannot listen (listen)")?;
    let internal =
        gateway::bind(config.internal_listen).context("cannot listen (internal_listen)")?;
    let store = Store::open(EmbeddedConfig::new(&config.data_dir))?;
    let clock: Arc<dyn WallClock> = Arc::new(SystemClock);
    let store_ports = Arc::new(store.clone());
    let auth = Auth::open(&config.auth, &config.data_dir, store_ports.clone(), clock.clone())?;
    let auth = Arc::new(auth);
    let ports = Ports {
        ring: store_ports.clone(),
        messages: store_ports.clone(),
        roster: store_ports.clone(),
        bridge: Arc::new(LocalBridge),
        directory: Arc::new(LocalDirectory::default()),
        authenticator: Arc::new(auth.verifier().clone()) as Arc<dyn Authenticator>,
        clock: clock.clone(),
    };
    let result = actix::System::new().block_on(async {
        tokio::spawn(telemetry::metrics::keep_up(metrics.clone()));
        let workers = workers();
        let tree = actors::supervisor::start(ports, tree_config(&config), &workers);
        let node = Node::new(tree.clone());
        let users: Arc<dyn UserStore> = store_ports.clone();
        let roster: Arc<dyn RosterStore> = store_ports.clone();
        let mut state =
            ApiState::new(&config, Arc::new(node.clone()), users, roster, auth, clock.clone());
        state.metrics = Some(metrics);
        let readiness = state.readiness.clone();
        watch_health(&tree, &store, &readiness).await?;
        actix_rt::spawn(purge(store.clone(), clock));
        let (stop, stopped) = watch::channel(false);
        let addresses = Addresses { public: public.address, internal: internal.address };
        serve(&config, public, internal, &workers, &tree, &state, &stopped)?;
        addresses.publish(&config.data_dir)?;
        drain::wait_for_signal().await?;
        Draining { readiness, node, tree, stop }.run().await;
        // Actors end before the store that they would still ask.
        for worker in workers.all() {
            worker.stop();
        }
        tokio::time::sleep(WORKERS_END).await;
        let _ = std::fs::remove_file(config.data_dir.join(ADDRESSES_FILE));
        anyhow::Ok(())
    });
    store.close();
    result
}

/// Threads that serve sockets and actors: one a core.
fn workers() -> Workers {
    let count = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    Workers::new((0..count).map(|_| Arbiter::new().handle()).collect())
}

fn tree_config(config: &Config) -> TreeConfig {
    let at_least_one = |value: u32| NonZeroU32::new(value).unwrap_or(NonZeroU32::MIN);
    let send_limit = SendLimit {
        per_second: at_least_one(config.limits.sends_per_second),
        burst: at_least_one(config.limits.sends_burst),
    };
    TreeConfig {
        node: NodeId::generate(),
        heartbeat_ms: u64::from(HEARTBEAT_S) * 1000,
        limits: Limits {
            frame_bytes_max: FRAME_BYTES_MAX as u64,
            text_bytes_max: Content::SIZE_MAX as u64,
            history_page_max: actors::node::HISTORY_PAGE_MAX,
            sends_per_second: send_limit.per_second.get(),
            sends_burst: send_limit.burst.get(),
        },
        send_limit,
        batch: BatchLimits::default(),
        clustered: false,
    }
}

/// Waits until every shard is claimed and replayed, then keeps `/readyz` true to them and to the
/// store.
async fn watch_health(
    tree: &Arc<Tree>,
    store: &Store,
    readiness: &Arc<Readiness>,
) -> anyhow::Result<()> {
    let claimed = async {
        while !tree.committers.all_ready() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let deadline = Duration::from_secs(60);
    tokio::time::timeout(deadline, claimed).await.context("the store's log was not replayed")?;
    readiness.set_ring(true);
    let (tree, store, readiness) = (tree.clone(), store.clone(), readiness.clone());
    actix_rt::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let is_healthy = matches!(store.health(), Health::Ready);
            readiness.set_ring(is_healthy && tree.committers.all_ready());
        }
    });
    Ok(())
}

/// Forgets what has passed its time, in small bites: ids of sends after 30 days, refresh tokens
/// after their expiry.
async fn purge(store: Store, clock: Arc<dyn WallClock>) {
    loop {
        tokio::time::sleep(PURGE_EVERY).await;
        let now_ms = clock.now_ms();
        let mut after = None;
        loop {
            match store.purge_sent_index(after, now_ms - SENT_INDEX_MS, PURGE_ROWS).await {
                Ok(next @ Some(_)) => after = next,
                Ok(None) => break,
                Err(error) => {
                    tracing::warn!(%error, "old ids were not purged");
                    break;
                }
            }
        }
        if let Err(error) = store.purge_refresh_tokens(now_ms, PURGE_ROWS).await {
            tracing::warn!(%error, "old refresh tokens were not purged");
        }
    }
}

fn serve(
    config: &Config,
    public: Bound,
    internal: Bound,
    workers: &Workers,
    tree: &Arc<Tree>,
    state: &ApiState,
    stopped: &watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let gateway = Arc::new(GatewayContext {
        connections: tree.connections.clone(),
        admission: Admission::new(AdmissionLimits {
            connections_max: config.limits.connections_max(),
            per_address: config.limits.connections_per_address,
            silent_per_address: config.limits.silent_connections_per_address,
        }),
        readiness: state.readiness.clone(),
        allowed_origins: config.allowed_origins.clone(),
        trusted_proxies: config.trusted_proxies.clone(),
    });
    let for_public = state.clone();
    let routes: Routes = Arc::new(move |config| public_routes(for_public.clone())(config));
    gateway::serve(public, workers.all(), &routes, Some(&gateway), stopped.clone())?;
    let for_internal = state.clone();
    let routes: Routes = Arc::new(move |config| internal_routes(for_internal.clone())(config));
    gateway::serve(internal, &workers.all()[..1], &routes, None, stopped.clone())?;
    Ok(())
}

/// What a running server listens on.
struct Addresses {
    public: std::net::SocketAddr,
    internal: std::net::SocketAddr,
}

impl Addresses {
    /// Tells programs by a file, people by a line with a link.
    fn publish(&self, data_dir: &Path) -> anyhow::Result<()> {
        let Self { public, internal } = self;
        let text = serde_json::json!({
            "public": public.to_string(),
            "internal": internal.to_string(),
            "pid": std::process::id(),
        });
        let (path, half) =
            (data_dir.join(ADDRESSES_FILE), data_dir.join(format!("{ADDRESSES_FILE}.new")));
        std::fs::write(&half, text.to_string()).context("cannot write to the data directory")?;
        std::fs::rename(&half, &path).context("cannot write to the data directory")?;
        println!("Switchboard is ready: http://{public}/");
        println!("API documentation:    http://{public}/v1/docs/");
        println!("Health and metrics:   http://{internal}/readyz http://{internal}/metrics");
        println!("Data directory:       {}", data_dir.display());
        Ok(())
    }
}
