//! One healthy server.

use std::sync::atomic::Ordering;

use actors::contract;
use actors::ports::BridgeError;
use loadtest::services::redis_for_tests;

use super::*;

#[tokio::test]
async fn keeps_the_contract_of_the_bridge() {
    let redis = redis_for_tests().await.unwrap();
    contract::bridge::run(async || for_contract(&redis.url()).await).await;
}

#[tokio::test]
async fn frames_for_one_and_for_all_keep_their_order_together() {
    let redis = redis_for_tests().await.unwrap();
    let nodes = connected(&redis.url(), 3, BridgeLimits::default()).await;
    let sent: Vec<Bytes> = (0..2000_u32).map(|it| Bytes::from(it.to_be_bytes().to_vec())).collect();
    for (index, frame) in sent.iter().enumerate() {
        if index % 3 == 0 {
            nodes[0].bridge.send_all(frame.clone()).unwrap();
        } else {
            nodes[0].bridge.send(nodes[1].node, frame.clone()).unwrap();
        }
    }
    until("all there", || nodes[1].inbox.count() >= sent.len()).await;
    assert_eq!(*nodes[1].inbox.frames.lock().unwrap(), sent);
    assert_eq!(nodes[1].inbox.unsure(), 1, "nothing was lost");
}

#[tokio::test]
async fn two_clusters_share_a_server_by_their_prefixes() {
    let redis = redis_for_tests().await.unwrap();
    let ours = connected(&format!("{}?prefix=ours", redis.url()), 2, BridgeLimits::default()).await;
    let config = RedisConfig::from_url(&format!("{}?prefix=theirs", redis.url())).unwrap();
    let (peers, inbox) = (Peers::fixed([ours[0].node]), Arc::<Recorder>::default());
    let peers = watch::Sender::new(peers);
    let stranger =
        RedisBridge::start(&config, NodeId::generate(), peers.subscribe(), BridgeLimits::default());
    stranger.open(inbox);
    until("connected", || stranger.is_connected()).await;
    stranger.send(ours[0].node, Bytes::from_static(b"strange")).unwrap();
    all_reach_all(&ours).await;
}

#[tokio::test]
async fn before_the_others_are_known_nothing_goes_to_all() {
    let redis = redis_for_tests().await.unwrap();
    let nodes = connected(&redis.url(), 2, BridgeLimits::default()).await;
    let known = nodes[0].peers.send_replace(Peers::default());
    let frame = Bytes::from_static(b"frame");
    assert_eq!(nodes[0].bridge.send_all(frame.clone()), Err(BridgeError::Disconnected));
    assert_eq!(nodes[0].bridge.send(nodes[1].node, frame.clone()), Ok(()));
    nodes[0].peers.send_replace(Peers::fixed([]));
    assert_eq!(nodes[0].bridge.send_all(frame), Ok(()), "there is nobody to tell");
    nodes[0].peers.send_replace(known);
    until("told once", || nodes[1].inbox.count() == 1).await;
}

#[tokio::test]
async fn is_unsure_once_the_others_have_learnt_of_it() {
    let redis = redis_for_tests().await.unwrap();
    let nodes = connected(&redis.url(), 2, BridgeLimits::default()).await;
    nodes[0].peers.send_modify(|peers| peers.introduced += 1);
    until("unsure again", || nodes[0].inbox.unsure() == 2).await;
    assert_eq!(nodes[1].inbox.unsure(), 1);
}

#[tokio::test]
async fn a_process_that_slept_is_unsure_but_stays_connected() {
    let redis = redis_for_tests().await.unwrap();
    let nodes = connected(&redis.url(), 2, BridgeLimits::default()).await;
    std::thread::sleep(Duration::from_secs(4));
    for it in &nodes {
        until("unsure again", || it.inbox.unsure() == 2).await;
        assert!(it.bridge.is_connected());
    }
    all_reach_all(&nodes).await;
}

/// Panics at some frames.
#[derive(Default)]
struct Fragile(Recorder);

impl Inbox for Fragile {
    fn receive(&self, frame: Bytes) {
        assert!(frame != "poison", "a test wants this panic");
        self.0.receive(frame);
    }

    fn unsure(&self) {
        self.0.unsure.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn a_panic_in_the_inbox_costs_frames_not_the_bridge() {
    let redis = redis_for_tests().await.unwrap();
    let nodes = unopened(&redis.url(), 2, BridgeLimits::default());
    let inbox = Arc::<Fragile>::default();
    nodes[0].bridge.open(inbox.clone());
    nodes[1].bridge.open(nodes[1].inbox.clone());
    until("connected", || nodes.iter().all(|it| it.bridge.is_connected())).await;
    nodes[1].bridge.send(nodes[0].node, Bytes::from_static(b"poison")).unwrap();
    until("unsure again", || inbox.0.unsure() == 2).await;
    nodes[1].bridge.send(nodes[0].node, Bytes::from_static(b"fine")).unwrap();
    until("flowing again", || inbox.0.count() == 1).await;
}
