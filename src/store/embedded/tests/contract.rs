use std::sync::{Arc, Mutex};

use actors::contract;
use actors::contract::message_store::Stores;
use actors::ports::{AdminLog, CommitRing, PersonalStore, UserStore};

use super::TempDir;
use crate::store::embedded::Store;

/// Opens a store in a directory that lives as long as the test.
fn open(dirs: &Mutex<Vec<TempDir>>) -> Store {
    let dir = TempDir::new();
    let store = dir.open();
    dirs.lock().unwrap().push(dir);
    store
}

fn stores(dirs: &Mutex<Vec<TempDir>>) -> Stores {
    let store = open(dirs);
    Stores { messages: Arc::new(store.clone()), roster: Arc::new(store) }
}

#[tokio::test]
async fn keeps_the_contract_of_the_commit_ring() {
    let dirs = Mutex::default();
    contract::commit_ring::run(async || Arc::new(open(&dirs)) as Arc<dyn CommitRing>).await;
}

#[tokio::test]
async fn keeps_the_contract_of_the_message_store() {
    let dirs = Mutex::default();
    contract::message_store::run(async || stores(&dirs)).await;
}

#[tokio::test]
async fn keeps_the_contract_of_the_roster_store() {
    let dirs = Mutex::default();
    contract::roster_store::run(async || stores(&dirs)).await;
}

#[tokio::test]
async fn keeps_the_contract_of_the_invite_store() {
    let dirs = Mutex::default();
    contract::invite_store::run(Arc::new(open(&dirs))).await;
}

#[tokio::test]
async fn keeps_the_contract_of_the_user_store() {
    let dirs = Mutex::default();
    contract::user_store::run(async || Arc::new(open(&dirs)) as Arc<dyn UserStore>).await;
}

#[tokio::test]
async fn keeps_the_contract_of_the_personal_store() {
    let dirs = Mutex::default();
    contract::personal_store::run(async || Arc::new(open(&dirs)) as Arc<dyn PersonalStore>).await;
}

#[tokio::test]
async fn keeps_the_contract_of_the_log_index() {
    let dir = TempDir::new();
    let store = dir.open();
    let stores = Stores { messages: Arc::new(store.clone()), roster: Arc::new(store.clone()) };
    contract::log_index::run(stores, Arc::new(store)).await;
}

#[tokio::test]
async fn keeps_the_contract_of_the_admin_log() {
    let dirs = Mutex::default();
    contract::admin_log::run(async || Arc::new(open(&dirs)) as Arc<dyn AdminLog>).await;
}
