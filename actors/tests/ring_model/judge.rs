//! What must hold in every state.

use actors::ports::Guard;
use stateright::Property;

use super::activation::Activation;
use super::database::Logged;
use super::driver::Event;
use super::entries::{self, Tag};
use super::model::RingModel;
use super::mutant::Mutant;
use super::state::State;

pub const ACKNOWLEDGED_IS_KEPT: &str = "what was acknowledged is in the ring or the tables";
pub const ACKNOWLEDGED_WAS_STORED: &str = "nothing is acknowledged before it is in the log";
pub const COMMITS_HAVE_NO_GAP: &str = "commits are 1..head, each once, one owner after another";
pub const NUMBERS_HAVE_NO_GAP: &str = "a conversation's numbers are 1.. in the order of commits";
pub const AN_ID_HAS_ONE_NUMBER: &str = "an id has one number and is stored once";
pub const DONE_IS_MATERIALISED: &str = "done is never ahead of what is materialised";
pub const TABLES_SHOW_THE_LOG: &str = "tables show nothing but the log";
pub const READY_IS_REPLAYED: &str = "an owner is ready once everything older is materialised";
pub const THE_ENDED_ARE_SILENT: &str = "an ended activation does nothing";
pub const NO_ALARM: &str = "no activation ends with the alarm";
pub const GUARD_GOES_ON: &str = "head, done and epoch never go back";
pub const ONE_IN_FLIGHT: &str = "one statement in flight";
pub const NOTHING_IS_FORGOTTEN: &str = "whatever waits has something that will wake it";

#[must_use]
pub fn properties() -> Vec<Property<RingModel>> {
    vec![
        Property::always(ACKNOWLEDGED_IS_KEPT, |_, state: &State| {
            acknowledged(state).all(|tag| is_kept(state, tag))
        }),
        Property::always(ACKNOWLEDGED_WAS_STORED, |_, it: &State| !it.wrongs.acknowledged_unstored),
        Property::always(COMMITS_HAVE_NO_GAP, |_, state: &State| commits_have_no_gap(state)),
        Property::always(NUMBERS_HAVE_NO_GAP, |_, state: &State| {
            state.database.entries().zip(1..).all(|((_, seq), expected)| seq == expected)
        }),
        Property::always(AN_ID_HAS_ONE_NUMBER, |_, state: &State| ids_have_one_number(state)),
        Property::always(DONE_IS_MATERIALISED, |_, state: &State| {
            let cores = state.live.iter().map(|activation| activation.driver.core.done());
            let done = cores.max().unwrap_or_default().max(state.database.done());
            is_materialised(state, done)
        }),
        Property::always(TABLES_SHOW_THE_LOG, |_, state: &State| {
            state.tables.tags().all(|tag| state.database.entries().any(|it| it == tag))
        }),
        Property::always(READY_IS_REPLAYED, |_, state: &State| !state.wrongs.ready_too_early),
        Property::always(THE_ENDED_ARE_SILENT, |_, state: &State| !state.wrongs.spoke_after_end),
        Property::always(NO_ALARM, |_, state: &State| !state.wrongs.alarm),
        Property::always(GUARD_GOES_ON, |_, it: &State| !it.wrongs.guard_went_back),
        Property::always(ONE_IN_FLIGHT, |_, state: &State| !state.wrongs.two_in_flight),
        Property::always(NOTHING_IS_FORGOTTEN, |model: &RingModel, state: &State| {
            !state.live.iter().any(|activation| activation.is_stuck(model.bounds.slots))
        }),
    ]
}

/// What the conditions of statements rest upon.
#[must_use]
pub fn has_gone_back(before: Option<Guard>, after: Option<Guard>) -> bool {
    let counters = |guard: Guard| [guard.epoch.0, guard.head, guard.done];
    let before = before.map_or([0; 3], counters);
    let after = after.map_or([0; 3], counters);
    before.iter().zip(after).any(|(before, after)| after < *before)
}

fn acknowledged(state: &State) -> impl Iterator<Item = Tag> {
    (0..).zip(state.acknowledged.iter().copied()).filter(|(_, seq)| *seq > 0)
}

/// Whoever reads the tables, or replays the ring first, finds it.
fn is_kept(state: &State, tag: Tag) -> bool {
    let mut commits = state.database.log.iter().filter(|commit| commit.entries.contains(&tag));
    commits.any(|commit| {
        if commit.n <= state.database.done() {
            state.tables.shows(tag)
        } else {
            commit.n <= state.database.head() && state.database.holds(commit)
        }
    })
}

fn commits_have_no_gap(state: &State) -> bool {
    let log = &state.database.log;
    let are_consecutive = log.iter().zip(1..).all(|(commit, n)| commit.n == n);
    let head_is_last = log.len() as u64 == state.database.head();
    let are_held = log.iter().rev().take(usize::from(state.left.slots));
    let are_held = are_held.into_iter().all(|commit| state.database.holds(commit));
    are_consecutive && head_is_last && are_held && no_writer_returns(log)
}

fn no_writer_returns(log: &[Logged]) -> bool {
    let comes_back = |at: usize| {
        let (before, from) = log.split_at(at);
        let is_change = before.last().is_some_and(|last| last.writer != from[0].writer);
        is_change && before.iter().any(|commit| commit.writer == from[0].writer)
    };
    !(0..log.len()).any(comes_back)
}

fn ids_have_one_number(state: &State) -> bool {
    let ids = || state.database.entries().map(|(id, _)| id);
    !state.wrongs.two_numbers
        && ids().enumerate().all(|(at, id)| !ids().take(at).any(|it| it == id))
}

/// Readers find every commit up to `done`.
fn is_materialised(state: &State, done: u64) -> bool {
    let commits = state.database.log.iter().filter(|commit| commit.n <= done);
    commits.flat_map(|commit| commit.entries.iter()).all(|tag| state.tables.shows(*tag))
}

/// An owner that is about to serve has found everything that was there when it came.
#[must_use]
pub fn is_replayed(state: &State, activation: &Activation) -> bool {
    let core = &activation.driver.core;
    core.ring_depth() == 0 && is_materialised(state, core.head())
}

/// Whatever reaches an ended core has no effect.
#[must_use]
pub fn is_silent(activation: &Activation, mutant: Mutant) -> bool {
    let mut driver = activation.driver.clone();
    let guard = Guard {
        owner: entries::token(activation.number),
        epoch: schema::Epoch(1),
        head: driver.core.head(),
        done: driver.core.done(),
    };
    let events = [
        Event::MaterialiseDue,
        Event::Materialised(false),
        Event::Materialised(true),
        Event::Wake,
        Event::Enqueue(entries::entry((0, 1))),
        Event::Committed(Ok(actors::ports::Applied::Yes)),
        Event::Committed(Ok(actors::ports::Applied::No)),
        Event::Guard(Ok(None)),
        Event::Guard(Ok(Some(guard))),
        Event::Slot(Ok(None)),
        Event::Look(Some(guard)),
        Event::Claimed(Ok(actors::ports::Applied::Yes)),
        Event::MaterialiseDue,
    ];
    driver.core.is_ended() && events.into_iter().all(|it| driver.handle(it, mutant).is_empty())
}
