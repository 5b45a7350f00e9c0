//! Holds the recorded facts against each other.

use std::collections::HashMap;

use super::history::{ClientKey, Conversation, History, Sighting, Source};
use super::row::{Row, RowKind};
use super::send_book::Sent;
use super::settle::Settled;
use super::verdict::{Counts, Findings, Verdict};
use super::violation::{OrderRule, Violation};
use crate::{ConversationId, MessageId, Sequence, UserId};

/// Where each stored id is. Looked up only.
type StoredAt = HashMap<(UserId, ConversationId, MessageId), Sequence>;

pub(super) fn judge(history: &History) -> Verdict {
    let mut findings = history.findings.clone();
    let mut stored_at = StoredAt::new();
    for sent in history.sends.iter() {
        if let Some(seq) = sent.settled_at {
            stored_at.insert(key(sent), seq);
        }
    }
    for (conversation_id, conversation) in &history.conversations {
        numbers(*conversation_id, conversation, &mut findings);
        ids(history, conversation, &mut stored_at, &mut findings);
        sightings(history, conversation, &mut findings);
    }
    acknowledgements(history, &stored_at, &mut findings);
    senders_order(history, &stored_at, &mut findings);
    readers(history, &mut findings);
    let counts = count(history, &stored_at, findings.total);
    Verdict { violations: findings.kept, kinds: findings.kinds, counts }
}

/// Numbers `1..=last` are all there, save those that were removed for good, and nobody heard of a later one.
fn numbers(id: ConversationId, conversation: &Conversation, findings: &mut Findings) {
    for (first, last) in conversation.settled.unread() {
        findings.add(Violation::LogGap { conversation_id: id, first, last });
    }
    let mut last = conversation.settled.last().max(conversation.removed_up_to);
    // Some that are to be removed may be there still.
    for seq in conversation.log.keys().filter(|seq| **seq > conversation.removed_up_to) {
        if *seq != last.next() {
            findings.add(Violation::LogGap {
                conversation_id: id,
                first: last.next(),
                last: seq.back(1),
            });
        }
        last = *seq;
    }
    if conversation.reported_head > last {
        findings.add(Violation::HeadBeyondLog {
            conversation_id: id,
            reported: conversation.reported_head,
            last,
        });
    }
}

/// Each id once; where all senders are recorded, none that nobody sent.
fn ids(
    history: &History,
    conversation: &Conversation,
    stored_at: &mut StoredAt,
    findings: &mut Findings,
) {
    for row in conversation.log.values() {
        let Row { conversation_id, seq, message_id, sender_id, kind, .. } = *row;
        let first_seq = *stored_at.entry((sender_id, conversation_id, message_id)).or_insert(seq);
        if first_seq != seq {
            findings.add(Violation::StoredTwice {
                conversation_id,
                sender_id,
                message_id,
                first_seq,
                second_seq: seq,
            });
        }
        if conversation.senders_complete
            && kind == RowKind::Message
            && !history.sends.knows(sender_id, conversation_id, message_id)
        {
            findings.add(Violation::UnknownMessage { row: *row });
        }
    }
}

/// What readers saw is what the log holds.
fn sightings(history: &History, conversation: &Conversation, findings: &mut Findings) {
    for sighting in conversation.sightings.values().chain(&conversation.deviations) {
        let Sighting { row: seen, client, source } = *sighting;
        match conversation.log.get(&seen.seq) {
            Some(stored) if stored.agrees(&seen) => {}
            Some(stored) => findings.add(differs(history, client, source, seen, *stored)),
            None => {
                findings.add(Violation::ShownButNotStored { client: history.label(client), seen });
            }
        }
    }
    for deviation in &conversation.deviations {
        let seq = deviation.row.seq;
        if conversation.log.contains_key(&seq) {
            continue;
        }
        if let Some(other) = conversation.sightings.get(&seq) {
            findings.add(Violation::ReadersDisagree {
                client: history.label(deviation.client),
                seen: deviation.row,
                other_client: history.label(other.client),
                other_seen: other.row,
            });
        }
    }
}

fn differs(
    history: &History,
    client: ClientKey,
    source: Source,
    seen: Row,
    stored: Row,
) -> Violation {
    let client = history.label(client);
    match source {
        Source::Socket => Violation::DeliveryDiffers { client, seen, stored },
        Source::HistoryPage => Violation::HistoryDiffers { client, seen, stored },
    }
}

/// What was acknowledged is stored where it was said to be, as it was sent.
fn acknowledgements(history: &History, stored_at: &StoredAt, findings: &mut Findings) {
    for sent in history.sends.iter() {
        let at = stored_at.get(&key(sent)).copied();
        if let Some(seq) = sent.settled_at
            && sent.acked.is_none_or(|acked| acked == seq)
        {
            history.stored_as_hashed(sent, seq, findings);
            continue;
        }
        if let Some(seq) = sent.acked {
            match row_at(history, sent.conversation_id, seq) {
                Some(row) if row.message_id == sent.message_id => {}
                found => findings.add(misplaced(history, sent, seq, at, found)),
            }
        }
        let row = sent.acked.or(at).and_then(|seq| row_at(history, sent.conversation_id, seq));
        if let Some(row) = row.filter(|row| row.message_id == sent.message_id) {
            stored_as_sent(history, sent, row, findings);
        }
    }
}

fn misplaced(
    history: &History,
    sent: &Sent,
    seq: Sequence,
    stored_at: Option<Sequence>,
    found: Option<&Row>,
) -> Violation {
    let client = history.label(sent.client);
    let Sent { conversation_id, message_id, .. } = *sent;
    match found {
        None => Violation::AckedLost { client, conversation_id, message_id, seq, stored_at },
        Some(row) => Violation::AckHoldsAnother {
            client,
            conversation_id,
            message_id,
            seq,
            found: row.message_id,
            stored_at,
        },
    }
}

pub(super) fn stored_as_sent(history: &History, sent: &Sent, row: &Row, findings: &mut Findings) {
    let digest = sent.digest.unwrap_or(row.digest);
    if !digest.agrees(row.digest) || sent.sender_id != row.sender_id {
        findings.add(Violation::StoredDiffers {
            client: history.label(sent.client),
            conversation_id: sent.conversation_id,
            message_id: sent.message_id,
            seq: row.seq,
            sent: digest,
            stored: row.digest,
            sender_id: sent.sender_id,
            stored_sender_id: row.sender_id,
        });
    }
}

/// Both rules about a sender's order; the module's documentation says what they are.
fn senders_order(history: &History, stored_at: &StoredAt, findings: &mut Findings) {
    let mut orders = history.orders.clone();
    for sent in history.sends.iter() {
        let Some(seq) = stored_at.get(&key(sent)).copied() else { continue };
        for (rule, earlier) in orders.judge(sent, seq) {
            findings.add(out_of_order(history, sent, seq, rule, earlier));
        }
    }
}

/// The last number of each socket's messages, as its client sent them.
#[derive(Clone, Debug, Default)]
pub(super) struct Orders {
    last_on_socket: HashMap<(ClientKey, ConversationId, u32), (Sequence, MessageId)>,
}

/// What a message should have come after, if that is known: else its own id stands for it.
type Earlier = (Sequence, Option<MessageId>);

impl Orders {
    /// Takes the messages in the order of their first transmission; says which rules each breaks.
    pub fn judge(&mut self, sent: &Sent, seq: Sequence) -> Vec<(OrderRule, Earlier)> {
        let mut broken = Vec::new();
        if sent.transmissions > 0 && seq <= sent.floor {
            broken.push((OrderRule::Sequential, (sent.floor, None)));
        }
        if sent.transmissions != 1 {
            return broken;
        }
        let last = self
            .last_on_socket
            .entry((sent.client, sent.conversation_id, sent.socket))
            .or_insert((seq, sent.message_id));
        // What breaks the sequential rule is told once, not again as pipelined.
        if seq < last.0 && seq > sent.floor {
            broken.push((OrderRule::Pipelined, (last.0, Some(last.1))));
        }
        *last = (*last).max((seq, sent.message_id));
        broken
    }
}

pub(super) fn out_of_order(
    history: &History,
    sent: &Sent,
    later_seq: Sequence,
    rule: OrderRule,
    (earlier_seq, earlier): Earlier,
) -> Violation {
    let told = || Some(row_at(history, sent.conversation_id, earlier_seq)?.message_id);
    let earlier = earlier.or_else(told).unwrap_or(sent.message_id);
    Violation::SenderOrderBroken {
        client: history.label(sent.client),
        conversation_id: sent.conversation_id,
        rule,
        earlier,
        earlier_seq,
        later: sent.message_id,
        later_seq,
    }
}

/// No holes left open, and nobody expected at the head stopped before it.
fn readers(history: &History, findings: &mut Findings) {
    for ((client, conversation_id), reader) in &history.readers {
        for hole in reader.holes() {
            findings.add(history.delivery_gap(*client, *conversation_id, *hole));
        }
        let head = history.conversations.get(conversation_id).map_or(Sequence::START, |it| {
            it.log.keys().next_back().copied().unwrap_or_default().max(it.settled.last())
        });
        if reader.expected_caught_up && reader.position() < head {
            findings.add(Violation::DeliveryTailMissing {
                client: history.label(*client),
                conversation_id: *conversation_id,
                position: reader.position(),
                head,
            });
        }
    }
}

fn count(history: &History, stored_at: &StoredAt, violations: u64) -> Counts {
    let rows = || history.conversations.values().flat_map(|each| each.log.values());
    let sends = || history.sends.iter();
    let settled = || history.conversations.values().map(|each| &each.settled);
    let settled_rows: u64 = settled().map(Settled::count_read).sum();
    let settled_messages: u64 = settled().map(|it| it.messages).sum();
    let is_stored = |sent: &&Sent| stored_at.contains_key(&key(sent));
    Counts {
        conversations: size(history.conversations.len()),
        log_rows: settled_rows + size(rows().count()),
        messages: settled_messages
            + size(rows().filter(|row| row.kind == RowKind::Message).count()),
        clients: size(history.clients.len()),
        sockets: history.tally.sockets,
        readers: size(history.readers.len()),
        sent: history.gone.sent + size(sends().filter(|sent| sent.transmissions > 0).count()),
        retries: history.sends.retries,
        acked: history.gone.acked + size(sends().filter(|sent| sent.acked.is_some()).count()),
        duplicate_acks: history.sends.duplicate_acks,
        stored_unacked: size(sends().filter(|sent| sent.acked.is_none()).filter(is_stored).count()),
        deliveries: history.tally.deliveries,
        echoes: history.readers.values().map(|reader| reader.echoes).sum(),
        history_pages: history.tally.history_pages,
        history_rows: history.tally.history_rows,
        violations,
    }
}

const fn size(count: usize) -> u64 {
    count as u64
}

const fn key(sent: &Sent) -> (UserId, ConversationId, MessageId) {
    (sent.sender_id, sent.conversation_id, sent.message_id)
}

fn row_at(history: &History, id: ConversationId, seq: Sequence) -> Option<&Row> {
    history.conversations.get(&id)?.log.get(&seq)
}
