//! The bridge between nodes: frames lost, doubled, late, out of order; whole nodes cut off.

use super::faults::{FaultClass, Faults, Strikes};
use super::random::Random;

/// Cut off from the bridge.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cut {
    pub since_ms: u64,
    pub until_ms: u64,
    /// The bridge notices, and says so when it is back.
    pub is_noticed: bool,
}

/// Decides what becomes of frames.
pub struct BusModel {
    /// By node.
    pub cuts: Vec<Cut>,
    /// When the last frame that is very late arrives.
    pub last_arrival_ms: u64,
}

impl BusModel {
    #[must_use]
    pub fn new(nodes: usize) -> Self {
        Self { cuts: vec![Cut::default(); nodes], last_arrival_ms: 0 }
    }

    /// Cuts a node off; one that is cut off already stays so for longer.
    pub fn cut(&mut self, node: usize, now_ms: u64, for_ms: u64, is_noticed: bool) {
        let before = self.cuts[node];
        let was_cut = self.is_cut(node, now_ms);
        let since_ms = if was_cut { before.since_ms } else { now_ms };
        let is_noticed = is_noticed || was_cut && before.is_noticed;
        let until_ms = before.until_ms.max(now_ms + for_ms);
        self.cuts[node] = Cut { since_ms, until_ms, is_noticed };
    }

    #[must_use]
    pub fn is_cut(&self, node: usize, now_ms: u64) -> bool {
        now_ms < self.cuts[node].until_ms
    }

    /// What the bridge says of itself.
    #[must_use]
    pub fn is_connected(&self, node: usize, now_ms: u64) -> bool {
        !self.is_cut(node, now_ms) || !self.cuts[node].is_noticed
    }

    /// The delays after which copies of a frame arrive: usually one.
    pub fn arrivals(
        &mut self,
        now_ms: u64,
        faults: &Faults,
        random: &mut Random,
        strikes: &mut Strikes,
    ) -> Vec<u64> {
        let mut arrivals = Vec::with_capacity(2);
        let mut has_struck = |class, random: &mut Random| {
            let has_struck = random.chance(faults.rate(class));
            if has_struck {
                strikes.strike(class);
            }
            has_struck
        };
        if has_struck(FaultClass::BridgeDrop, random) {
            return arrivals;
        }
        // Frames of one sender keep their order unless a fault makes one late.
        let mut delay_ms = 2;
        if has_struck(FaultClass::BridgeDelay, random) {
            delay_ms = random.between(3, 1_500);
        }
        if has_struck(FaultClass::BridgeTwice, random) {
            arrivals.push(delay_ms + random.between(1, 1_000));
        }
        if has_struck(FaultClass::BridgeLate, random) {
            let late_ms = random.between(2_000, 150_000);
            self.last_arrival_ms = self.last_arrival_ms.max(now_ms + late_ms);
            // It alone, or a copy of it.
            if random.chance(500) {
                delay_ms = late_ms;
            } else {
                arrivals.push(late_ms);
            }
        }
        arrivals.insert(0, delay_ms);
        arrivals
    }
}
