//! What a proxy does to those who talk through it, and how often it did.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::Serialize;

/// From the client's point of view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Requests,
    Answers,
}

/// How a proxy behaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    #[default]
    Pass,
    /// Everything arrives later by `delay`, more or less `jitter`, in order, in both directions.
    Latency { delay: Duration, jitter: Duration },
    /// Connections stay open, new ones are accepted, nothing goes through. What is sent meanwhile
    /// waits, as in a network that is cut for a while.
    Blackhole,
    /// One direction is as under [`Mode::Blackhole`].
    Cut(Direction),
    /// Present connections are reset, new ones refused.
    Refuse,
    /// Present connections are reset, new ones accepted and reset.
    Reset,
    /// Requests reach the service, its answers are thrown away, and so long after the first of
    /// them the connection is reset: nobody knows what was done.
    SwallowAnswers { reset_after: Duration },
    /// Of 1,000 frames that the service sends, so many are thrown away, each for itself: those
    /// that [`super::Framing`] says can be missed.
    DropFrames { per_mille: u16 },
}

impl Mode {
    /// Whether bytes of this direction wait.
    pub(super) fn holds(self, direction: Direction) -> bool {
        self == Self::Blackhole || self == Self::Cut(direction)
    }

    pub(super) const fn resets(self) -> bool {
        matches!(self, Self::Refuse | Self::Reset)
    }
}

/// How often each fault met somebody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Struck {
    pub connections: u64,
    /// Ended by RST on purpose.
    pub resets: u64,
    /// Portions of bytes that were delayed.
    pub delayed: u64,
    /// Directions of connections that had something to say while it was held.
    pub held: u64,
    /// Portions of answers thrown away.
    pub swallowed: u64,
    pub frames_dropped: u64,
}

impl Struck {
    /// All but the connections, which are no fault.
    #[must_use]
    pub const fn faults(&self) -> u64 {
        self.resets + self.delayed + self.held + self.swallowed + self.frames_dropped
    }
}

impl std::ops::AddAssign for Struck {
    fn add_assign(&mut self, other: Self) {
        self.connections += other.connections;
        self.resets += other.resets;
        self.delayed += other.delayed;
        self.held += other.held;
        self.swallowed += other.swallowed;
        self.frames_dropped += other.frames_dropped;
    }
}

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// [`Struck`] while it is counted.
#[derive(Debug, Default)]
pub struct Counters {
    pub(super) connections: Counter,
    pub(super) resets: Counter,
    pub(super) delayed: Counter,
    pub(super) held: Counter,
    pub(super) swallowed: Counter,
    pub(super) frames_dropped: Counter,
}

impl Counters {
    pub(super) fn read(&self) -> Struck {
        Struck {
            connections: self.connections.get(),
            resets: self.resets.get(),
            delayed: self.delayed.get(),
            held: self.held.get(),
            swallowed: self.swallowed.get(),
            frames_dropped: self.frames_dropped.get(),
        }
    }
}
