//! Who leaves when. Pure.

use std::time::Duration;

/// Between two waves, before jitter.
const EVERY: Duration = Duration::from_millis(250);
/// As many may leave at once without hurting anyone.
const USERS_MIN: usize = 50;

/// How many users each wave takes, and the time between waves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waves {
    pub users_each: usize,
    pub every: Duration,
}

impl Waves {
    /// `users` in at most `over`: a few at once, many spread over all of it.
    #[must_use]
    pub fn plan(users: usize, over: Duration) -> Self {
        let room = usize::try_from(over.as_millis() / EVERY.as_millis()).unwrap_or(usize::MAX);
        let waves = users.div_ceil(USERS_MIN).min(room.saturating_add(1)).max(1);
        Self { users_each: users.div_ceil(waves).max(1), every: EVERY }
    }

    /// The pause after a wave: `chance` (0 to 1) makes it half as long to half as long again, so
    /// that nodes that drain together do not keep step.
    #[must_use]
    pub fn pause(self, chance: f64) -> Duration {
        self.every.mul_f64(0.5 + chance.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_leave_at_once_and_many_over_the_whole_time() {
        for (users, over_ms, each, waves) in [
            (0, 5_000, 1, 0),
            (1, 5_000, 1, 1),
            (50, 5_000, 50, 1),
            (51, 5_000, 26, 2),
            (1_000, 5_000, 50, 20),
            (100_000, 5_000, 4_762, 21),
            (100_000, 0, 100_000, 1),
            (100_000, 60_000, 415, 241),
        ] {
            let plan = Waves::plan(users, Duration::from_millis(over_ms));
            assert_eq!(plan.users_each, each, "{users} in {over_ms}");
            assert_eq!(users.div_ceil(plan.users_each), waves, "{users} in {over_ms}");
            let pauses = u64::try_from(waves.saturating_sub(1)).unwrap();
            assert!(pauses * 250 <= over_ms, "{users} in {over_ms}");
        }
    }

    #[test]
    fn pauses_are_jittered_around_their_mean() {
        let plan = Waves::plan(1_000, Duration::from_secs(5));
        assert_eq!(plan.pause(0.0), Duration::from_millis(125));
        assert_eq!(plan.pause(0.5), Duration::from_millis(250));
        assert_eq!(plan.pause(7.0), Duration::from_millis(375));
    }
}
