//! Every interleaving, within bounds, of owners that commit to one shard's ring.
//!
//! What is real: the decisions of the committer (`actors::committer::core`), batches and payloads,
//! and the sequencer's numbering and memory of ids (`actors::sequencer::core`).
//!
//! What is modelled, one step at a time, in every order:
//! - the ring (`database`): guard and slots, conditional statements that take effect one at a time;
//! - statements that get lost, whose answer gets lost, or that take effect long after their sender
//!   heard an error; copies of statements that took effect before;
//! - the readers' tables (`tables`): rows with timestamps, writes that fail after a part of them and
//!   arrive in full later, writes of owners that are over;
//! - activations (`activation`): two at a time, some in all. They pause (any step may be the last one
//!   for as long as the others like), die and come back under a new token, give their shard up;
//! - clients: drafts go to whichever activation serves, and some are sent again to any of them.
//!
//! What is not: time (a wait may end at once or never; the only thing that depends on its length, an
//! activation that gives a commit in doubt up, is a choice), the bus, several conversations, a
//! sequencer's life (one is loaded for each draft, in one step), members and positions, reads that
//! are not serial, a database that loses what it answered. The simulator in `src/sim` has more of
//! these, by chance instead of by all cases.
//!
//! A state is told from another by 64-bit digests, as the checker itself does: two of a few million
//! states are taken for one with a probability below one in a million. `reduction` says which steps
//! are not interleaved, and why nothing is lost by it. Each broken rule (`mutant`) must be noticed.
//!
//! `cargo test -p switchboard-actors --test ring_model -- --nocapture` prints states and sights. The
//! large one, with three owners and four commits: `RING_MODEL_FULL=1`, `the_full_model -- --ignored`.

mod action;
mod activation;
mod coverage;
mod database;
mod driver;
mod effects;
mod entries;
mod judge;
mod model;
mod mutant;
mod reduction;
mod search;
mod state;
mod step;
mod tables;

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use crate::coverage::Sight;
use crate::model::RingModel;
use crate::mutant::Mutant;
use crate::state::Bounds;

/// Two owners, a ring of two slots, a statement of unknown outcome that takes effect late or never.
const SMALL: Bounds = Bounds {
    owners: 2,
    activations: 2,
    epochs: 3,
    messages: 2,
    slots: 2,
    retries: 0,
    unknown: 1,
    late: 1,
    failed_reads: 0,
    failed_rows: 0,
    late_rows: 0,
    looks: 0,
    releases: 0,
};

/// Nothing fails; owners pause and die.
const CALM: Bounds = Bounds { unknown: 0, late: 0, ..SMALL };

#[test]
fn every_interleaving_keeps_what_was_acknowledged() {
    let bounds = Bounds { activations: 3, messages: 3, failed_rows: 1, late_rows: 1, ..SMALL };
    search::exhaust(bounds).must_have_seen(&[
        Sight::TakeOver,
        Sight::Replay,
        Sight::Resend,
        Sight::AcknowledgedAfterResolve,
        Sight::AcknowledgedThoughFenced,
        Sight::AcknowledgedThoughOverwritten,
        Sight::LateStatement,
        Sight::LateStatementOfTheDead,
        Sight::LateRows,
        Sight::Fenced,
        Sight::RingFull,
        Sight::SlotReused,
        Sight::Batch,
    ]);
}

#[test]
fn hand_overs_looks_failed_reads_and_retries_lose_nothing() {
    let bounds = Bounds { retries: 1, failed_reads: 1, looks: 1, releases: 1, ..SMALL };
    search::exhaust(bounds).must_have_seen(&[
        Sight::TakeOverOfReleased,
        Sight::FencedByLook,
        Sight::GaveUp,
        Sight::Duplicate,
        Sight::RetryStored,
        Sight::AcknowledgedThoughFenced,
    ]);
}

/// One owner commits in a slot what another one is still in doubt about.
#[test]
fn slots_that_are_used_again_mislead_nobody() {
    let bounds = Bounds { messages: 4, ..SMALL };
    search::exhaust(bounds).must_have_seen(&[Sight::SlotReused, Sight::Resend, Sight::Fenced]);
    let bounds = Bounds { messages: 3, retries: 1, releases: 1, ..SMALL };
    search::exhaust(bounds).must_have_seen(&[Sight::AcknowledgedThoughOverwritten]);
}

/// Activations that claim at the same time may displace each other several times.
#[test]
fn claims_that_displace_each_other_lose_nothing() {
    let bounds = Bounds { activations: 3, epochs: 6, ..SMALL };
    search::exhaust(bounds).must_have_seen(&[Sight::TakeOver, Sight::LateStatementOfTheDead]);
}

#[test]
fn reductions_lose_nothing() {
    let unsteady = Bounds { failed_reads: 1, failed_rows: 1, late_rows: 1, ..SMALL };
    for bounds in [
        SMALL,
        Bounds { messages: 1, retries: 1, looks: 1, releases: 1, ..SMALL },
        Bounds { messages: 1, ..unsteady },
        Bounds { messages: 1, activations: 3, ..SMALL },
        Bounds { messages: 3, ..CALM },
    ] {
        let shown = [true, false].map(|is_reduced| {
            let shown = Arc::new(Mutex::new(HashSet::new()));
            let model = RingModel::new(bounds, Mutant::None);
            search::exhaust_model(RingModel { is_reduced, shown: Some(shown.clone()), ..model });
            shown
        });
        let [reduced, plain] = shown.each_ref().map(|it| it.lock().unwrap());
        println!("{} and {} sights of the database", reduced.len(), plain.len());
        assert!(*reduced == *plain);
    }
}

#[test]
fn each_broken_rule_is_noticed() {
    use crate::judge::*;
    let copied = Bounds { late: 1, ..CALM };
    let (retried, three) = (Bounds { retries: 1, ..CALM }, Bounds { messages: 3, ..CALM });
    for (mutant, bounds, property) in [
        (Mutant::DropHead, copied, COMMITS_HAVE_NO_GAP),
        (Mutant::DropHead, copied, ACKNOWLEDGED_IS_KEPT),
        (Mutant::DropOwner, CALM, NO_ALARM),
        (Mutant::SmallerRing, CALM, ACKNOWLEDGED_IS_KEPT),
        (Mutant::RetryWithOtherBytes, SMALL, ACKNOWLEDGED_WAS_STORED),
        (Mutant::RetryWithOtherBytes, SMALL, ACKNOWLEDGED_IS_KEPT),
        (Mutant::AckBeforeResolve, SMALL, ACKNOWLEDGED_WAS_STORED),
        (Mutant::AckBeforeResolve, SMALL, ACKNOWLEDGED_IS_KEPT),
        (Mutant::DoneBeforeMaterialised, CALM, DONE_IS_MATERIALISED),
        (Mutant::DoneBeforeMaterialised, CALM, ACKNOWLEDGED_IS_KEPT),
        (Mutant::WallClockTimestamps, CALM, DONE_IS_MATERIALISED),
        (Mutant::WallClockTimestamps, three, NUMBERS_HAVE_NO_GAP),
        (Mutant::ServeBeforeReplayed, three, NUMBERS_HAVE_NO_GAP),
        (Mutant::NoSentIndex, retried, AN_ID_HAS_ONE_NUMBER),
    ] {
        search::hunt(mutant, bounds, property);
    }
}

/// `head` orders commits by itself: owners that meet notice it, and nothing is lost.
#[test]
fn without_the_owner_in_the_condition_there_are_alarms_and_nothing_worse() {
    for bounds in [SMALL, Bounds { messages: 3, ..CALM }, Bounds { activations: 3, ..CALM }] {
        let found = search::failures(RingModel::new(bounds, Mutant::DropOwner));
        let names: Vec<_> = found.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, [judge::NO_ALARM], "{found:?}");
    }
}

/// Three owners and four commits; each fault with more of the others.
#[test]
#[ignore = "takes six minutes; set RING_MODEL_FULL=1"]
fn the_full_model() {
    if std::env::var_os("RING_MODEL_FULL").is_none() {
        println!("RING_MODEL_FULL is not set");
        return;
    }
    let three_owners = Bounds { owners: 3, activations: 3, messages: 3, ..SMALL };
    for bounds in [
        Bounds { activations: 3, messages: 3, retries: 1, releases: 1, ..SMALL },
        Bounds { failed_reads: 1, failed_rows: 1, late_rows: 1, messages: 3, ..SMALL },
        Bounds { unknown: 2, late: 2, messages: 3, ..SMALL },
        three_owners,
        Bounds { messages: 4, ..three_owners },
    ] {
        search::exhaust(bounds);
    }
}
