//! The commands, as typed.

use std::process::{Command, Output, Stdio};

use schema::record::ConversationKind;

use crate::support::{Server, binary};

fn run(arguments: &[&str]) -> Output {
    Command::new(binary()).args(arguments).stdin(Stdio::null()).output().unwrap()
}

fn text(output: &Output) -> String {
    let stdout = String::from_utf8_lossy(&output.stdout);
    format!("{stdout}{}", String::from_utf8_lossy(&output.stderr))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_server_on_the_same_data_is_refused_and_audit_reads_beside_the_first() {
    let server = Server::start().await;
    let people = server.people(2).await;
    let chat = server.conversation(ConversationKind::Direct, &people[0], &[&people[1]]).await;
    let mut alice = server.online(&people[0]).await;
    for number in 0..300 {
        alice.post(chat, &format!("line {number}")).await;
    }
    for _ in 0..300 {
        alice.answer().await.unwrap();
    }
    let data_dir = server.process.data_dir().display().to_string();
    let second = run(&[
        "serve",
        "--data-dir",
        &data_dir,
        "--listen",
        "127.0.0.1:0",
        "--internal-listen",
        "127.0.0.1:0",
    ]);
    assert!(!second.status.success());
    assert!(text(&second).contains("another server uses"), "{}", text(&second));
    let audit = run(&["audit", "--data-dir", &data_dir, "--json"]);
    assert!(audit.status.success(), "{}", text(&audit));
    let health = run(&["healthcheck", "--internal-listen", &internal(&server)]);
    assert!(health.status.success(), "{}", text(&health));
    drop(server);
}

fn internal(server: &Server) -> String {
    server.rest.target().internal.clone().unwrap()
}

#[test]
fn mistakes_are_told_with_the_nearest_right_name() {
    let wrong = Command::new(binary())
        .args(["config", "check"])
        .env("SWITCHBOARD_LISTN", "127.0.0.1:1")
        .output()
        .unwrap();
    assert_eq!(wrong.status.code(), Some(2), "{}", text(&wrong));
    assert!(text(&wrong).contains("listen"), "{}", text(&wrong));
    let default = run(&["config", "default"]);
    assert!(default.status.success() && text(&default).contains("internal_listen"));
    let file =
        std::env::temp_dir().join(format!("switchboard-default-{}.toml", std::process::id()));
    std::fs::write(&file, &default.stdout).unwrap();
    let check = run(&["config", "check", "--config", &file.display().to_string()]);
    assert!(check.status.success(), "{}", text(&check));
    let _ = std::fs::remove_file(file);
    assert!(text(&run(&["config", "env"])).contains("SWITCHBOARD_LIMITS__SENDS_PER_SECOND"));
    assert!(text(&run(&["completions", "bash"])).contains("switchboard"));
    assert_eq!(run(&["nonsense"]).status.code(), Some(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drained_server_says_goodbye_and_leaves_a_clean_log() {
    let mut server = Server::start().await;
    let people = server.people(1).await;
    let chat = server.conversation(ConversationKind::Group, &people[0], &[]).await;
    let mut alice = server.online(&people[0]).await;
    alice.send(chat, "last words").await;
    let pid = server.process.pid().unwrap().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    assert_eq!(alice.closed().await.1, 4000);
    let data_dir = server.process.data_dir().display().to_string();
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
    while std::path::Path::new(&data_dir).join("addresses.json").exists() {
        assert!(tokio::time::Instant::now() < deadline, "the server did not end");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    server.process.keep_data();
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    let audit = run(&["audit", "--data-dir", &data_dir]);
    assert!(audit.status.success(), "{}", text(&audit));
    drop(server);
    let _ = std::fs::remove_dir_all(data_dir);
}
