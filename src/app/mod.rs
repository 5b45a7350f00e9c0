//! The composition root: the only file that builds everything.

pub mod backends;
mod operations;
pub mod reload;
mod retention;
mod upkeep;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use actix::Arbiter;
use actors::Node;
use actors::committer::BatchLimits;
use actors::monitor::Workers;
use actors::ports::wall_clock::SystemClock;
use actors::ports::{Authenticator, WallClock};
use actors::session::SendLimit;
use actors::supervisor::{Ports, Tree, TreeConfig};
use anyhow::Context as _;
use schema::record::Content;
use schema::wire::Limits;
use schema::wire::codec::FRAME_BYTES_MAX;
use tokio::sync::watch;

use crate::api::{ApiState, Rooms, public_routes};
use crate::auth::Auth;
use crate::config::{Config, LimitsConfig};
use crate::drain::{Asked, Draining, Signals};
use crate::gateway::{
    self, Admission, AdmissionLimits, Arrival, Bound, CurrentTls, GatewayContext, HEARTBEAT_S,
    Routes, Service,
};
use crate::internal::internal_routes;
use crate::preview::LinkPreviews;
use crate::{service_manager, telemetry};
use backends::{Backends, Stores};
use reload::{ReadConfig, Reload};

/// Where the addresses of a running server are written.
pub const ADDRESSES_FILE: &str = "addresses.json";

/// Worker threads end within this time once they are stopped.
const WORKERS_END: Duration = Duration::from_millis(100);

/// Runs a node until a signal ends it. `read` gives the settings again, when they are to be reloaded.
///
/// # Errors
/// What keeps it from starting: a taken port, a data directory in use, damaged secrets.
pub fn run(config: Config, read: ReadConfig) -> anyhow::Result<()> {
    telemetry::install_logs(&config.log)?;
    let metrics = telemetry::install_metrics()?;
    let public = gateway::bind(config.listen).context("cannot listen (listen)")?;
    let internal =
        gateway::bind(config.internal_listen).context("cannot listen (internal_listen)")?;
    let backends = Backends::open(&config, internal.address.to_string())?;
    let clock: Arc<dyn WallClock> = Arc::new(SystemClock);
    let users = backends.stores.users.clone();
    let auth = Arc::new(Auth::open(&config.auth, &config.data_dir, users, clock.clone())?);
    let backends = Arc::new(backends);
    let result = actix::System::new().block_on(serve_until_signal(
        config,
        read,
        &backends,
        auth,
        clock,
        [public, internal],
        metrics,
    ));
    // All that shared it ended with the system above.
    if let Some(backends) = Arc::into_inner(backends) {
        backends.close();
    }
    result
}

async fn serve_until_signal(
    config: Config,
    read: ReadConfig,
    backends: &Arc<Backends>,
    auth: Arc<Auth>,
    clock: Arc<dyn WallClock>,
    [public, internal]: [Bound; 2],
    metrics: telemetry::MetricsHandle,
) -> anyhow::Result<()> {
    tokio::spawn(telemetry::metrics::keep_up(metrics.clone()));
    telemetry::traces::install(&config.telemetry, backends.node)?;
    let workers = workers(config.workers);
    let ports = Ports {
        ring: backends.stores.ring.clone(),
        messages: backends.stores.messages.clone(),
        roster: backends.stores.roster.clone(),
        index: backends.stores.index.clone(),
        personal: backends.stores.personal.clone(),
        bridge: backends.bridge.clone(),
        directory: backends.directory.clone(),
        authenticator: Arc::new(auth.verifier().clone()) as Arc<dyn Authenticator>,
        clock: clock.clone(),
    };
    let tree = actors::supervisor::start(ports, tree_config(&config, backends), &workers);
    let node = Node::new(tree.clone());
    let Stores { users, roster, invites, admin_log, .. } = backends.stores.clone();
    let personal = tree.personal.clone();
    actix_rt::spawn(actors::scheduling::run(node.clone()));
    let rooms = Rooms { roster, personal, invites };
    let door = Arc::new(node.clone());
    let mut state = ApiState::new(&config, door, users, rooms, auth, clock.clone());
    state.metrics = Some(metrics);
    state.previews = LinkPreviews::new(&config.link_previews)?.map(Arc::new);
    state.search = backends.search();
    state.embedded = backends.embedded().cloned();
    let committers = tree.committers.clone();
    backends.follow_logs(move || {
        (0..committers.shards()).filter(|it| committers.activation(*it).is_some()).collect()
    });
    state.admin_log = admin_log;
    let members = backends.members();
    let operations =
        operations::OfTree::new(tree.clone(), backends.node, internal.address, members);
    state.operations = Some(Arc::new(operations));
    let readiness = state.readiness.clone();
    actix_rt::spawn(actors::supervisor::probe_mailboxes(Arc::downgrade(&tree)));
    actix_rt::spawn(upkeep::gauge(config.data_dir.clone(), backends.stores.ring.clone()));
    upkeep::watch_health(&tree, backends, &readiness).await?;
    actix_rt::spawn(retention::purge(tree.clone(), clock.clone()));
    if let Some(store) = backends.embedded() {
        actix_rt::spawn(upkeep::purge(store.clone(), clock));
    }
    let (stop, stopped) = watch::channel(false);
    let addresses = Addresses { public: public.address, internal: internal.address };
    let mut signals = Signals::watch()?;
    let tls = current_tls(&config)?;
    let admission = Admission::new(admission_limits(&config.limits));
    serve(&config, public, internal, &workers, &tree, &state, &admission, tls.clone(), &stopped)?;
    addresses.publish(&config)?;
    service_manager::ready();
    actix_rt::spawn(service_manager::keep_watchdog(workers.clone()));
    let sends = tree.send_limit.clone();
    let mut reload =
        Reload { read, current: config, rates: state.limits.clone(), admission, sends, tls };
    loop {
        let asked = tokio::select! {
            asked = signals.next() => asked,
            () = readiness.asked_to_drain() => Asked::Stop,
        };
        match asked {
            Asked::Reload => reload.reload(),
            Asked::Stop => break,
        }
    }
    let config = reload.current;
    tracing::info!("draining");
    service_manager::stopping();
    let draining = Draining { config: config.drain.clone(), readiness, node, tree, stop };
    draining.run(backends.leave(), signals.stop()).await;
    // Actors end before the store that they would still ask.
    for worker in workers.all() {
        worker.stop();
    }
    telemetry::traces::flush().await;
    tokio::time::sleep(WORKERS_END).await;
    let _ = std::fs::remove_file(config.data_dir.join(ADDRESSES_FILE));
    Ok(())
}

/// Threads that serve sockets and actors; one a core when `wanted` is zero.
fn workers(wanted: u16) -> Workers {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let count = if wanted == 0 { cores } else { wanted.into() };
    Workers::new((0..count).map(|_| Arbiter::new().handle()).collect())
}

fn tree_config(config: &Config, backends: &Backends) -> TreeConfig {
    let send_limit = send_limit(&config.limits);
    TreeConfig {
        node: backends.node,
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
        retention_default_days: config.retention.default_days,
        clustered: backends.is_clustered(),
    }
}

fn send_limit(limits: &LimitsConfig) -> SendLimit {
    let at_least_one = |value: u32| NonZeroU32::new(value).unwrap_or(NonZeroU32::MIN);
    SendLimit {
        per_second: at_least_one(limits.sends_per_second),
        burst: at_least_one(limits.sends_burst),
    }
}

fn admission_limits(limits: &LimitsConfig) -> AdmissionLimits {
    AdmissionLimits {
        connections_max: limits.connections_max(),
        per_address: limits.connections_per_address,
        silent_per_address: limits.silent_connections_per_address,
    }
}

/// The certificate, if the settings name one, watched from now on.
fn current_tls(config: &Config) -> anyhow::Result<Option<Arc<CurrentTls>>> {
    let Some((certificate, key)) = config.tls.files() else { return Ok(None) };
    let tls = CurrentTls::open(certificate, key).context("tls")?;
    actix_rt::spawn(tls.clone().watch());
    Ok(Some(tls))
}

#[expect(clippy::too_many_arguments, reason = "the composition root")]
fn serve(
    config: &Config,
    public: Bound,
    internal: Bound,
    workers: &Workers,
    tree: &Arc<Tree>,
    state: &ApiState,
    admission: &Arc<Admission>,
    tls: Option<Arc<CurrentTls>>,
    stopped: &watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let gateway = Arc::new(GatewayContext {
        connections: tree.connections.clone(),
        admission: admission.clone(),
        allowed_origins: config.allowed_origins.clone(),
        trusted_proxies: config.trusted_proxies.clone(),
    });
    let for_public = state.clone();
    let routes: Routes = Arc::new(move |config| public_routes(for_public.clone())(config));
    let arrival = Arc::new(Arrival {
        admission: admission.clone(),
        tls,
        proxy_protocol: config.proxy_protocol,
        trusted_proxies: config.trusted_proxies.clone(),
    });
    let readiness = state.readiness.clone();
    let service = Service { routes, readiness, gateway: Some(gateway), arrival: Some(arrival) };
    gateway::serve(public, workers.all(), &service, stopped.clone())?;
    let for_internal = state.clone();
    let routes: Routes = Arc::new(move |config| internal_routes(for_internal.clone())(config));
    let service = Service { routes, gateway: None, arrival: None, ..service };
    gateway::serve(internal, &workers.all()[..1], &service, stopped.clone())?;
    Ok(())
}

/// What a running server listens on.
struct Addresses {
    public: std::net::SocketAddr,
    internal: std::net::SocketAddr,
}

impl Addresses {
    /// Tells programs by a file, people by a line with a link.
    fn publish(&self, config: &Config) -> anyhow::Result<()> {
        let data_dir = &config.data_dir;
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
        let scheme = if config.tls.files().is_some() { "https" } else { "http" };
        println!("Switchboard is ready: {scheme}://{public}/");
        println!("API documentation:    {scheme}://{public}/v1/docs/");
        println!("Health and metrics:   http://{internal}/readyz http://{internal}/metrics");
        println!("Data directory:       {}", data_dir.display());
        if !config.store.is_embedded() {
            println!("Store and bridge:     {} {}", config.store, config.bridge);
        }
        Ok(())
    }
}
