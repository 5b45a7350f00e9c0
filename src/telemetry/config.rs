//! Settings of logs and traces.

use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

pub use crate::config::choice::LogFormat;

/// What is logged, and how. Logs go to standard error.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default)]
pub struct LogConfig {
    /// "text" for people, "json" for collectors.
    #[schema(value_type = String)]
    pub format: LogFormat,
    /// A level (error, warn, info, debug, trace) or directives such as "info,actors=debug".
    pub level: String,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { format: LogFormat::Text, level: "info".to_owned() }
    }
}

impl LogConfig {
    pub(crate) fn check(&self, refuse: &mut impl FnMut(&str, String)) {
        if let Err(error) = EnvFilter::try_new(&self.level) {
            refuse("log.level", format!("{:?}: {error}", self.level));
        }
    }
}

/// Traces of messages and requests, for a collector of OpenTelemetry.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default)]
pub struct TelemetryConfig {
    /// Where spans go: "http://127.0.0.1:4318", by OTLP over HTTP (JSON), to /v1/traces there.
    /// Empty: nothing is traced.
    pub otlp_endpoint: String,
    /// Of messages and requests, the share that is traced: 0.0 to 1.0. What a caller's traceparent
    /// says goes first.
    pub sample_ratio: f64,
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        Self { otlp_endpoint: String::new(), sample_ratio: 0.01 }
    }
}

impl TelemetryConfig {
    /// Where spans are posted; `None` when nothing is traced.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn traces_url(&self) -> Result<Option<url::Url>, String> {
        if self.otlp_endpoint.is_empty() {
            return Ok(None);
        }
        let base = self.otlp_endpoint.trim_end_matches('/');
        let url = url::Url::parse(&format!("{base}/v1/traces")).map_err(|it| it.to_string())?;
        if matches!(url.scheme(), "http" | "https") && url.host().is_some() {
            Ok(Some(url))
        } else {
            Err("must begin with http:// or https://".to_owned())
        }
    }

    pub(crate) fn check(&self, refuse: &mut impl FnMut(&str, String)) {
        if let Err(reason) = self.traces_url() {
            refuse("telemetry.otlp_endpoint", reason);
        }
        if !(0.0..=1.0).contains(&self.sample_ratio) {
            refuse("telemetry.sample_ratio", "must be 0.0 to 1.0".to_owned());
        }
    }
}
