//! Making the keyspace, on either engine.

use futures_util::TryStreamExt as _;
use scylla::client::session::Session;

use super::config::CqlConfig;
use super::failure::Failure;
use super::migrate::change_schema;
use super::open::CqlOpenError;

/// Makes the keyspace unless it exists; true when it was made.
pub(super) async fn ensure(config: &CqlConfig, session: &Session) -> Result<bool, CqlOpenError> {
    if exists(session, &config.keyspace).await? {
        return Ok(false);
    }
    check_nodes(config, session)?;
    let version = scylla_version(session).await?;
    change_schema(session, &creation(config, version.as_deref())).await?;
    Ok(true)
}

async fn exists(session: &Session, keyspace: &str) -> Result<bool, CqlOpenError> {
    let cql = "SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = ?";
    Ok(first_text(session, cql, (keyspace,)).await?.is_some())
}

async fn first_text(
    session: &Session,
    cql: &str,
    key: impl scylla::serialize::row::SerializeRow,
) -> Result<Option<String>, CqlOpenError> {
    let pages = session.query_iter(cql, key).await.map_err(Failure::from)?;
    let mut rows = pages.rows_stream::<(String,)>().map_err(Failure::from)?;
    Ok(rows.try_next().await.map_err(Failure::from)?.map(|(text,)| text))
}

/// With fewer nodes than copies the keyspace would be made, and then refuse every quorum.
fn check_nodes(config: &CqlConfig, session: &Session) -> Result<(), CqlOpenError> {
    let state = session.get_cluster_state();
    let found = state
        .get_nodes_info()
        .iter()
        .filter(|node| config.datacenter.is_none() || node.datacenter == config.datacenter)
        .count();
    let needed = config.replication_factor;
    if usize::try_from(needed).is_ok_and(|needed| found < needed) {
        return Err(CqlOpenError::TooFewNodes { needed, found });
    }
    Ok(())
}

/// ScyllaDB's version; `None` for Cassandra.
async fn scylla_version(session: &Session) -> Result<Option<String>, CqlOpenError> {
    let cql = "SELECT table_name FROM system_schema.tables
               WHERE keyspace_name = 'system' AND table_name = 'versions'";
    if first_text(session, cql, ()).await?.is_none() {
        return Ok(None);
    }
    first_text(session, "SELECT version FROM system.versions", ()).await
}

/// The statement that makes the keyspace. Names and numbers in it were checked with the URL.
fn creation(config: &CqlConfig, scylla_version: Option<&str>) -> String {
    let place = config.datacenter.as_deref().unwrap_or("replication_factor");
    let mut cql = format!(
        "CREATE KEYSPACE IF NOT EXISTS \"{}\" WITH replication = \
         {{'class': 'NetworkTopologyStrategy', '{place}': {}}}",
        config.keyspace, config.replication_factor
    );
    if scylla_version.is_some_and(needs_tablets_off) {
        cql.push_str(" AND tablets = {'enabled': false}");
    }
    cql
}

/// Whether this ScyllaDB may give a new keyspace tablets on which it refuses conditional
/// statements: from 6.0 and 2024.2 on it has tablets, from 2025.4 on both go together.
fn needs_tablets_off(version: &str) -> bool {
    let mut numbers = version.split(['.', '-', '~']).map_while(|part| part.parse::<u32>().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    let of_year = version.0 >= 2_000;
    if of_year { ((2024, 2)..(2025, 4)).contains(&version) } else { version.0 >= 6 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tablets_are_switched_off_where_they_exclude_conditional_statements() {
        let cases = [
            ("5.4.9", false),
            ("6.0.0-rc1", true),
            ("6.2.3-0.20250119.bff9ddde1283", true),
            ("2023.1.2", false),
            ("2024.1.19", false),
            ("2024.2.0~rc2", true),
            ("2025.1.4-0.20250610.eb8b1c7a4b1e", true),
            ("2025.3.0", true),
            ("2025.4.0~rc1", false),
            ("2026.1.0", false),
        ];
        for (version, expected) in cases {
            assert_eq!(needs_tablets_off(version), expected, "{version}");
        }
    }

    #[test]
    fn a_keyspace_lies_in_the_datacenter_that_is_named() {
        let config = |query: &str| {
            CqlConfig::from_url(&format!("cql://db/chat{query}")).expect("the URL is right")
        };
        assert_eq!(
            creation(&config(""), None),
            "CREATE KEYSPACE IF NOT EXISTS \"chat\" WITH replication = \
             {'class': 'NetworkTopologyStrategy', 'replication_factor': 3}"
        );
        assert_eq!(
            creation(&config("?datacenter=eu-1&replication_factor=5"), Some("2025.1.4")),
            "CREATE KEYSPACE IF NOT EXISTS \"chat\" WITH replication = \
             {'class': 'NetworkTopologyStrategy', 'eu-1': 5} AND tablets = {'enabled': false}"
        );
    }
}
