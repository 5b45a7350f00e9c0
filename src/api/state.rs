//! What handlers share.

use std::sync::Arc;

use actors::memory::MemoryAdminLog;
use actors::personal::Personal;
use actors::ports::{AdminLog, InviteStore, RosterStore, UserStore, WallClock};

use super::door::Door;
use super::idempotency::{IdempotencyStore, InMemoryIdempotency};
use super::limits::RateLimits;
use super::operations::Operations;
use super::readiness::Readiness;
use crate::auth::Auth;
use crate::config::{AddressRange, Config};
use crate::preview::LinkPreviews;
use crate::search::SearchIndex;
use crate::store::embedded;
use crate::telemetry::MetricsHandle;

/// Cheap to clone; one a process, handed to every worker.
#[derive(Clone)]
pub struct ApiState {
    pub node: Arc<dyn Door>,
    pub users: Arc<dyn UserStore>,
    pub roster: Arc<dyn RosterStore>,
    pub personal: Arc<Personal>,
    pub invites: Arc<dyn InviteStore>,
    pub auth: Arc<Auth>,
    pub clock: Arc<dyn WallClock>,
    pub limits: Arc<RateLimits>,
    pub readiness: Arc<Readiness>,
    pub idempotency: Arc<dyn IdempotencyStore>,
    pub settings: Arc<ApiSettings>,
    /// `None` where there is no index to ask.
    pub search: Option<Arc<dyn SearchIndex>>,
    /// The embedded store, if this is what its index lies beside: for administration.
    pub embedded: Option<embedded::Store>,
    /// `None` where they are off.
    pub previews: Option<Arc<LinkPreviews>>,
    /// What operators did.
    pub admin_log: Arc<dyn AdminLog>,
    /// `None` in tests without a node.
    pub operations: Option<Arc<dyn Operations>>,
    /// `None` in tests that record nothing.
    pub metrics: Option<MetricsHandle>,
}

/// What is kept of conversations and of their members.
pub struct Rooms {
    pub roster: Arc<dyn RosterStore>,
    pub personal: Arc<Personal>,
    pub invites: Arc<dyn InviteStore>,
}

impl ApiState {
    /// The usual state over `config`, answers to `Idempotency-Key` kept in memory.
    #[must_use]
    pub fn new(
        config: &Config,
        node: Arc<dyn Door>,
        users: Arc<dyn UserStore>,
        rooms: Rooms,
        auth: Arc<Auth>,
        clock: Arc<dyn WallClock>,
    ) -> Self {
        let Rooms { roster, personal, invites } = rooms;
        Self {
            node,
            users,
            roster,
            personal,
            invites,
            auth,
            clock,
            limits: Arc::new(RateLimits::new(&config.limits)),
            readiness: Arc::default(),
            idempotency: Arc::new(InMemoryIdempotency::default()),
            settings: Arc::new(ApiSettings::new(config)),
            search: None,
            embedded: None,
            previews: None,
            admin_log: Arc::new(MemoryAdminLog::default()),
            operations: None,
            metrics: None,
        }
    }
}

/// What handlers need of the configuration.
#[derive(Clone, Debug)]
pub struct ApiSettings {
    pub allowed_origins: Vec<String>,
    pub trusted_proxies: Vec<AddressRange>,
    pub request_bytes_max: usize,
}

impl ApiSettings {
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self {
            allowed_origins: config.allowed_origins.clone(),
            trusted_proxies: config.trusted_proxies.clone(),
            request_bytes_max: config.limits.request_body_max.as_usize(),
        }
    }
}
