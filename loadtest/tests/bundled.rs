//! Every bundled scenario, small, against the real server. `cargo test --workspace` has built it
//! beside these tests; without it they say so and prove nothing.

use std::path::PathBuf;

use loadtest::RunReport;
use loadtest::engine::{self, Console, Source};
use loadtest::plan::{self, Plan, Thresholds};

fn server_bin() -> Option<PathBuf> {
    let here = std::env::current_exe().unwrap();
    let path = here.parent()?.parent()?.join("switchboard");
    if !path.is_file() {
        eprintln!("{} is not there: cargo test --workspace builds it", path.display());
        return None;
    }
    Some(path)
}

/// The measured part of `seconds`, where there are no stages; events are the caller's to move.
fn small(name: &str, seconds: f64, settings: &[&str]) -> Plan {
    let mut all = vec!["timing.warm_up_s=0.2", "timing.sample_ms=200", "timing.catch_up_s=20"];
    all.extend(settings);
    let all: Vec<String> = all.into_iter().map(str::to_owned).collect();
    let mut plan = plan::read_file_or_builtin(name, &all).unwrap_or_else(|error| panic!("{error}"));
    // Figures of a debug build on a busy machine: what counts here is the checker's word.
    plan.thresholds = Thresholds::default();
    plan.timing.duration_s = seconds;
    plan
}

async fn run(plan: Plan) -> Option<RunReport> {
    let environment = Vec::new();
    let source = Source::Own { binary: server_bin()?, data_dir: None, environment };
    let name = plan.name.clone();
    let report = engine::run(plan, source, Console::new(true)).await;
    let report = report.unwrap_or_else(|error| panic!("{name}: {error:#}"));
    assert!(report.passed, "{report}");
    Some(report)
}

#[tokio::test]
async fn silent_connections_are_weighed() {
    let settings = ["silent.connections=200", "silent.settle_s=0.3"];
    let Some(report) = run(small("idle", 0.5, &settings)).await else { return };
    let each = report.figures.bytes_per_connection.unwrap();
    // So few may find room in what the process holds from its start.
    assert!(each < 100_000.0, "{report}");
    assert!(report.verdict.is_none() && report.figures.server_cpu_percent.is_some());
}

#[tokio::test]
async fn people_talk_in_pairs_groups_rooms_and_channels() {
    let plans = [
        small("direct", 1.0, &["conversations.0.count=5"]),
        small("direct-open", 1.0, &["conversations.0.count=5", "traffic.rate=100"]),
        small("group", 1.0, &["conversations.0.count=1", "conversations.0.members=30"]),
        small("hot-conversation", 1.0, &[]),
        small("thin", 1.0, &["conversations.0.count=60", "traffic.rate=100"]),
    ];
    for plan in plans {
        let Some(report) = run(plan).await else { return };
        assert!(report.figures.accepted > 50, "{report}");
    }
}

#[tokio::test]
async fn a_ladder_tells_which_stage_was_sustained() {
    let mut plan = small("room", 1.0, &["conversations.0.members=30"]);
    plan.stages.truncate(2);
    plan.stages.iter_mut().for_each(|stage| stage.seconds = 0.7);
    let Some(report) = run(plan).await else { return };
    assert_eq!(report.stages.len(), 2);
    assert!(report.stages.iter().all(|stage| stage.delivered.count > 0), "{report}");
}

#[tokio::test]
async fn a_celebrity_reaches_all_readers() {
    // All readers here; then 40 of them, and 60 in two processes of their own.
    engine::set_helper_program(env!("CARGO_BIN_EXE_switchboard-loadtest").into());
    for readers_here in [1_000, 40] {
        let mut plan = small("celebrity", 1.5, &["traffic.rate=84"]);
        plan.scale(0.001);
        plan.readers_per_process = readers_here;
        let Some(report) = run(plan).await else { return };
        assert!(report.figures.delivered >= 4 * 100, "{report}");
        let counts = report.verdict.as_ref().unwrap().counts;
        assert!(counts.deliveries >= 4 * 100 && counts.readers >= 140, "{report}");
        assert!(report.figures.delivered_latency.count >= 4 * 100, "{report}");
    }
}

#[tokio::test]
async fn real_chat_is_replayed() {
    let Some(report) = run(small("replay", 1.0, &["replay.made_up_lines=60"])).await else {
        return;
    };
    assert_eq!(report.figures.accepted, 60, "{report}");
}

#[tokio::test]
async fn storms_and_sleepers_lose_nothing() {
    let mut storm = small("reconnect-storm", 3.0, &["conversations.0.count=3"]);
    storm.conversations[0].members = 21;
    (storm.events[0].at_s, storm.events[0].for_s) = (0.4, 0.8);
    let settings = ["conversations.0.members=40", "traffic.rate=60"];
    let mut slow = small("slow-consumer", 2.5, &settings);
    (slow.events[0].at_s, slow.events[0].for_s) = (0.8, 1.0);
    slow.events[0].share = 0.2;
    for plan in [storm, slow] {
        let Some(report) = run(plan).await else { return };
        assert!(report.figures.caught_up_s.is_some(), "{report}");
    }
}

#[tokio::test]
async fn presence_storms_and_soaks_run() {
    let mut presence = small(
        "presence-storm",
        1.0,
        &[
            "silent.connections=60",
            "silent.watches=7",
            "silent.settle_s=0.1",
            "conversations.0.count=5",
        ],
    );
    presence.stages.iter_mut().for_each(|stage| stage.seconds = 0.6);
    let event = &mut presence.events[0];
    (event.at_s, event.over_s, event.for_s) = (0.6, 0.3, 0.1);
    (event.every_s, event.times) = (Some(0.3), 2);
    let mut soak = small(
        "soak",
        2.0,
        &[
            "silent.connections=20",
            "silent.settle_s=0.1",
            "conversations.0.count=5",
            "conversations.1.count=1",
            "traffic.rate=100",
        ],
    );
    for event in &mut soak.events {
        (event.at_s, event.for_s, event.every_s, event.times) = (0.5, 0.3, None, 1);
        event.over_s = event.over_s.min(0.2);
    }
    for plan in [presence, soak] {
        let watches = plan.silent.watches as u64;
        let Some(report) = run(plan).await else { return };
        // At the beginning, and again who came back.
        assert!(report.figures.presence_told >= 60 * watches, "{report}");
        assert!(watches == 0 || report.figures.stage_p50_ratio.is_some(), "{report}");
        assert!(report.figures.struck["reconnect"] >= 1, "{report}");
    }
}

/// One node with the embedded store: the same events, without services.
#[tokio::test]
async fn a_node_is_killed_paused_and_restarted() {
    for name in ["kill-node", "kill-sequencer", "rolling-restart"] {
        let mut plan = small(name, 3.0, &["server.nodes=1"]);
        for event in &mut plan.events {
            (event.at_s, event.for_s, event.every_s, event.times) = (0.8, 0.3, None, 1);
        }
        let Some(report) = run(plan).await else { return };
        assert!(report.figures.struck.values().sum::<u64>() > 0, "{report}");
        assert!(report.figures.sockets_lost > 0, "{report}");
    }
}

/// Nodes of a real cluster are drained and started again under load: sockets move, and nobody is
/// told of an error.
#[tokio::test]
async fn a_rolling_restart_tells_no_client_of_an_error() {
    let settings = ["server.nodes=3", "traffic.rate=40"];
    let mut plan = small("rolling-restart", 16.0, &settings);
    (plan.events[0].at_s, plan.events[0].for_s) = (1.0, 0.5);
    plan.thresholds.max_refusals = Some(0.0);
    let Some(report) = run(plan).await else { return };
    assert_eq!(report.figures.struck["rolling_restart"], 1, "{report}");
    assert!(report.figures.sockets_lost >= 36, "every socket moved: {report}");
    assert_eq!(report.figures.refusals, 0, "{report}");
}

/// All faults that a cluster knows, one after the other, on one real cluster: starting one takes
/// longer than all of them.
#[tokio::test]
async fn a_cluster_survives_what_the_fault_scenarios_do() {
    let settings = ["server.nodes=2", "traffic.rate=30"];
    let mut plan = small("kill-sequencer", 20.0, &settings);
    let events = ["kill-sequencer", "flush-redis", "database-timeout", "rolling-restart"];
    plan.events = events.map(|name| small(name, 1.0, &[]).events.remove(0)).into();
    for (number, event) in plan.events.iter_mut().enumerate() {
        event.at_s = 1.0 + 3.0 * number as f64;
        (event.for_s, event.every_s, event.times) = (1.0, None, 1);
    }
    let Some(report) = run(plan).await else { return };
    for name in ["kill_sequencer", "flush_redis", "database_timeout", "rolling_restart"] {
        assert!(report.figures.struck.contains_key(name), "{name}: {report}");
    }
    assert_eq!(report.processes.len(), 2 + 1 + 1 + 1, "nodes, Cassandra, Redis, load tester");
    assert!(report.figures.store_cpu_us_per_message.is_some_and(|cost| cost > 0.0), "{report}");
}
