//! What one seed makes of a run: who is there, how much they say, and what goes wrong.

use schema::{ConversationId, UserId};

use super::faults::{FaultClass, Faults};
use super::random::Random;
use crate::committer::BatchLimits;
use crate::ports::RingShape;

const MINUTE_MS: i64 = 60_000;

/// One device.
#[derive(Clone, Debug)]
pub struct ClientPlan {
    pub user: UserId,
    pub messages: u32,
    /// Messages that may wait for their answers at once: one is a sequential sender.
    pub window: usize,
    /// A message unanswered for longer is sent again.
    pub patience_ms: u64,
    /// Its calendar differs from the true one by this much.
    pub skew_ms: i64,
    pub is_slow: bool,
}

/// The whole run, less chance.
#[derive(Clone, Debug)]
pub struct Schedule {
    pub seed: u64,
    pub nodes: usize,
    /// One process with its own store: nobody else can own a shard, so nobody looks or polls.
    pub is_embedded: bool,
    pub shards: u32,
    /// Slots of a shard's ring.
    pub slots: u32,
    pub conversations: Vec<ConversationId>,
    pub clients: Vec<ClientPlan>,
    /// Frames that may be on their way to a client.
    pub outbox: u32,
    /// Faults strike, and clients have something new to say, for this long.
    pub active_ms: u64,
    pub faults: Faults,
    pub batch: BatchLimits,
    /// Entries that a sequencer reads at its start.
    pub recent: u64,
    /// Entries of a page.
    pub page: u64,
    /// Entries read at once to close a gap.
    pub repair: u64,
    /// The calendar runs this much faster than events do, so that ids grow old.
    pub calendar_speed: i64,
    /// By node.
    pub skew_ms: Vec<i64>,
}

impl Schedule {
    /// Some devices chat in some conversations of a small cluster.
    #[must_use]
    pub fn chatter(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let faults = Faults::swarm(&mut random);
        let skew_ms_max =
            if faults.has(FaultClass::ClockWrong) { 60 * MINUTE_MS } else { 2 * MINUTE_MS };
        let nodes = *random.pick(&[1, 2, 3]);
        let mut conversations = Vec::new();
        for _ in 0..random.between(3, 5) {
            conversations.push(ConversationId::from_bytes(random.bytes()));
        }
        conversations.sort_unstable();
        Self {
            seed,
            nodes,
            is_embedded: nodes == 1 && random.chance(600),
            shards: 2,
            slots: *random.pick(&[2, 4, 8]),
            outbox: *random.pick(&[6, 20, 60]),
            conversations,
            clients: clients(&mut random, &faults, skew_ms_max),
            active_ms: active_ms(&mut random),
            faults,
            batch: BatchLimits {
                entries_max: *random.pick(&[2, 8, 256]),
                bytes_max: *random.pick(&[400, 2_000, 65_536]),
                per_conversation: *random.pick(&[1, 2, 32]),
            },
            recent: random.between(2, 8),
            page: random.between(1, 5),
            repair: *random.pick(&[1, 3, 300]),
            calendar_speed: *random.pick(&[1, 60, 200]),
            skew_ms: (0..nodes).map(|_| skew(&mut random, skew_ms_max)).collect(),
        }
    }

    #[must_use]
    pub const fn shape(&self) -> RingShape {
        RingShape { shards: self.shards, slots: self.slots }
    }

    /// Clocks are so right that unmarked repeats are promised to be recognised.
    #[must_use]
    pub const fn has_mild_clocks(&self) -> bool {
        !self.faults.has(FaultClass::ClockWrong)
    }
}

/// Mostly short; some runs outlast what nodes remember of each other.
fn active_ms(random: &mut Random) -> u64 {
    if random.chance(40) { random.between(20_000, 70_000) } else { random.between(3_000, 14_000) }
}

fn skew(random: &mut Random, max_ms: i64) -> i64 {
    let width = u64::try_from(2 * max_ms).unwrap_or(0);
    i64::try_from(random.between(0, width)).unwrap_or(0) - max_ms
}

fn clients(random: &mut Random, faults: &Faults, skew_ms_max: i64) -> Vec<ClientPlan> {
    let mut users: Vec<UserId> = Vec::new();
    let mut clients = Vec::new();
    for _ in 0..random.between(2, 5) {
        // Some users have a second device.
        if users.is_empty() || random.chance(750) {
            users.push(UserId::from_bytes(random.bytes()));
        }
        let user = users[users.len() - 1];
        clients.push(ClientPlan {
            user,
            messages: u32::try_from(random.between(6, 24)).unwrap_or(0),
            window: *random.pick(&[1, 1, 3, 8]),
            patience_ms: *random.pick(&[600, 2_000, 5_000, 20_000]),
            skew_ms: skew(random, skew_ms_max),
            is_slow: random.chance(faults.rate(FaultClass::SlowReader)),
        });
    }
    clients
}
