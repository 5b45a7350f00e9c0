//! The scenarios against a server in this process: an honest one passes, each lie fails by name.

mod fake_server;

use std::path::PathBuf;
use std::time::Duration;

use fake_server::{Lie, start};
use loadtest::scenario::{ServerChoice, direct, idle, kill9, replay};
use loadtest::{Figures, Outcome, ServerSpec};

/// A chat of 120 lines by seven people, some with replies, as a file.
fn chat_file(name: &str) -> PathBuf {
    let lines: Vec<String> = (0..120)
        .map(|n| {
            let (from, text) = (n * n % 7, format!("line {n} {}", "äöü🙂".repeat(n % 5)));
            let reply =
                if n % 9 == 8 { format!(",\"reply_to\":[{}]", n - 3) } else { String::new() };
            let kind = if n % 20 == 7 { "action" } else { "message" };
            format!(
                "{{\"n\":{n},\"kind\":\"{kind}\",\"from\":\"p{from}\",\"text\":\"{text}\"{reply}}}"
            )
        })
        .collect();
    let path = std::env::temp_dir().join(format!("{name}-{}.jsonl", std::process::id()));
    std::fs::write(&path, lines.join("\n")).unwrap();
    path
}

async fn replay(name: &str, lie: Lie, cut_per_mille: u32) -> Outcome {
    let files = vec![chat_file(name)];
    let server = start(lie).await;
    let options = replay::Options {
        server,
        files: files.clone(),
        seed: 7,
        cut_per_mille,
        kill_server_after: None,
        catch_up: Duration::from_secs(3),
    };
    let outcome = tokio::time::timeout(Duration::from_secs(200), replay::run(options))
        .await
        .expect("the replay ends")
        .expect("the replay runs");
    std::fs::remove_file(&files[0]).unwrap();
    outcome
}

#[tokio::test]
async fn an_honest_server_passes_a_replay() {
    let outcome = replay("honest", Lie::None, 0).await;
    assert!(outcome.passed, "{outcome}");
    let verdict = outcome.verdict.unwrap();
    assert_eq!(verdict.counts.messages, 120);
    // Four other speakers live (the squares mod 7 are 0, 1, 2, 4), two late readers of everything.
    assert_eq!(verdict.counts.deliveries, 120 * 3 + 4 + 2 * 121);
    assert!(verdict.counts.history_rows >= 5 * 121);
}

#[tokio::test]
async fn an_honest_server_passes_though_sockets_are_cut() {
    let outcome = replay("cut", Lie::None, 200).await;
    assert!(outcome.passed, "{outcome}");
    let Figures::Replay(figures) = &outcome.figures else { panic!("{outcome}") };
    assert!(figures.files[0].sockets_cut > 20, "{outcome}");
    let counts = outcome.verdict.unwrap().counts;
    assert!(counts.retries > 0 && counts.sockets > counts.readers, "{counts:?}");
}

#[tokio::test]
async fn each_lie_is_caught_under_its_own_name() {
    for (lie, cut_per_mille, name) in [
        (Lie::Lose, 0, "ack_holds_another"),
        (Lie::ForgetIds, 400, "stored_twice"),
        (Lie::ChangeText, 0, "stored_differs"),
        (Lie::DropDelivery, 0, "delivery_gap"),
        (Lie::RepeatDelivery, 0, "delivery_repeated"),
        (Lie::SwapDeliveries, 0, "delivery_out_of_order"),
    ] {
        let outcome = replay(&format!("{lie:?}"), lie, cut_per_mille).await;
        assert!(!outcome.passed, "{lie:?} passed");
        let verdict = outcome.verdict.as_ref().unwrap();
        assert!(verdict.has(name), "{lie:?} is not {name}: {outcome}");
    }
}

#[tokio::test]
async fn pairs_are_measured_and_judged() {
    let options = |server| direct::Options {
        server,
        pairs: 5,
        warmup: Duration::from_millis(200),
        duration: Duration::from_millis(500),
        body_bytes: 100,
        ack_every: 16,
    };
    let outcome = direct::run(options(start(Lie::None).await)).await.unwrap();
    assert!(outcome.passed, "{outcome}");
    let Figures::Direct(figures) = &outcome.figures else { panic!("{outcome}") };
    assert!(figures.messages > 100 && figures.delivered.p50_us > 0, "{outcome}");
    let outcome = direct::run(options(start(Lie::ChangeText).await)).await.unwrap();
    assert!(!outcome.passed && outcome.verdict.unwrap().has("stored_differs"));
}

#[tokio::test]
async fn silent_connections_are_weighed() {
    for echo in [idle::Echo::Ping, idle::Echo::Message] {
        let options = |bytes_per_connection_max, server| idle::Options {
            server,
            connections: 50,
            echo,
            settle: Duration::from_millis(100),
            bytes_per_connection_max,
        };
        let outcome = idle::run(options(None, start(Lie::None).await)).await.unwrap();
        assert!(outcome.passed, "{outcome}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_no_failure_of_the_server() {
    let target = loadtest::client::Target {
        public: "127.0.0.1:1".to_owned(),
        internal: None,
        admin_token: None,
    };
    let server = loadtest::scenario::ServerChoice::Running { target, pid: None };
    let options = direct::Options {
        server,
        pairs: 1,
        warmup: Duration::ZERO,
        duration: Duration::ZERO,
        body_bytes: 16,
        ack_every: 1,
    };
    assert!(direct::run(options).await.is_err());
}

/// The fake server as a process. Examples are built beside the tests.
fn stub(environment: &[(&str, &str)]) -> ServerChoice {
    let mut binary = std::env::current_exe().unwrap();
    binary.pop();
    binary.pop();
    binary.push("examples/stub_server");
    let environment = environment.iter().map(|(name, value)| ((*name).into(), (*value).into()));
    ServerChoice::Own(ServerSpec { binary, data_dir: None, environment: environment.collect() })
}

async fn kill(server: ServerChoice) -> Outcome {
    let mut options = kill9::Options::new(server, 11);
    (options.rounds, options.senders, options.conversations) = (5, 20, 2);
    (options.uptime_ms, options.pause_ms) = ((100, 400), (0, 10));
    options.catch_up = Duration::from_secs(3);
    tokio::time::timeout(Duration::from_secs(120), kill9::run(options))
        .await
        .expect("the kills end")
        .expect("the scenario runs")
}

#[tokio::test]
async fn a_server_that_stores_first_survives_kills() {
    let outcome = kill(stub(&[])).await;
    assert!(outcome.passed, "{outcome}");
    let counts = outcome.verdict.as_ref().unwrap().counts;
    assert!(counts.retries > 0 && counts.acked > 200, "{outcome}");
}

#[tokio::test]
async fn a_server_that_acknowledges_first_does_not() {
    let outcome = kill(stub(&[("STUB_LIE", "store_later")])).await;
    assert!(!outcome.passed, "{outcome}");
    let verdict = outcome.verdict.as_ref().unwrap();
    assert!(verdict.has("ack_holds_another") || verdict.has("acked_lost"), "{outcome}");
    // A failure keeps the data for whoever looks into it; here nobody does.
    let kept = outcome.problems.iter().find_map(|problem| problem.split(" are in ").nth(1));
    std::fs::remove_dir_all(kept.expect("the data are kept")).unwrap();
}

#[tokio::test]
async fn a_replay_goes_on_through_a_kill() {
    let files = vec![chat_file("killed")];
    let options = replay::Options {
        server: stub(&[]),
        files: files.clone(),
        seed: 5,
        cut_per_mille: 50,
        kill_server_after: Some(60),
        catch_up: Duration::from_secs(3),
    };
    let outcome = replay::run(options).await.unwrap();
    std::fs::remove_file(&files[0]).unwrap();
    assert!(outcome.passed, "{outcome}");
    let Figures::Replay(figures) = &outcome.figures else { panic!("{outcome}") };
    assert_eq!(figures.files[0].server_kills, 1);
}
