//! Breaks of the log and of acknowledgements.

use super::{head_of, is_acked, is_log, log_row, pick};
use crate::MessageId;
use crate::Sequence;
use crate::checker::tests::script::Step;
use crate::checker::tests::world::Random;
use crate::checker::{Digest, Row};

/// The last row of the log disappears.
pub fn lose_acked_tail(steps: &mut Vec<Step>, random: &mut Random) -> bool {
    let index = pick(steps, random, |step| {
        is_log(step) && {
            let row = log_row(step);
            row.seq == head_of(steps, row.conversation_id) && is_acked(steps, row.message_id)
        }
    });
    index.map(|index| steps.remove(index)).is_some()
}

/// An acknowledged row disappears and the later ones move up: no gap to see.
pub fn close_up_log(steps: &mut Vec<Step>, random: &mut Random) -> bool {
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

pub fn store_twice(steps: &mut Vec<Step>, random: &mut Random) -> bool {
    let Some(index) = pick(steps, random, is_log) else { return false };
    let row = log_row(&steps[index]);
    let seq = head_of(steps, row.conversation_id).next();
    steps.push(Step::Log { row: Row { seq, ..row } });
    true
}

pub fn leave_log_gap(steps: &mut Vec<Step>, random: &mut Random) -> bool {
    let index = pick(steps, random, |step| {
        is_log(step) && {
            let row = log_row(step);
            row.seq < head_of(steps, row.conversation_id)
        }
    });
    index.map(|index| steps.remove(index)).is_some()
}

pub fn repeat_log_number(steps: &mut Vec<Step>, random: &mut Random) -> bool {
    let Some(index) = pick(steps, random, is_log) else { return false };
    steps.push(steps[index].clone());
    true
}

pub fn misnumber_ack(steps: &mut Vec<Step>, random: &mut Random) -> bool {
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

pub fn disagree_on_ack(steps: &mut Vec<Step>, random: &mut Random) -> bool {
    let Some(index) = pick(steps, random, |step| matches!(step, Step::Ack { .. })) else {
        return false;
    };
    let mut again = steps[index].clone();
    let Step::Ack { seq, duplicate, .. } = &mut again else { return false };
    (*seq, *duplicate) = (seq.next(), true);
    steps.insert(index + 1, again);
    true
}

/// The server stores and shows to all what the sender never said.
pub fn change_content_everywhere(steps: &mut Vec<Step>, random: &mut Random) -> bool {
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

pub fn store_unknown(steps: &mut Vec<Step>, random: &mut Random) -> bool {
    let Some(index) = pick(steps, random, is_log) else { return false };
    let row = log_row(&steps[index]);
    let seq = head_of(steps, row.conversation_id).next();
    let message_id = MessageId::from_bytes(random.id());
    steps.push(Step::Log { row: Row { seq, message_id, ..row } });
    true
}

pub fn report_later_head(steps: &mut Vec<Step>, random: &mut Random) -> bool {
    let Some(index) = pick(steps, random, |step| matches!(step, Step::Head { .. })) else {
        return false;
    };
    let Step::Head { head, .. } = &mut steps[index] else { return false };
    *head = head.next();
    true
}
