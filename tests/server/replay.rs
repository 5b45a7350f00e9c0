//! Hours of real chat, replayed and read back in every way. The logs are not part of the
//! repository: `CHAT_LOGS_DIR` names their folder. Without it a made-up log is replayed.

use std::path::PathBuf;

use loadtest::scenario::{ServerChoice, replay};

use crate::support::spec;

pub fn logs() -> Vec<PathBuf> {
    let Some(folder) = std::env::var_os("CHAT_LOGS_DIR") else { return vec![small_log()] };
    let entries = std::fs::read_dir(folder).expect("CHAT_LOGS_DIR names a folder");
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|it| it == "jsonl"));
    files.sort();
    assert!(!files.is_empty(), "CHAT_LOGS_DIR holds no *.jsonl");
    files
}

/// A made-up log, where there is no real one: the machinery is tested all the same.
fn small_log() -> PathBuf {
    let lines: String = (0..300)
        .map(|number| {
            let reply = if number % 7 == 3 { format!(", \"reply_to\": [{}]", number - 2) } else { String::new() };
            format!(
                "{{\"n\": {number}, \"at\": \"10:00\", \"kind\": \"message\", \"from\": \"nick{}\", \
                 \"text\": \"line {number} \u{2014} gr\u{fc}\u{df}e\"{reply}}}\n",
                number % 11
            )
        })
        .collect();
    let path =
        std::env::temp_dir().join(format!("switchboard-small-log-{}.jsonl", std::process::id()));
    std::fs::write(&path, lines).unwrap();
    path
}

async fn hold(change: impl FnOnce(&mut replay::Options)) {
    let files = logs();
    println!("{} logs", files.len());
    let mut options = replay::Options {
        server: ServerChoice::Own(spec()),
        files,
        seed: loadtest::scenario::fresh_seed(),
        cut_per_mille: 0,
        kill_server_after: None,
        catch_up: replay::CATCH_UP,
    };
    change(&mut options);
    let outcome = replay::run(options).await.unwrap();
    println!("{outcome}");
    assert!(outcome.passed, "{outcome}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn real_chat_comes_back_as_it_was_said() {
    hold(|_| {}).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn real_chat_survives_sockets_cut_at_random() {
    hold(|options| options.cut_per_mille = 50).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn real_chat_survives_a_killed_server() {
    hold(|options| options.kill_server_after = Some(150)).await;
}
