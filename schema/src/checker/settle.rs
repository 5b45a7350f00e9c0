//! Judges the beginning of a log early and lets its facts go, so that a run may last for hours.
//!
//! What every reader has had and every sender was told is compared at once. Of each row a hash
//! stays: whatever is seen of it later, on a socket, in a page of history or in the log itself, is
//! held against that. Only of conversations whose senders are all recorded, and only before their
//! log is: an id that comes again after its facts are gone is then one that nobody sent.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::history::{ClientKey, History, Sighting};
use super::judge::{Orders, out_of_order, stored_as_sent};
use super::row::{Digest, Row, RowKind};
use super::send_book::Sent;
use super::violation::Violation;
use crate::{ConversationId, Sequence};

/// The beginning of a log that is judged already, from number 1 on.
#[derive(Clone, Debug, Default)]
pub(super) struct Settled {
    rows: Vec<u64>,
    /// Which of them the log was read with.
    read: Vec<bool>,
    pub messages: u64,
}

/// What was counted of facts that are gone.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Gone {
    pub sent: u64,
    pub acked: u64,
}

/// How a row compares with what is settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Held {
    /// Beyond what is settled.
    Later,
    Same,
    Another,
}

impl Settled {
    pub fn last(&self) -> Sequence {
        Sequence(self.rows.len() as u64)
    }

    pub fn compare(&self, row: &Row) -> Held {
        match index(row.seq).and_then(|at| self.rows.get(at)) {
            None => Held::Later,
            Some(hash) if *hash == hash_of(row) || row.digest == Digest::SCRUBBED => Held::Same,
            Some(_) => Held::Another,
        }
    }

    /// The log was read with this number; false when it was already.
    pub fn note_read(&mut self, seq: Sequence) -> bool {
        let held = index(seq).and_then(|at| self.read.get_mut(at));
        held.is_none_or(|held| !std::mem::replace(held, true))
    }

    /// Numbers that the log was not read with, in runs.
    pub fn unread(&self) -> impl Iterator<Item = (Sequence, Sequence)> {
        let mut next = 0;
        std::iter::from_fn(move || {
            let first = next + self.read.get(next..)?.iter().position(|read| !read)?;
            let length = self.read[first..].iter().position(|read| *read);
            next = length.map_or(self.read.len(), |length| first + length);
            Some((Sequence(first as u64 + 1), Sequence(next as u64)))
        })
    }

    pub fn count_read(&self) -> u64 {
        self.read.iter().filter(|read| **read).count() as u64
    }

    fn push(&mut self, row: &Row) {
        self.rows.push(hash_of(row));
        self.read.push(false);
        self.messages += u64::from(row.kind == RowKind::Message);
    }
}

fn index(seq: Sequence) -> Option<usize> {
    usize::try_from(seq.0.checked_sub(1)?).ok()
}

fn hash_of(row: &Row) -> u64 {
    let mut hasher = DefaultHasher::new();
    row.hash(&mut hasher);
    hasher.finish()
}

impl History {
    /// Judges what no reader waits for any more, and lets it go. May be called as often as one
    /// likes; the verdict has the same counts as without.
    pub fn settle(&mut self) {
        let limits = self.limits();
        let mut fresh: HashMap<ConversationId, Vec<Row>> = HashMap::new();
        for (id, limit) in &limits {
            let rows = self.take_sightings(*id, *limit);
            if !rows.is_empty() {
                fresh.insert(*id, rows);
            }
        }
        for (id, rows) in &fresh {
            for row in rows {
                self.store(*id, row);
            }
        }
        // In the order sent: rules about a sender's order are judged as they go.
        let mut waiting: HashSet<(ClientKey, ConversationId)> = HashSet::new();
        let gone = self.sends.take_if(|sent| {
            let key = (sent.client, sent.conversation_id);
            let is_over = sent.settled_at.is_some() && sent.acked.is_some();
            if !is_over {
                waiting.insert(key);
            }
            is_over && !waiting.contains(&key)
        });
        let mut orders = std::mem::take(&mut self.orders);
        for sent in &gone {
            self.judge_send(sent, &fresh, &mut orders);
        }
        self.orders = orders;
    }

    /// Rows that are settled.
    #[must_use]
    pub fn settled(&self) -> u64 {
        self.conversations.values().map(|each| each.settled.last().0).sum()
    }

    /// Sends and rows that are remembered in full.
    #[must_use]
    pub fn remembered(&self) -> usize {
        let rows = self.conversations.values().map(|each| each.sightings.len() + each.log.len());
        self.sends.iter().count() + rows.sum::<usize>()
    }

    /// Up to where each conversation may be settled; those without anything new are left out.
    fn limits(&self) -> BTreeMap<ConversationId, Sequence> {
        let mut limits: BTreeMap<ConversationId, Sequence> = BTreeMap::new();
        for ((_, id), reader) in &self.readers {
            let has = if reader.holes().is_empty() { reader.position() } else { Sequence::START };
            let limit = limits.entry(*id).or_insert(has);
            *limit = has.min(*limit);
        }
        limits.retain(|id, _| {
            self.conversations.get(id).is_some_and(|conversation| {
                conversation.senders_complete
                    && conversation.log.is_empty()
                    && conversation.deviations.is_empty()
            })
        });
        // Behind a message that waits for its answer, its sender's later ones wait too.
        let mut waiting: HashSet<(ClientKey, ConversationId)> = HashSet::new();
        for sent in self.sends.iter() {
            let key = (sent.client, sent.conversation_id);
            match sent.acked {
                None => drop(waiting.insert(key)),
                Some(seq) if waiting.contains(&key) => {
                    let limit = limits.entry(sent.conversation_id).or_default();
                    *limit = seq.back(1).min(*limit);
                }
                Some(_) => {}
            }
        }
        limits
    }

    /// The rows that follow on what is settled, up to `limit`, as they were first seen.
    fn take_sightings(&mut self, id: ConversationId, limit: Sequence) -> Vec<Row> {
        let mut rows = Vec::new();
        let Some(conversation) = self.conversations.get_mut(&id) else { return rows };
        let mut next = conversation.settled.last().next();
        while next <= limit {
            let Some(Sighting { row, .. }) = conversation.sightings.remove(&next) else { break };
            conversation.settled.push(&row);
            rows.push(row);
            next = next.next();
        }
        rows
    }

    /// Each id once, and none that nobody sent.
    fn store(&mut self, id: ConversationId, row: &Row) {
        if row.kind != RowKind::Message {
            return;
        }
        match self.sends.settled_at(row.sender_id, id, row.message_id) {
            None => self.findings.add(Violation::UnknownMessage { row: *row }),
            Some(slot @ None) => *slot = Some(row.seq),
            Some(Some(first_seq)) => {
                let first_seq = *first_seq;
                self.findings.add(Violation::StoredTwice {
                    conversation_id: id,
                    sender_id: row.sender_id,
                    message_id: row.message_id,
                    first_seq,
                    second_seq: row.seq,
                });
            }
        }
    }

    /// Told where it is, stored as it was sent, after what was sent before.
    fn judge_send(
        &mut self,
        sent: &Sent,
        fresh: &HashMap<ConversationId, Vec<Row>>,
        orders: &mut Orders,
    ) {
        self.gone.sent += u64::from(sent.transmissions > 0);
        self.gone.acked += 1;
        let (Some(acked), Some(at)) = (sent.acked, sent.settled_at) else { return };
        if acked != at {
            self.findings.add(Violation::AckedLost {
                client: self.label(sent.client),
                conversation_id: sent.conversation_id,
                message_id: sent.message_id,
                seq: acked,
                stored_at: Some(at),
            });
        }
        let rows = fresh.get(&sent.conversation_id).map(Vec::as_slice).unwrap_or_default();
        let row = rows.binary_search_by_key(&at, |row| row.seq).ok().map(|found| rows[found]);
        let mut findings = std::mem::take(&mut self.findings);
        match row {
            Some(row) => stored_as_sent(self, sent, &row, &mut findings),
            // Settled before its answer came: only its hash is left.
            None => self.stored_as_hashed(sent, at, &mut findings),
        }
        for (rule, earlier) in orders.judge(sent, at) {
            findings.add(out_of_order(self, sent, at, rule, earlier));
        }
        self.findings = findings;
    }

    pub(super) fn stored_as_hashed(
        &self,
        sent: &Sent,
        at: Sequence,
        findings: &mut super::verdict::Findings,
    ) {
        let Some(digest) = sent.digest else { return };
        let expected = Row {
            conversation_id: sent.conversation_id,
            seq: at,
            message_id: sent.message_id,
            sender_id: sent.sender_id,
            kind: RowKind::Message,
            digest,
        };
        let Some(conversation) = self.conversations.get(&sent.conversation_id) else { return };
        if conversation.settled.compare(&expected) == Held::Another {
            let client = self.label(sent.client);
            findings.add(Violation::SettledDiffers { client, seen: expected });
        }
    }
}
