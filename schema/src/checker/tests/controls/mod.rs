//! Negative controls: each breaks a good history in one way, and the checker must say which.

#![expect(clippy::ptr_arg, reason = "all breaks share one signature")]

mod log;
mod order;
mod reading;

use super::SEEDS;
use super::script::{Step, play, play_settling};
use super::world::{Random, good_history};
use crate::checker::Row;
use crate::{ConversationId, MessageId, Sequence};

/// Breaks `steps` in place; `false` when this history has no place for it.
type Break = fn(&mut Vec<Step>, &mut Random) -> bool;

const CONTROLS: &[(&str, &str, Break)] = &[
    ("a lost acknowledged message", "acked_lost", log::lose_acked_tail),
    ("an acknowledged message left out of the log", "ack_holds_another", log::close_up_log),
    ("an id stored twice", "stored_twice", log::store_twice),
    ("a gap in the log", "log_gap", log::leave_log_gap),
    ("two rows under one number", "log_number_twice", log::repeat_log_number),
    ("two deliveries swapped for one reader", "delivery_out_of_order", reading::swap_deliveries),
    ("a delivery missing in the middle", "delivery_gap", reading::drop_middle_delivery),
    ("the last delivery missing", "delivery_tail_missing", reading::drop_last_delivery),
    ("a delivery repeated", "delivery_repeated", reading::repeat_delivery),
    ("an acknowledgement with another's number", "ack_holds_another", log::misnumber_ack),
    ("two acknowledgements that disagree", "acks_disagree", log::disagree_on_ack),
    ("one reader sees other content", "delivery_differs", reading::change_one_delivery),
    (
        "two readers see different rows that the log lost",
        "readers_disagree",
        reading::disagree_beyond_log,
    ),
    ("a row shown and not stored", "shown_but_not_stored", reading::show_unstored),
    ("a sender's sequential order broken", "sender_order_broken", order::swap_senders_order),
    ("a sender's pipelined order broken", "sender_order_broken", order::swap_pipelined),
    ("a position going back", "position_went_back", reading::take_position_back),
    ("a page of history with another row", "history_differs", reading::change_page_row),
    ("a page of history with a row missing", "history_page_broken", reading::drop_page_row),
    ("a page of history cut short", "history_page_broken", reading::cut_page),
    ("other content stored than sent", "stored_differs", log::change_content_everywhere),
    ("a message that nobody sent", "unknown_message", log::store_unknown),
    ("a head reported beyond the log", "head_beyond_log", log::report_later_head),
    ("a start beyond what the client had", "start_ahead", reading::start_ahead),
];

#[test]
fn every_broken_history_fails_under_its_own_name() {
    for (what, expected, break_it) in CONTROLS {
        let mut struck = 0;
        for seed in 0..SEEDS {
            let mut steps = good_history(seed);
            if !break_it(&mut steps, &mut Random::new(seed)) {
                continue;
            }
            struck += 1;
            let verdict = play(&steps).check();
            assert!(!verdict.passed(), "seed {seed}: {what} passed");
            assert!(verdict.has(expected), "seed {seed}: {what} is not {expected}: {verdict}");
        }
        assert!(struck >= SEEDS / 4, "{what} struck only {struck} of {SEEDS} histories");
    }
}

#[test]
fn settling_early_hides_nothing() {
    for (what, _, break_it) in CONTROLS {
        for seed in 0..SEEDS / 2 {
            let mut steps = good_history(seed);
            if break_it(&mut steps, &mut Random::new(seed)) {
                let verdict = play_settling(&steps, 1 + seed as usize % 25).check();
                assert!(!verdict.passed(), "seed {seed}: {what} passed");
            }
        }
    }
}

/// Breaks in some way, for tests that only need a bad history.
pub fn break_at_random(steps: &mut Vec<Step>, random: &mut Random) {
    while !CONTROLS[random.below(CONTROLS.len())].2(steps, random) {}
}

/// Indices of the steps that `wanted` accepts.
fn find(steps: &[Step], wanted: impl Fn(&Step) -> bool) -> Vec<usize> {
    (0..steps.len()).filter(|index| wanted(&steps[*index])).collect()
}

fn pick(steps: &[Step], random: &mut Random, wanted: impl Fn(&Step) -> bool) -> Option<usize> {
    let found = find(steps, wanted);
    (!found.is_empty()).then(|| found[random.below(found.len())])
}

fn is_log(step: &Step) -> bool {
    matches!(step, Step::Log { .. })
}

fn is_delivery(step: &Step) -> bool {
    matches!(step, Step::Deliver { .. })
}

fn log_row(step: &Step) -> Row {
    let Step::Log { row } = step else { panic!("{step:?} is no log row") };
    *row
}

fn is_acked(steps: &[Step], id: MessageId) -> bool {
    steps.iter().any(|step| matches!(step, Step::Ack { message_id, .. } if *message_id == id))
}

fn head_of(steps: &[Step], id: ConversationId) -> Sequence {
    let rows = steps.iter().filter(|step| is_log(step)).map(log_row);
    rows.filter(|row| row.conversation_id == id).map(|row| row.seq).max().unwrap_or_default()
}
