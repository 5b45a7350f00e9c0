//! The fake server as a program that can be killed: `stub_server serve --listen … …`.
//! `STUB_LIE=store_later` makes it acknowledge before it stores.

#[allow(dead_code)]
#[path = "../fake_server/mod.rs"]
mod fake_server;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use fake_server::{Lie, State, accept};
use serde_json::json;
use tokio::net::TcpListener;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let value = |name: &str| -> &str {
        let at = arguments.iter().position(|argument| argument == name).expect("all are given");
        &arguments[at + 1]
    };
    let data_dir = PathBuf::from(value("--data-dir"));
    let lies = std::env::var("STUB_LIE").is_ok_and(|lie| lie == "store_later");
    let lie = if lies { Lie::StoreLater } else { Lie::None };
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
