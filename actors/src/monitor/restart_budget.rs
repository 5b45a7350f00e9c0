//! How often an actor that panics may be started again. Pure.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// Panics of one child within a window, and the back-off they earn.
#[derive(Clone, Debug, Default)]
pub struct RestartBudget {
    panics: VecDeque<Instant>,
}

impl RestartBudget {
    /// Panics older than this are forgiven.
    pub const WINDOW: Duration = Duration::from_secs(60);
    /// The first panics in a window are restarted at once.
    pub const FREE: usize = 3;
    const DELAY_MAX: Duration = Duration::from_secs(30);

    /// Notes a panic; returns how long the child must stay down.
    pub fn panicked(&mut self, now: Instant) -> Duration {
        self.forgive(now);
        self.panics.push_back(now);
        let excess = self.panics.len().saturating_sub(Self::FREE);
        if excess == 0 {
            return Duration::ZERO;
        }
        let doublings = u32::try_from(excess.min(10)).unwrap_or(10);
        (Duration::from_millis(50) * 2_u32.pow(doublings)).min(Self::DELAY_MAX)
    }

    /// True once nothing is remembered.
    pub fn is_clean(&mut self, now: Instant) -> bool {
        self.forgive(now);
        self.panics.is_empty()
    }

    fn forgive(&mut self, now: Instant) {
        while self.panics.front().is_some_and(|at| now.duration_since(*at) > Self::WINDOW) {
            self.panics.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_panics_are_free_then_the_wait_doubles_up_to_a_limit() {
        let (mut budget, now) = (RestartBudget::default(), Instant::now());
        for _ in 0..RestartBudget::FREE {
            assert_eq!(budget.panicked(now), Duration::ZERO);
        }
        assert_eq!(budget.panicked(now), Duration::from_millis(100));
        assert_eq!(budget.panicked(now), Duration::from_millis(200));
        for _ in 0..20 {
            assert!(budget.panicked(now) <= RestartBudget::DELAY_MAX);
        }
    }

    #[test]
    fn old_panics_are_forgiven() {
        let (mut budget, now) = (RestartBudget::default(), Instant::now());
        for _ in 0..10 {
            budget.panicked(now);
        }
        let later = now + RestartBudget::WINDOW + Duration::from_secs(1);
        assert_eq!(budget.panicked(later), Duration::ZERO);
        assert!(!budget.is_clean(later));
    }
}
