//! A Redis Cluster: sharded channels.

use actors::contract;
use loadtest::services::RedisCluster;

use super::*;

async fn cluster() -> (RedisCluster, String) {
    let cluster = RedisCluster::start(3).await.unwrap();
    let hosts: Vec<String> = cluster.addresses().iter().map(ToString::to_string).collect();
    let url = format!("redis+cluster://{}", hosts.join(","));
    (cluster, url)
}

#[tokio::test]
async fn keeps_the_contract_of_the_bridge() {
    let (_cluster, url) = cluster().await;
    contract::bridge::run(async || for_contract(&url).await).await;
}

#[tokio::test]
async fn a_server_of_the_cluster_that_was_killed_and_started_again_is_found_again() {
    let (cluster, url) = cluster().await;
    // Enough that each server has the inbox of some.
    let nodes = connected(&url, 6, BridgeLimits::default()).await;
    all_reach_all(&nodes).await;
    let before: Vec<u64> = nodes.iter().map(|it| it.inbox.unsure()).collect();
    assert!(cluster.node(0).kill_9());
    for (it, before) in nodes.iter().zip(&before) {
        let noticed = || !it.bridge.is_connected() || it.inbox.unsure() > *before;
        until("noticed", noticed).await;
    }
    cluster.restart(0).await.unwrap();
    cluster.wait_whole().await.unwrap();
    for it in &nodes {
        until("connected", || it.bridge.is_connected()).await;
    }
    until_all_reach_all(&nodes).await;
    all_reach_all(&nodes).await;
}
