use std::time::Duration;

use actors::ports::RingShape;
use futures_util::future::join_all;
use tokio::net::TcpListener;
use tokio::time::Instant;

use super::{config, config_with, keyspace_name, new_store};
use crate::store::cql::migrate::MIGRATIONS;
use crate::store::cql::{CqlConfig, CqlOpenError, Store, migrate};

#[tokio::test]
async fn migrating_again_and_at_once_changes_nothing() {
    let config = config(&keyspace_name()).await;
    let reports: Vec<_> = join_all((0..3).map(|_| migrate(&config)))
        .await
        .into_iter()
        .map(|report| report.expect("migrates"))
        .collect();
    let mut applied: Vec<_> = reports.iter().flat_map(|report| report.applied.clone()).collect();
    assert_eq!(applied.len(), MIGRATIONS.len(), "each is applied once: {applied:?}");
    applied.dedup();
    assert_eq!(applied.len(), MIGRATIONS.len(), "by one of them, in order");
    assert!(reports.iter().all(|report| report.facts == reports[0].facts), "one store");
    let again = migrate(&config).await.expect("migrates");
    assert!(!again.made_keyspace && again.applied.is_empty(), "{again:?}");
    let store = Store::connect(&config).await.expect("connects");
    assert_eq!(store.facts(), reports[0].facts);
    assert!(store.is_answering().await);
}

#[tokio::test]
async fn a_keyspace_that_is_not_ready_is_refused() {
    let keyspace = keyspace_name();
    let config = config(&keyspace).await;
    let refused = Store::connect(&config).await.err().expect("there is no keyspace");
    assert!(matches!(&refused, CqlOpenError::NotMigrated { missing, .. }
        if missing == &[format!("keyspace {keyspace}")]));
    assert!(refused.to_string().contains("`switchboard migrate`"), "{refused}");

    migrate(&config).await.expect("migrates");
    let store = Store::connect(&config).await.expect("connects");
    let run = async |cql: &str| {
        store.session().query_unpaged(cql, ()).await.expect("runs");
    };
    let last = MIGRATIONS.last().expect("there are some").name;
    // Numbered by their places in the list.
    let number = i32::try_from(MIGRATIONS.len()).expect("few");
    let delete = "DELETE FROM schema_migrations WHERE id = 1 AND number =";
    run(&format!("{delete} {number} IF EXISTS")).await;
    let refused = Store::connect(&config).await.err();
    assert!(
        matches!(&refused, Some(CqlOpenError::NotMigrated { missing, .. })
        if missing == &[last]),
        "{refused:?}"
    );
    let repaired = migrate(&config).await.expect("migrates");
    assert_eq!(repaired.applied, [last], "only what is missing");

    run("INSERT INTO schema_migrations (id, number) VALUES (1, 99) IF NOT EXISTS").await;
    for refused in [Store::connect(&config).await.err(), migrate(&config).await.err()] {
        let Some(CqlOpenError::Newer { found: 99, known }) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(known, number);
    }
}

#[tokio::test]
async fn what_is_fixed_cannot_be_changed() {
    let keyspace = keyspace_name();
    let made = migrate(&config(&keyspace).await).await.expect("migrates");
    assert_eq!(made.facts.shape, RingShape { shards: 64, slots: 16 });
    assert_eq!(made.facts.generation, 1);

    let other = config_with(&keyspace, "replication_factor=1&shards=8").await;
    for refused in [Store::connect(&other).await.err(), migrate(&other).await.err()] {
        let refused = refused.expect("another number of shards");
        assert!(matches!(refused, CqlOpenError::OtherShape { .. }));
        assert_eq!(
            refused.to_string(),
            "the store has 64 shards of 16 slots, which cannot be changed; \
             the settings ask for 8 of 16"
        );
    }
    let silent = config_with(&keyspace, "replication_factor=1").await;
    let store = Store::connect(&silent).await.expect("a URL without a shape takes what is there");
    assert_eq!(store.facts(), made.facts);

    let elsewhere = "UPDATE cluster SET datacenter = 'elsewhere' WHERE id = 1 IF EXISTS";
    store.session().query_unpaged(elsewhere, ()).await.expect("runs");
    let refused = Store::connect(&silent).await.err();
    assert!(matches!(refused, Some(CqlOpenError::OtherDatacenter { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_database_that_cannot_keep_the_promise_is_refused() {
    let refused = migrate(&config_with(&keyspace_name(), "").await).await.err();
    assert!(
        matches!(refused, Some(CqlOpenError::TooFewNodes { needed: 3, found: 1 })),
        "{refused:?}"
    );
    let nowhere = config_with(&keyspace_name(), "replication_factor=1&datacenter=nowhere").await;
    let refused = migrate(&nowhere).await.err();
    assert!(matches!(refused, Some(CqlOpenError::UnknownDatacenter { .. })), "{refused:?}");
}

/// Waits for a connection to fail, and how long that takes.
async fn refusal(address: &str) -> (CqlOpenError, Duration) {
    let url = format!("cql://anna:s3cret@{address}/chat");
    let config = CqlConfig::from_url(&url).expect("the URL is right");
    let since = Instant::now();
    let error = Store::connect(&config).await.err().expect("nobody is there");
    (error, since.elapsed())
}

#[tokio::test]
async fn a_host_that_does_not_answer_is_named_in_time() {
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let silent_address = silent.local_addr().expect("it has one").to_string();
    for address in [silent_address.as_str(), "127.0.0.1:1"] {
        let (error, took) = refusal(address).await;
        assert!(took < Duration::from_secs(12), "{address}: {took:?}");
        let text = error.to_string();
        assert!(matches!(error, CqlOpenError::Unreachable { .. }), "{text}");
        assert!(text.contains(address) && !text.contains("s3cret"), "{text}");
    }
}

#[tokio::test]
async fn conditional_statements_and_serial_reads_are_sent_once() {
    let store = new_store().await;
    let statements = store.statements();
    for conditional in [&statements.ring_commit, &statements.reserve_name, &statements.spend_token]
    {
        assert!(!conditional.get_is_idempotent(), "{}", conditional.get_statement());
        assert!(!conditional.get_use_cached_result_metadata(), "answers differ in their columns");
    }
    let serial = scylla::statement::Consistency::LocalSerial;
    assert_eq!(statements.ring_guard.get_consistency(), Some(serial));
    assert_eq!(statements.ring_slot.get_consistency(), Some(serial));
    assert!(statements.insert_message.get_is_idempotent());
}
