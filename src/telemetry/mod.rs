//! Logs, metrics and traces: set up once a process.

pub mod allocations;
pub mod config;
pub mod logs;
pub mod metrics;
mod process;
pub mod traces;

pub use config::{LogConfig, LogFormat, TelemetryConfig};
pub use logs::{install_logs, set_level};
pub use metrics::{MetricsHandle, install_metrics};
