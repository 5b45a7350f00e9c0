//! What a service manager is told.

use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::Duration;

use crate::support::Server;

/// The states that were told, until the wanted one.
fn heard_until(socket: &UnixDatagram, wanted: &str) -> Vec<String> {
    let mut heard = Vec::new();
    let mut datagram = [0; 1024];
    loop {
        let size = socket.recv(&mut datagram).unwrap_or_else(|_| panic!("{wanted}: {heard:?}"));
        let text = String::from_utf8_lossy(&datagram[..size]).into_owned();
        heard.extend(text.lines().map(str::to_owned));
        if heard.iter().any(|line| line == wanted) {
            return heard;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn systemd_hears_of_readiness_of_life_and_of_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let path = path.display().to_string();
    // Without WATCHDOG_PID it is meant for whoever reads it.
    let server = Server::with(&[("NOTIFY_SOCKET", &path), ("WATCHDOG_USEC", "400000")]).await;
    let heard = tokio::task::block_in_place(|| heard_until(&socket, "READY=1"));
    assert!(!heard.iter().any(|line| line == "STOPPING=1"), "{heard:?}");
    tokio::task::block_in_place(|| heard_until(&socket, "WATCHDOG=1"));
    let pid = server.process.pid().unwrap().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    tokio::task::block_in_place(|| heard_until(&socket, "STOPPING=1"));
}
