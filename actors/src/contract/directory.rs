//! What [`Directory`] promises. It is a hint: only that it answers can be checked of all.

use std::sync::Arc;

use crate::ports::{Directory, Owner};

/// Runs every check, for shards `0..shards`.
pub async fn run(make: impl AsyncFn() -> Arc<dyn Directory>, shards: u32) {
    every_shard_has_an_answer(make().await.as_ref(), shards);
    answers_are_steady(make().await.as_ref(), shards);
}

pub fn every_shard_has_an_answer(directory: &dyn Directory, shards: u32) {
    for shard in 0..shards {
        let (Owner::Here | Owner::Elsewhere(_) | Owner::Unknown) = directory.owner(shard);
    }
}

/// Nothing changes ownership while the suite runs.
pub fn answers_are_steady(directory: &dyn Directory, shards: u32) {
    let ask = || (0..shards).map(|shard| directory.owner(shard)).collect::<Vec<_>>();
    assert_eq!(ask(), ask(), "the same question must have the same answer");
}
