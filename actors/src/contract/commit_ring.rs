//! What [`CommitRing`] promises.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::join_all;
use schema::{Epoch, OwnerToken};

use crate::ports::{Applied, Commit, CommitRing, Guard, Slot};

type Ring = Arc<dyn CommitRing>;

const SHARD: u32 = 0;

/// Runs every check, each on a fresh ring. The ring needs two shards and two slots at least; few
/// slots keep the check of wrapping short.
pub async fn run(make: impl AsyncFn() -> Ring) {
    an_unused_shard_is_empty(make().await).await;
    a_shard_is_created_once(make().await).await;
    concurrent_creations_have_one_winner(make().await).await;
    nothing_applies_before_creation(make().await).await;
    a_commit_moves_the_guard_and_fills_its_slot(make().await).await;
    payloads_come_back_byte_for_byte(make().await).await;
    a_foreign_owner_is_refused(make().await).await;
    a_wrong_number_is_refused(make().await).await;
    resending_a_commit_changes_nothing(make().await).await;
    concurrent_commits_of_one_number_apply_once(make().await).await;
    a_take_over_needs_the_guard_it_saw(make().await).await;
    concurrent_take_overs_have_one_winner(make().await).await;
    a_take_over_fences_the_old_owner(make().await).await;
    slots_are_reused_in_turn(make().await).await;
    a_released_shard_can_be_taken_over(make().await).await;
    only_the_owner_releases(make().await).await;
    shards_do_not_touch_each_other(make().await).await;
    reads_see_answered_statements(make().await).await;
}

fn commit(owner: OwnerToken, n: u64, payload: &'static str) -> Commit {
    Commit { shard: SHARD, owner, n, done: 0, payload: Bytes::from_static(payload.as_bytes()) }
}

async fn created(ring: &Ring) -> OwnerToken {
    let owner = OwnerToken::generate();
    let applied = ring.create(SHARD, owner).await.expect("create answers");
    assert_eq!(applied, Applied::Yes, "creating an unused shard must apply");
    owner
}

async fn must_apply(ring: &Ring, commit: Commit) {
    let n = commit.n;
    let applied = ring.commit(commit).await.expect("commit answers");
    assert_eq!(applied, Applied::Yes, "the owner's commit {n} must apply");
}

async fn must_not_apply(ring: &Ring, commit: Commit, why: &str) {
    let n = commit.n;
    let applied = ring.commit(commit).await.expect("commit answers");
    assert_eq!(applied, Applied::No, "commit {n} must not apply: {why}");
}

async fn guard(ring: &Ring) -> Guard {
    ring.guard(SHARD).await.expect("guard answers").expect("the shard was created")
}

async fn slot(ring: &Ring, n: u64) -> Option<Slot> {
    ring.slot(SHARD, n).await.expect("slot answers")
}

pub async fn an_unused_shard_is_empty(ring: Ring) {
    assert!(ring.shape().shards >= 1 && ring.shape().slots >= 1, "a ring has shards and slots");
    assert_eq!(ring.guard(SHARD).await, Ok(None), "no guard before creation");
    assert_eq!(ring.slot(SHARD, 1).await, Ok(None), "no slot before creation");
}

pub async fn a_shard_is_created_once(ring: Ring) {
    let owner = created(&ring).await;
    assert_eq!(guard(&ring).await, Guard { owner, epoch: Epoch(1), head: 0, done: 0 });
    let again = ring.create(SHARD, OwnerToken::generate()).await;
    assert_eq!(again, Ok(Applied::No), "a shard with a guard must not be created again");
    assert_eq!(guard(&ring).await.owner, owner, "a refused creation must not change the owner");
    assert_eq!(slot(&ring, 1).await, None, "a created shard has no commits");
}

pub async fn concurrent_creations_have_one_winner(ring: Ring) {
    let owners: Vec<_> = (0..8).map(|_| OwnerToken::generate()).collect();
    let answers = join_all(owners.iter().map(|&owner| ring.create(SHARD, owner))).await;
    let winners: Vec<_> = owners
        .iter()
        .zip(&answers)
        .filter(|(_, answer)| **answer == Ok(Applied::Yes))
        .map(|(owner, _)| *owner)
        .collect();
    assert_eq!(winners.len(), 1, "exactly one creation must apply");
    assert_eq!(guard(&ring).await.owner, winners[0], "the winner must own the shard");
}

pub async fn nothing_applies_before_creation(ring: Ring) {
    let owner = OwnerToken::generate();
    must_not_apply(&ring, commit(owner, 1, "early"), "the shard was never created").await;
    assert_eq!(ring.release(SHARD, owner, 0).await, Ok(Applied::No), "nothing to release");
    let seen = Guard { owner, epoch: Epoch(0), head: 0, done: 0 };
    let taken = ring.take_over(SHARD, seen, OwnerToken::generate()).await;
    assert_eq!(taken, Ok(Applied::No), "nothing to take over");
    assert_eq!(ring.guard(SHARD).await, Ok(None), "refused statements must not make a guard");
    assert_eq!(slot(&ring, 1).await, None, "refused statements must not fill a slot");
}

pub async fn a_commit_moves_the_guard_and_fills_its_slot(ring: Ring) {
    let owner = created(&ring).await;
    must_apply(&ring, commit(owner, 1, "first")).await;
    must_apply(&ring, Commit { done: 1, ..commit(owner, 2, "second") }).await;
    assert_eq!(guard(&ring).await, Guard { owner, epoch: Epoch(1), head: 2, done: 1 });
    let first = Slot { n: 1, writer: owner, payload: Bytes::from_static(b"first") };
    assert_eq!(slot(&ring, 1).await, Some(first), "the slot must hold its commit");
    let second = Slot { n: 2, writer: owner, payload: Bytes::from_static(b"second") };
    assert_eq!(slot(&ring, 2).await, Some(second), "the slot must hold its commit");
}

pub async fn payloads_come_back_byte_for_byte(ring: Ring) {
    let owner = created(&ring).await;
    let every_byte: Vec<u8> = (0..=u8::MAX).collect();
    let largest: Vec<u8> = every_byte.iter().copied().cycle().take(64 * 1024).collect();
    for (n, payload) in (1..).zip([Vec::new(), vec![0], every_byte, largest]) {
        let payload = Bytes::from(payload);
        let commit = Commit { shard: SHARD, owner, n, done: n - 1, payload: payload.clone() };
        must_apply(&ring, commit).await;
        let stored = slot(&ring, n).await.expect("the slot was written");
        assert!(stored.payload == payload, "a payload of {} bytes changed", payload.len());
    }
}

pub async fn a_foreign_owner_is_refused(ring: Ring) {
    let owner = created(&ring).await;
    must_apply(&ring, commit(owner, 1, "mine")).await;
    let stranger = OwnerToken::generate();
    must_not_apply(&ring, commit(stranger, 2, "theirs"), "another token owns the shard").await;
    must_not_apply(&ring, commit(OwnerToken::NOBODY, 2, "none"), "nobody is no owner").await;
    assert_eq!(guard(&ring).await, Guard { owner, epoch: Epoch(1), head: 1, done: 0 });
    if ring.shape().slots > 2 {
        assert_eq!(slot(&ring, 2).await, None, "a refused commit must not fill its slot");
    }
}

pub async fn a_wrong_number_is_refused(ring: Ring) {
    let owner = created(&ring).await;
    for n in [0, 2, 3, u64::from(ring.shape().slots)] {
        if n != 1 {
            must_not_apply(&ring, commit(owner, n, "wrong"), "the head is 0").await;
        }
    }
    must_apply(&ring, commit(owner, 1, "first")).await;
    must_apply(&ring, commit(owner, 2, "second")).await;
    for n in [0, 1, 2, 4] {
        must_not_apply(&ring, commit(owner, n, "wrong"), "the head is 2").await;
    }
    assert_eq!(guard(&ring).await.head, 2, "refused commits must not move the head");
    let second = slot(&ring, 2).await.expect("the slot was written");
    assert_eq!(second.payload, "second", "a refused commit must not overwrite a slot");
}

pub async fn resending_a_commit_changes_nothing(ring: Ring) {
    let owner = created(&ring).await;
    let first = commit(owner, 1, "first");
    must_apply(&ring, first.clone()).await;
    must_not_apply(&ring, first, "the same statement was applied before").await;
    let stored = slot(&ring, 1).await.expect("the slot was written");
    assert_eq!((stored.n, stored.writer), (1, owner), "a resend shows that the commit was applied");
    assert_eq!(guard(&ring).await.head, 1, "a resend must not move the head");
}

pub async fn concurrent_commits_of_one_number_apply_once(ring: Ring) {
    let owner = created(&ring).await;
    for n in 1..=8 {
        let payloads: Vec<_> = (0..8).map(|i| Bytes::from(format!("{n} by {i}"))).collect();
        let answers = join_all(payloads.iter().map(|payload| {
            ring.commit(Commit { payload: payload.clone(), done: n - 1, ..commit(owner, n, "") })
        }))
        .await;
        let mut winners = payloads.iter().zip(&answers).filter(|(_, a)| **a == Ok(Applied::Yes));
        let winner = winners.next().expect("one of the commits must apply").0;
        assert_eq!(winners.count(), 0, "only one commit may have number {n}");
        let stored = slot(&ring, n).await.expect("the slot was written");
        assert_eq!(&stored.payload, winner, "the slot must hold the commit that was applied");
        assert_eq!(guard(&ring).await.head, n, "the head moves by one");
    }
}

pub async fn a_take_over_needs_the_guard_it_saw(ring: Ring) {
    let owner = created(&ring).await;
    must_apply(&ring, Commit { done: 0, ..commit(owner, 1, "first") }).await;
    let seen = guard(&ring).await;
    let stale = [
        (Guard { owner: OwnerToken::generate(), ..seen }, "another owner"),
        (Guard { owner: OwnerToken::NOBODY, ..seen }, "another owner"),
        (Guard { epoch: Epoch(seen.epoch.0 + 1), ..seen }, "a later epoch"),
        (Guard { epoch: Epoch(0), ..seen }, "an earlier epoch"),
        (Guard { head: 0, ..seen }, "an earlier head"),
        (Guard { head: 2, ..seen }, "a later head"),
    ];
    for (stale, what) in stale {
        let taken = ring.take_over(SHARD, stale, OwnerToken::generate()).await;
        assert_eq!(taken, Ok(Applied::No), "a take-over that saw {what} must not apply");
        assert_eq!(guard(&ring).await, seen, "a refused take-over must not change the guard");
    }
    let next = OwnerToken::generate();
    assert_eq!(ring.take_over(SHARD, seen, next).await, Ok(Applied::Yes), "it saw the guard");
    assert_eq!(guard(&ring).await, Guard { owner: next, epoch: Epoch(2), head: 1, done: 0 });
    let again = ring.take_over(SHARD, seen, OwnerToken::generate()).await;
    assert_eq!(again, Ok(Applied::No), "what it saw is no longer so");
}

pub async fn concurrent_take_overs_have_one_winner(ring: Ring) {
    created(&ring).await;
    let seen = guard(&ring).await;
    let claimants: Vec<_> = (0..8).map(|_| OwnerToken::generate()).collect();
    let answers =
        join_all(claimants.iter().map(|&claimant| ring.take_over(SHARD, seen, claimant))).await;
    let winners: Vec<_> =
        claimants.iter().zip(&answers).filter(|(_, a)| **a == Ok(Applied::Yes)).collect();
    assert_eq!(winners.len(), 1, "exactly one take-over must apply");
    let now = guard(&ring).await;
    assert_eq!((now.owner, now.epoch), (*winners[0].0, Epoch(2)), "the winner owns the shard");
}

pub async fn a_take_over_fences_the_old_owner(ring: Ring) {
    let old = created(&ring).await;
    must_apply(&ring, commit(old, 1, "by the old one")).await;
    let new = OwnerToken::generate();
    let taken = ring.take_over(SHARD, guard(&ring).await, new).await;
    assert_eq!(taken, Ok(Applied::Yes), "it saw the guard");
    must_not_apply(&ring, commit(old, 2, "zombie"), "the shard was taken over").await;
    assert_eq!(ring.release(SHARD, old, 1).await, Ok(Applied::No), "it is not the owner");
    let kept = slot(&ring, 1).await.expect("the slot was written");
    assert_eq!((kept.n, kept.writer), (1, old), "slots outlive their writer's ownership");
    must_apply(&ring, commit(new, 2, "by the new one")).await;
    let stored = slot(&ring, 2).await.expect("the slot was written");
    assert_eq!((stored.writer, &stored.payload[..]), (new, &b"by the new one"[..]));
}

pub async fn slots_are_reused_in_turn(ring: Ring) {
    let owner = created(&ring).await;
    let slots = u64::from(ring.shape().slots);
    for n in 1..=slots + 2 {
        let payload = Bytes::from(format!("commit {n}"));
        must_apply(&ring, Commit { shard: SHARD, owner, n, done: n - 1, payload }).await;
    }
    for n in 3..=slots + 2 {
        let stored = slot(&ring, n).await.expect("the slot was written");
        assert_eq!(stored.n, n, "the last {slots} commits must be there");
        assert_eq!(stored.payload, format!("commit {n}"));
    }
    let reused = slot(&ring, 1).await.expect("the slot was written");
    assert_eq!(reused.n, slots + 1, "slot n % slots holds the later commit");
}

pub async fn a_released_shard_can_be_taken_over(ring: Ring) {
    let owner = created(&ring).await;
    must_apply(&ring, commit(owner, 1, "first")).await;
    let seen = guard(&ring).await;
    assert_eq!(ring.release(SHARD, owner, 1).await, Ok(Applied::Yes), "the owner may release");
    let released = guard(&ring).await;
    let expected = Guard { owner: OwnerToken::NOBODY, epoch: Epoch(1), head: 1, done: 1 };
    assert_eq!(released, expected, "a release keeps the head and stores `done`");
    must_not_apply(&ring, commit(owner, 2, "late"), "the shard was released").await;
    assert_eq!(ring.release(SHARD, owner, 1).await, Ok(Applied::No), "it was released before");
    assert_eq!(
        ring.create(SHARD, OwnerToken::generate()).await,
        Ok(Applied::No),
        "a released shard is not an unused one"
    );
    let stale = ring.take_over(SHARD, seen, OwnerToken::generate()).await;
    assert_eq!(stale, Ok(Applied::No), "the guard changed after it was seen");
    let next = OwnerToken::generate();
    assert_eq!(ring.take_over(SHARD, released, next).await, Ok(Applied::Yes), "it is free");
    assert_eq!(guard(&ring).await, Guard { owner: next, epoch: Epoch(2), head: 1, done: 1 });
    must_apply(&ring, Commit { done: 1, ..commit(next, 2, "second") }).await;
}

pub async fn only_the_owner_releases(ring: Ring) {
    let owner = created(&ring).await;
    let released = ring.release(SHARD, OwnerToken::generate(), 7).await;
    assert_eq!(released, Ok(Applied::No), "a stranger must not release");
    assert_eq!(guard(&ring).await, Guard { owner, epoch: Epoch(1), head: 0, done: 0 });
}

pub async fn shards_do_not_touch_each_other(ring: Ring) {
    let [first, second] = [OwnerToken::generate(), OwnerToken::generate()];
    for (shard, owner) in [(0, first), (1, second)] {
        assert_eq!(ring.create(shard, owner).await, Ok(Applied::Yes), "each shard is its own");
    }
    let in_second = Commit { shard: 1, ..commit(second, 1, "in the second") };
    must_apply(&ring, in_second).await;
    assert_eq!(slot(&ring, 1).await, None, "a commit fills a slot of its own shard only");
    assert_eq!(guard(&ring).await.head, 0, "a commit moves its own shard's head only");
    must_not_apply(&ring, commit(second, 1, "wrong shard"), "it owns the other shard").await;
    must_apply(&ring, commit(first, 1, "in the first")).await;
    let kept = ring.slot(1, 1).await.expect("slot answers").expect("the slot was written");
    assert_eq!(kept.payload, "in the second");
}

pub async fn reads_see_answered_statements(ring: Ring) {
    let owner = created(&ring).await;
    for n in 1..=50 {
        let payload = Bytes::from(n.to_string());
        must_apply(&ring, Commit { shard: SHARD, owner, n, done: n - 1, payload }).await;
        assert_eq!(guard(&ring).await.head, n, "the guard must show an answered commit");
        let stored = slot(&ring, n).await.expect("the slot was written");
        assert_eq!(stored.n, n, "the slot must show an answered commit");
    }
}
