//! The Switchboard server: adapters and wiring around the actors. No chat rules here.
//!
//! ```text
//! app.rs          builds everything          cli/        the commands
//! gateway/        sockets and HTTP           api/        REST
//! auth/           who is who                 store/      where everything is kept
//! bridge/         between nodes              coordination/  who owns what
//! config/         settings                   telemetry/  logs and metrics
//! internal/       health, metrics, admin     web/        the chat page
//! drain/          going away in good order   service_manager.rs  what systemd is told
//! search/         full text                  preview/    what links lead to
//! trust.rs        whose certificates are believed
//! ```

pub mod api;
pub mod app;
pub mod auth;
pub mod bridge;
pub mod cli;
pub mod config;
pub mod coordination;
pub mod drain;
pub mod gateway;
pub mod internal;
pub mod preview;
pub mod search;
pub mod service_manager;
pub mod store;
pub mod telemetry;
pub mod trust;
pub mod web;
