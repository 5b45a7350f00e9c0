//! What is fixed for a store, its generation, and whether an import fills it.

use actors::ports::RingShape;
use scylla::client::session::Session;
use uuid::Uuid;

use super::config::CqlConfig;
use super::failure::Failure;
use super::open::CqlOpenError;
use super::rows::small;
use super::statements::{Kind, Profiles, prepare};
use super::store::{applied, first_row};
use crate::store::embedded::StoreFacts;

/// The `cluster` row.
pub(super) struct ClusterRow {
    pub facts: StoreFacts,
    pub datacenter: Option<String>,
    pub import: Option<Import>,
}

/// An import from an embedded store, begun or done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Import {
    pub from: Uuid,
    pub done: bool,
    /// 1 for the first.
    pub attempt: i32,
}

type Columns = (
    Option<Uuid>,
    Option<i32>,
    Option<i32>,
    Option<i32>,
    Option<String>,
    Option<String>,
    Option<i32>,
    Option<Uuid>,
);

const READ: &str = "SELECT store_id, shards, slots, generation, datacenter, import_state,
                        import_attempt, imported_from
                    FROM cluster WHERE id = 1";

/// Reads the row; `None` before a first migration wrote it.
pub(super) async fn read(
    session: &Session,
    profiles: &Profiles,
) -> Result<Option<ClusterRow>, CqlOpenError> {
    let statement = prepare(session, profiles, Kind::SerialRead, READ).await?;
    let answer = session.execute_unpaged(&statement, ()).await?;
    let row: Option<Columns> = first_row(answer)?;
    let Some((Some(store_id), shards, slots, generation, datacenter, state, attempt, from)) = row
    else {
        return Ok(None);
    };
    let shape = RingShape { shards: count(shards)?, slots: count(slots)? };
    let facts = StoreFacts { store_id, shape, generation: count(generation)? };
    let import = match (state.as_deref(), from) {
        (Some(state), Some(from)) => {
            Some(Import { from, done: state == "done", attempt: attempt.unwrap_or(1) })
        }
        _ => None,
    };
    Ok(Some(ClusterRow { facts, datacenter, import }))
}

fn count(column: Option<i32>) -> Result<u32, Failure> {
    let count = column.and_then(|column| u32::try_from(column).ok());
    count.filter(|count| *count > 0).ok_or_else(|| Failure::damaged("the cluster row is not whole"))
}

const MAKE: &str = "INSERT INTO cluster (id, store_id, shards, slots, generation, datacenter)
                    VALUES (1, ?, ?, ?, 1, ?) IF NOT EXISTS";

/// Writes the row unless it is there, with an id of its own and generation 1.
pub(super) async fn make(
    session: &Session,
    profiles: &Profiles,
    shape: RingShape,
    datacenter: &str,
) -> Result<(), CqlOpenError> {
    let statement = prepare(session, profiles, Kind::Conditional, MAKE).await?;
    let row = (Uuid::new_v4(), small(shape.shards.into()), small(shape.slots.into()), datacenter);
    session.execute_unpaged(&statement, row).await?;
    Ok(())
}

/// Whether the row is what the settings ask for.
pub(super) fn check(
    row: &ClusterRow,
    config: &CqlConfig,
    datacenter: &str,
) -> Result<(), CqlOpenError> {
    let shape = row.facts.shape;
    if !config.accepts(shape) {
        let asked = RingShape {
            shards: config.shards.unwrap_or(shape.shards),
            slots: config.slots.unwrap_or(shape.slots),
        };
        return Err(CqlOpenError::OtherShape { found: shape, asked });
    }
    match &row.datacenter {
        Some(found) if found != datacenter => Err(CqlOpenError::OtherDatacenter {
            found: found.clone(),
            asked: datacenter.to_owned(),
        }),
        _ => Ok(()),
    }
}

/// Carries out one conditional statement on the row.
pub(super) async fn change(
    session: &Session,
    profiles: &Profiles,
    cql: &str,
    values: impl scylla::serialize::row::SerializeRow,
) -> Result<bool, CqlOpenError> {
    let statement = prepare(session, profiles, Kind::Conditional, cql).await?;
    let answer = session.execute_unpaged(&statement, values).await?;
    Ok(applied(answer)? == actors::ports::Applied::Yes)
}
