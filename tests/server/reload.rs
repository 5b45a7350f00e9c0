//! SIGHUP: settings read again, bad ones refused, what needs a restart named.

use std::time::Duration;

use loadtest::client::LeanSocket;
use loadtest::server_process::Signal;
use schema::wire::Encoding;
use tokio::time::timeout;

use crate::support::{PATIENCE, Server};

async fn until_said(server: &Server, what: &str) {
    let said = async {
        while !server.process.output().contains(what) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let in_time = timeout(PATIENCE, said).await;
    assert!(in_time.is_ok(), "{what:?} was not said:\n{}", server.process.output());
}

#[tokio::test]
async fn settings_are_read_again_and_bad_ones_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("switchboard.toml");
    let write = |text: &str| std::fs::write(&file, text).unwrap();
    write("[limits]\nconnections_max = 100\n");
    let server = Server::with(&[("SWITCHBOARD_CONFIG", file.to_str().unwrap())]).await;
    let connect = || LeanSocket::connect(server.address(), Encoding::MessagePack);
    let _first = connect().await.unwrap();

    write("[limits]\nconnections_max = 1\n[log]\nlevel = \"debug\"\nformat = \"json\"\n");
    server.process.signal(Signal::HUP).unwrap();
    until_said(&server, "settings read again").await;
    let refused = format!("{:?}", connect().await.expect_err("one is the limit"));
    assert!(refused.contains("503"), "{refused}");
    until_said(&server, "need a restart").await;
    let output = server.process.output();
    let named = output.lines().find(|line| line.contains("need a restart")).unwrap();
    assert!(named.contains("log.format") && !named.contains("limits"), "{named}");
    // Whoever asks something is a debug line.
    server.people(1).await;
    until_said(&server, "DEBUG").await;

    write("[limits]\nconnections_max = \"many\"\n");
    server.process.signal(Signal::HUP).unwrap();
    until_said(&server, "the old ones stay").await;
    assert!(connect().await.is_err());

    write("[limits]\nconnections_max = 5\n");
    server.process.signal(Signal::HUP).unwrap();
    let let_in = async {
        while connect().await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, let_in).await.expect("the new limit holds");
}
