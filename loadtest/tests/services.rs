//! The services are started, paused, killed and started again for real.

use std::time::Duration;

use loadtest::services::{
    Cassandra, CassandraSpec, Consistency, CqlProbe, Redis, RedisCluster, RedisSpec,
    cassandra_for_tests, redis_command, redis_for_tests,
};
use tokio::time::{Instant, timeout};

const BRIEFLY: Duration = Duration::from_millis(500);

#[tokio::test]
async fn one_cassandra_serves_all_tests_of_a_program() {
    let begun = Instant::now();
    let (first, second) = tokio::join!(cassandra_for_tests(), cassandra_for_tests());
    let (first, second) = (first.unwrap(), second.unwrap());
    println!("one node up in {} ms", begun.elapsed().as_millis());
    assert_eq!(first.address(), second.address());
    assert_eq!((first.len(), first.pids().len()), (1, 1));
    first
        .run(
            "CREATE KEYSPACE services WITH replication = \
             {'class': 'SimpleStrategy', 'replication_factor': 1}",
        )
        .await
        .unwrap();
    first.run("CREATE TABLE services.t (k int PRIMARY KEY, v int)").await.unwrap();
    first.run("INSERT INTO services.t (k, v) VALUES (1, 1) IF NOT EXISTS").await.unwrap();
    let refused = first.run("SELECT nothing FROM services.t").await.unwrap_err();
    assert!(refused.to_string().contains("nothing"), "{refused}");
    assert!(first.node(0).cpu_time().unwrap() > Duration::from_secs(1));
    assert!(first.node(0).memory().unwrap().resident_bytes > 100 << 20);
}

#[tokio::test]
async fn three_cassandras_hold_copies_and_survive_faults() {
    let begun = Instant::now();
    let cassandra = Cassandra::start(CassandraSpec::three()).await.unwrap();
    println!("three nodes up in {} ms", begun.elapsed().as_millis());
    for statement in [
        "CREATE KEYSPACE copies WITH replication = \
         {'class': 'SimpleStrategy', 'replication_factor': 3}",
        "CREATE TABLE copies.t (k int PRIMARY KEY, v int)",
    ] {
        cassandra.define(statement).await.unwrap();
    }
    let add = "INSERT INTO copies.t (k, v) VALUES (1, 1) IF NOT EXISTS";
    cassandra.run(add).await.unwrap();

    cassandra.pause(2).unwrap();
    cassandra.run("UPDATE copies.t SET v = 2 WHERE k = 1 IF v = 1").await.unwrap();
    let third = cassandra.addresses()[2].to_string();
    let silent = timeout(BRIEFLY, CqlProbe::connect(&third)).await;
    assert!(silent.is_err(), "a paused node answered");
    cassandra.resume(2).unwrap();
    cassandra.wait_all_up().await.unwrap();

    assert!(cassandra.kill(1) && !cassandra.kill(1));
    assert!(CqlProbe::connect(&cassandra.addresses()[1].to_string()).await.is_err());
    cassandra.run("UPDATE copies.t SET v = 3 WHERE k = 1 IF v = 2").await.unwrap();
    let took = cassandra.restart(1).await.unwrap();
    println!("a killed node is back in {} ms", took.as_millis());
    cassandra.wait_all_up().await.unwrap();
    let mut probe = CqlProbe::connect(&cassandra.addresses()[1].to_string()).await.unwrap();
    probe.run("SELECT v FROM copies.t WHERE k = 1", Consistency::All).await.unwrap();
}

#[tokio::test]
async fn a_redis_is_paused_flushed_cut_and_restarted() {
    let redis = Redis::start(RedisSpec::default()).await.unwrap();
    let address = redis.address();
    redis.command(&["SET", "a", "1"]).await.unwrap();
    assert_eq!(redis.command(&["GET", "a"]).await.unwrap(), "1");
    redis.flush_all().await.unwrap();
    assert!(redis.command(&["GET", "a"]).await.is_err());

    redis.pause().unwrap();
    assert!(timeout(BRIEFLY, redis.command(&["PING"])).await.is_err());
    redis.resume().unwrap();
    assert_eq!(redis.command(&["PING"]).await.unwrap(), "PONG");

    let _idle = tokio::net::TcpStream::connect(&address).await.unwrap();
    // Until the server has noticed the connection.
    while !redis.command(&["CLIENT", "LIST"]).await.unwrap().contains("cmd=NULL") {}
    assert!(redis.kill_clients().await.unwrap() >= 1);

    assert!(redis.kill());
    assert!(redis.command(&["PING"]).await.is_err());
    redis.restart().await.unwrap();
    assert_eq!(redis.address(), address);
    assert_eq!(redis.command(&["DBSIZE"]).await.unwrap(), "0");
}

#[tokio::test]
async fn a_redis_cluster_serves_all_slots() {
    let cluster = RedisCluster::start(3).await.unwrap();
    let addresses = cluster.addresses();
    let mut stored = 0;
    for address in &addresses {
        for key in ["a", "b", "c", "d"] {
            // The others tell where the key belongs, as an error.
            stored +=
                u32::from(redis_command(&address.to_string(), &["SET", key, "1"]).await.is_ok());
        }
    }
    assert_eq!(stored, 4);
    cluster.node(1).kill_9();
    cluster.restart(1).await.unwrap();
    cluster.wait_whole().await.unwrap();
}

#[tokio::test]
async fn one_redis_serves_all_tests_of_a_program() {
    let (first, second) = tokio::join!(redis_for_tests(), redis_for_tests());
    assert_eq!(first.unwrap().url(), second.unwrap().url());
}
