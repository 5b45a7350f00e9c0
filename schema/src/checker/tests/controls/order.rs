//! Breaks of a sender's order.

use super::{find, is_log, log_row};
use crate::MessageId;
use crate::checker::Row;
use crate::checker::tests::script::Step;
use crate::checker::tests::world::Random;

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

pub fn swap_senders_order(steps: &mut Vec<Step>, random: &mut Random) -> bool {
    let Some((first, second)) =
        pair_of_rows(steps, random, |_, acked, second_sent| acked < second_sent)
    else {
        return false;
    };
    exchange(steps, first, second);
    true
}

pub fn swap_pipelined(steps: &mut Vec<Step>, random: &mut Random) -> bool {
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
