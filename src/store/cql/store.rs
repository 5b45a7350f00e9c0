//! The handle that implements the four store ports.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use actors::ports::{Applied, StoreError};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use schema::metric;
use scylla::client::session::Session;
use scylla::deserialize::row::DeserializeRow;
use scylla::response::query_result::QueryResult;
use scylla::serialize::row::SerializeRow;
use scylla::statement::prepared::PreparedStatement;
use scylla::value::Row;
use tokio::time::{Instant, timeout};

use super::config::CqlConfig;
use super::facts;
use super::failure::Failure;
use super::leisure::Leisure;
use super::migrate;
use super::open::{self, Connected, CqlOpenError};
use super::statements::{Profiles, Statements};
use crate::store::embedded::StoreFacts;

/// Statements of one call that are under way at once.
pub(super) const IN_FLIGHT_MAX: usize = 64;
/// Longest wait for a port's call other than `materialise`, which is as long as its rows.
const CALL_MAX: Duration = Duration::from_secs(15);
const ANSWERING_MAX: Duration = Duration::from_secs(2);

/// A connected store. Clones are the same store. Its connections are served by the runtime on
/// which it was connected, and end with it.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    session: Session,
    profiles: Profiles,
    statements: Statements,
    facts: StoreFacts,
    leisure: Leisure,
}

impl Store {
    /// Connects to a store that was migrated and is not being imported.
    ///
    /// # Errors
    /// See [`CqlOpenError`]; [`CqlOpenError::Unreachable`] within 10 s when nobody answers.
    pub async fn connect(config: &CqlConfig) -> Result<Self, CqlOpenError> {
        let (store, import) = Self::connect_to_any(config).await?;
        match import {
            Some(import) if !import.done => Err(CqlOpenError::ImportUnfinished),
            _ => Ok(store),
        }
    }

    /// Connects also to a store that is being imported.
    pub(super) async fn connect_to_any(
        config: &CqlConfig,
    ) -> Result<(Self, Option<facts::Import>), CqlOpenError> {
        let Connected { session, profiles, datacenter } = open::connect(config).await?;
        migrate::check(config, &session, &profiles).await?;
        let row = facts::read(&session, &profiles).await?;
        let row = row.ok_or_else(|| CqlOpenError::NotMigrated {
            address: config.to_string(),
            missing: vec!["the cluster row".to_owned()],
        })?;
        facts::check(&row, config, &datacenter)?;
        let statements = Statements::prepare(&session, &profiles).await?;
        let inner =
            Inner { session, profiles, statements, facts: row.facts, leisure: Leisure::here() };
        Ok((Self { inner: Arc::new(inner) }, row.import))
    }

    #[must_use]
    pub fn facts(&self) -> StoreFacts {
        self.inner.facts
    }

    /// Whether a quorum of the database answers within 2 s.
    pub async fn is_answering(&self) -> bool {
        let nobody = (uuid::Uuid::nil(),);
        let read = self.row::<(Option<i64>, Option<i64>)>(&self.statements().head, nobody);
        matches!(timeout(ANSWERING_MAX, read).await, Ok(Ok(_)))
    }

    pub(super) fn leisure(&self) -> &Leisure {
        &self.inner.leisure
    }

    pub(super) fn session(&self) -> &Session {
        &self.inner.session
    }

    pub(super) fn profiles(&self) -> &Profiles {
        &self.inner.profiles
    }

    pub(super) fn statements(&self) -> &Statements {
        &self.inner.statements
    }

    /// Reads at most one row by its key.
    pub(super) async fn row<R>(
        &self,
        statement: &PreparedStatement,
        key: impl SerializeRow,
    ) -> Result<Option<R>, Failure>
    where
        R: for<'frame, 'metadata> DeserializeRow<'frame, 'metadata>,
    {
        first_row(self.session().execute_unpaged(statement, key).await?)
    }

    /// Reads all rows of a partition, page by page.
    pub(super) async fn rows<R>(
        &self,
        statement: &PreparedStatement,
        key: impl SerializeRow,
    ) -> Result<Vec<R>, Failure>
    where
        R: for<'frame, 'metadata> DeserializeRow<'frame, 'metadata> + Send + 'static,
    {
        let pages = self.session().execute_iter(statement.clone(), key).await?;
        Ok(pages.rows_stream::<R>()?.try_collect().await?)
    }

    /// Carries out an idempotent write.
    pub(super) async fn write(
        &self,
        statement: &PreparedStatement,
        row: impl SerializeRow,
    ) -> Result<(), Failure> {
        self.session().execute_unpaged(statement, row).await?;
        Ok(())
    }

    /// Carries out a conditional statement. After an error its outcome is unknown.
    pub(super) async fn conditional(
        &self,
        statement: &PreparedStatement,
        values: impl SerializeRow,
    ) -> Result<Applied, Failure> {
        applied(self.session().execute_unpaged(statement, values).await?)
    }
}

/// The first row of an answer.
pub(super) fn first_row<R>(answer: QueryResult) -> Result<Option<R>, Failure>
where
    R: for<'frame, 'metadata> DeserializeRow<'frame, 'metadata>,
{
    Ok(answer.into_rows_result()?.maybe_first_row::<R>()?)
}

/// What a conditional statement says of itself. Other columns are not looked at: one engine sends
/// old values always, the other only with a refusal.
pub(super) fn applied(answer: QueryResult) -> Result<Applied, Failure> {
    let rows = answer.into_rows_result()?;
    let unreadable = || Failure::damaged("a conditional statement was answered without [applied]");
    let (index, _) = rows.column_specs().get_by_name("[applied]").ok_or_else(unreadable)?;
    let row: Row = rows.first_row()?;
    match row.columns.get(index) {
        Some(Some(scylla::value::CqlValue::Boolean(true))) => Ok(Applied::Yes),
        Some(Some(scylla::value::CqlValue::Boolean(false))) => Ok(Applied::No),
        _ => Err(unreadable()),
    }
}

/// Carries out a port's call: within its deadline, and measured.
pub(super) async fn call<T>(
    operation: &'static str,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let in_time = async {
        let expired = || Failure::Unavailable(format!("no answer in {} s", CALL_MAX.as_secs()));
        timeout(CALL_MAX, work).await.unwrap_or_else(|_| Err(expired()))
    };
    measured(operation, in_time).await
}

/// Measures work that has a deadline of its own.
pub(super) async fn measured<T>(
    operation: &'static str,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let since = Instant::now();
    let outcome = work.await;
    let seconds = since.elapsed().as_secs_f64();
    metrics::histogram!(metric::STORE_SECONDS, "operation" => operation).record(seconds);
    if outcome.is_err() {
        metrics::counter!(metric::STORE_ERRORS, "operation" => operation).increment(1);
    }
    outcome
}

/// Waits for all of `work`, some of it at once, in order; the first failure ends it.
pub(super) async fn all<T>(
    work: Vec<impl Future<Output = Result<T, Failure>>>,
) -> Result<Vec<T>, Failure> {
    stream::iter(work).buffered(IN_FLIGHT_MAX).try_collect().await
}

/// A port's answer to its caller.
pub(super) async fn answer<T>(
    operation: &'static str,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, StoreError> {
    Ok(call(operation, work).await?)
}
