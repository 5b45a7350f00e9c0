//! Leaves a service alone that does not answer. Pure: time is given.

use std::time::Duration;

use tokio::time::Instant;

const PAUSE_MIN: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(15);

/// Closed while all is well; after failures it is open for a pause that doubles, then one try
/// decides.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Circuit {
    failures: u32,
    open_until: Option<Instant>,
}

impl Circuit {
    /// How long nobody should ask; zero when it may be tried.
    pub fn pause(&self, now: Instant) -> Duration {
        self.open_until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
    }

    pub fn succeeded(&mut self) {
        *self = Self::default();
    }

    pub fn failed(&mut self, now: Instant) {
        // Answers to requests that were under way together count once.
        if self.pause(now) > Duration::ZERO {
            return;
        }
        let pause = PAUSE_MIN.saturating_mul(1 << self.failures.min(8)).min(PAUSE_MAX);
        self.failures = self.failures.saturating_add(1);
        self.open_until = Some(now + pause);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_bound_and_end_with_a_success() {
        let mut circuit = Circuit::default();
        let mut now = Instant::now();
        let mut pauses = Vec::new();
        for _ in 0..8 {
            circuit.failed(now);
            circuit.failed(now);
            pauses.push(circuit.pause(now).as_millis());
            now += circuit.pause(now);
            assert_eq!(circuit.pause(now), Duration::ZERO, "one may try");
        }
        assert_eq!(pauses, [500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000, 15_000]);
        circuit.succeeded();
        circuit.failed(now);
        assert_eq!(circuit.pause(now), PAUSE_MIN, "it begins again");
    }
}
