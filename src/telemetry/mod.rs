//! Logs and metrics: set up once a process.

pub mod config;
pub mod logs;
pub mod metrics;

pub use config::{LogConfig, LogFormat};
pub use logs::install_logs;
pub use metrics::{MetricsHandle, install_metrics};
