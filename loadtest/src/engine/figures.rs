//! From counts and curves to figures.

use super::counters::Counters;
use super::happenings::Notes;
use super::meter::{Hist, Meter, StageMeter, new_hist};
use super::sampler::Sampler;
use super::world::{Role, World};
use crate::plan::{Loop, Plan};
use crate::process_stats::{self, KernelMemory};
use crate::run_report::{Latency, RunFigures, StageFigures};

/// A stage is sustained when so much of its rate was acknowledged in time.
const SUSTAINED_SHARE: f64 = 0.95;
/// Slices at either end, whose memory is taken for the start and the end.
const EDGE: usize = 3;

/// Shorter runs are still filling caches.
const SLOPE_AFTER_S: f64 = 300.0;

/// What silent connections weigh.
#[derive(Clone, Debug, Default)]
pub struct Weight {
    before_bytes: Option<u64>,
    with_users_bytes: Option<u64>,
    before_kernel: Option<KernelMemory>,
    pub bytes_without_users: Option<f64>,
    pub bytes_per_connection: Option<f64>,
    pub kernel_bytes_per_connection: Option<f64>,
    pub problems: Vec<String>,
}

impl Weight {
    /// The servers without them.
    pub fn before(world: &World) -> Self {
        let (before_bytes, before_kernel) = (resident(world), process_stats::kernel_memory());
        Self { before_bytes, before_kernel, ..Self::default() }
    }

    /// The servers when all users are made, who leave memory behind that sockets then use: growth
    /// from here on says too little, from before it says too much.
    pub fn with_users(mut self, world: &World) -> Self {
        self.with_users_bytes = resident(world);
        self
    }

    /// The servers with them.
    pub fn after(mut self, world: &World, opened: usize, wanted: usize, open: u64) -> Self {
        let each =
            |after: u64, before: u64| after.saturating_sub(before) as f64 / opened.max(1) as f64;
        let after = resident(world);
        let growth = |before: Option<u64>| Some(each(after?, before?));
        self.bytes_per_connection = growth(self.before_bytes);
        self.bytes_without_users = growth(self.with_users_bytes);
        let kernel = process_stats::kernel_memory().zip(self.before_kernel);
        self.kernel_bytes_per_connection = kernel.map(|(after, before)| {
            let sum = |memory: KernelMemory| memory.tcp_buffer_bytes + memory.slab_bytes;
            each(sum(after), sum(before))
        });
        if opened < wanted {
            self.problems.push(format!("{opened} of {wanted} silent connections were opened"));
        } else if open < opened as u64 {
            let lost = opened as u64 - open;
            self.problems.push(format!("{lost} silent connections were lost while idle"));
        }
        self
    }
}

/// See [`RunFigures::stage_p50_ratio`].
fn stage_p50_ratio(stages: &[StageFigures]) -> Option<f64> {
    let (first, later) = stages.split_first()?;
    let slowest = later.iter().map(|stage| stage.delivered.p50_us).max()?;
    let first = first.delivered.p50_us;
    (first > 0).then(|| slowest as f64 / first as f64)
}

/// Of all servers; `None` when one cannot be read.
fn resident(world: &World) -> Option<u64> {
    let processes = world.processes();
    let mut servers = processes.iter().filter(|each| each.role == Role::Server).peekable();
    servers.peek()?;
    servers.map(|each| Some(process_stats::memory(each.pid?).ok()?.resident_bytes)).sum()
}

/// Where the figures come from.
pub struct Gathering<'a> {
    pub plan: &'a Plan,
    pub meter: &'a Meter,
    pub sampler: &'a Sampler,
    pub weight: &'a Weight,
    pub notes: &'a Notes,
    /// At the begin and at the end of the measured part.
    pub counted: Option<(Counters, Counters)>,
    pub read_back_s: f64,
}

/// What they come to.
pub struct Gathered {
    pub figures: RunFigures,
    pub stages: Vec<StageFigures>,
    /// Names of stages that were sustained.
    pub sustained: Vec<String>,
    pub distribution: Vec<(u64, u64)>,
}

/// Sums everything up.
pub fn gather(from: Gathering<'_>) -> Gathered {
    let Gathering { plan, meter, sampler, weight, notes, counted, read_back_s } = from;
    let measured_s = plan.measured_s();
    let meters = meter.stages();
    let (mut accepted_us, mut delivered_us) = (new_hist(), new_hist());
    for stage in &meters {
        // The same bounds: adding cannot fail.
        let _ = accepted_us.add(&stage.accepted_us);
        let _ = delivered_us.add(&stage.delivered_us);
    }
    let stages: Vec<StageFigures> = plan
        .stages()
        .iter()
        .zip(&meters)
        .map(|(stage, meter)| of_stage(plan, stage, meter))
        .collect();
    let totals = meter.totals();
    let count = |of: fn(&StageMeter) -> u64| meters.iter().map(of).sum::<u64>();
    let (accepted, delivered) = (count(|stage| stage.accepted), count(|stage| stage.delivered));
    let usage = sampler.usage(0.0, measured_s);
    let cpu_us = |role: Role| usage.cpu_s.get(&(role as u8)).map(|seconds| seconds * 1e6);
    let per = |role: Role, count: u64| Some(cpu_us(role)? / (count > 0).then_some(count)? as f64);
    let edge = EDGE.min(usage.memory.len());
    let asleep = meter.asleep();
    let figures = RunFigures {
        measured_s,
        connections: plan.connections(),
        due: count(|stage| stage.due),
        accepted,
        accepted_in_time: count(|stage| stage.accepted_in_time),
        delivered,
        accepted_per_s: accepted as f64 / measured_s,
        delivered_per_s: delivered as f64 / measured_s,
        accepted_latency: Latency::of(&accepted_us),
        delivered_latency: Latency::of(&delivered_us),
        refusals: totals.refused,
        sockets_lost: totals.lost,
        longest_silence_s: totals.longest_silence_us as f64 / 1e6,
        server_cpu_us_per_message: per(Role::Server, accepted),
        server_cpu_us_per_delivery: per(Role::Server, delivered),
        store_cpu_us_per_message: per(Role::Store, accepted),
        load_tester_cpu_us_per_message: per(Role::LoadTester, accepted),
        server_cpu_percent: cpu_us(Role::Server).map(|us| us / 1e4 / measured_s),
        memory_start_bytes: median(&usage.memory[..edge]),
        memory_end_bytes: median(&usage.memory[usage.memory.len() - edge..]),
        memory_peak_bytes: usage.memory.iter().max().copied(),
        own_memory_start_bytes: median(&usage.own_memory[..edge]),
        own_memory_end_bytes: median(&usage.own_memory[usage.own_memory.len() - edge..]),
        memory_slope_mib_per_hour: (measured_s >= SLOPE_AFTER_S)
            .then(|| slope(&usage.memory_at_s, &usage.own_memory))
            .flatten()
            .map(|bytes_per_s| bytes_per_s * 3_600.0 / f64::from(1 << 20)),
        bytes_per_connection: weight.bytes_per_connection,
        bytes_per_connection_at_least: weight.bytes_without_users,
        kernel_bytes_per_connection: weight.kernel_bytes_per_connection,
        writes_per_frame: counted.and_then(|(before, after)| after.writes_per_frame(before)),
        entries_per_commit: counted.and_then(|(before, after)| after.entries_per_commit(before)),
        caught_up_s: notes.caught_up_s.iter().copied().reduce(f64::max),
        p99_ratio_while_some_sleep: ratio_of_p99(&asleep.while_us, &asleep.before_us),
        stage_p50_ratio: stage_p50_ratio(&stages),
        presence_told: meter.presence_told(),
        sustained: stages
            .iter()
            .take_while(|stage| stage.is_sustained)
            .last()
            .filter(|_| plan.thresholds.sustained_stage.is_some())
            .map(|stage| stage.name.clone()),
        struck: notes.struck.clone(),
        read_back_s,
    };
    let sustained =
        stages.iter().filter(|stage| stage.is_sustained).map(|stage| stage.name.clone()).collect();
    Gathered { figures, stages, sustained, distribution: distribution(&delivered_us) }
}

fn of_stage(plan: &Plan, stage: &crate::plan::Stage, meter: &StageMeter) -> StageFigures {
    let is_open = plan.traffic.kind == Loop::Open;
    let has_traffic = !plan.conversations.is_empty();
    let (accepted, delivered) = (Latency::of(&meter.accepted_us), Latency::of(&meter.delivered_us));
    let share = meter.accepted_in_time as f64 / meter.due.max(1) as f64;
    let p99_ms = delivered.p99_us as f64 / 1_000.0;
    let is_quick = plan.thresholds.sustained_p99_ms.is_none_or(|most| p99_ms <= most);
    StageFigures {
        name: stage.name.clone(),
        seconds: stage.seconds,
        offered_per_s: (is_open && has_traffic).then(|| meter.due as f64 / stage.seconds),
        accepted_per_s: meter.accepted as f64 / stage.seconds,
        delivered_per_s: meter.delivered as f64 / stage.seconds,
        accepted,
        delivered,
        is_sustained: share >= SUSTAINED_SHARE && is_quick && meter.delivered > 0,
    }
}

fn ratio_of_p99(later: &Hist, before: &Hist) -> Option<f64> {
    if later.is_empty() || before.is_empty() {
        return None;
    }
    // Below half a millisecond all is noise.
    let p99 = |hist: &Hist| hist.value_at_quantile(0.99).max(500) as f64;
    Some(p99(later) / p99(before))
}

fn median(values: &[u64]) -> Option<u64> {
    let mut values = values.to_vec();
    values.sort_unstable();
    values.get(values.len() / 2).copied()
}

/// Of the straight line that lies closest to the last two thirds of the points.
fn slope(at_s: &[f64], values: &[u64]) -> Option<f64> {
    let from = at_s.len() / 3;
    let (at_s, values) = (at_s.get(from..)?, values.get(from..)?);
    let count = at_s.len() as f64;
    let mean_s = at_s.iter().sum::<f64>() / count;
    let mean = values.iter().map(|value| *value as f64).sum::<f64>() / count;
    let (mut above, mut below) = (0.0, 0.0);
    for (at, value) in at_s.iter().zip(values) {
        above += (at - mean_s) * (*value as f64 - mean);
        below += (at - mean_s).powi(2);
    }
    (below > 0.0).then(|| above / below)
}

/// Ten bars for each power of ten.
fn distribution(hist: &Hist) -> Vec<(u64, u64)> {
    let mut bars = Vec::new();
    let mut below = 0;
    for step in 10..=90 {
        let until = 10_f64.powf(f64::from(step) / 10.0) as u64;
        let count = hist.count_between(0, until);
        if count > below || !bars.is_empty() {
            bars.push((until, count - below));
        }
        below = count;
        if count >= hist.len() {
            break;
        }
    }
    bars
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distribution_counts_each_value_once() {
        let mut hist = new_hist();
        for value in [5, 50, 55, 500, 5_000, 5_001, 2_000_000] {
            hist.saturating_record(value);
        }
        let bars = distribution(&hist);
        assert_eq!(bars.iter().map(|(_, count)| count).sum::<u64>(), 7);
        assert!(bars.windows(2).all(|two| two[0].0 < two[1].0));
        assert!(distribution(&new_hist()).is_empty());
    }

    #[test]
    fn a_slope_is_of_the_end_and_not_of_the_beginning() {
        let at_s: Vec<f64> = (0..90).map(f64::from).collect();
        let grows_first = |at: &f64| if *at < 30.0 { *at * 1_000.0 } else { 30_000.0 };
        let flat: Vec<u64> = at_s.iter().map(|at| grows_first(at) as u64).collect();
        assert_eq!(slope(&at_s, &flat), Some(0.0));
        let rising: Vec<u64> = at_s.iter().map(|at| 5_000 + (at * 7.0) as u64).collect();
        assert!((slope(&at_s, &rising).unwrap() - 7.0).abs() < 0.01);
        assert_eq!(slope(&[], &[]), None);
    }

    #[test]
    fn noise_makes_no_ratio() {
        let hist = |value| {
            let mut hist = new_hist();
            hist.saturating_record(value);
            hist
        };
        assert_eq!(ratio_of_p99(&hist(400), &hist(100)), Some(1.0));
        assert!(ratio_of_p99(&hist(40_000), &hist(10_000)).unwrap() > 3.9);
        assert_eq!(ratio_of_p99(&hist(1), &new_hist()), None);
    }
}
