use actors::ports::RingShape;

use crate::store::cql::{CqlConfig, CqlUrlError, Tls};

fn read(url: &str) -> CqlConfig {
    CqlConfig::from_url(url).unwrap_or_else(|error| panic!("{url}: {error}"))
}

#[test]
fn a_short_url_gets_the_usual_values() {
    let config = read("cql://db.example/chat");
    assert_eq!(config.hosts, ["db.example:9042"]);
    assert_eq!(config.keyspace, "chat");
    assert_eq!(config.new_shape(), RingShape { shards: 64, slots: 256 });
    assert_eq!(config.replication_factor, 3);
    assert!(config.credentials.is_none() && config.datacenter.is_none() && config.tls.is_none());
    assert_eq!((config.shards, config.slots), (None, None), "any existing shape is fine");
}

#[test]
fn a_long_url_says_everything() {
    let config = read(
        "cql://anna:s3cret%40home@db1:9142,10.0.0.2,[::1]:80/chat_2?shards=8&slots=16\
         &replication_factor=1&datacenter=eu-1&tls=true&ca_file=%2Fetc%2Fca.pem",
    );
    assert_eq!(config.hosts, ["db1:9142", "10.0.0.2:9042", "[::1]:80"]);
    let credentials = config.credentials.as_ref().expect("they are given");
    assert_eq!((credentials.user.as_str(), credentials.password.expose()), ("anna", "s3cret@home"));
    assert_eq!(config.new_shape(), RingShape { shards: 8, slots: 16 });
    assert_eq!(config.replication_factor, 1);
    assert_eq!(config.datacenter.as_deref(), Some("eu-1"));
    assert_eq!(config.tls, Some(Tls { ca_file: Some("/etc/ca.pem".into()) }));
    for shown in [format!("{config:?}"), config.to_string(), format!("{credentials:?}")] {
        assert!(!shown.contains("s3cret"), "{shown}");
    }
}

#[test]
fn a_wrong_url_is_refused_with_the_reason() {
    let parameter = |name, expected, value: &str| CqlUrlError::Parameter {
        name,
        expected,
        value: value.to_owned(),
    };
    let cases = [
        ("postgres://db/chat", CqlUrlError::Scheme),
        ("cql:///chat", CqlUrlError::NoHost),
        ("cql://db,/chat", CqlUrlError::Host(String::new())),
        ("cql://db:99999/chat", CqlUrlError::Host("db:99999".to_owned())),
        ("cql://db", CqlUrlError::Keyspace),
        ("cql://db/", CqlUrlError::Keyspace),
        ("cql://db/Chat", CqlUrlError::Keyspace),
        ("cql://db/chat/more", CqlUrlError::Keyspace),
        ("cql://db/chat;drop", CqlUrlError::Keyspace),
        ("cql://anna@db/chat", CqlUrlError::HalfCredentials),
        ("cql://:secret@db/chat", CqlUrlError::HalfCredentials),
        ("cql://anna:%zz@db/chat", CqlUrlError::Escape),
        ("cql://db/chat?shard=8", CqlUrlError::UnknownParameter { name: "shard".to_owned() }),
        ("cql://db/chat?shards=8&shards=9", CqlUrlError::Repeated("shards")),
        ("cql://db/chat?shards=0", parameter("shards", "1 to 65536", "0")),
        ("cql://db/chat?slots=1", parameter("slots", "2 to 65536", "1")),
        (
            "cql://db/chat?replication_factor=many",
            parameter("replication_factor", "1 to 9", "many"),
        ),
        ("cql://db/chat?tls=yes", parameter("tls", "true or false", "yes")),
        (
            "cql://db/chat?datacenter=a'b",
            parameter("datacenter", "letters, digits, '_', '-' and '.'", "a'b"),
        ),
        ("cql://db/chat?ca_file=/x", CqlUrlError::CaWithoutTls),
    ];
    for (url, expected) in cases {
        assert_eq!(CqlConfig::from_url(url).err(), Some(expected), "{url}");
    }
}
