//! Encrypted connections: TLS ends right before the one Cassandra of all tests.

use loadtest::services::cassandra_for_tests;

use super::keyspace_name;
use crate::store::cql::{CqlConfig, Store, migrate, raise_generation};
use crate::trust::terminator;

#[tokio::test]
async fn connections_are_encrypted_and_only_the_named_authority_is_believed() {
    let database = cassandra_for_tests().await.expect("Cassandra runs").address().to_string();
    let tls = terminator::in_front_of(database).await;
    let keyspace = keyspace_name();
    let config = |ca_file: &str| {
        let settings = "replication_factor=1&shards=4&slots=4&tls=true";
        let url = format!("cql://{}/{keyspace}?{settings}&ca_file={ca_file}", tls.address);
        CqlConfig::from_url(&url).unwrap()
    };
    assert!(Store::connect(&config(&tls.wrong)).await.is_err());
    assert!(Store::connect(&config("/no/such/file")).await.is_err());
    let config = config(&tls.right);
    migrate(&config).await.expect("migrates");
    let store = Store::connect(&config).await.expect("connects");
    assert!(store.is_answering().await);
    assert_eq!(store.facts().generation, 1);
    // And the generation of a cluster is raised.
    assert_eq!(raise_generation(&config, 0).await.unwrap(), 2);
    assert_eq!(raise_generation(&config, 1_000).await.unwrap(), 1_000);
    let store = Store::connect(&config).await.expect("connects");
    assert_eq!(store.facts().generation, 1_000);
}
