//! Load scenarios with verdicts: each drives a server by the public contract alone, writes down
//! what every client saw, and has it judged by [`schema::checker`].
//!
//! The program `switchboard-loadtest` runs them from a terminal. Most are data: a [`plan::Plan`] is
//! read from TOML, [`engine::run`] plays it and gives a [`RunReport`], which [`page`] draws. Some
//! are functions: `scenario::replay::run(options).await` and so on, each giving an [`Outcome`].

pub mod cli;
pub mod cli_run;
pub mod client;
pub mod cluster;
pub mod compare;
pub mod engine;
pub mod faults;
pub mod machine;
pub mod page;
pub mod peers;
pub mod plan;
pub mod process_stats;
pub mod report;
pub mod run_report;
mod run_text;
pub mod scenario;
pub mod server_process;
pub mod services;
pub mod verdict;

pub use run_report::RunReport;
pub use server_process::{ServerProcess, ServerSpec};
pub use verdict::{ExitStatus, Figures, Outcome};
