//! Draws the curves: what happened in each slice of time, and what the processes took.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::console::{Console, Status};
use super::meter::Meter;
use super::world::{Role, Watched, World};
use crate::process_stats;
use crate::run_report::{Latency, ProcessName, Slice};

/// All slices so far.
#[derive(Debug)]
pub struct Sampler {
    begin: Instant,
    last: Instant,
    processes: Vec<ProcessName>,
    /// By process: whose time it was, and how much.
    cpu_before: Vec<(Option<u32>, Duration)>,
    pub slices: Vec<Slice>,
}

/// CPU seconds by role, and memory of the servers.
#[derive(Clone, Debug, Default)]
pub struct Usage {
    pub cpu_s: BTreeMap<u8, f64>,
    /// Resident, bytes.
    pub memory: Vec<u64>,
    /// Heap and stacks alone, bytes.
    pub own_memory: Vec<u64>,
    /// When each of `memory` was read, seconds.
    pub memory_at_s: Vec<f64>,
}

impl Sampler {
    /// Seconds will count from `begin`, which may be yet to come.
    #[must_use]
    pub fn new(begin: Instant, world: &World) -> Self {
        let watched = world.processes();
        let cpu_before = watched.iter().map(|each| (each.pid, cpu_of(each))).collect();
        let processes = watched
            .into_iter()
            .map(|Watched { name, role, .. }| ProcessName { name, role })
            .collect();
        Self { begin, last: Instant::now(), processes, cpu_before, slices: Vec::new() }
    }

    #[must_use]
    pub fn processes(&self) -> &[ProcessName] {
        &self.processes
    }

    /// Ends the present slice.
    pub fn sample(&mut self, world: &World, meter: &Meter) -> &Slice {
        let now = Instant::now();
        let seconds = (now - self.last).as_secs_f64().max(1e-6);
        let recent = meter.take_recent();
        let mut slice = Slice {
            at_s: seconds_between(self.begin, now) - seconds / 2.0,
            seconds,
            due: recent.due,
            accepted: recent.accepted,
            delivered: recent.delivered,
            refused: recent.refused,
            opened: recent.opened,
            lost: recent.lost,
            accepted_us: Latency::of(&recent.accepted_us),
            delivered_us: Latency::of(&recent.delivered_us),
            ..Slice::default()
        };
        for (watched, before) in world.processes().iter().zip(&mut self.cpu_before) {
            let cpu = cpu_of(watched);
            // Another process counts from its own beginning.
            let since = if before.0 == watched.pid { before.1 } else { Duration::ZERO };
            let share = cpu.saturating_sub(since).as_secs_f64() / seconds * 100.0;
            slice.cpu_percent.push(watched.pid.map(|_| share as f32));
            let memory = watched.pid.and_then(|pid| process_stats::memory(pid).ok());
            slice.resident_bytes.push(memory.map(|memory| memory.resident_bytes));
            slice.own_bytes.push(memory.map(|memory| memory.anonymous_bytes));
            *before = (watched.pid, cpu);
        }
        self.last = now;
        self.slices.push(slice);
        &self.slices[self.slices.len() - 1]
    }

    /// Samples every `every` until `end`, telling the console.
    pub async fn run_until(
        &mut self,
        end: Instant,
        every: Duration,
        world: &World,
        meter: &Arc<Meter>,
        console: &Console,
        stage_at: impl Fn(f64) -> String,
    ) {
        let mut timer = interval_at(Instant::now() + every, every);
        timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let is_last = tokio::select! {
                _ = timer.tick() => false,
                () = tokio::time::sleep_until(end) => true,
            };
            let now_s = seconds_between(self.begin, Instant::now());
            // A splinter of time makes no rate: it goes into the next slice.
            if is_last && self.last.elapsed() < every / 4 {
                return;
            }
            let roles: Vec<Role> = self.processes.iter().map(|process| process.role).collect();
            let slice = self.sample(world, meter);
            console.status(&Status {
                stage: stage_at(now_s),
                left: end.saturating_duration_since(Instant::now()),
                slice,
                roles: &roles,
            });
            if is_last {
                return;
            }
        }
    }

    /// What the measured part took, from `from_s` to `until_s`.
    #[must_use]
    pub fn usage(&self, from_s: f64, until_s: f64) -> Usage {
        let mut usage = Usage::default();
        for slice in self.slices.iter().filter(|each| (from_s..until_s).contains(&each.at_s)) {
            let mut memory = None;
            for (index, process) in self.processes.iter().enumerate() {
                if let Some(percent) = slice.cpu_percent[index] {
                    let spent_s = f64::from(percent) / 100.0 * slice.seconds;
                    *usage.cpu_s.entry(process.role as u8).or_default() += spent_s;
                }
                if process.role == Role::Server
                    && let Some(bytes) = slice.resident_bytes[index]
                {
                    let (resident, own) = memory.get_or_insert((0, 0));
                    *resident += bytes;
                    *own += slice.own_bytes[index].unwrap_or_default();
                }
            }
            if let Some((resident, own)) = memory {
                usage.memory.push(resident);
                usage.own_memory.push(own);
                usage.memory_at_s.push(slice.at_s);
            }
        }
        usage
    }
}

fn cpu_of(watched: &Watched) -> Duration {
    watched.pid.and_then(|pid| process_stats::cpu_time(pid).ok()).unwrap_or_default()
}

/// Negative before `begin`.
pub fn seconds_between(begin: Instant, at: Instant) -> f64 {
    if at >= begin { (at - begin).as_secs_f64() } else { -(begin - at).as_secs_f64() }
}
