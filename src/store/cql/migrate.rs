//! Brings a keyspace to the shape that this binary knows.

use std::collections::BTreeSet;
use std::time::Duration;

use actors::ports::Applied;
use futures_util::TryStreamExt as _;
use scylla::client::session::Session;
use scylla::statement::unprepared::Statement;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::config::CqlConfig;
use super::failure::Failure;
use super::open::{self, Connected, CqlOpenError};
use super::statements::{Kind, Profiles, prepare};
use super::store::applied;
use super::{facts, keyspace};
use crate::store::embedded::StoreFacts;

/// One numbered file.
pub(super) struct Migration {
    pub name: &'static str,
    cql: &'static str,
}

macro_rules! migrations {
    ($($name:literal),+ $(,)?) => {
        &[$(Migration {
            name: $name,
            cql: include_str!(concat!("../../../schema/cql/", $name, ".cql")),
        }),+]
    };
}

/// In order; a migration that was released is never changed. Each is one statement that does no
/// harm when it is repeated.
pub(super) const MIGRATIONS: &[Migration] = migrations![
    "0001_cluster",
    "0002_commit_ring",
    "0003_messages",
    "0004_conversation_heads",
    "0005_sent_index",
    "0006_conversations",
    "0007_members",
    "0008_conversations_by_user",
    "0009_direct_pairs",
    "0010_read_positions",
    "0011_delivered_positions",
    "0012_users",
    "0013_usernames",
    "0014_devices",
    "0015_devices_by_user",
    "0016_refresh_tokens",
    "0017_message_changes",
    "0018_positions_by_conversation",
    "0050_message_ordinals",
    "0051_mentions",
    "0052_threads",
    "0053_thread_replies",
    "0054_facts",
    "0055_due",
    "0080_search_feed",
    "0030_conversation_settings",
    "0031_purged_conversations",
    "0032_bans",
    "0033_invites",
    "0034_invites_by_conversation",
    "0035_expiring_entries",
    "0036_expired_up_to",
    "0090_admin_log",
];

/// What a migration did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MigrateReport {
    /// Whether the keyspace was made.
    pub made_keyspace: bool,
    /// Names of the migrations that were applied now, in order.
    pub applied: Vec<&'static str>,
    pub facts: StoreFacts,
}

/// Makes the keyspace if it is absent, applies the migrations that are missing, and writes the
/// store's facts if it has none. May be run at any time, also by several at once.
///
/// # Errors
/// See [`CqlOpenError`]. What was applied before an error stays.
pub async fn migrate(config: &CqlConfig) -> Result<MigrateReport, CqlOpenError> {
    let Connected { session, profiles, datacenter } = open::connect(config).await?;
    let made_keyspace = keyspace::ensure(config, &session).await?;
    use_made_keyspace(config, &session).await?;
    change_schema(&session, JOURNAL).await?;
    let lock = Lock::take(&session, &profiles).await?;
    let work = async {
        let applied = apply_missing(&session, &profiles).await?;
        let facts = write_facts(config, &session, &profiles, &datacenter).await?;
        Ok(MigrateReport { made_keyspace, applied, facts })
    };
    let outcome = work.await;
    lock.give_back(&session, &profiles).await;
    outcome
}

/// A keyspace that another just made stands in the database's tables before it can be used.
async fn use_made_keyspace(config: &CqlConfig, session: &Session) -> Result<(), CqlOpenError> {
    let since = Instant::now();
    while !open::use_keyspace(session, &config.keyspace).await? {
        if since.elapsed() >= CHANGE_MAX {
            let reason = "the keyspace that was made is not there";
            return Err(CqlOpenError::Database(reason.to_owned()));
        }
        sleep(LOCK_POLL).await;
    }
    Ok(())
}

async fn apply_missing(
    session: &Session,
    profiles: &Profiles,
) -> Result<Vec<&'static str>, CqlOpenError> {
    let before = journal(session, profiles).await?;
    let sql = "INSERT INTO schema_migrations (id, number, name) VALUES (1, ?, ?) IF NOT EXISTS";
    let note = prepare(session, profiles, Kind::Conditional, sql).await?;
    let mut done = Vec::new();
    for (number, migration) in numbered().filter(|(number, _)| !before.contains(number)) {
        change_schema(session, migration.cql).await?;
        session.execute_unpaged(&note, (number, migration.name)).await?;
        done.push(migration.name);
    }
    Ok(done)
}

async fn write_facts(
    config: &CqlConfig,
    session: &Session,
    profiles: &Profiles,
    datacenter: &str,
) -> Result<StoreFacts, CqlOpenError> {
    if facts::read(session, profiles).await?.is_none() {
        facts::make(session, profiles, config.new_shape(), datacenter).await?;
    }
    let row = facts::read(session, profiles).await?;
    let row =
        row.ok_or_else(|| Failure::damaged("the cluster row that was written is not there"))?;
    facts::check(&row, config, datacenter)?;
    Ok(row.facts)
}

/// Checks that everything this binary knows was applied, and nothing it does not know.
pub(super) async fn check(
    config: &CqlConfig,
    session: &Session,
    profiles: &Profiles,
) -> Result<(), CqlOpenError> {
    let address = config.to_string();
    if !open::use_keyspace(session, &config.keyspace).await? {
        let missing = vec![format!("keyspace {}", config.keyspace)];
        return Err(CqlOpenError::NotMigrated { address, missing });
    }
    let found = if has_journal(session, &config.keyspace).await? {
        journal(session, profiles).await?
    } else {
        BTreeSet::new()
    };
    let missing: Vec<String> = numbered()
        .filter(|(number, _)| !found.contains(number))
        .map(|(_, migration)| migration.name.to_owned())
        .collect();
    if missing.is_empty() { Ok(()) } else { Err(CqlOpenError::NotMigrated { address, missing }) }
}

fn numbered() -> impl Iterator<Item = (i32, &'static Migration)> {
    (1..).zip(MIGRATIONS)
}

const JOURNAL: &str = "
    CREATE TABLE IF NOT EXISTS schema_migrations (
        id      int,          -- always 1
        number  int,
        holder  uuid STATIC,  -- who migrates now; expires
        name    text,
        PRIMARY KEY (id, number)
    )";

/// Numbers of the migrations that were applied.
async fn journal(session: &Session, profiles: &Profiles) -> Result<BTreeSet<i32>, CqlOpenError> {
    let cql = "SELECT number FROM schema_migrations WHERE id = 1";
    let statement = prepare(session, profiles, Kind::SerialRead, cql).await?;
    let answer = session.execute_unpaged(&statement, ()).await?;
    let rows = answer.into_rows_result().map_err(Failure::from)?;
    // While somebody holds the lock and no row is there, one row shows it, without a number.
    let numbers = rows.rows::<(Option<i32>,)>().map_err(Failure::from)?;
    let mut found = BTreeSet::new();
    for number in numbers {
        found.extend(number.map_err(Failure::from)?.0);
    }
    let (last, known) = (found.last().copied().unwrap_or(0), last_known());
    if last > known {
        return Err(CqlOpenError::Newer { found: last, known });
    }
    Ok(found)
}

fn last_known() -> i32 {
    numbered().last().map_or(0, |(number, _)| number)
}

async fn has_journal(session: &Session, keyspace: &str) -> Result<bool, CqlOpenError> {
    let cql = "SELECT table_name FROM system_schema.tables
               WHERE keyspace_name = ? AND table_name = 'schema_migrations'";
    let pages = session.query_iter(cql, (keyspace,)).await.map_err(Failure::from)?;
    let mut rows = pages.rows_stream::<(String,)>().map_err(Failure::from)?;
    Ok(rows.try_next().await.map_err(Failure::from)?.is_some())
}

/// Longest wait for a change of the schema.
const CHANGE_MAX: Duration = Duration::from_secs(30);

/// Changes the schema and waits until all nodes know.
pub(super) async fn change_schema(session: &Session, cql: &str) -> Result<(), CqlOpenError> {
    let mut statement = Statement::new(cql);
    statement.set_request_timeout(Some(CHANGE_MAX));
    statement.set_is_idempotent(true);
    if let Err(error) = session.query_unpaged(statement, ()).await {
        // Not every engine can add a column only if it is not there.
        let why = error.to_string();
        let is_there = why.contains("already exists") || why.contains("existing column");
        if !(cql.contains("ALTER TABLE") && is_there) {
            return Err(error.into());
        }
    }
    let agreement = session.await_schema_agreement().await;
    agreement.map_err(|error| CqlOpenError::Database(error.to_string()))?;
    Ok(())
}

/// One migrates at a time: concurrent changes of a schema may make nodes disagree.
struct Lock {
    holder: Uuid,
}

const LOCK_SECONDS: i32 = 180;
/// How long a lock that another holds is waited for.
const LOCK_WAIT_MAX: Duration = Duration::from_secs(60);
const LOCK_POLL: Duration = Duration::from_millis(250);

impl Lock {
    async fn take(session: &Session, profiles: &Profiles) -> Result<Self, CqlOpenError> {
        let cql = "UPDATE schema_migrations USING TTL ? SET holder = ? WHERE id = 1
                   IF holder = null";
        let statement = prepare(session, profiles, Kind::Conditional, cql).await?;
        let (holder, since) = (Uuid::new_v4(), Instant::now());
        while since.elapsed() < LOCK_WAIT_MAX {
            let answer = session.execute_unpaged(&statement, (LOCK_SECONDS, holder)).await?;
            if applied(answer)? == Applied::Yes {
                return Ok(Self { holder });
            }
            sleep(LOCK_POLL).await;
        }
        Err(CqlOpenError::Locked(LOCK_SECONDS.unsigned_abs().into()))
    }

    /// A lock that cannot be given back expires.
    async fn give_back(self, session: &Session, profiles: &Profiles) {
        let cql = "UPDATE schema_migrations SET holder = null WHERE id = 1 IF holder = ?";
        let outcome: Result<(), CqlOpenError> = async {
            let statement = prepare(session, profiles, Kind::Conditional, cql).await?;
            session.execute_unpaged(&statement, (self.holder,)).await?;
            Ok(())
        }
        .await;
        if let Err(error) = outcome {
            tracing::warn!(%error, "the lock of migrations was not given back; it will expire");
        }
    }
}
