//! Negative controls: each breaks a good history in one way, and the checker must say which.

#![expect(clippy::ptr_arg, reason = "all breaks share one signature")]

use super::SEEDS;
use super::script::{Step, play};
use super::world::{Random, good_history};
use crate::checker::{Digest, Row};
use crate::{ConversationId, MessageId, Sequence};

/// Breaks `steps` in place; `false` when this history has no place for it.
type Break = fn(&mut Vec<Step>, &mut Random) -> bool;

const CONTROLS: &[(&str, &str, Break)] = &[
    ("a lost acknowledged message", "acked_lost", lose_acked_tail),
    ("an acknowledged message left out of the log", "ack_holds_another", close_up_log),
    ("an id stored twice", "stored_twice", store_twice),
    ("a gap in the log", "log_gap", leave_log_gap),
    ("two rows under one number", "log_number_twice", repeat_log_number),
    ("two deliveries swapped for one reader", "delivery_out_of_order", swap_deliveries),
    ("a delivery missing in the middle", "delivery_gap", drop_middle_delivery),
    ("the last delivery missing", "delivery_tail_missing", drop_last_delivery),
    ("a delivery repeated", "delivery_repeated", repeat_delivery),
    ("an acknowledgement with another's number", "ack_holds_another", misnumber_ack),
    ("two acknowledgements that disagree", "acks_disagree", disagree_on_ack),
    ("one reader sees other content", "delivery_differs", change_one_delivery),
    ("two readers see different rows that the log lost", "readers_disagree", disagree_beyond_log),
    ("a row shown and not stored", "shown_but_not_stored", show_unstored),
    ("a sender's sequential order broken", "sender_order_broken", swap_senders_order),
    ("a sender's pipelined order broken", "sender_order_broken", swap_pipelined),
    ("a position going back", "position_went_back", take_position_back),
    ("a page of history with another row", "history_differs", change_page_row),
    ("a page of history with a row missing", "history_page_broken", drop_page_row),
    ("a page of history cut short", "history_page_broken", cut_page),
    ("other content stored than sent", "stored_differs", change_content_everywhere),
    ("a message that nobody sent", "unknown_message", store_unknown),
    ("a head reported beyond the log", "head_beyond_log", report_later_head),
    ("a start beyond what the client had", "start_ahead", start_ahead),
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

/// The last row of the log disappears.
fn lose_acked_tail(steps: &mut Vec<Step>, random: &mut Random) -> bool {
    let index = pick(steps, random, |step| {
        is_log(step) && {
            let row = log_row(step);
            row.seq == head_of(steps, row.conversation_id) && is_acked(steps, row.message_id)
        }
    });
    index.map(|index| steps.remove(index)).is_some()
}

/// An acknowledged row disappears and the later ones move up: no gap to see.
fn close_up_log(steps: &mut Vec<Step>, random: &mut Random) -> bool {
    let Some(index) = pick(steps, random, |step| {
        is_log(step) && {
            let row = log_row(step);
            row.seq < head_of(steps, row.conversation_id) && is_acked(steps, row.message_id)
        }
    }) else {
        return false;
    };
    let lost = log_row(&steps.remove(index));
    for step in steps {
        if let Step::Log { row } = step
            && row.conversation_id == lost.conversation_id
            && row.seq > lost.seq
        {
            row.seq = row.seq.back(1);
        }
    }
    true
}

fn store_twice(steps: &mut Vec<Step>, random: &mut Random) -> bool {
    let Some(index) = pick(steps, random, is_log) else { return false };
    let row = log_row(&steps[index]);
    let seq = head_of(steps, row.conversation_id).next();
    steps.push(Step::Log { row: Row { seq, ..row } });
    true
}

fn leave_log_gap(steps: &mut Vec<Step>, random: &mut Random) -> bool {
    let index = pick(steps, random, |step| {
        is_log(step) && {
            let row = log_row(step);
            row.seq < head_of(steps, row.conversation_id)
        }
    });
    index.map(|index| steps.remove(index)).is_some()
}

fn repeat_log_number(steps: &mut Vec<Step>, random: &mut Random) -> bool {
    let Some(index) = pick(steps, random, is_log) else { return false };
    steps.push(steps[index].clone());
    true
}

/// The next delivery on the same socket, if it comes before a new one.
fn next_delivery(steps: &[Step], index: usize) -> Option<usize> {
    let Step::Deliver { client, .. } = steps[index] else { return None };
    for (later, step) in steps.iter().enumerate().skip(index + 1) {
        match step {
            Step::Deliver { client: other, .. } if *other == client => return Some(later),
            Step::SocketOpen { client: other } if *other == client => return None,
            _ => {}
        }
    }
    None
}

fn swap_deliveries(steps: &mut Vec<Step>, random: &mut Random) -> bool {
    let Some(first) =
        pick(steps, random, |step| is_delivery(step) && next_of(steps, step).is_some())
    else {
        return false;
    };
    let Some(second) = next_delivery(steps, first) else { return false };
    steps.swap(first, second);
    true
}

/// [`next_delivery`] for a step known by its place in memory.
fn next_of(steps: &[Step], step: &Step) -> Option<usize> {
    let index = steps.iter().position(|other| std::ptr::eq(other, step))?;
    next_delivery(steps, index)
}

/// What was acknowledged as a duplicate may by right be delivered as well, or not.
fn is_owed_once(steps: &[Step], step: &Step) -> bool {
    let Step::Deliver { row, .. } = step else { return false };
    !steps.iter().any(|other| {
        matches!(other, Step::Ack { message_id, duplicate: true, .. } if *message_id == row.message_id)
    })
}

fn drop_middle_delivery(steps: &mut Vec<Step>, random: &mut Random) -> bool {
    let index =
        pick(steps, random, |step| is_owed_once(steps, step) && next_of(steps, step).is_some());
    index.map(|index| steps.remove(index)).is_some()
}

fn drop_last_delivery(steps: &mut Vec<Step>, random: &mut Random) -> bool {
    let index = pick(steps, random, |step| {
        is_owed_once(steps, step)
            && matches!(step, Step::Deliver { row, .. } if row.seq == head_of(steps, row.conversation_id))
    });
    index.map(|index| steps.remove(index)).is_some()
}

fn repeat_delivery(steps: &mut Vec<Step>, random: &mut Random) -> bool {
    let Some(index) = pick(steps, random, |step| is_owed_once(steps, step)) else {
        return false;
    };
    steps.insert(index + 1, steps[index].clone());
    true
}

fn misnumber_ack(steps: &mut Vec<Step>, random: &mut Random) -> bool {
    let Some(index) = pick(
        steps,
        random,
        |step| matches!(step, Step::Ack { seq, duplicate: false, .. } if *seq > Sequence(1)),
    ) else {
        return false;
    };
    let Step::Ack { seq, .. } = &mut steps[index] else { return false };
    *seq = seq.back(1);
    true
}

fn disagree_on_ack(steps: &mut Vec<Step>, random: &mut Random) -> bool {
    let Some(index) = pick(steps, random, |step| matches!(step, Step::Ack { .. })) else {
        return false;
    };
    let mut again = steps[index].clone();
    let Step::Ack { seq, duplicate, .. } = &mut again else { return false };
    (*seq, *duplicate) = (seq.next(), true);
    steps.insert(index + 1, again);
    true
}

fn change_one_delivery(steps: &mut Vec<Step>, random: &mut Random) -> bool {
    let Some(index) = pick(steps, random, is_delivery) else { return false };
    let Step::Deliver { row, .. } = &mut steps[index] else { return false };
    row.digest = Digest(!row.digest.0);
    true
}

/// Both readers have a last entry, not the same one, and the log has neither.
fn disagree_beyond_log(steps: &mut Vec<Step>, random: &mut Random) -> bool {
    let Some(index) = pick(steps, random, is_log) else { return false };
    let row = log_row(&steps[index]);
    let seq = head_of(steps, row.conversation_id).next();
    let first = Row { seq, message_id: MessageId::from_bytes(random.id()), ..row };
    let second = Row { message_id: MessageId::from_bytes(random.id()), ..first };
    let readers = find(
        steps,
        |step| matches!(step, Step::CaughtUp { conversation_id, .. } if *conversation_id == row.conversation_id),
    );
    let clients: Vec<usize> = readers
        .iter()
        .filter_map(|index| match steps[*index] {
            Step::CaughtUp { client, .. } => Some(client),
            _ => None,
        })
        .collect();
    steps.push(Step::Deliver { client: clients[0], row: first });
    steps.push(Step::Deliver { client: clients[1], row: second });
    true
}

fn show_unstored(steps: &mut Vec<Step>, random: &mut Random) -> bool {
    let Some(index) = pick(steps, random, |step| matches!(step, Step::CaughtUp { .. })) else {
        return false;
    };
    let Step::CaughtUp { client, conversation_id } = steps[index] else { return false };
    let Some(any) = pick(steps, random, is_log) else { return false };
    let seq = head_of(steps, conversation_id).next();
    let message_id = MessageId::from_bytes(random.id());
    let row = Row { conversation_id, seq, message_id, ..log_row(&steps[any]) };
    steps.push(Step::Deliver { client, row });
    true
}

/// Exchanges the numbers of two messages wherever they show.
fn exchange(steps: &mut [Step], first: Row, second: Row) {
    let place = |row: &mut Row| {
        if row.conversation_id == first.conversation_id {
            if row.seq == first.seq {
                *row = Row { seq: row.seq, ..second };
            } else if row.seq == second.seq {
                *row = Row { seq: row.seq, ..first };
            }
        }
    };
    for step in steps {
        match step {
            Step::Log { row } | Step::Deliver { row, .. } => place(row),
            Step::Page { rows, .. } => rows.iter_mut().for_each(place),
            Step::Ack { message_id, seq, .. } if *message_id == first.message_id => {
                *seq = second.seq;
            }
            Step::Ack { message_id, seq, .. } if *message_id == second.message_id => {
                *seq = first.seq;
            }
            _ => {}
        }
    }
}

/// Where a message was first sent, how often, and where it was acknowledged.
fn life(steps: &[Step], id: MessageId) -> (Option<usize>, usize, Option<usize>) {
    let sends =
        find(steps, |step| matches!(step, Step::Send { message_id, .. } if *message_id == id));
    let ack = steps
        .iter()
        .position(|step| matches!(step, Step::Ack { message_id, .. } if *message_id == id));
    (sends.first().copied(), sends.len(), ack)
}

/// Pairs of rows of one sender for which `wanted(first sent, acked, second sent)` holds, both
/// transmitted once.
fn pair_of_rows(
    steps: &[Step],
    random: &mut Random,
    wanted: impl Fn(usize, usize, usize) -> bool,
) -> Option<(Row, Row)> {
    let rows: Vec<Row> = steps.iter().filter(|step| is_log(step)).map(log_row).collect();
    let mut pairs = Vec::new();
    for (index, first) in rows.iter().enumerate() {
        let (Some(first_sent), 1, Some(acked)) = life(steps, first.message_id) else { continue };
        let later = rows[index + 1..].iter().filter(|row| {
            row.sender_id == first.sender_id && row.conversation_id == first.conversation_id
        });
        for second in later {
            if let (Some(second_sent), 1, Some(_)) = life(steps, second.message_id)
                && wanted(first_sent, acked, second_sent)
            {
                pairs.push((*first, *second));
            }
        }
    }
    (!pairs.is_empty()).then(|| pairs[random.below(pairs.len())])
}

fn swap_senders_order(steps: &mut Vec<Step>, random: &mut Random) -> bool {
    let Some((first, second)) =
        pair_of_rows(steps, random, |_, acked, second_sent| acked < second_sent)
    else {
        return false;
    };
    exchange(steps, first, second);
    true
}

fn swap_pipelined(steps: &mut Vec<Step>, random: &mut Random) -> bool {
    let same_socket = |first: usize, second: usize| {
        let Step::Send { client, .. } = steps[first] else { return false };
        !steps[first..second]
            .iter()
            .any(|step| matches!(step, Step::SocketOpen { client: other } if *other == client))
    };
    let Some((first, second)) = pair_of_rows(steps, random, |first_sent, acked, second_sent| {
        second_sent < acked && same_socket(first_sent, second_sent)
    }) else {
        return false;
    };
    exchange(steps, first, second);
    true
}

fn take_position_back(steps: &mut Vec<Step>, random: &mut Random) -> bool {
    let Some(index) = pick(
        steps,
        random,
        |step| matches!(step, Step::Position { seq, .. } if *seq > Sequence::START),
    ) else {
        return false;
    };
    let mut again = steps[index].clone();
    let Step::Position { seq, .. } = &mut again else { return false };
    *seq = seq.back(1);
    steps.push(again);
    true
}

fn pages(steps: &[Step], random: &mut Random) -> Option<usize> {
    pick(steps, random, |step| matches!(step, Step::Page { rows, .. } if rows.len() > 2))
}

fn change_page_row(steps: &mut Vec<Step>, random: &mut Random) -> bool {
    let Some(index) = pages(steps, random) else { return false };
    let Step::Page { rows, .. } = &mut steps[index] else { return false };
    rows[1].digest = Digest(!rows[1].digest.0);
    // Deliveries may have come first or not: the page is what differs from the log either way.
    true
}

fn drop_page_row(steps: &mut Vec<Step>, random: &mut Random) -> bool {
    let Some(index) = pages(steps, random) else { return false };
    let Step::Page { rows, .. } = &mut steps[index] else { return false };
    rows.remove(1);
    true
}

fn cut_page(steps: &mut Vec<Step>, random: &mut Random) -> bool {
    let Some(index) = pages(steps, random) else { return false };
    let Step::Page { rows, .. } = &mut steps[index] else { return false };
    rows.pop();
    true
}

/// The server stores and shows to all what the sender never said.
fn change_content_everywhere(steps: &mut Vec<Step>, random: &mut Random) -> bool {
    let Some(index) = pick(steps, random, is_log) else { return false };
    let changed = log_row(&steps[index]);
    let digest = Digest(!changed.digest.0);
    let place = |row: &mut Row| {
        if row.message_id == changed.message_id {
            row.digest = digest;
        }
    };
    for step in steps {
        match step {
            Step::Log { row } | Step::Deliver { row, .. } => place(row),
            Step::Page { rows, .. } => rows.iter_mut().for_each(place),
            _ => {}
        }
    }
    true
}

fn store_unknown(steps: &mut Vec<Step>, random: &mut Random) -> bool {
    let Some(index) = pick(steps, random, is_log) else { return false };
    let row = log_row(&steps[index]);
    let seq = head_of(steps, row.conversation_id).next();
    let message_id = MessageId::from_bytes(random.id());
    steps.push(Step::Log { row: Row { seq, message_id, ..row } });
    true
}

fn report_later_head(steps: &mut Vec<Step>, random: &mut Random) -> bool {
    let Some(index) = pick(steps, random, |step| matches!(step, Step::Head { .. })) else {
        return false;
    };
    let Step::Head { head, .. } = &mut steps[index] else { return false };
    *head = head.next();
    true
}

fn start_ahead(steps: &mut Vec<Step>, random: &mut Random) -> bool {
    let Some(index) = pick(steps, random, |step| matches!(step, Step::CaughtUp { .. })) else {
        return false;
    };
    let Step::CaughtUp { client, conversation_id } = steps[index] else { return false };
    let after = head_of(steps, conversation_id).forward(2);
    steps.push(Step::SocketOpen { client });
    steps.push(Step::Start { client, conversation_id, after });
    true
}
