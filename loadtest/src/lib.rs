//! Load scenarios with verdicts: each drives a server by the public contract alone, writes down
//! what every client saw, and has it judged by [`schema::checker`].
//!
//! The program `switchboard-loadtest` runs them from a terminal; tests call them as functions:
//! `scenario::replay::run(options).await` and so on, each giving an [`Outcome`].

pub mod cli;
pub mod client;
pub mod cluster;
pub mod faults;
pub mod process_stats;
pub mod report;
pub mod scenario;
pub mod server_process;
pub mod services;
pub mod verdict;

pub use server_process::{ServerProcess, ServerSpec};
pub use verdict::{ExitStatus, Figures, Outcome};
