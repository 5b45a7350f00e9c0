//! When messages are due: pure.

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::plan::Arrivals;

/// Gives one due time after the other, seconds since the load began, until the last part is over.
#[derive(Debug)]
pub struct Pace {
    /// Seconds and rate of each part.
    parts: Vec<(f64, f64)>,
    arrivals: Arrivals,
    random: StdRng,
    part: usize,
    part_begin_s: f64,
    next_s: f64,
}

impl Pace {
    #[must_use]
    pub fn new(parts: Vec<(f64, f64)>, arrivals: Arrivals, seed: u64) -> Self {
        let random = StdRng::seed_from_u64(seed);
        Self { parts, arrivals, random, part: 0, part_begin_s: 0.0, next_s: 0.0 }
    }
}

impl Iterator for Pace {
    type Item = f64;

    fn next(&mut self) -> Option<f64> {
        loop {
            let (seconds, rate) = *self.parts.get(self.part)?;
            let end_s = self.part_begin_s + seconds;
            if self.next_s >= end_s {
                // What was left of the last gap belonged to another rate.
                (self.part, self.part_begin_s, self.next_s) = (self.part + 1, end_s, end_s);
                continue;
            }
            let due_s = self.next_s;
            self.next_s += match self.arrivals {
                Arrivals::Even => 1.0 / rate,
                Arrivals::Poisson => -(1.0 - self.random.random::<f64>()).ln() / rate,
            };
            return Some(due_s);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_has_its_rate() {
        let due: Vec<f64> = Pace::new(vec![(2.0, 10.0), (1.0, 100.0)], Arrivals::Even, 1).collect();
        assert!((119..=121).contains(&due.len()), "{}", due.len());
        assert!(due.windows(2).all(|two| two[0] < two[1]) && due[0] == 0.0);
        assert_eq!(due.iter().filter(|due_s| **due_s < 1.95).count(), 20);
    }

    #[test]
    fn random_arrivals_keep_the_rate_and_repeat_with_their_seed() {
        let due = |seed| -> Vec<f64> {
            Pace::new(vec![(100.0, 50.0)], Arrivals::Poisson, seed).collect()
        };
        assert!((4_700..5_300).contains(&due(3).len()));
        assert_eq!(due(3), due(3));
        assert_ne!(due(3), due(4));
    }
}
