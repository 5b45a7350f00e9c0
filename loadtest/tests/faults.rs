//! The play of faults on a single node that is a fake: an honest one passes, one that acknowledges
//! first does not. This program is that node too: `faults serve …`, `faults migrate`, `faults audit`.

#[allow(dead_code)]
mod fake_server;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fake_server::{Lie, State, accept};
use loadtest::faults::Mix;
use loadtest::scenario::faults;
use loadtest::services::CassandraSpec;
use loadtest::{Figures, Outcome};
use serde_json::json;
use tokio::net::TcpListener;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("serve") => return serve(&arguments).await,
        Some("migrate") => return,
        Some("audit") => return println!("{}", json!({"passed": true})),
        _ => {}
    }
    // What `cargo test` passes on: a filter, or options of the usual harness.
    let filter = arguments.iter().find(|argument| !argument.starts_with('-'));
    let is_wanted = |name: &str| filter.is_none_or(|filter| name.contains(filter.as_str()));
    if arguments.iter().any(|argument| argument == "--list") {
        return;
    }
    macro_rules! run {
        ($($test:ident),+) => {$(
            if is_wanted(stringify!($test)) {
                $test().await;
                println!("test {} ... ok", stringify!($test));
            }
        )+};
    }
    run!(a_node_that_stores_first_survives_faults, a_node_that_acknowledges_first_does_not);
}

async fn serve(arguments: &[String]) {
    let value = |name: &str| -> &str {
        let at = arguments.iter().position(|argument| argument == name).expect("all are given");
        &arguments[at + 1]
    };
    let data_dir = PathBuf::from(value("--data-dir"));
    let is_late = std::env::var_os("STUB_STORES_LATER").is_some();
    let lie = if is_late { Lie::StoreLater } else { Lie::None };
    let state = Arc::new(Mutex::new(State::open(lie, &data_dir.join("journal.jsonl"))));
    let public = TcpListener::bind(value("--listen")).await.unwrap();
    let internal = TcpListener::bind(value("--internal-listen")).await.unwrap();
    tokio::join!(accept(public, Arc::clone(&state)), accept(internal, state));
}

async fn faults(environment: &[(&str, &str)], kills: u32) -> Outcome {
    let mut options = faults::Options::new(std::env::current_exe().unwrap(), 11);
    let environment = environment.iter().map(|(name, value)| ((*name).into(), (*value).into()));
    options.environment = environment.collect();
    (options.nodes, options.database) = (1, CassandraSpec::kept(1));
    (options.groups, options.pairs, options.pause_ms) = (2, 1, (0, 10));
    options.mix = Mix {
        node_pauses: 3,
        node_kills: kills,
        database_faults: 0,
        redis_faults: 0,
        partitions: 0,
        longest_ms: 400,
    };
    options.duration = Duration::from_secs(5);
    options.catch_up = Duration::from_secs(10);
    faults::run(options).await.expect("the scenario runs")
}

async fn a_node_that_stores_first_survives_faults() {
    let outcome = faults(&[], 3).await;
    assert!(outcome.passed, "{outcome}");
    let Figures::Faults(figures) = &outcome.figures else { panic!("{outcome}") };
    assert_eq!(figures.tally.struck["node_kill"], 3, "{outcome}");
    assert_eq!(figures.tally.struck["node_pause"], 3, "{outcome}");
    assert!(figures.accepted > 200 && figures.accepted_max_us > 1_000, "{outcome}");
    assert!(figures.audit.is_some() && figures.longest_silence_ms > 10, "{outcome}");
}

async fn a_node_that_acknowledges_first_does_not() {
    let outcome = faults(&[("STUB_STORES_LATER", "1")], 3).await;
    assert!(!outcome.passed, "{outcome}");
    let verdict = outcome.verdict.as_ref().unwrap();
    assert!(verdict.has("ack_holds_another") || verdict.has("acked_lost"), "{outcome}");
    // A failure keeps the servers' output for whoever looks into it; here nobody does.
    let kept = outcome.problems.iter().find_map(|problem| problem.split(" is in ").nth(1));
    std::fs::remove_dir_all(kept.expect("the output is kept")).unwrap();
}
