//! Seeds that hold, seeds that repeat, and mutants that are caught.
//!
//! `SIM_SEEDS` and `SIM_FIRST_SEED` choose the seeds of the long test. A failing one is replayed by
//! `SIM_SEED=… cargo test -p switchboard-actors sim::tests::replay_one_seed -- --nocapture`, which
//! prints the last events; `SIM_MUTANT=DropHead` replays it with a broken rule.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use super::{Finding, Mutant, Report, Strikes, Tally, run};

/// A mutant is caught within this many seeds.
const MUTANT_SEEDS: u64 = 2_000;
/// Every class of faults strikes within this many seeds.
const SEEDS_FOR_ALL_FAULTS: u64 = 2_000;
/// Failures shown, unless `SIM_SHOWN` says otherwise.
const FAILURES_SHOWN_MAX: u64 = 10;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Runs a seed; a panic is a finding.
fn try_run(seed: u64, mutant: Mutant) -> Report {
    let run = catch_unwind(AssertUnwindSafe(|| run(seed, mutant, false)));
    run.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|it| (*it).to_owned()));
        Report::of_panic(text.unwrap_or_default())
    })
}

/// What many seeds did.
#[derive(Default)]
struct Sum {
    seeds: u64,
    strikes: Strikes,
    tally: Tally,
    failures: Vec<(u64, Vec<Finding>)>,
}

impl Sum {
    fn add(&mut self, seed: u64, report: Report) {
        self.seeds += 1;
        self.strikes.add(&report.strikes);
        self.tally.add(&report.tally);
        if !report.findings.is_empty() {
            self.failures.push((seed, report.findings));
        }
    }

    fn merge(&mut self, other: Self) {
        self.seeds += other.seeds;
        self.strikes.add(&other.strikes);
        self.tally.add(&other.tally);
        self.failures.extend(other.failures);
    }

    /// By the name of their first finding.
    fn failures_by_name(&self) -> BTreeMap<&'static str, usize> {
        let mut counts = BTreeMap::new();
        for (_, findings) in &self.failures {
            *counts.entry(findings[0].name()).or_default() += 1;
        }
        counts
    }

    fn print(&self, took: Duration) {
        let per_second = self.seeds as f64 / took.as_secs_f64();
        println!("{} seeds in {took:.1?}, {per_second:.0} a second: {:?}", self.seeds, self.tally);
        let strikes = self.strikes.iter().map(|(class, count)| format!("{class:?} {count}"));
        println!("faults: {}", strikes.collect::<Vec<String>>().join(", "));
        let shown = usize::try_from(setting("SIM_SHOWN", FAILURES_SHOWN_MAX)).unwrap_or(usize::MAX);
        for (seed, findings) in self.failures.iter().take(shown) {
            let findings: Vec<String> = findings.iter().map(ToString::to_string).collect();
            println!("seed {seed}: {}", findings.join("\n    "));
            println!(
                "  SIM_SEED={seed} cargo test -p switchboard-actors \
                 sim::tests::replay_one_seed -- --nocapture"
            );
        }
    }
}

/// Runs seeds on two threads; which seed runs where changes nothing.
fn run_all(first: u64, count: u64) -> Sum {
    const THREADS: u64 = 2;
    let work = |thread: u64| {
        let mut sum = Sum::default();
        for seed in (first..first + count).filter(|seed| seed % THREADS == thread) {
            sum.add(seed, try_run(seed, Mutant::None));
        }
        sum
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|it| scope.spawn(move || work(it))).collect();
        let mut sum = Sum::default();
        for thread in threads {
            sum.merge(thread.join().unwrap());
        }
        sum.failures.sort_by_key(|(seed, _)| *seed);
        sum
    })
}

#[test]
fn twenty_thousand_seeds_hold() {
    let count = setting("SIM_SEEDS", 20_000);
    let started = tokio::time::Instant::now();
    let sum = run_all(setting("SIM_FIRST_SEED", 0), count);
    sum.print(started.elapsed());
    let by_name = sum.failures_by_name();
    assert!(sum.failures.is_empty(), "{} seeds failed: {by_name:?}", sum.failures.len());
    if count >= SEEDS_FOR_ALL_FAULTS {
        for (class, strikes) in sum.strikes.iter() {
            assert!(strikes > 0, "{class:?} never struck: the run says nothing about it");
        }
    }
}

#[test]
fn replay_one_seed() {
    let is_chosen =
        |mutant: &&Mutant| std::env::var("SIM_MUTANT").is_ok_and(|it| it == format!("{mutant:?}"));
    let mutant = Mutant::ALL.iter().find(is_chosen).copied().unwrap_or_default();
    let report = run(setting("SIM_SEED", 0), mutant, true);
    let findings: Vec<String> = report.findings.iter().map(ToString::to_string).collect();
    if !findings.is_empty() || std::env::var("SIM_TRACE").is_ok() {
        println!("{}", report.trace);
    }
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

#[test]
fn a_seed_gives_the_same_run_every_time() {
    let mut hashes = BTreeSet::new();
    for seed in 0..100 {
        let (first, second) = (run(seed, Mutant::None, false), run(seed, Mutant::None, true));
        assert_eq!(first.trace_hash, second.trace_hash, "seed {seed}");
        assert_eq!(first.tally.events, second.tally.events, "seed {seed}");
        hashes.insert(first.trace_hash);
    }
    assert_eq!(hashes.len(), 100, "different seeds, different runs");
}

/// Runs a broken rule until it is noticed in the way expected of it.
fn assert_caught(mutant: Mutant, expected: &[&str]) {
    let mut noticed: BTreeMap<&'static str, u64> = BTreeMap::new();
    for seed in 0..MUTANT_SEEDS {
        let findings = try_run(seed, mutant).findings;
        let names: BTreeSet<&'static str> = findings.iter().map(Finding::name).collect();
        for name in &names {
            *noticed.entry(name).or_default() += 1;
        }
        if let Some(name) = expected.iter().find(|name| names.contains(*name)) {
            println!("{mutant:?}: {name} after {} seeds; so far {noticed:?}", seed + 1);
            return;
        }
    }
    panic!("{mutant:?} was not caught as {expected:?} within {MUTANT_SEEDS} seeds: {noticed:?}");
}

macro_rules! mutants_are_caught {
    ($($test:ident: $mutant:ident as $expected:expr;)+) => {
        $(#[test]
        fn $test() {
            assert_caught(Mutant::$mutant, &$expected);
        })+

        #[test]
        fn every_mutant_has_its_test() {
            assert_eq!(Mutant::ALL, &[$(Mutant::$mutant),+]);
        }
    };
}

mutants_are_caught! {
    a_commit_without_its_head_loses_acked_messages: DropHead as ["acked_lost"];
    // Heads order commits by themselves: what remains is the alarm.
    a_commit_without_its_owner_raises_the_alarm: DropOwner as ["broken_alarm"];
    a_commit_sent_again_with_other_bytes_is_noticed: RetryWithOtherBytes as ["tables_differ"];
    an_ack_before_the_outcome_is_known_is_noticed: AckBeforeResolve as ["acked_lost"];
    done_before_materialised_loses_acked_messages: DoneBeforeMaterialised as ["acked_lost"];
    rows_stamped_by_clocks_hide_later_changes: WallClockTimestamps as ["name_differs"];
    serving_before_the_replay_ends_gives_numbers_twice: ServeBeforeReplayed as ["ack_holds_another"];
    without_the_sent_index_messages_are_stored_twice: NoSentIndex as ["stored_twice"];
    store_before_memory_gives_numbers_twice: StoreBeforeMemory as ["ack_holds_another"];
    numbers_going_on_after_a_fence_leave_gaps: NumbersContinueAfterFence as ["log_gap"];
    look_ups_that_overtake_break_a_senders_order: LookUpsOvertake as ["sender_order_broken"];
    delivering_over_gaps_is_noticed: DeliverOverGaps as ["delivery_gap"];
    pages_that_repeat_accepted_messages_are_noticed: PagesRepeatAccepted as ["delivery_repeated"];
    asking_again_behind_a_stored_draft_breaks_a_senders_order:
        AskAgainBehindStored as ["sender_order_broken"];
    later_drafts_that_find_room_break_a_senders_order:
        LaterDraftsServed as ["sender_order_broken"];
    forwarded_repeats_without_their_mark_are_stored_twice: RepeatsUnmarked as ["stored_twice"];
    copies_of_forwarded_drafts_worked_on_again_are_noticed: NoBatchGuard as ["sender_order_broken"];
    a_node_that_follows_only_once_misses_news: FollowsOnce as ["delivery_tail_missing"];
    heads_never_announced_leave_news_missed: HeadsNeverAnnounced as ["delivery_tail_missing"];
    followers_that_deliver_over_gaps_are_noticed: FollowersDeliverOverGaps as ["delivery_gap"];
    a_node_that_does_not_mind_who_speaks_misses_news: EpochsIgnored as ["delivery_tail_missing"];
    a_conversation_that_ends_without_a_word_is_noticed: MissedUntold as ["delivery_tail_missing"];
}
