use std::sync::Arc;

use schema::{DeviceId, NodeId, UserId};

use super::{ManualClock, MemoryAuthenticator, MemoryBridgeHub, MemoryStore, ShardOwners};
use crate::contract;
use crate::contract::bridge::BridgeNode;
use crate::contract::message_store::Stores;
use crate::ports::{
    Authenticator, Bridge as _, CommitRing, Directory, Identity, Owner, PersonalStore,
    TokenRefused, UserStore, WallClock,
};

fn stores() -> Stores {
    let store = MemoryStore::default();
    Stores { messages: Arc::new(store.clone()), roster: Arc::new(store) }
}

#[tokio::test]
async fn keeps_the_contract_of_the_commit_ring() {
    contract::commit_ring::run(async || Arc::new(MemoryStore::default()) as Arc<dyn CommitRing>)
        .await;
}

#[tokio::test]
async fn keeps_the_contract_of_the_message_store() {
    contract::message_store::run(async || stores()).await;
}

#[tokio::test]
async fn keeps_the_contract_of_the_roster_store() {
    contract::roster_store::run(async || stores()).await;
}

#[tokio::test]
async fn keeps_the_contract_of_the_invite_store() {
    contract::invite_store::run(Arc::new(MemoryStore::default())).await;
}

#[tokio::test]
async fn keeps_the_contract_of_the_user_store() {
    contract::user_store::run(async || Arc::new(MemoryStore::default()) as Arc<dyn UserStore>)
        .await;
}

#[tokio::test]
async fn keeps_the_contract_of_the_personal_store() {
    let make = async || Arc::new(MemoryStore::default()) as Arc<dyn PersonalStore>;
    contract::personal_store::run(make).await;
}

#[tokio::test]
async fn keeps_the_contract_of_the_log_index() {
    let store = MemoryStore::default();
    let stores = Stores { messages: Arc::new(store.clone()), roster: Arc::new(store.clone()) };
    contract::log_index::run(stores, Arc::new(store)).await;
}

fn bridge_nodes(count: usize) -> Vec<BridgeNode> {
    let hub = MemoryBridgeHub::default();
    let node = |_| {
        let node = NodeId::generate();
        BridgeNode::open(node, Arc::new(hub.node(node)))
    };
    (0..count).map(node).collect()
}

#[tokio::test(start_paused = true)]
async fn keeps_the_contract_of_the_bridge() {
    contract::bridge::run(async || bridge_nodes(3)).await;
    contract::bridge::run(async || bridge_nodes(1)).await;
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "must not receive what it sent")]
async fn an_echoing_bridge_is_caught() {
    let mut node = bridge_nodes(1).remove(0);
    let echo = MemoryBridgeHub::default();
    let itself = NodeId::generate();
    echo.node(itself).open(node.received.clone());
    node.bridge = Arc::new(echo.node(NodeId::generate()));
    node.node = itself;
    contract::bridge::never_echoes_to_the_sending_node(vec![node]).await;
}

#[tokio::test]
async fn keeps_the_contract_of_the_directory() {
    let (owners, node) = (ShardOwners::default(), NodeId::generate());
    owners.set(0, Some(node));
    owners.set(1, Some(NodeId::generate()));
    contract::directory::run(async || Arc::new(owners.seen_by(node)) as Arc<dyn Directory>, 3)
        .await;
    assert_eq!(owners.seen_by(node).owner(0), Owner::Here);
    assert!(matches!(owners.seen_by(node).owner(1), Owner::Elsewhere(_)));
    assert_eq!(owners.seen_by(node).owner(2), Owner::Unknown);
    owners.set(0, None);
    assert_eq!(owners.seen_by(node).owner(0), Owner::Unknown);
}

#[tokio::test]
async fn the_authenticator_answers_what_it_was_told() {
    let authenticator = MemoryAuthenticator::default();
    let identity = Identity { user_id: UserId::generate(), device_id: DeviceId::generate() };
    authenticator.set("good", Ok(identity));
    authenticator.set("old", Err(TokenRefused::Expired));
    assert_eq!(authenticator.verify("good".to_owned()).await, Ok(identity));
    assert_eq!(authenticator.verify("old".to_owned()).await, Err(TokenRefused::Expired));
    assert_eq!(authenticator.verify("other".to_owned()).await, Err(TokenRefused::Bad));
}

#[test]
fn the_clock_moves_when_told() {
    let clock = ManualClock::at(1_000);
    clock.advance(-10);
    assert_eq!(clock.clone().now_ms(), 990);
    clock.set(5);
    assert_eq!(clock.now_ms(), 5);
}
