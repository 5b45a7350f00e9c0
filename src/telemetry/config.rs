//! Settings of the logs.

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
