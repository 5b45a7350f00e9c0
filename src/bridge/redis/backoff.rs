//! How long to wait before trying again.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(2);

/// The wait after `failures` in a row: doubling from 50 ms to 2 s, and of that a random half to
/// whole, so that nodes that lost the same server do not come back in step.
pub(super) fn delay(failures: u32) -> Duration {
    ceiling(failures).mul_f64(rand::random_range(0.5..=1.0))
}

fn ceiling(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    (FIRST * 2_u32.pow(doublings)).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_bound_and_differ() {
        assert_eq!([0, 1, 2, 3].map(|it| ceiling(it).as_millis()), [50, 50, 100, 200]);
        assert_eq!(ceiling(u32::MAX), LONGEST);
        let waits: Vec<Duration> = (0..100).map(|_| delay(30)).collect();
        assert!(waits.iter().all(|wait| (LONGEST / 2..=LONGEST).contains(wait)));
        assert!(waits.iter().any(|wait| *wait != waits[0]));
    }
}
