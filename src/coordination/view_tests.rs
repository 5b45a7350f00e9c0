use proptest::prelude::*;

use super::*;

const SHARDS: u32 = 64;

fn node(byte: u8) -> NodeId {
    NodeId::from_bytes([byte; 16])
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn answer(own: OwnEntry, serving: &[u8], leaving: &[u8]) -> Answer {
    let serving = serving.iter().map(|byte| (node(*byte), NodeState::Serving));
    let leaving = leaving.iter().map(|byte| (node(*byte), NodeState::Leaving));
    Answer { own, nodes: serving.chain(leaving).collect() }
}

fn renewed(serving: &[u8]) -> Answer {
    answer(OwnEntry::Renewed, serving, &[])
}

/// Node 1, which has seen these serve for a while; the last answer came at 10 s.
fn settled(serving: &[u8]) -> View {
    let mut view = View::new(node(1), SHARDS);
    view.answered(ms(0), &answer(OwnEntry::Missing, serving, &[]));
    for step in 1..=20 {
        view.answered(ms(step * 500), &renewed(serving));
    }
    view
}

fn owned_by(view: &View, owner: Owner) -> Vec<u32> {
    (0..SHARDS).filter(|shard| view.ownership().owner(*shard) == owner).collect()
}

fn handed_over(view: &View) -> Vec<u32> {
    (0..SHARDS).filter(|shard| view.ownership().is_handed_over(*shard)).collect()
}

fn others(view: &View) -> Vec<u8> {
    view.others().unwrap().iter().map(|node| node.as_bytes()[0]).collect()
}

#[test]
fn nothing_is_known_before_the_first_answer() {
    let mut view = View::new(node(1), SHARDS);
    view.failed(ms(10));
    view.leave(ms(20));
    assert_eq!(owned_by(&view, Owner::Unknown).len(), SHARDS as usize);
    assert_eq!(view.others(), None);
}

#[test]
fn alone_it_owns_everything() {
    let view = settled(&[1]);
    assert_eq!(owned_by(&view, Owner::Here).len(), SHARDS as usize);
    assert!(handed_over(&view).is_empty());
    assert_eq!(view.others(), Some(vec![]));
}

#[test]
fn who_joins_waits_for_those_who_had_its_shards() {
    let mut view = View::new(node(1), SHARDS);
    view.answered(ms(0), &answer(OwnEntry::Missing, &[1, 2, 3], &[]));
    let mine = owned_by(&view, Owner::Here);
    assert!(!mine.is_empty());
    assert_eq!(handed_over(&view), mine);
    // At most for a while.
    for step in 1..=10 {
        view.answered(ms(step * 500), &renewed(&[1, 2, 3]));
    }
    assert_eq!((owned_by(&view, Owner::Here), handed_over(&view)), (mine, vec![]));
}

#[test]
fn who_is_no_longer_named_is_gone_at_once_and_its_shards_are_not_waited_for() {
    let mut view = settled(&[1, 2]);
    let before = owned_by(&view, Owner::Here);
    view.answered(ms(10_500), &renewed(&[1]));
    assert_eq!(owned_by(&view, Owner::Here).len(), SHARDS as usize);
    assert!(before.len() < SHARDS as usize);
    assert!(handed_over(&view).is_empty());
}

#[test]
fn who_leaves_hands_over_until_it_is_gone() {
    let mut view = settled(&[1, 2]);
    let theirs = owned_by(&view, Owner::Elsewhere(node(2)));
    view.answered(ms(10_500), &answer(OwnEntry::Renewed, &[1], &[2]));
    assert_eq!(owned_by(&view, Owner::Here).len(), SHARDS as usize);
    assert_eq!(handed_over(&view), theirs);
    assert_eq!(others(&view), [2], "frames still go to it");
    view.answered(ms(11_000), &renewed(&[1]));
    assert!(handed_over(&view).is_empty());
}

#[test]
fn a_hand_over_outlives_changes_that_do_not_concern_it() {
    let mut view = settled(&[1, 2]);
    view.answered(ms(10_500), &answer(OwnEntry::Renewed, &[1], &[2]));
    let awaited = handed_over(&view);
    view.answered(ms(11_000), &answer(OwnEntry::Renewed, &[1, 3], &[2]));
    let still_mine = owned_by(&view, Owner::Here);
    let expected: Vec<u32> =
        awaited.into_iter().filter(|shard| still_mine.contains(shard)).collect();
    assert!(!expected.is_empty());
    assert_eq!(handed_over(&view), expected);
}

#[test]
fn who_leaves_itself_owns_nothing() {
    let mut view = settled(&[1, 2]);
    view.leave(ms(10_100));
    assert_eq!(owned_by(&view, Owner::Elsewhere(node(2))).len(), SHARDS as usize);
    // An answer from before it told the others changes nothing.
    view.answered(ms(10_500), &renewed(&[1, 2]));
    assert!(owned_by(&view, Owner::Here).is_empty());
    view.answered(ms(11_000), &answer(OwnEntry::Renewed, &[], &[1]));
    assert_eq!(owned_by(&view, Owner::Unknown).len(), SHARDS as usize, "there is nobody else");
}

#[test]
fn a_silent_server_changes_nothing() {
    let mut view = settled(&[1, 2, 3]);
    let before = view.ownership().clone();
    for step in 0..100 {
        view.failed(ms(10_500 + step * 500));
    }
    assert_eq!(view.ownership(), &before);
    assert_eq!(others(&view), [2, 3]);
}

/// How the first answer after trouble looks, and when it comes.
fn after_trouble(has_failed: bool, at: u64, own: OwnEntry) -> View {
    let mut view = settled(&[1, 2, 3]);
    if has_failed {
        view.failed(ms(10_200));
    }
    view.answered(ms(at), &answer(own, &[1], &[]));
    view
}

#[test]
fn after_trouble_the_others_have_time_to_come_back() {
    let table = [
        ("flushed", false, 10_500, OwnEntry::Missing),
        ("unreachable", true, 10_500, OwnEntry::Renewed),
        ("this node slept", false, 14_000, OwnEntry::Renewed),
        ("it slept until it expired", false, 40_000, OwnEntry::Missing),
    ];
    for (name, has_failed, at, own) in table {
        let mut view = after_trouble(has_failed, at, own);
        assert_eq!(others(&view), [2, 3], "{name}");
        view.answered(ms(at + 500), &renewed(&[1, 2]));
        view.answered(ms(at + 1900), &renewed(&[1, 2]));
        assert_eq!(others(&view), [2, 3], "{name}: within the grace");
        view.answered(ms(at + 2100), &renewed(&[1, 2]));
        assert_eq!(others(&view), [2], "{name}: one did not come back");
    }
}

#[test]
fn who_vanishes_soon_after_trouble_is_given_time_too() {
    let mut view = settled(&[1, 2, 3]);
    view.answered(ms(10_500), &answer(OwnEntry::Missing, &[1, 2, 3], &[]));
    view.answered(ms(11_000), &renewed(&[1, 2]));
    assert_eq!(others(&view), [2, 3]);
    view.answered(ms(11_500), &renewed(&[1, 2, 3]));
    view.answered(ms(13_000), &renewed(&[1, 2]));
    assert_eq!(others(&view), [2], "trouble is long over");
}

#[test]
fn trouble_that_repeats_does_not_keep_the_dead() {
    let mut view = settled(&[1, 2]);
    for step in 1..=5 {
        view.failed(ms(10_000 + step * 500 - 100));
        view.answered(ms(10_000 + step * 500), &renewed(&[1]));
    }
    assert_eq!(view.others(), Some(vec![]));
}

#[test]
fn another_process_under_the_same_id_takes_everything_away() {
    let mut view = settled(&[1, 2]);
    view.answered(ms(10_500), &answer(OwnEntry::Taken, &[1, 2], &[]));
    assert!(view.is_taken());
    assert_eq!(owned_by(&view, Owner::Unknown).len(), SHARDS as usize);
    view.answered(ms(11_000), &renewed(&[1, 2]));
    assert!(!view.is_taken());
    assert!(!owned_by(&view, Owner::Here).is_empty());
}

#[test]
fn it_is_introduced_a_second_after_each_time_that_it_was_missing() {
    let mut view = View::new(node(1), SHARDS);
    let mut told = Vec::new();
    for (at, own) in [
        (0, OwnEntry::Missing),
        (500, OwnEntry::Renewed),
        (1000, OwnEntry::Renewed),
        (1500, OwnEntry::Renewed),
        (2000, OwnEntry::Missing),
        (2500, OwnEntry::Missing),
        (3000, OwnEntry::Renewed),
        (3600, OwnEntry::Renewed),
    ] {
        view.answered(ms(at), &answer(own, &[1, 2], &[]));
        told.push(view.introduced());
    }
    assert_eq!(told, [0, 0, 1, 1, 1, 1, 1, 2]);
}

proptest! {
    /// Who sees the same nodes agrees, whatever it saw before; and each shard has one owner.
    #[test]
    fn nodes_that_see_the_same_agree(
        serving in prop::collection::btree_set(1_u8..20, 1..8),
        before in prop::collection::vec(prop::collection::btree_set(1_u8..20, 1..8), 0..5),
    ) {
        let serving: Vec<u8> = serving.into_iter().collect();
        let mut owners: Vec<Vec<NodeId>> = Vec::new();
        for me in &serving {
            let mut view = View::new(node(*me), SHARDS);
            let mut at = 0;
            for seen in &before {
                let seen: Vec<u8> = seen.iter().copied().chain([*me]).collect();
                view.answered(ms(at), &renewed(&seen));
                at += 500;
            }
            for _ in 0..6 {
                view.answered(ms(at), &renewed(&serving));
                at += 500;
            }
            owners.push((0..SHARDS).map(|shard| match view.ownership().owner(shard) {
                Owner::Here => node(*me),
                Owner::Elsewhere(other) => other,
                Owner::Unknown => NodeId::from_bytes([0; 16]),
            }).collect());
        }
        for theirs in &owners {
            prop_assert_eq!(theirs, &owners[0]);
            prop_assert!(theirs.iter().all(|owner| serving.contains(&owner.as_bytes()[0])));
        }
    }

    /// What is awaited is this node's, and from someone who is believed alive.
    #[test]
    fn only_what_is_here_is_awaited(
        steps in prop::collection::vec(
            (prop::collection::btree_set(2_u8..8, 0..5), any::<bool>(), 100_u64..4000),
            1..12,
        ),
    ) {
        let mut view = View::new(node(1), SHARDS);
        let mut at = 0;
        for (serving, is_answered, wait) in steps {
            at += wait;
            if is_answered {
                let serving: Vec<u8> = serving.into_iter().chain([1]).collect();
                view.answered(ms(at), &renewed(&serving));
            } else {
                view.failed(ms(at));
            }
            for shard in handed_over(&view) {
                prop_assert_eq!(view.ownership().owner(shard), Owner::Here);
                prop_assert!(!others(&view).is_empty());
            }
        }
    }
}

#[test]
fn a_shard_given_to_a_node_is_its_while_it_serves() {
    let mut view = settled(&[1, 2, 3]);
    let mine = owned_by(&view, Owner::Here)[0];
    view.pinned([(mine, node(2))].into());
    view.answered(ms(10_500), &renewed(&[1, 2, 3]));
    assert_eq!(view.ownership().owner(mine), Owner::Elsewhere(node(2)));
    let others: Vec<u32> = owned_by(&settled(&[1, 2, 3]), Owner::Here);
    assert_eq!(owned_by(&view, Owner::Here), others[1..], "the other shards stay");
    // Its node leaves: by the rules, until it is back.
    view.answered(ms(11_000), &answer(OwnEntry::Renewed, &[1, 3], &[2]));
    assert_eq!(view.ownership().owner(mine), Owner::Here);
    assert!(view.ownership().is_handed_over(mine), "by who had it");
    view.answered(ms(11_500), &renewed(&[1, 2, 3]));
    assert_eq!(view.ownership().owner(mine), Owner::Elsewhere(node(2)));
    // Given to this node, it comes from its owner by the rules.
    let its = owned_by(&view, Owner::Elsewhere(node(3)))[0];
    view.pinned([(its, node(1))].into());
    view.answered(ms(12_000), &renewed(&[1, 2, 3]));
    assert_eq!(view.ownership().owner(its), Owner::Here);
    assert_eq!(view.ownership().owner(mine), Owner::Here, "given back");
    assert!(handed_over(&view).contains(&its));
    view.leave(ms(12_500));
    assert!(owned_by(&view, Owner::Here).is_empty(), "who leaves keeps nothing");
}
