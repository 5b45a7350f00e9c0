//! Schedules keep their rules, whatever the seed.

use super::*;

const SHAPE: Shape = Shape { nodes: 3, replicas: 3 };
const MINUTE: Duration = Duration::from_secs(60);

fn rich() -> Mix {
    Mix {
        node_pauses: 40,
        node_kills: 20,
        database_faults: 16,
        redis_faults: 20,
        partitions: 5,
        longest_ms: 5_000,
    }
}

fn end_ms(step: &Step) -> u64 {
    step.at_ms + step.fault.lasts_ms()
}

#[test]
fn a_seed_gives_one_schedule() {
    let one = schedule(7, &rich(), SHAPE, MINUTE);
    assert_eq!(one, schedule(7, &rich(), SHAPE, MINUTE));
    assert_ne!(one, schedule(8, &rich(), SHAPE, MINUTE));
}

#[test]
fn a_long_schedule_holds_every_class_as_often_as_asked() {
    let schedule = schedule(1, &rich(), SHAPE, MINUTE);
    assert_eq!(schedule.steps.len(), 101);
    assert_eq!(schedule.classes().len(), 2 + 8 + 10 + 1);
    let count = |class| schedule.steps.iter().filter(|step| step.fault.class() == class).count();
    assert_eq!((count(Class::NodePause), count(Class::NodeKill)), (40, 20));
    assert_eq!((count(Class::DatabaseKill), count(Class::RedisFlush)), (2, 2));
    let names: BTreeSet<_> = schedule.classes().into_iter().map(Class::name).collect();
    assert_eq!(names.len(), schedule.classes().len());
}

#[test]
fn every_fault_begins_in_order_and_ends_and_is_no_longer_than_asked() {
    for seed in 0..50 {
        let schedule = schedule(seed, &rich(), SHAPE, MINUTE);
        assert!(schedule.steps.is_sorted_by_key(|step| step.at_ms));
        assert!(schedule.end_ms >= 60_000);
        for step in &schedule.steps {
            assert!(step.fault.lasts_ms() <= 5_000 && end_ms(step) <= schedule.end_ms);
        }
    }
}

#[test]
fn nothing_is_struck_twice_at_once_and_somebody_is_always_there() {
    for seed in 0..50 {
        let steps = schedule(seed, &rich(), SHAPE, MINUTE).steps;
        for (index, step) in steps.iter().enumerate() {
            // All that is going on when this one begins.
            let mut now: Vec<&Step> =
                steps[..index].iter().filter(|before| end_ms(before) > step.at_ms).collect();
            now.push(step);
            let mut struck = Vec::new();
            let (mut nodes_away, mut replicas_away) = (BTreeSet::new(), BTreeSet::new());
            for step in now {
                let victim = match step.fault {
                    Fault::NodePause { node, .. }
                    | Fault::NodeKill { node, .. }
                    | Fault::Partition { node, .. } => {
                        nodes_away.insert(node);
                        node
                    }
                    Fault::DatabasePause { replica, .. } | Fault::DatabaseKill { replica, .. } => {
                        replicas_away.insert(replica);
                        replica
                    }
                    Fault::On { node, .. } => node,
                    _ => 0,
                };
                for thing in things(step.fault.class(), victim) {
                    assert!(!struck.contains(&thing), "seed {seed}: {thing:?} twice");
                    struck.push(thing);
                }
            }
            assert!(nodes_away.len() < SHAPE.nodes, "seed {seed}");
            assert!(replicas_away.len() < SHAPE.replicas, "seed {seed}");
        }
    }
}

#[test]
fn a_single_node_and_a_single_database_are_struck_too() {
    let shape = Shape { nodes: 1, replicas: 1 };
    let schedule = schedule(3, &rich(), shape, MINUTE);
    assert_eq!(schedule.steps.len(), 101);
}

#[test]
fn what_does_not_fit_makes_the_run_longer() {
    let mix = Mix { node_pauses: 1_000, longest_ms: 20_000, ..rich() };
    let schedule = schedule(5, &mix, SHAPE, MINUTE);
    assert_eq!(schedule.steps.len(), 1_061);
    assert!(schedule.end_ms > 600_000, "{}", schedule.end_ms);
}

#[test]
fn lengths_are_spread_over_orders_of_magnitude() {
    let mut random = StdRng::seed_from_u64(1);
    let lengths: Vec<u64> = (0..1_000).map(|_| between(100, 20_000, &mut random)).collect();
    let short = lengths.iter().filter(|length| **length < 1_414).count();
    assert!((420..580).contains(&short), "{short} of 1000");
    assert!(lengths.iter().all(|length| (100..=20_000).contains(length)));
}
