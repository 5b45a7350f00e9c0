//! What a search index needs of the store: which logs grew, where logs end, where a user is.

use actors::ports::StoreError;
use futures_util::{Stream, TryStreamExt as _};
use schema::record::Membership;
use schema::{ConversationId, Sequence, UserId};
use uuid::Uuid;

use super::failure::Failure;
use super::rows::{membership, number, sequence, small, to_column};
use super::store::{Store, answer};

/// Commits whose rows share a partition.
const BUCKET_COMMITS: u64 = 4_096;

/// Part of a log: its conversation, its first and its last number.
pub type GrownLog = (ConversationId, u64, u64);

/// Logs that grew by the commits `first..=n` of a shard, which were materialised together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedRow {
    pub shard: u32,
    pub first: u64,
    pub n: u64,
    pub logs: Vec<GrownLog>,
}

type FeedColumns = (i64, i64, Vec<u8>);

impl Store {
    /// Writes rows; a repeat changes nothing.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn note_grown(&self, rows: Vec<FeedRow>) -> Result<(), StoreError> {
        let write = async {
            for row in &rows {
                let logs = rmp_serde::to_vec(&row.logs)
                    .map_err(|error| Failure::Damaged(format!("cannot be packed: {error}")))?;
                let n = to_column(row.n);
                let key = (small(row.shard.into()), to_column(row.n / BUCKET_COMMITS), n);
                let values = (key.0, key.1, key.2, to_column(row.first), logs, n);
                self.write(&self.statements().insert_feed, values).await?;
            }
            Ok(())
        };
        answer("note_grown", write).await
    }

    /// The first rows of a shard above commit `after` and not above `last`, ascending.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn grown(
        &self,
        shard: u32,
        after: u64,
        last: u64,
    ) -> Result<Vec<FeedRow>, StoreError> {
        let read = async {
            let buckets = (after + 1) / BUCKET_COMMITS..=last / BUCKET_COMMITS;
            for bucket in buckets {
                let key = (small(shard.into()), to_column(bucket), to_column(after));
                let statement = &self.statements().feed;
                let rows = self.rows::<FeedColumns>(statement, key).await?;
                if !rows.is_empty() {
                    return rows.into_iter().map(|row| feed_row(shard, row)).collect();
                }
            }
            Ok(Vec::new())
        };
        answer("grown", read).await
    }

    /// Every conversation that has entries, and where its log ends. Takes as long as it takes.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn all_heads(
        &self,
    ) -> Result<impl Stream<Item = Result<(ConversationId, Sequence), StoreError>>, StoreError>
    {
        let statement = self.statements().all_ends.clone();
        let pages = self.session().execute_iter(statement, ()).await.map_err(Failure::from)?;
        let rows = pages.rows_stream::<(Uuid, Option<i64>)>().map_err(Failure::from)?;
        let heads = rows.map_err(Failure::from).and_then(|(id, head)| async move {
            Ok((ConversationId(id), sequence(head.unwrap_or(0))?))
        });
        Ok(heads.map_err(StoreError::from))
    }

    /// Every conversation whose entries up to a number are kept no longer. Takes as long as it takes.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn all_purged(
        &self,
    ) -> Result<impl Stream<Item = Result<(ConversationId, Sequence), StoreError>>, StoreError>
    {
        let statement = self.statements().all_purged.clone();
        let pages = self.session().execute_iter(statement, ()).await.map_err(Failure::from)?;
        let rows = pages.rows_stream::<(Uuid, Option<i64>)>().map_err(Failure::from)?;
        let purged = rows.map_err(Failure::from).and_then(|(id, up_to)| async move {
            Ok((ConversationId(id), sequence(up_to.unwrap_or(0))?))
        });
        Ok(purged.map_err(StoreError::from))
    }

    /// Wherever the user is or was.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn places_of(
        &self,
        user: UserId,
    ) -> Result<Vec<(ConversationId, Membership)>, StoreError> {
        type Columns = (Uuid, Option<String>, Option<i64>, Option<i64>, Option<Uuid>);
        let read = async {
            let statement = &self.statements().conversations_by_user;
            let rows = self.rows::<Columns>(statement, (user.0,)).await?;
            let mut places = Vec::with_capacity(rows.len());
            for (id, role, added, removed, _) in rows {
                let place = membership(user, role.as_deref(), added, removed)?;
                places.extend(place.map(|place| (ConversationId(id), place)));
            }
            Ok(places)
        };
        answer("places_of", read).await
    }
}

fn feed_row(shard: u32, (n, first, logs): FeedColumns) -> Result<FeedRow, Failure> {
    let logs = rmp_serde::from_slice(&logs)
        .map_err(|error| Failure::Damaged(format!("the search feed cannot be read: {error}")))?;
    Ok(FeedRow { shard, first: number(first)?, n: number(n)?, logs })
}
