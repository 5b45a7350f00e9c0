//! Rate limits and connection limits.

use serde::{Deserialize, Serialize};

use super::text::ByteSize;

/// What one user, address or node may ask for. Every limit can be raised for a test.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default)]
pub struct LimitsConfig {
    /// Sustained sends of one user, per second.
    pub sends_per_second: u32,
    /// Sends of one user that may come at once.
    pub sends_burst: u32,
    /// Sign-ins from one address, per minute.
    pub sign_ins_per_minute: u32,
    /// Sign-ins to one user name, per minute.
    pub sign_ins_per_user_per_minute: u32,
    /// New accounts from one address, per hour.
    pub registrations_per_hour: u32,
    /// Open sockets of this node. 0: as many as the descriptor limit has room for.
    pub connections_max: u32,
    /// Open sockets from one address.
    pub connections_per_address: u32,
    /// Sockets from one address that have not said hello yet.
    pub silent_connections_per_address: u32,
    /// Sustained REST requests of one user, per second.
    pub requests_per_second: u32,
    /// REST requests of one user that may come at once.
    pub requests_burst: u32,
    /// Largest body of a REST request.
    #[schema(value_type = String)]
    pub request_body_max: ByteSize,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            sends_per_second: 20,
            sends_burst: 100,
            sign_ins_per_minute: 30,
            sign_ins_per_user_per_minute: 10,
            registrations_per_hour: 100,
            connections_max: 0,
            connections_per_address: 1_000,
            silent_connections_per_address: 20,
            requests_per_second: 50,
            requests_burst: 200,
            request_body_max: ByteSize(256 * 1024),
        }
    }
}

/// Descriptors that are not sockets of clients: store, listeners, logs, internal requests.
const DESCRIPTORS_RESERVED: u64 = 256;

impl LimitsConfig {
    /// Open sockets of this node, with 0 resolved by the process's descriptor limit.
    #[must_use]
    pub fn connections_max(&self) -> u32 {
        if self.connections_max > 0 {
            return self.connections_max;
        }
        let room = descriptor_limit().saturating_sub(DESCRIPTORS_RESERVED).max(64);
        u32::try_from(room).unwrap_or(u32::MAX)
    }
}

/// Open descriptors that this process may have (the soft limit).
#[must_use]
pub fn descriptor_limit() -> u64 {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX)
}
