//! Whether the bridge works: pure, told what happens.
//!
//! A node sends a heartbeat through its own inbox and waits for the echo: that one round proves
//! both connections and the subscription between them, in one server as in a cluster.
//!
//! ```text
//!             an echo of a heartbeat sent after the loss
//!   down ───────────────────────────────────────────────► up      compare heads
//!     ▲                                                    │
//!     └────────────────────────────────────────────────────┘
//!             a disconnection was noticed
//!
//!   in both: no echo for SILENCE ──► the connections are torn down and opened again
//! ```

use std::collections::VecDeque;
use std::time::Duration;

/// A heartbeat unanswered for this long ends the connections: they may be half open.
pub(super) const SILENCE: Duration = Duration::from_millis(2500);
/// As many must be unanswered: a process that slept has one old heartbeat, but no silence.
const UNANSWERED_MIN: usize = 3;
const BEAT_WHILE_UP: Duration = Duration::from_millis(500);
const BEAT_WHILE_DOWN: Duration = Duration::from_millis(100);
/// Frames that took longer may hide lost ones: whoever is that slow gets disconnected by Redis.
pub(super) const LAG_MAX: Duration = Duration::from_secs(1);
/// While the lag lasts, heads are compared no more often.
const LAG_REPEAT: Duration = Duration::from_secs(5);

/// What an echo told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Echo {
    pub lag: Duration,
    /// The bridge was down until now.
    pub came_up: bool,
    /// It was up before that, once.
    pub again: bool,
}

/// Times are since some moment before the first call.
#[derive(Debug, Default)]
pub(super) struct Health {
    is_up: bool,
    was_up: bool,
    next_beat: u64,
    /// Echoes of earlier heartbeats prove nothing: they were sent before the loss.
    proof_from: u64,
    unanswered: VecDeque<(u64, Duration)>,
    lag_told_at: Option<Duration>,
}

impl Health {
    pub fn is_up(&self) -> bool {
        self.is_up
    }

    /// New connections: what was sent through the old ones does not count.
    pub fn opened(&mut self) {
        self.lost();
        self.unanswered.clear();
    }

    /// A connection was lost. True if the bridge was up until now.
    pub fn lost(&mut self) -> bool {
        self.proof_from = self.next_beat;
        std::mem::take(&mut self.is_up)
    }

    /// A heartbeat goes out now; its number.
    pub fn beat(&mut self, now: Duration) -> u64 {
        let number = self.next_beat;
        self.next_beat += 1;
        self.unanswered.push_back((number, now));
        number
    }

    /// From one heartbeat to the next.
    pub fn beat_every(&self) -> Duration {
        if self.is_up { BEAT_WHILE_UP } else { BEAT_WHILE_DOWN }
    }

    /// Heartbeat `number` came back. `None` for one that nobody waits for.
    pub fn echo(&mut self, number: u64, now: Duration) -> Option<Echo> {
        let index = self.unanswered.iter().position(|(beat, _)| *beat == number)?;
        let (_, sent_at) = self.unanswered[index];
        self.unanswered.drain(..=index);
        let came_up = !self.is_up && number >= self.proof_from;
        self.is_up |= came_up;
        let again = came_up && std::mem::replace(&mut self.was_up, true);
        Some(Echo { lag: now.saturating_sub(sent_at), came_up, again })
    }

    /// Nothing came back for too long.
    pub fn is_silent(&self, now: Duration) -> bool {
        self.unanswered.len() >= UNANSWERED_MIN
            && self.unanswered.front().is_some_and(|(_, sent)| now.saturating_sub(*sent) >= SILENCE)
    }

    /// A frame took `lag`. True if heads are to be compared for it.
    pub fn lagged(&mut self, lag: Duration, now: Duration) -> bool {
        let is_told = self.lag_told_at.is_some_and(|at| now.saturating_sub(at) < LAG_REPEAT);
        let is_to_tell = lag > LAG_MAX && !is_told;
        if is_to_tell {
            self.lag_told_at = Some(now);
        }
        is_to_tell
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn up() -> Health {
        let mut health = Health::default();
        let beat = health.beat(ms(0));
        health.echo(beat, ms(1)).unwrap();
        health
    }

    #[test]
    fn the_first_echo_brings_it_up_and_later_ones_measure() {
        let mut health = Health::default();
        assert!(!health.is_up());
        let first = health.beat(ms(10));
        let echo = health.echo(first, ms(12));
        assert_eq!(echo, Some(Echo { lag: ms(2), came_up: true, again: false }));
        let second = health.beat(ms(500));
        let echo = health.echo(second, ms(501));
        assert_eq!(echo, Some(Echo { lag: ms(1), came_up: false, again: false }));
        assert_eq!(health.echo(second, ms(502)), None, "twice");
        assert_eq!(health.echo(99, ms(502)), None, "never sent");
    }

    #[test]
    fn an_echo_from_before_the_loss_proves_nothing() {
        let mut health = up();
        let before = health.beat(ms(100));
        assert!(health.lost());
        assert!(!health.lost(), "it was down already");
        assert_eq!(health.echo(before, ms(110)).map(|it| it.came_up), Some(false));
        assert!(!health.is_up());
        let after = health.beat(ms(200));
        let echo = health.echo(after, ms(201));
        assert_eq!(echo, Some(Echo { lag: ms(1), came_up: true, again: true }));
    }

    #[test]
    fn silence_is_several_heartbeats_without_an_echo() {
        let mut health = up();
        for at in [0, 500, 1000, 1500, 2000] {
            health.beat(ms(1000 + at));
            assert!(!health.is_silent(ms(1000 + at)));
        }
        assert!(!health.is_silent(ms(3499)));
        assert!(health.is_silent(ms(3500)));
        health.opened();
        assert!(!health.is_silent(ms(9000)), "new connections begin anew");
    }

    #[test]
    fn losses_that_repeat_do_not_put_silence_off() {
        let mut health = up();
        for at in 0..30 {
            health.beat(ms(at * 100));
            health.lost();
        }
        assert!(health.is_silent(ms(2900)));
    }

    #[test]
    fn a_process_that_slept_is_not_silent() {
        let mut health = up();
        health.beat(ms(1000));
        health.beat(ms(60_000));
        assert!(!health.is_silent(ms(60_000)));
    }

    #[test]
    fn heartbeats_are_denser_while_down() {
        let mut health = up();
        let while_up = health.beat_every();
        health.lost();
        assert!(health.beat_every() < while_up);
    }

    #[test]
    fn a_lag_is_told_once_in_a_while() {
        let mut health = up();
        let told: Vec<bool> = [(900, 0), (1100, 1), (3000, 2), (1100, 5000), (1100, 5001)]
            .map(|(lag, at)| health.lagged(ms(lag), ms(at)))
            .into();
        assert_eq!(told, [false, true, false, false, true]);
    }
}
