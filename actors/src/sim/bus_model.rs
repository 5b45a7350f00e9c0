//! Frames between nodes: lost, doubled, late, out of order.

use std::sync::Arc;

use schema::record::{Draft, Entry};
use schema::wire::Refusal;
use schema::{ConversationId, Sequence};

use super::actor::Address;
use super::faults::{FaultClass, Faults, Strikes};
use super::random::Random;
use crate::node::Submitted;

#[derive(Clone, Debug)]
pub enum BusFrame {
    /// Stored entries of one conversation from one commit.
    Announcement {
        conversation: ConversationId,
        entries: Arc<[Entry]>,
    },
    Head {
        conversation: ConversationId,
        head: Sequence,
    },
    /// Drafts for the owner of their shard, to be numbered in this order.
    Forward {
        node: usize,
        asker: Address,
        conversation: ConversationId,
        batch: u64,
        drafts: Vec<(u64, Draft)>,
    },
    /// The asked node does not own the shard.
    Moved {
        asker: Address,
        batch: u64,
    },
    Forwarded {
        asker: Address,
        token: u64,
        result: Result<Submitted, Refusal>,
    },
}

/// Decides what becomes of frames.
#[derive(Default)]
pub struct BusModel {
    pub down_until_ms: u64,
}

impl BusModel {
    /// The delays after which copies of a frame arrive: usually one.
    pub fn arrivals(
        &self,
        now_ms: u64,
        faults: &Faults,
        random: &mut Random,
        strikes: &mut Strikes,
    ) -> Vec<u64> {
        let mut arrivals = Vec::with_capacity(2);
        if now_ms < self.down_until_ms {
            return arrivals;
        }
        if random.chance(faults.rate(FaultClass::BridgeDrop)) {
            strikes.strike(FaultClass::BridgeDrop);
            return arrivals;
        }
        // Frames of one sender keep their order unless a fault makes one late.
        let mut delay_ms = 2;
        if random.chance(faults.rate(FaultClass::BridgeDelay)) {
            strikes.strike(FaultClass::BridgeDelay);
            delay_ms = random.between(3, 1500);
        }
        arrivals.push(delay_ms);
        if random.chance(faults.rate(FaultClass::BridgeTwice)) {
            strikes.strike(FaultClass::BridgeTwice);
            arrivals.push(delay_ms + random.between(1, 1000));
        }
        arrivals
    }
}
