//! Bytes an idle connection costs: a count that does not flap, so it is a gate.

use loadtest::scenario::{ServerChoice, idle};
use loadtest::verdict::Figures;

use crate::support::spec;

/// The goal is 3,072; what is reached, and a little for what other builds lay out differently.
const BYTES_MAX: u64 = 3_600;

/// Resident memory of a process, KiB.
pub fn resident_kib(pid: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_connection_costs_little_more_than_three_kibibytes() {
    let options = idle::Options {
        server: ServerChoice::Own(spec()),
        connections: 3_000,
        echo: idle::Echo::Ping,
        settle: std::time::Duration::from_secs(3),
        bytes_per_connection_max: Some(BYTES_MAX),
    };
    let outcome = idle::run(options).await.unwrap();
    println!("{outcome}");
    assert!(outcome.passed);
    assert!(matches!(outcome.figures, Figures::Idle(_)));
}
