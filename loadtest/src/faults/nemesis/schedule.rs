//! Draws up faults from a seed.

use std::collections::BTreeSet;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};

use super::fault::{Class, Fault, Trouble, Way};

/// How many faults of each group; within a group the classes take turns.
#[derive(Clone, Copy, Debug)]
pub struct Mix {
    pub node_pauses: u32,
    pub node_kills: u32,
    /// Pauses and kills of the database, and troubles on the ways to it.
    pub database_faults: u32,
    /// Pauses, restarts, flushes, cut clients of Redis, and troubles on the ways to it.
    pub redis_faults: u32,
    pub partitions: u32,
    /// Of any pause, outage or trouble.
    pub longest_ms: u64,
}

impl Default for Mix {
    fn default() -> Self {
        Self {
            node_pauses: 10,
            node_kills: 5,
            database_faults: 8,
            redis_faults: 10,
            partitions: 2,
            longest_ms: 20_000,
        }
    }
}

/// What there is to be struck.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    pub nodes: usize,
    /// Processes of the database.
    pub replicas: usize,
}

/// A fault, and when it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    pub at_ms: u64,
    pub fault: Fault,
}

/// All faults of a run, in the order they begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    pub steps: Vec<Step>,
    /// When the last one is over. Later than asked for when there were too many.
    pub end_ms: u64,
}

impl Schedule {
    /// The classes that are to strike.
    #[must_use]
    pub fn classes(&self) -> BTreeSet<Class> {
        self.steps.iter().map(|step| step.fault.class()).collect()
    }
}

const SHORTEST_MS: u64 = 100;
/// Between two faults of one thing: it is to come back to life in between.
const REST_MS: u64 = 500;
/// What starting again takes at most, as a rule. That it takes longer is harmless.
const NODE_START_MS: u64 = 2_000;
const DATABASE_START_MS: u64 = 12_000;
const DOWN_MS_MAX: u64 = 3_000;
const LATENCY_MS: [u16; 3] = [20, 200, 1_000];
const FRAMES_PER_MILLE: [u16; 3] = [10, 50, 200];
const RESET_AFTER_MS: [u16; 3] = [1, 50, 1_000];

/// Spreads faults over `duration`. The same arguments give the same schedule.
///
/// Two faults never strike the same thing at once; one node at least is whole at any time; every
/// fault ends. Of several database processes one at least is up.
#[must_use]
pub fn schedule(seed: u64, mix: &Mix, shape: Shape, duration: Duration) -> Schedule {
    let mut random = StdRng::seed_from_u64(seed);
    let mut classes = classes(mix, &mut random);
    classes.shuffle(&mut random);
    let duration_ms = duration.as_millis() as u64;
    let mut starts: Vec<u64> =
        classes.iter().map(|_| random.random_range(0..=duration_ms)).collect();
    starts.sort_unstable();
    let mut calendar = Calendar { shape, busy: Vec::new() };
    let mut schedule = Schedule { steps: Vec::new(), end_ms: duration_ms };
    let mut last_start = 0;
    for (class, start) in classes.into_iter().zip(starts) {
        let (at_ms, fault) = calendar.place(class, last_start.max(start), mix, &mut random);
        last_start = at_ms;
        schedule.end_ms = schedule.end_ms.max(at_ms + fault.lasts_ms());
        schedule.steps.push(Step { at_ms, fault });
    }
    schedule
}

fn classes(mix: &Mix, random: &mut StdRng) -> Vec<Class> {
    let on = |way| Trouble::ALL.map(|trouble| Class::On(way, trouble));
    let mut database = vec![Class::DatabasePause, Class::DatabaseKill];
    database.extend(on(Way::Store));
    let mut redis =
        vec![Class::RedisPause, Class::RedisRestart, Class::RedisFlush, Class::RedisClientKill];
    redis.extend(on(Way::Bridge));
    let mut classes = Vec::new();
    for (count, mut group) in [
        (mix.node_pauses, vec![Class::NodePause]),
        (mix.node_kills, vec![Class::NodeKill]),
        (mix.database_faults, database),
        (mix.redis_faults, redis),
        (mix.partitions, vec![Class::Partition]),
    ] {
        // With fewer faults than classes it depends on the seed which ones come.
        group.shuffle(random);
        classes.extend(group.into_iter().cycle().take(count as usize));
    }
    classes
}

/// A thing that one fault at a time can strike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Thing {
    Node(usize),
    Replica(usize),
    Redis,
    On(usize, Way),
}

#[derive(Clone, Copy, Debug)]
struct Busy {
    thing: Thing,
    /// Of the fault; things that are cut off count as their node being away.
    is_away: bool,
    until_ms: u64,
}

/// What is struck until when, as seen from the last fault's beginning.
struct Calendar {
    shape: Shape,
    busy: Vec<Busy>,
}

impl Calendar {
    /// Chooses whom `class` strikes: whoever can be struck first from `from_ms` on.
    fn place(
        &mut self,
        class: Class,
        from_ms: u64,
        mix: &Mix,
        random: &mut StdRng,
    ) -> (u64, Fault) {
        self.busy.retain(|busy| busy.until_ms > from_ms);
        let mut victims: Vec<usize> = (0..self.victims(class)).collect();
        victims.shuffle(random);
        let found = victims
            .into_iter()
            .map(|victim| (self.first_free(class, victim, from_ms), victim))
            .min_by_key(|(at_ms, _)| *at_ms);
        let (at_ms, victim) = found.unwrap_or((from_ms, 0));
        let fault = draw(class, victim, mix, random);
        let until_ms = at_ms + fault.lasts_ms() + recovery_ms(class);
        for thing in things(class, victim) {
            self.busy.push(Busy { thing, is_away: is_away(class), until_ms });
        }
        (at_ms, fault)
    }

    fn victims(&self, class: Class) -> usize {
        match class {
            Class::DatabasePause | Class::DatabaseKill => self.shape.replicas,
            Class::NodePause | Class::NodeKill | Class::On(..) | Class::Partition => {
                self.shape.nodes
            }
            _ => 1,
        }
    }

    /// Things become free only when a fault ends: so the first time is one of these.
    fn first_free(&self, class: Class, victim: usize, from_ms: u64) -> u64 {
        let mut times: Vec<u64> = self.busy.iter().map(|busy| busy.until_ms).collect();
        times.push(from_ms);
        times.sort_unstable();
        let is_free = |at_ms: &u64| *at_ms >= from_ms && self.is_free(class, victim, *at_ms);
        times.iter().copied().find(is_free).unwrap_or(from_ms)
    }

    fn is_free(&self, class: Class, victim: usize, at_ms: u64) -> bool {
        let busy = || self.busy.iter().filter(|busy| busy.until_ms > at_ms);
        let wanted = things(class, victim);
        if busy().any(|busy| wanted.contains(&busy.thing)) {
            return false;
        }
        let others_away = |of: fn(Thing) -> Option<usize>| {
            let away = busy().filter(|busy| busy.is_away).filter_map(|busy| of(busy.thing));
            away.filter(|other| *other != victim).collect::<BTreeSet<_>>().len()
        };
        match class {
            Class::NodePause | Class::NodeKill | Class::Partition => {
                self.shape.nodes < 2 || others_away(node_of) + 1 < self.shape.nodes
            }
            Class::DatabasePause | Class::DatabaseKill => {
                self.shape.replicas < 2 || others_away(replica_of) + 1 < self.shape.replicas
            }
            _ => true,
        }
    }
}

fn node_of(thing: Thing) -> Option<usize> {
    match thing {
        Thing::Node(node) | Thing::On(node, _) => Some(node),
        _ => None,
    }
}

fn replica_of(thing: Thing) -> Option<usize> {
    if let Thing::Replica(replica) = thing { Some(replica) } else { None }
}

fn things(class: Class, victim: usize) -> Vec<Thing> {
    match class {
        Class::NodePause | Class::NodeKill => vec![Thing::Node(victim)],
        Class::DatabasePause | Class::DatabaseKill => vec![Thing::Replica(victim)],
        Class::On(way, _) => vec![Thing::On(victim, way)],
        Class::Partition => vec![Thing::On(victim, Way::Store), Thing::On(victim, Way::Bridge)],
        _ => vec![Thing::Redis],
    }
}

const fn is_away(class: Class) -> bool {
    !matches!(class, Class::On(..))
}

const fn recovery_ms(class: Class) -> u64 {
    REST_MS
        + match class {
            Class::NodeKill => NODE_START_MS,
            Class::DatabaseKill => DATABASE_START_MS,
            _ => 0,
        }
}

fn draw(class: Class, victim: usize, mix: &Mix, random: &mut StdRng) -> Fault {
    let (node, replica) = (victim, victim);
    let for_ms = between(SHORTEST_MS, mix.longest_ms, random);
    let down_ms = between(1, DOWN_MS_MAX.min(mix.longest_ms), random);
    match class {
        Class::NodePause => Fault::NodePause { node, for_ms },
        Class::NodeKill => Fault::NodeKill { node, down_ms },
        Class::DatabasePause => Fault::DatabasePause { replica, for_ms },
        Class::DatabaseKill => Fault::DatabaseKill { replica, down_ms },
        Class::RedisPause => Fault::RedisPause { for_ms },
        Class::RedisRestart => Fault::RedisRestart { down_ms },
        Class::RedisFlush => Fault::RedisFlush,
        Class::RedisClientKill => Fault::RedisClientKill,
        Class::On(way, trouble) => {
            let choice = random.random_range(0..3);
            let severity = match trouble {
                Trouble::Latency => LATENCY_MS[choice],
                Trouble::FramesDropped => FRAMES_PER_MILLE[choice],
                Trouble::AnswersLost => RESET_AFTER_MS[choice],
                Trouble::Reset | Trouble::HalfOpen | Trouble::OneWay => 0,
            };
            let for_ms = if trouble == Trouble::Reset { 0 } else { for_ms };
            Fault::On { node, way, trouble, severity, for_ms }
        }
        Class::Partition => Fault::Partition { node, for_ms },
    }
}

/// As many short ones as long ones, by orders of magnitude.
fn between(shortest: u64, longest: u64, random: &mut StdRng) -> u64 {
    let longest = longest.max(shortest);
    let ratio = longest as f64 / shortest as f64;
    let drawn = shortest as f64 * ratio.powf(random.random::<f64>());
    (drawn as u64).clamp(shortest, longest)
}

#[cfg(test)]
mod tests;
