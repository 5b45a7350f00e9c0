//! The scenarios against a server in this process: an honest one passes, each lie fails by name.

mod chat;
#[allow(dead_code)]
mod fake_server;

use std::time::Duration;

use chat::chat_file;
use fake_server::{Lie, start};
use loadtest::scenario::{direct, idle, replay};
use loadtest::{Figures, Outcome};

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
