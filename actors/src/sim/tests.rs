//! Seeds that hold, seeds that repeat, and mutants that are caught.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use super::{Finding, Mutant, Report, Strikes, Tally, run};

/// A mutant is caught within this many seeds.
const MUTANT_SEEDS: u64 = 2_000;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Runs a seed; a panic is a finding.
fn try_run(seed: u64, mutant: Mutant) -> Result<Report, Finding> {
    catch_unwind(AssertUnwindSafe(|| run(seed, mutant, false))).map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|it| (*it).to_owned()));
        Finding::Panicked(text.unwrap_or_default())
    })
}

#[derive(Default)]
struct Sum {
    seeds: u64,
    strikes: Strikes,
    tally: Tally,
    failures: Vec<(u64, Vec<String>)>,
}

impl Sum {
    fn add(&mut self, seed: u64, run: Result<Report, Finding>) {
        self.seeds += 1;
        match run {
            Ok(report) => {
                self.strikes.add(&report.strikes);
                self.tally.add(&report.tally);
                if !report.findings.is_empty() {
                    let findings = report.findings.iter().map(ToString::to_string).collect();
                    self.failures.push((seed, findings));
                }
            }
            Err(finding) => self.failures.push((seed, vec![finding.to_string()])),
        }
    }

    fn merge(&mut self, other: Self) {
        self.seeds += other.seeds;
        self.strikes.add(&other.strikes);
        self.tally.add(&other.tally);
        self.failures.extend(other.failures);
    }
}

fn run_all(first: u64, count: u64) -> Sum {
    const THREADS: u64 = 2;
    std::thread::scope(|scope| {
        let work = |thread: u64| {
            move || {
                let mut sum = Sum::default();
                for seed in (first..first + count).filter(|seed| seed % THREADS == thread) {
                    sum.add(seed, try_run(seed, Mutant::None));
                }
                sum
            }
        };
        let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(work(thread))).collect();
        let mut sum = Sum::default();
        for thread in threads {
            sum.merge(thread.join().expect("panics are findings"));
        }
        sum
    })
}

fn summarise(sum: &Sum, took: Duration) {
    let per_second = sum.seeds as f64 / took.as_secs_f64();
    println!("{} seeds in {took:.1?} ({per_second:.0}/s): {:?}", sum.seeds, sum.tally);
    let strikes: Vec<String> =
        sum.strikes.iter().map(|(class, count)| format!("{class:?} {count}")).collect();
    println!("faults: {}", strikes.join(", "));
}

#[test]
fn twenty_thousand_seeds_hold() {
    let count = setting("SIM_SEEDS", 20_000);
    let started = tokio::time::Instant::now();
    let mut sum = run_all(setting("SIM_FIRST_SEED", 0), count);
    summarise(&sum, started.elapsed());
    sum.failures.sort();
    let kinds = sum.failures.iter().flat_map(|(_, findings)| findings.first());
    let mut counted: BTreeMap<&str, u64> = BTreeMap::new();
    for finding in kinds {
        *counted.entry(finding.split(':').next().unwrap_or_default()).or_default() += 1;
    }
    for (seed, findings) in sum.failures.iter().take(setting("SIM_SHOWN", 12) as usize) {
        println!("seed {seed}: {}", findings.join("\n    "));
        println!(
            "  replay: SIM_SEED={seed} cargo test -p switchboard-actors \
             sim::tests::replay_one_seed -- --nocapture"
        );
    }
    assert!(sum.failures.is_empty(), "{} seeds failed: {counted:?}", sum.failures.len());
    if count >= 2_000 {
        for (class, strikes) in sum.strikes.iter() {
            assert!(strikes > 0, "{class:?} never struck: the run says nothing about it");
        }
    }
}

#[test]
fn replay_one_seed() {
    let report = run(setting("SIM_SEED", 0), Mutant::None, true);
    if !report.findings.is_empty() || std::env::var("SIM_TRACE").is_ok() {
        println!("{}", report.trace);
    }
    let findings: Vec<String> = report.findings.iter().map(ToString::to_string).collect();
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

#[test]
fn a_seed_gives_the_same_run_every_time() {
    for seed in 0..50 {
        let (first, second) = (run(seed, Mutant::None, false), run(seed, Mutant::None, true));
        assert_eq!(first.trace_hash, second.trace_hash, "seed {seed}");
        assert_eq!(first.tally.events, second.tally.events, "seed {seed}");
    }
    let hashes: std::collections::BTreeSet<u64> =
        (0..50).map(|seed| run(seed, Mutant::None, false).trace_hash).collect();
    assert_eq!(hashes.len(), 50);
}

/// Runs a mutant until it is caught; returns after how many seeds, and by what.
fn hunt(mutant: Mutant) -> Option<(u64, Vec<String>)> {
    (0..MUTANT_SEEDS).find_map(|seed| {
        let findings = match try_run(seed, mutant) {
            Ok(report) => report.findings,
            Err(panic) => vec![panic],
        };
        let names: Vec<String> = findings.iter().map(|it| it.name().to_owned()).collect();
        (!names.is_empty()).then_some((seed + 1, names))
    })
}

#[test]
fn every_mutant_is_caught() {
    for &mutant in Mutant::ALL {
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        let mut first = None;
        let mut caught = 0;
        for seed in 0..setting("SIM_MUTANT_SEEDS", 300) {
            let findings = match try_run(seed, mutant) {
                Ok(report) => report.findings,
                Err(panic) => vec![panic],
            };
            if !findings.is_empty() {
                first.get_or_insert(seed + 1);
                caught += 1;
            }
            let names: std::collections::BTreeSet<&str> =
                findings.iter().map(|it| it.name()).collect();
            for name in names {
                *counts.entry(name).or_default() += 1;
            }
        }
        println!("{mutant:?}: first after {first:?}, caught in {caught}: {counts:?}");
    }
}
