//! What a run is judged by, and what it did.

use std::fmt;

use schema::checker::{Row, Violation};
use schema::record::Event;
use schema::wire::ErrorCode;
use schema::{ConversationId, MessageId, Sequence};

use super::faults::Strikes;
use super::node::{Actor, Node};
use super::world::World;

/// Something that must not be.
#[derive(Clone, Debug)]
pub enum Finding {
    /// Of what clients and readers were promised.
    Violation(Violation),
    /// A committer raised its alarm: the ring shows what cannot be.
    Broken {
        shard: u32,
    },
    /// The readers' tables do not show what was committed.
    TablesDiffer {
        conversation: ConversationId,
        at: Sequence,
    },
    /// A row does not show its last change.
    NameDiffers {
        conversation: ConversationId,
    },
    /// Something was said to be in the tables that was not.
    SettledEarly {
        up_to: Sequence,
        shown: Sequence,
    },
    /// A stored message's id was accepted again with another content.
    ReuseAccepted {
        message_id: MessageId,
    },
    ReuseMisnumbered {
        seq: Sequence,
        told: Option<Sequence>,
    },
    /// A device was told that there is no such number as it has.
    ResyncWithoutNeed {
        claimed: Sequence,
    },
    WronglyRefused {
        code: ErrorCode,
    },
    /// A committer's budget for entries under way is not given back.
    RoomLeaked,
    /// Not everyone had everything long after the last fault.
    NeverSettled {
        waits_for: String,
    },
    /// A core met what it holds to be impossible.
    Panicked(String),
}

impl Finding {
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Violation(violation) => violation.name(),
            Self::Broken { .. } => "broken_alarm",
            Self::TablesDiffer { .. } => "tables_differ",
            Self::NameDiffers { .. } => "name_differs",
            Self::SettledEarly { .. } => "settled_early",
            Self::ReuseAccepted { .. } => "reuse_accepted",
            Self::ReuseMisnumbered { .. } => "reuse_misnumbered",
            Self::ResyncWithoutNeed { .. } => "resync_without_need",
            Self::WronglyRefused { .. } => "wrongly_refused",
            Self::RoomLeaked => "room_leaked",
            Self::NeverSettled { .. } => "never_settled",
            Self::Panicked(_) => "panicked",
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Violation(violation) => violation.fmt(formatter),
            other => write!(formatter, "{}: {other:?}", other.name()),
        }
    }
}

/// How much happened.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    pub events: u64,
    pub commits: u64,
    pub unknown: u64,
    pub unknown_applied: u64,
    pub take_overs: u64,
    pub fenced: u64,
    pub gave_up: u64,
    pub not_claimed: u64,
    pub look_ups: u64,
    pub gap_repairs: u64,
    pub resyncs: u64,
    pub claims: u64,
    pub news_missed: u64,
    pub batches_again: u64,
    pub messages: u64,
    pub deliveries: u64,
    pub duplicate_acks: u64,
    pub sockets: u64,
    /// How long after the last fault it took until everyone had everything, milliseconds: the
    /// longest of all runs.
    pub settled_in_ms_max: u64,
}

impl Tally {
    pub fn add(&mut self, other: &Self) {
        let Self { events, commits, unknown, unknown_applied, .. } = self;
        *events += other.events;
        *commits += other.commits;
        *unknown += other.unknown;
        *unknown_applied += other.unknown_applied;
        self.take_overs += other.take_overs;
        self.fenced += other.fenced;
        self.gave_up += other.gave_up;
        self.not_claimed += other.not_claimed;
        self.look_ups += other.look_ups;
        self.gap_repairs += other.gap_repairs;
        self.resyncs += other.resyncs;
        self.claims += other.claims;
        self.news_missed += other.news_missed;
        self.batches_again += other.batches_again;
        self.messages += other.messages;
        self.deliveries += other.deliveries;
        self.duplicate_acks += other.duplicate_acks;
        self.sockets += other.sockets;
        self.settled_in_ms_max = self.settled_in_ms_max.max(other.settled_in_ms_max);
    }
}

/// One run.
#[derive(Default)]
pub struct Report {
    pub findings: Vec<Finding>,
    pub strikes: Strikes,
    pub tally: Tally,
    pub trace_hash: u64,
    pub trace: String,
}

impl Report {
    /// Of a run that a core ended by a panic.
    #[must_use]
    pub fn of_panic(text: String) -> Self {
        Self { findings: vec![Finding::Panicked(text)], ..Self::default() }
    }
}

impl World {
    /// Holds what clients saw, what the tables show and what was committed against each other.
    pub(super) fn judge(mut self, has_settled: bool) -> Report {
        if !has_settled {
            let waits_for = self.waits_for();
            self.findings.push(Finding::NeverSettled { waits_for });
        }
        let leaks = |actor: &Actor| matches!(actor, Actor::Committer(it) if it.leaks_room());
        let decides = |actor: &Actor| matches!(actor, Actor::Sequencer(it) if it.decides());
        let has = |node: &Node, is: fn(&Actor) -> bool| node.actors.values().any(|(_, it)| is(it));
        if has_settled && self.nodes.iter().any(|it| has(it, leaks) && !has(it, decides)) {
            self.findings.push(Finding::RoomLeaked);
        }
        for id in self.schedule.conversations.clone() {
            self.judge_tables(id, has_settled);
            for entry in self.store.tables.log(id) {
                self.history.record_log_row(Row::from(&entry));
            }
            self.history.expect_known_senders(id);
            for client in &self.clients {
                self.history.expect_caught_up(client.key(), id);
            }
        }
        let verdict = self.history.check();
        self.findings.extend(verdict.violations.iter().cloned().map(Finding::Violation));
        self.tally.commits = self.store.ring.commits;
        self.tally.unknown = self.store.unknown;
        self.tally.unknown_applied = self.store.unknown_applied;
        self.tally.messages = verdict.counts.messages;
        self.tally.deliveries = verdict.counts.deliveries;
        self.tally.duplicate_acks = verdict.counts.duplicate_acks;
        self.tally.sockets = verdict.counts.sockets;
        Report {
            findings: self.findings,
            strikes: self.strikes,
            tally: self.tally,
            trace_hash: self.trace.hash(),
            trace: self.trace.text(),
        }
    }

    fn judge_tables(&mut self, conversation: ConversationId, has_settled: bool) {
        let shown = self.store.tables.log(conversation);
        let committed = self.store.ring.log.get(&conversation);
        let committed = committed.map(Vec::as_slice).unwrap_or_default();
        let differs = shown.iter().zip(committed).position(|(one, other)| one != other);
        let differs = differs.or((shown.len() != committed.len() && has_settled)
            .then_some(shown.len().min(committed.len())));
        let names = committed.iter().rev().find_map(|entry| match &entry.event {
            Event::ConversationChanged(change) => Some(change.name.clone()),
            _ => None,
        });
        if has_settled && names.flatten() != self.store.tables.name(conversation) {
            self.findings.push(Finding::NameDiffers { conversation });
        }
        if let Some(at) = differs {
            let at = Sequence(at as u64 + 1);
            self.findings.push(Finding::TablesDiffer { conversation, at });
        }
    }
}
