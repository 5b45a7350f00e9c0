//! The commit ring: guards and slots.
//!
//! Its reads queue behind its writes, so that a read shows the effect of every statement that was
//! asked for before, answered or not.

use std::future::Future;

use actors::ports::{
    Applied, Commit, CommitRing, Guard, PortFuture, RingError, RingShape, Slot, StoreError,
};
use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, params};
use schema::{Epoch, OwnerToken};

use super::failure::Failure;
use super::rows::{id, number, to_column};
use super::store::Store;

pub(super) fn guard(connection: &Connection, shard: u32) -> Result<Option<Guard>, Failure> {
    let sql = "SELECT owner, epoch, head, done FROM ring_guards WHERE shard = ?1";
    let guard = connection.prepare_cached(sql)?.query_row([shard], |row| {
        Ok(Guard {
            owner: id(row, 0, OwnerToken::from_bytes)?,
            epoch: Epoch(number(row, 1)?),
            head: number(row, 2)?,
            done: number(row, 3)?,
        })
    });
    Ok(guard.optional()?)
}

/// Where commit `n` of a shard lies, among `slots` of each shard.
fn cell(shard: u32, n: u64, slots: u32) -> i64 {
    to_column((u64::from(shard) << 32) | (n % u64::from(slots)))
}

pub(super) fn slot(
    connection: &Connection,
    shard: u32,
    n: u64,
    slots: u32,
) -> Result<Option<Slot>, Failure> {
    let sql = "SELECT n, writer, payload FROM ring_slots WHERE cell = ?1";
    let slot = connection.prepare_cached(sql)?.query_row([cell(shard, n, slots)], |row| {
        Ok(Slot {
            n: number(row, 0)?,
            writer: id(row, 1, OwnerToken::from_bytes)?,
            payload: Bytes::from(row.get::<_, Vec<u8>>(2)?),
        })
    });
    Ok(slot.optional()?)
}

const fn applied(rows: usize) -> Applied {
    if rows == 0 { Applied::No } else { Applied::Yes }
}

fn create(connection: &Connection, shard: u32, owner: OwnerToken) -> Result<Applied, Failure> {
    let sql = "INSERT INTO ring_guards (shard, owner, epoch, head, done) VALUES (?1, ?2, 1, 0, 0)
               ON CONFLICT DO NOTHING";
    let rows = connection.prepare_cached(sql)?.execute(params![shard, owner.as_bytes()])?;
    Ok(applied(rows))
}

fn take_over(
    connection: &Connection,
    shard: u32,
    seen: Guard,
    owner: OwnerToken,
) -> Result<Applied, Failure> {
    let sql = "UPDATE ring_guards SET owner = ?1, epoch = epoch + 1
               WHERE shard = ?2 AND owner = ?3 AND epoch = ?4 AND head = ?5";
    let rows = connection.prepare_cached(sql)?.execute(params![
        owner.as_bytes(),
        shard,
        seen.owner.as_bytes(),
        to_column(seen.epoch.0),
        to_column(seen.head)
    ])?;
    Ok(applied(rows))
}

fn commit(connection: &Connection, commit: &Commit, slots: u32) -> Result<Applied, Failure> {
    let Some(expected_head) = commit.n.checked_sub(1) else { return Ok(Applied::No) };
    let sql = "UPDATE ring_guards SET head = ?1, done = ?2
               WHERE shard = ?3 AND owner = ?4 AND head = ?5";
    let rows = connection.prepare_cached(sql)?.execute(params![
        to_column(commit.n),
        to_column(commit.done),
        commit.shard,
        commit.owner.as_bytes(),
        to_column(expected_head)
    ])?;
    if rows == 0 {
        return Ok(Applied::No);
    }
    let sql = "INSERT INTO ring_slots (cell, n, writer, payload) VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT DO UPDATE
               SET n = excluded.n, writer = excluded.writer, payload = excluded.payload";
    connection.prepare_cached(sql)?.execute(params![
        cell(commit.shard, commit.n, slots),
        to_column(commit.n),
        commit.owner.as_bytes(),
        &commit.payload[..]
    ])?;
    Ok(Applied::Yes)
}

fn release(
    connection: &Connection,
    shard: u32,
    owner: OwnerToken,
    done: u64,
) -> Result<Applied, Failure> {
    let sql = "UPDATE ring_guards SET owner = ?1, done = ?2 WHERE shard = ?3 AND owner = ?4";
    let rows = connection.prepare_cached(sql)?.execute(params![
        OwnerToken::NOBODY.as_bytes(),
        to_column(done),
        shard,
        owner.as_bytes()
    ])?;
    Ok(applied(rows))
}

fn ring_answer<T: Send + 'static>(
    answer: impl Future<Output = Result<T, StoreError>> + Send + 'static,
) -> PortFuture<T, RingError> {
    Box::pin(async move { answer.await.map_err(|error| RingError(error.to_string())) })
}

impl CommitRing for Store {
    fn shape(&self) -> RingShape {
        self.facts().shape
    }

    fn guard(&self, shard: u32) -> PortFuture<Option<Guard>, RingError> {
        ring_answer(self.write("ring_guard", move |connection| guard(connection, shard)))
    }

    fn slot(&self, shard: u32, n: u64) -> PortFuture<Option<Slot>, RingError> {
        let slots = self.facts().shape.slots;
        ring_answer(self.write("ring_slot", move |connection| slot(connection, shard, n, slots)))
    }

    fn create(&self, shard: u32, owner: OwnerToken) -> PortFuture<Applied, RingError> {
        ring_answer(self.write("ring_create", move |connection| create(connection, shard, owner)))
    }

    fn take_over(
        &self,
        shard: u32,
        seen: Guard,
        owner: OwnerToken,
    ) -> PortFuture<Applied, RingError> {
        ring_answer(
            self.write("ring_take_over", move |connection| {
                take_over(connection, shard, seen, owner)
            }),
        )
    }

    fn commit(&self, statement: Commit) -> PortFuture<Applied, RingError> {
        let slots = self.facts().shape.slots;
        ring_answer(
            self.write("ring_commit", move |connection| commit(connection, &statement, slots)),
        )
    }

    fn release(&self, shard: u32, owner: OwnerToken, done: u64) -> PortFuture<Applied, RingError> {
        ring_answer(
            self.write("ring_release", move |connection| release(connection, shard, owner, done)),
        )
    }
}
