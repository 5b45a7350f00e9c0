//! Settings that are read again while the server runs.

use std::sync::Arc;

use actors::session::SendLimitInForce;
use schema::metric;

use super::{admission_limits, send_limit};
use crate::api::RateLimits;
use crate::config::Config;
use crate::config::changes::changes;
use crate::gateway::{Admission, CurrentTls};
use crate::telemetry;

/// Reads the settings from where they came.
pub type ReadConfig = Box<dyn Fn() -> anyhow::Result<Config>>;

/// What can be told of new settings.
pub struct Reload {
    pub read: ReadConfig,
    pub current: Config,
    pub rates: Arc<RateLimits>,
    pub admission: Arc<Admission>,
    pub sends: Arc<SendLimitInForce>,
    pub tls: Option<Arc<CurrentTls>>,
}

impl Reload {
    /// Reads again and takes over what can be; a configuration with a problem changes nothing.
    pub fn reload(&mut self) {
        let outcome = match self.take_over() {
            Ok(()) => "done",
            Err(error) => {
                tracing::error!("the new settings are not used, the old ones stay: {error:#}");
                "refused"
            }
        };
        metrics::counter!(metric::CONFIG_RELOADS, "outcome" => outcome).increment(1);
    }

    fn take_over(&mut self) -> anyhow::Result<()> {
        let new = (self.read)()?;
        let found = changes(&self.current, &new);
        // First what can fail.
        if let (Some(tls), Some((certificate, key))) = (&self.tls, new.tls.files()) {
            tls.load(certificate, key)?;
        }
        if new.log.level != self.current.log.level {
            telemetry::set_level(&new.log.level)?;
        }
        self.rates.set(&new.limits);
        self.admission.set_limits(admission_limits(&new.limits));
        self.sends.set(send_limit(&new.limits));
        tracing::info!(changed = ?found.now, "settings read again");
        if !found.at_restart.is_empty() {
            tracing::warn!(settings = ?found.at_restart, "changed settings that need a restart");
        }
        // What needs a restart stays as it is, and is named at the next reload again.
        self.current.limits = crate::config::LimitsConfig {
            request_body_max: self.current.limits.request_body_max,
            ..new.limits
        };
        self.current.log.level = new.log.level;
        self.current.drain = new.drain;
        if self.tls.is_some() && new.tls.files().is_some() {
            self.current.tls = new.tls;
        }
        Ok(())
    }
}
