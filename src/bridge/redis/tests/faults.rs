//! One server that dies, stalls, or throws nodes out.

use actors::ports::BridgeError;
use loadtest::services::{Redis, RedisSpec};

use super::super::Bounds;
use super::*;

async fn own_redis() -> Redis {
    Redis::start(RedisSpec::default()).await.unwrap()
}

fn unsure(nodes: &[TestNode]) -> Vec<u64> {
    nodes.iter().map(|it| it.inbox.unsure()).collect()
}

async fn all_up_and_unsure_since(nodes: &[TestNode], before: &[u64]) {
    for (it, before) in nodes.iter().zip(before) {
        until("connected", || it.bridge.is_connected()).await;
        until("unsure", || it.inbox.unsure() > *before).await;
    }
}

#[tokio::test]
async fn a_server_that_was_killed_and_started_again_is_found_again() {
    let redis = own_redis().await;
    let nodes = connected(&redis.url(), 3, BridgeLimits::default()).await;
    all_reach_all(&nodes).await;
    let before = unsure(&nodes);
    assert!(redis.kill());
    for it in &nodes {
        let noticed = until("disconnected", || !it.bridge.is_connected()).await;
        assert!(noticed < Duration::from_secs(1), "a closed socket is noticed at once");
        let result = it.bridge.send(nodes[0].node, Bytes::from_static(b"lost"));
        assert!(it.node == nodes[0].node || result == Err(BridgeError::Disconnected));
        assert_eq!(it.bridge.send_all(Bytes::new()), Err(BridgeError::Disconnected));
    }
    // Long enough for the connections to give up healing by themselves.
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(unsure(&nodes), before, "unsure only once frames can arrive again");
    redis.restart().await.unwrap();
    all_up_and_unsure_since(&nodes, &before).await;
    all_reach_all(&nodes).await;
}

#[tokio::test]
async fn a_server_that_comes_back_at_once_is_not_waited_for_long() {
    let redis = own_redis().await;
    let nodes = connected(&redis.url(), 2, BridgeLimits::default()).await;
    let before = unsure(&nodes);
    redis.restart().await.unwrap();
    until("noticed", || !nodes[0].bridge.is_connected() || unsure(&nodes) != before).await;
    let begun = Instant::now();
    all_up_and_unsure_since(&nodes, &before).await;
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    all_reach_all(&nodes).await;
}

#[tokio::test]
async fn a_server_that_stalls_counts_as_gone_until_it_answers() {
    let redis = own_redis().await;
    let nodes = connected(&redis.url(), 2, BridgeLimits::default()).await;
    let before = unsure(&nodes);
    redis.pause().unwrap();
    let begun = Instant::now();
    for it in &nodes {
        until("disconnected", || !it.bridge.is_connected()).await;
    }
    assert!(begun.elapsed() < Duration::from_millis(3200), "{:?}", begun.elapsed());
    tokio::time::sleep(Duration::from_secs(4).saturating_sub(begun.elapsed())).await;
    assert_eq!(unsure(&nodes), before);
    redis.resume().unwrap();
    all_up_and_unsure_since(&nodes, &before).await;
    all_reach_all(&nodes).await;
}

#[tokio::test]
async fn a_stall_fills_the_queue_and_no_more() {
    let redis = own_redis().await;
    let outgoing = Bounds { items: 10, bytes: 1 << 20 };
    let limits = BridgeLimits { outgoing, ..BridgeLimits::default() };
    let nodes = connected(&redis.url(), 2, limits).await;
    redis.pause().unwrap();
    let mut accepted = 0;
    let mut refused = Vec::new();
    for _ in 0..200 {
        match nodes[0].bridge.send(nodes[1].node, Bytes::from_static(b"frame")) {
            Ok(()) => accepted += 1,
            Err(error) => refused.push(error),
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    redis.resume().unwrap();
    // One batch is on its way, ten wait.
    assert!((10..=10 + 64).contains(&accepted), "{accepted}");
    assert!(refused.iter().all(|error| *error == BridgeError::Full));
    until("all accepted ones there", || nodes[1].inbox.count() == accepted).await;
}

#[tokio::test]
async fn subscribers_that_were_thrown_out_come_back_unsure() {
    let redis = own_redis().await;
    let nodes = connected(&redis.url(), 3, BridgeLimits::default()).await;
    let before = unsure(&nodes);
    let thrown_out = redis.command(&["CLIENT", "KILL", "TYPE", "pubsub"]).await.unwrap();
    assert_eq!(thrown_out, "3");
    let begun = Instant::now();
    all_up_and_unsure_since(&nodes, &before).await;
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    all_reach_all(&nodes).await;
    let before = unsure(&nodes);
    redis.command(&["CLIENT", "KILL", "TYPE", "normal"]).await.unwrap();
    all_up_and_unsure_since(&nodes, &before).await;
    all_reach_all(&nodes).await;
}

#[tokio::test]
async fn a_subscription_that_was_taken_away_is_noticed() {
    let redis = own_redis().await;
    let nodes = connected(&redis.url(), 2, BridgeLimits::default()).await;
    let before = unsure(&nodes);
    // Without the right to the channel, Redis ends the connection and refuses the next one.
    redis.command(&["ACL", "SETUSER", "default", "resetchannels"]).await.unwrap();
    for it in &nodes {
        until("disconnected", || !it.bridge.is_connected()).await;
    }
    redis.command(&["ACL", "SETUSER", "default", "allchannels"]).await.unwrap();
    all_up_and_unsure_since(&nodes, &before).await;
    all_reach_all(&nodes).await;
}

#[tokio::test]
async fn a_node_that_started_before_the_server_connects_when_it_is_there() {
    let redis = own_redis().await;
    assert!(redis.kill());
    let nodes = unopened(&redis.url(), 2, BridgeLimits::default());
    for it in &nodes {
        it.bridge.open(it.inbox.clone());
    }
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert!(nodes.iter().all(|it| !it.bridge.is_connected()));
    redis.restart().await.unwrap();
    all_up_and_unsure_since(&nodes, &[0, 0]).await;
    all_reach_all(&nodes).await;
}
