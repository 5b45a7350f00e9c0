//! Against real servers, started for each test.

mod cluster;
mod faults;
mod single;
mod throughput;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actors::contract::bridge::BridgeNode;
use actors::ports::{Bridge, Inbox};
use bytes::Bytes;
use schema::NodeId;
use tokio::sync::watch;
use tokio::time::Instant;

use super::{BridgeLimits, Peers, RedisBridge, RedisConfig};

const PATIENCE: Duration = Duration::from_secs(10);

/// What a node was told.
#[derive(Default)]
struct Recorder {
    frames: Mutex<Vec<Bytes>>,
    unsure: AtomicU64,
}

impl Inbox for Recorder {
    fn receive(&self, frame: Bytes) {
        self.frames.lock().unwrap().push(frame);
    }

    fn unsure(&self) {
        self.unsure.fetch_add(1, Ordering::SeqCst);
    }
}

impl Recorder {
    fn count(&self) -> usize {
        self.frames.lock().unwrap().len()
    }

    fn unsure(&self) -> u64 {
        self.unsure.load(Ordering::SeqCst)
    }
}

struct TestNode {
    node: NodeId,
    bridge: RedisBridge,
    inbox: Arc<Recorder>,
    peers: watch::Sender<Peers>,
}

/// Nodes that know each other and are connected.
async fn connected(url: &str, count: usize, limits: BridgeLimits) -> Vec<TestNode> {
    let nodes = unopened(url, count, limits);
    for it in &nodes {
        it.bridge.open(it.inbox.clone());
    }
    for it in &nodes {
        until("connected", || it.bridge.is_connected()).await;
        until("unsure at first", || it.inbox.unsure() == 1).await;
    }
    nodes
}

fn unopened(url: &str, count: usize, limits: BridgeLimits) -> Vec<TestNode> {
    let config = RedisConfig::from_url(url).unwrap();
    let ids: Vec<NodeId> = (0..count).map(|_| NodeId::generate()).collect();
    let start = |node: &NodeId| {
        let peers = watch::Sender::new(Peers::fixed(ids.iter().copied().filter(|it| it != node)));
        let bridge = RedisBridge::start(&config, *node, peers.subscribe(), limits);
        TestNode { node: *node, bridge, inbox: Arc::default(), peers }
    };
    ids.iter().map(start).collect()
}

/// For the contract: opened with its own recorder, and connected.
async fn for_contract(url: &str) -> Vec<BridgeNode> {
    let nodes = unopened(url, 3, BridgeLimits::default());
    let opened = nodes.into_iter().map(|it| BridgeNode::open(it.node, Arc::new(it.bridge)));
    let nodes: Vec<BridgeNode> = opened.collect();
    for it in &nodes {
        until("connected", || it.bridge.is_connected()).await;
    }
    nodes
}

async fn until(what: &str, is_so: impl Fn() -> bool) -> Duration {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "not {what} in {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    begun.elapsed()
}

/// Sends until every node has reached every other: right after a fault frames may still be lost.
async fn until_all_reach_all(nodes: &[TestNode]) {
    let begun = Instant::now();
    for from in nodes {
        for to in nodes.iter().filter(|it| it.node != from.node) {
            let mark = Bytes::from(format!("{} to {}", from.node, to.node));
            loop {
                let _ = from.bridge.send(to.node, mark.clone());
                tokio::time::sleep(Duration::from_millis(20)).await;
                if to.inbox.frames.lock().unwrap().contains(&mark) {
                    break;
                }
                assert!(begun.elapsed() < PATIENCE, "{mark:?} did not arrive in {PATIENCE:?}");
            }
        }
    }
}

/// Every node reaches every other, by both ways of sending.
async fn all_reach_all(nodes: &[TestNode]) {
    let before: Vec<usize> = nodes.iter().map(|it| it.inbox.count()).collect();
    for from in nodes {
        from.bridge.send_all(Bytes::from_static(b"to all")).unwrap();
        for to in nodes {
            from.bridge.send(to.node, Bytes::from_static(b"to one")).unwrap();
        }
    }
    for (it, before) in nodes.iter().zip(before) {
        let expected = before + 2 * (nodes.len() - 1);
        until("reached by all", || it.inbox.count() >= expected).await;
        assert_eq!(it.inbox.count(), expected);
    }
}
