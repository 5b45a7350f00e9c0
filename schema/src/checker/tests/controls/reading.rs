//! Breaks of what readers are shown.

use super::{find, head_of, is_delivery, is_log, log_row, pick};
use crate::checker::tests::script::Step;
use crate::checker::tests::world::Random;
use crate::checker::{Digest, Row};
use crate::{MessageId, Sequence};

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

pub fn swap_deliveries(steps: &mut Vec<Step>, random: &mut Random) -> bool {
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

pub fn drop_middle_delivery(steps: &mut Vec<Step>, random: &mut Random) -> bool {
    let index =
        pick(steps, random, |step| is_owed_once(steps, step) && next_of(steps, step).is_some());
    index.map(|index| steps.remove(index)).is_some()
}

pub fn drop_last_delivery(steps: &mut Vec<Step>, random: &mut Random) -> bool {
    let index = pick(steps, random, |step| {
        is_owed_once(steps, step)
            && matches!(step, Step::Deliver { row, .. } if row.seq == head_of(steps, row.conversation_id))
    });
    index.map(|index| steps.remove(index)).is_some()
}

pub fn repeat_delivery(steps: &mut Vec<Step>, random: &mut Random) -> bool {
    let Some(index) = pick(steps, random, |step| is_owed_once(steps, step)) else {
        return false;
    };
    steps.insert(index + 1, steps[index].clone());
    true
}

pub fn change_one_delivery(steps: &mut Vec<Step>, random: &mut Random) -> bool {
    let Some(index) = pick(steps, random, is_delivery) else { return false };
    let Step::Deliver { row, .. } = &mut steps[index] else { return false };
    row.digest = Digest(!row.digest.0);
    true
}

/// Both readers have a last entry, not the same one, and the log has neither.
pub fn disagree_beyond_log(steps: &mut Vec<Step>, random: &mut Random) -> bool {
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

pub fn show_unstored(steps: &mut Vec<Step>, random: &mut Random) -> bool {
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

pub fn take_position_back(steps: &mut Vec<Step>, random: &mut Random) -> bool {
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

pub fn start_ahead(steps: &mut Vec<Step>, random: &mut Random) -> bool {
    let Some(index) = pick(steps, random, |step| matches!(step, Step::CaughtUp { .. })) else {
        return false;
    };
    let Step::CaughtUp { client, conversation_id } = steps[index] else { return false };
    let after = head_of(steps, conversation_id).forward(2);
    steps.push(Step::SocketOpen { client });
    steps.push(Step::Start { client, conversation_id, after });
    true
}

fn pages(steps: &[Step], random: &mut Random) -> Option<usize> {
    pick(steps, random, |step| matches!(step, Step::Page { rows, .. } if rows.len() > 2))
}

pub fn change_page_row(steps: &mut Vec<Step>, random: &mut Random) -> bool {
    let Some(index) = pages(steps, random) else { return false };
    let Step::Page { rows, .. } = &mut steps[index] else { return false };
    rows[1].digest = Digest(!rows[1].digest.0);
    // Deliveries may have come first or not: the page is what differs from the log either way.
    true
}

pub fn drop_page_row(steps: &mut Vec<Step>, random: &mut Random) -> bool {
    let Some(index) = pages(steps, random) else { return false };
    let Step::Page { rows, .. } = &mut steps[index] else { return false };
    rows.remove(1);
    true
}

pub fn cut_page(steps: &mut Vec<Step>, random: &mut Random) -> bool {
    let Some(index) = pages(steps, random) else { return false };
    let Step::Page { rows, .. } = &mut steps[index] else { return false };
    rows.pop();
    true
}
