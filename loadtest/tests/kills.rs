//! Scenarios that kill their server. This program is that server too: `kills serve --listen … …`
//! runs the fake one with a journal, `kills audit` finds nothing; anything else runs the tests.

mod chat;
#[allow(dead_code)]
mod fake_server;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chat::chat_file;
use fake_server::{Lie, State, accept};
use loadtest::engine::{self, Console, Source};
use loadtest::plan;
use loadtest::scenario::{ServerChoice, kill9, replay};
use loadtest::{Figures, Outcome, ServerSpec};
use serde_json::json;
use tokio::net::TcpListener;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == "serve") {
        return serve(&arguments).await;
    }
    // Its log is judged by what clients saw alone.
    if arguments.first().is_some_and(|first| first == "audit") {
        return println!("{{}}");
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
    run!(
        a_server_that_stores_first_survives_kills,
        a_server_that_acknowledges_first_does_not,
        a_replay_goes_on_through_a_kill,
        a_plan_sees_what_a_kill_lost
    );
}

// === the server ===

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
    let addresses = json!({
        "public": public.local_addr().unwrap().to_string(),
        "internal": internal.local_addr().unwrap().to_string(),
    });
    std::fs::write(data_dir.join("admin_token"), "admin\n").unwrap();
    std::fs::write(data_dir.join("addresses.json"), addresses.to_string()).unwrap();
    tokio::join!(accept(public, Arc::clone(&state)), accept(internal, state));
}

fn this_program(environment: &[(&str, &str)]) -> ServerChoice {
    let binary = std::env::current_exe().unwrap();
    let environment = environment.iter().map(|(name, value)| ((*name).into(), (*value).into()));
    ServerChoice::Own(ServerSpec { binary, data_dir: None, environment: environment.collect() })
}

// === the tests ===

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

async fn a_server_that_stores_first_survives_kills() {
    let outcome = kill(this_program(&[])).await;
    assert!(outcome.passed, "{outcome}");
    let counts = outcome.verdict.as_ref().unwrap().counts;
    assert!(counts.retries > 0 && counts.acked > 200, "{outcome}");
}

async fn a_server_that_acknowledges_first_does_not() {
    let outcome = kill(this_program(&[("STUB_STORES_LATER", "1")])).await;
    assert!(!outcome.passed, "{outcome}");
    let verdict = outcome.verdict.as_ref().unwrap();
    assert!(verdict.has("ack_holds_another") || verdict.has("acked_lost"), "{outcome}");
    // A failure keeps the data for whoever looks into it; here nobody does.
    let kept = outcome.problems.iter().find_map(|problem| problem.split(" are in ").nth(1));
    std::fs::remove_dir_all(kept.expect("the data are kept")).unwrap();
}

async fn a_replay_goes_on_through_a_kill() {
    let files = vec![chat_file("killed")];
    let options = replay::Options {
        server: this_program(&[]),
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

/// Only a server that is not there can be asked for what it said it had.
async fn a_plan_sees_what_a_kill_lost() {
    let text = "name = \"kill\"\nsummary = \"one kill\"\nseed = 3\n\
        [[conversations]]\nkind = \"group\"\nmembers = 8\nsenders = 8\n\
        [traffic]\nloop = \"closed\"\nin_flight = 2\npause_ms = [0, 10]\n\
        [timing]\nwarm_up_s = 0.1\nduration_s = 2.0\nsample_ms = 200\ncatch_up_s = 3.0\n\
        [[events]]\nat_s = 0.5\naction = \"kill_node\"\nfor_s = 0.2\nevery_s = 0.6\ntimes = 2\n";
    for is_late in [false, true] {
        let plan = plan::read("kill", text, &[]).unwrap();
        let late = is_late.then(|| ("STUB_STORES_LATER".to_owned(), "1".to_owned()));
        let binary = std::env::current_exe().unwrap();
        let environment = late.into_iter().collect();
        let source = Source::Own { binary, data_dir: None, environment };
        let report = engine::run(plan, source, Console::new(true)).await.unwrap();
        assert_eq!(report.passed, !is_late, "{report}");
        assert_eq!(report.figures.struck["kill_node"], 2, "{report}");
        if is_late {
            let verdict = report.verdict.as_ref().unwrap();
            assert!(verdict.has("ack_holds_another") || verdict.has("acked_lost"), "{report}");
            let kept = report.notes.iter().find_map(|note| note.split(" are in ").nth(1));
            std::fs::remove_dir_all(kept.expect("the data are kept")).unwrap();
        }
    }
}
