//! Several jobs in one transaction, so that one that fails does not take the others with it.

use rusqlite::Connection;

use super::failure::Failure;
use super::job::Job;

/// What a transaction's end means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Durability {
    /// On disk before anyone is answered.
    Synced,
    /// In the file's order; on disk with the next synced transaction.
    Ordered,
}

/// How much one transaction takes on.
pub(super) struct Budget<'a> {
    pub rows_max: usize,
    /// Once so many rows are written, the transaction ends when someone is in a hurry.
    pub rows_min: usize,
    pub hurry: &'a dyn Fn() -> bool,
}

impl Budget<'_> {
    pub const WITHOUT_LIMIT: Budget<'static> =
        Budget { rows_max: usize::MAX, rows_min: usize::MAX, hurry: &|| false };
}

/// Rows between two looks at [`Budget::hurry`].
const STEP_ROWS: usize = 64;

/// What stopped an attempt.
enum Trouble {
    /// The job at this index.
    Job(usize, Failure),
    Transaction(Failure),
}

/// Runs jobs in one transaction and answers those that are finished or failed.
///
/// A job that fails is answered and the others run again without it. Returns the unfinished ones.
///
/// # Errors
/// A fatal failure, after everyone was answered: the connection must not be used any more.
pub(super) fn transact(
    connection: &Connection,
    mut jobs: Vec<Box<dyn Job>>,
    budget: &Budget<'_>,
) -> Result<Vec<Box<dyn Job>>, Failure> {
    while !jobs.is_empty() {
        let failure = match attempt(connection, &mut jobs, budget) {
            Ok(()) => return Ok(answer_finished(jobs)),
            Err(Trouble::Job(index, failure)) => {
                roll_back(connection);
                jobs.remove(index).answer(Err(failure.clone()));
                if !failure.is_fatal() {
                    for job in &mut jobs {
                        job.rewind();
                    }
                    continue;
                }
                failure
            }
            Err(Trouble::Transaction(failure)) => {
                roll_back(connection);
                failure
            }
        };
        for job in jobs.drain(..) {
            job.answer(Err(failure.clone()));
        }
        if failure.is_fatal() {
            return Err(failure);
        }
    }
    Ok(Vec::new())
}

fn attempt(
    connection: &Connection,
    jobs: &mut [Box<dyn Job>],
    budget: &Budget<'_>,
) -> Result<(), Trouble> {
    run(connection, "BEGIN IMMEDIATE").map_err(Trouble::Transaction)?;
    let mut rows = 0;
    'jobs: for (index, job) in jobs.iter_mut().enumerate() {
        while job.rows_left() > 0 {
            if rows >= budget.rows_max || (rows >= budget.rows_min && (budget.hurry)()) {
                break 'jobs;
            }
            let step_rows = STEP_ROWS.min(budget.rows_max - rows);
            let written = job.step(connection, step_rows);
            rows += written.map_err(|failure| Trouble::Job(index, failure))?;
        }
    }
    run(connection, "COMMIT").map_err(|failure| Trouble::Transaction(failure.at_commit()))
}

fn run(connection: &Connection, sql: &str) -> Result<(), Failure> {
    connection.prepare_cached(sql)?.execute([])?;
    Ok(())
}

/// Ends a transaction that went wrong. SQLite may have ended it already.
fn roll_back(connection: &Connection) {
    if !connection.is_autocommit()
        && let Err(error) = connection.execute_batch("ROLLBACK")
    {
        tracing::error!(%error, "a transaction could not be rolled back");
    }
}

fn answer_finished(jobs: Vec<Box<dyn Job>>) -> Vec<Box<dyn Job>> {
    let mut unfinished = Vec::new();
    for mut job in jobs {
        job.stored();
        if job.rows_left() == 0 {
            job.answer(Ok(()));
        } else {
            unfinished.push(job);
        }
    }
    unfinished
}

/// Switches what the next transactions' ends mean.
pub(super) fn set_durability(
    connection: &Connection,
    durability: Durability,
) -> Result<(), Failure> {
    let sql = match durability {
        Durability::Synced => "PRAGMA synchronous = FULL",
        Durability::Ordered => "PRAGMA synchronous = NORMAL",
    };
    Ok(connection.execute_batch(sql)?)
}
