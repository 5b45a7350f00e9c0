//! What an operator sees: dashboards, alerts, traces and logs, with the real programs.

mod alerts;
mod logs;
mod prometheus;
mod shipped;
pub mod traces;
