//! Carries out what a core wants.

use actors::committer::core::{Effect, EndReason};
use actors::ports::MaterialisedCommit;

use super::activation::Activation;
use super::coverage::Sight;
use super::database::Request;
use super::driver::Event;
use super::entries::{self, Tag};
use super::judge;
use super::mutant::Mutant;
use super::state::Shared;
use super::step::Step;
use super::tables::Rows;

/// What a core was told, as far as it explains what it does then.
#[derive(Clone, Copy)]
struct Occasion {
    /// It read the ring: for a commit in doubt, or to replay.
    has_read: bool,
    /// It read a slot that had been used again.
    was_overwritten: bool,
    is_look: bool,
}

impl Occasion {
    fn new(activation: &Activation, event: &Event) -> Self {
        let newest = activation.driver.core.head() + 1;
        let was_overwritten = matches!(event, Event::Slot(Ok(Some(slot))) if slot.n > newest);
        let has_read = matches!(event, Event::Guard(_) | Event::Slot(_));
        Self { has_read, was_overwritten, is_look: matches!(event, Event::Look(_)) }
    }
}

impl Step<'_> {
    /// Tells a core something and carries out what it wants.
    pub(super) fn tell(&mut self, number: u8, event: Event) {
        let place = self.state.place(number);
        let mut activation = (*self.state.live[place]).clone();
        let occasion = Occasion::new(&activation, &event);
        let (mut is_over, mut has_stored) = (false, false);
        for effect in activation.driver.handle(event, self.model.mutant) {
            is_over |= matches!(effect, Effect::Ended(_));
            has_stored |= matches!(effect, Effect::Stored { .. });
            self.heed(&mut activation, effect, occasion);
        }
        if is_over {
            if has_stored {
                self.saw(Sight::AcknowledgedThoughFenced);
            }
            self.state.live.remove(place);
            self.leave_behind(&activation);
            return;
        }
        if activation.is_held_up(self.model.bounds.slots) {
            self.saw(Sight::RingFull);
        }
        self.state.live[place] = Shared::new(activation);
    }

    fn heed(&mut self, activation: &mut Activation, effect: Effect, occasion: Occasion) {
        let wrongs = &mut self.state.wrongs;
        match effect {
            Effect::ReadGuard => activation.ask(Request::Guard, wrongs),
            Effect::ReadSlot(n) => activation.ask(Request::Slot(n), wrongs),
            Effect::Create => activation.ask(Request::Create, wrongs),
            Effect::TakeOver(seen) => activation.ask(Request::TakeOver(seen), wrongs),
            Effect::Commit(commit) => {
                activation.ask(Request::Commit(commit), wrongs);
                if occasion.has_read {
                    self.saw(Sight::Resend);
                }
            }
            Effect::Materialise(commits) => self.materialise(activation, &commits),
            Effect::Wake { .. } => {
                wrongs.two_in_flight |= activation.wake || activation.call.is_some();
                activation.wake = true;
            }
            // Answered by the driver.
            Effect::Gather => {}
            Effect::WakeToMaterialise { .. } => activation.due += 1,
            Effect::Ready(_) => {
                let is_replayed = judge::is_replayed(self.state, activation);
                self.state.wrongs.ready_too_early |= !is_replayed;
            }
            Effect::Stored { n, entries } => {
                self.stored(activation.number, n, &entries::tags(&entries), occasion);
            }
            Effect::Materialised { .. } => {
                activation.driver.core.take_materialised_heads();
            }
            Effect::Ended(reason) => self.ended(activation, reason, occasion),
        }
    }

    fn materialise(&mut self, activation: &mut Activation, commits: &[MaterialisedCommit]) {
        if !activation.driver.core.is_ready() {
            self.saw(Sight::Replay);
        }
        if let Some(earlier) = activation.rows.take() {
            self.state.wrongs.two_in_flight = true;
            self.state.leave_rows(earlier.rows);
        }
        activation.materialise(self.stamped(activation.number, commits));
    }

    /// A row's timestamp is its place in the log, or for the mutant what its writer's clock says:
    /// the older the activation, the further ahead.
    fn stamped(&self, number: u8, commits: &[MaterialisedCommit]) -> Rows {
        let skew = match self.model.mutant {
            Mutant::WallClockTimestamps => u64::from(u8::MAX - number) << 32,
            _ => 0,
        };
        let stamped = commits.iter().flat_map(|commit| {
            let tags = entries::tags(&commit.entries).into_iter().enumerate();
            tags.map(move |(index, tag)| (skew + commit.n * 1024 + index as u64, tag))
        });
        Rows(stamped.collect())
    }

    fn stored(&mut self, number: u8, n: u64, tags: &[Tag], occasion: Occasion) {
        let mut log = self.state.database.log.iter();
        let is_logged = log.any(|it| (it.n, it.writer) == (n, number) && it.entries == tags);
        self.state.wrongs.acknowledged_unstored |= !is_logged;
        for tag in tags {
            self.state.acknowledge(*tag);
        }
        if tags.len() > 1 {
            self.saw(Sight::Batch);
        }
        if n > u64::from(self.model.bounds.slots) {
            self.saw(Sight::SlotReused);
        }
        if occasion.has_read {
            self.saw(Sight::AcknowledgedAfterResolve);
            if occasion.was_overwritten {
                self.saw(Sight::AcknowledgedThoughOverwritten);
            }
        }
    }

    fn ended(&mut self, activation: &Activation, reason: EndReason, occasion: Occasion) {
        self.state.wrongs.alarm |= reason == EndReason::Broken;
        self.state.wrongs.spoke_after_end |= !judge::is_silent(activation, self.model.mutant);
        match reason {
            EndReason::Fenced if occasion.is_look => self.saw(Sight::FencedByLook),
            EndReason::Fenced => self.saw(Sight::Fenced),
            EndReason::GaveUp => self.saw(Sight::GaveUp),
            EndReason::Broken | EndReason::NotClaimed => {}
        }
    }
}
