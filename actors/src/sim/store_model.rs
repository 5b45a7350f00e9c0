//! The database as its clients meet it: calls that take time, fail, and fail to say what they did.

use schema::record::Entry;
use schema::{ConversationId, MessageId, OwnerToken, Sequence, SequenceRange, UserId};

use super::actor::Address;
use super::faults::{FaultClass, Faults, Strikes};
use super::mutants::Mutant;
use super::random::Random;
use super::ring_model::RingModel;
use super::table_model::{RowWrites, TableModel};
use crate::ports::{Applied, Commit, Guard, RingError, Slot, StoreError};

/// A statement or read.
#[derive(Clone, Debug)]
pub enum Call {
    Guard(u32),
    Slot(u32, u64),
    Create(u32, OwnerToken),
    TakeOver(u32, Guard, OwnerToken),
    Commit(Commit),
    Release(u32, OwnerToken, u64),
    Rows(RowWrites),
    Heads(RowWrites),
    Head(ConversationId),
    Range(ConversationId, SequenceRange),
    Sent(ConversationId, UserId, MessageId),
    /// The heads of these.
    Overview(Vec<ConversationId>),
}

impl Call {
    /// For the trace.
    #[must_use]
    pub fn brief(&self) -> String {
        let range = |writes: &RowWrites| {
            let numbers = writes.commits.iter().map(|it| (it.shard, it.n));
            format!("{:?}", numbers.collect::<Vec<_>>())
        };
        match self {
            Self::Commit(commit) => {
                format!("commit {} of shard {} by {}", commit.n, commit.shard, commit.owner)
            }
            Self::Rows(writes) => format!("rows of {}", range(writes)),
            Self::Heads(writes) => format!("heads of {}", range(writes)),
            other => format!("{other:?}"),
        }
    }
}

impl Answer {
    /// For the trace.
    #[must_use]
    pub fn brief(&self) -> String {
        match self {
            Self::Entries(Ok(entries)) => format!("{} entries", entries.len()),
            Self::Slot(Ok(Some(slot))) => format!("slot {} by {}", slot.n, slot.writer),
            other => format!("{other:?}"),
        }
    }
}

/// Tells the caller what an answer answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ticket {
    Guard,
    /// The guard, without need.
    Look,
    Slot,
    Claim,
    Commit,
    Release,
    Materialise,
    NewestHead,
    Newest(Sequence),
    /// An id is looked up: the sequencer's number of it.
    LookUp(u64),
    LookUpRow(u64),
    Range(SequenceRange),
    /// What the store shows by now.
    Poll,
    /// A device claims to have more than is known.
    Claimed,
    /// A head that may have been missed.
    Compare(ConversationId),
    /// A shard is waited for.
    HandOver(u32),
    /// For a socket that comes.
    Overview(u64),
}

#[derive(Clone, Debug)]
pub enum Answer {
    Guard(Result<Option<Guard>, RingError>),
    Slot(Result<Option<Slot>, RingError>),
    Applied(Result<Applied, RingError>),
    Written(bool),
    Head(Result<Sequence, StoreError>),
    Entries(Result<Vec<Entry>, StoreError>),
    Sent(Result<Option<Sequence>, StoreError>),
    Overview(Result<Vec<(ConversationId, Sequence)>, StoreError>),
}

/// Who waits for an answer.
#[derive(Clone, Copy, Debug)]
pub struct Caller {
    pub node: usize,
    /// Of the node's process.
    pub life: u64,
    pub address: Address,
    pub ticket: Ticket,
}

/// One step of a call's fate, some time from now.
#[derive(Clone, Debug)]
pub enum Step {
    /// The call takes effect; its answer, if it gets out, is under way this long.
    Apply { call: Call, answer_in_ms: Option<u64>, is_late: bool },
    /// The caller hears that it failed.
    Fail(Answer),
}

/// Ring, tables, and how well they answer.
pub struct StoreModel {
    pub ring: RingModel,
    pub tables: TableModel,
    pub down_until_ms: u64,
    /// Commits that took effect though their sender was told of an error.
    pub unknown_applied: u64,
    /// Commits that were answered with an error.
    pub unknown: u64,
}

impl StoreModel {
    #[must_use]
    pub fn new(slots: u32, mutant: Mutant) -> Self {
        Self {
            ring: RingModel::new(slots, mutant),
            tables: TableModel::default(),
            down_until_ms: 0,
            unknown_applied: 0,
            unknown: 0,
        }
    }

    /// Carries a call out.
    pub fn apply(&mut self, call: &Call, sender_knows: bool) -> Answer {
        let (ring, tables) = (&mut self.ring, &mut self.tables);
        match call {
            Call::Guard(shard) => Answer::Guard(Ok(ring.guard(*shard))),
            Call::Slot(shard, n) => Answer::Slot(Ok(ring.slot(*shard, *n))),
            Call::Create(shard, owner) => Answer::Applied(Ok(ring.create(*shard, *owner))),
            Call::TakeOver(shard, seen, owner) => {
                Answer::Applied(Ok(ring.take_over(*shard, *seen, *owner)))
            }
            Call::Commit(commit) => {
                let applied = ring.commit(commit);
                self.unknown_applied += u64::from(!sender_knows && applied == Applied::Yes);
                Answer::Applied(Ok(applied))
            }
            Call::Release(shard, owner, done) => {
                Answer::Applied(Ok(ring.release(*shard, *owner, *done)))
            }
            Call::Rows(writes) => {
                tables.write_rows(writes);
                Answer::Written(true)
            }
            Call::Heads(writes) => {
                tables.write_heads(writes);
                Answer::Written(true)
            }
            Call::Head(conversation) => Answer::Head(Ok(tables.head(*conversation))),
            Call::Range(conversation, range) => {
                Answer::Entries(Ok(tables.range(*conversation, *range)))
            }
            Call::Sent(conversation, sender, message) => {
                Answer::Sent(Ok(tables.sent(*conversation, *sender, *message)))
            }
            Call::Overview(conversations) => {
                let heads = conversations.iter().map(|id| (*id, tables.head(*id)));
                Answer::Overview(Ok(heads.collect()))
            }
        }
    }

    /// Decides what becomes of a call: its steps, each with its delay.
    pub fn fate(
        &mut self,
        call: Call,
        now_ms: u64,
        faults: &Faults,
        random: &mut Random,
        strikes: &mut Strikes,
    ) -> Vec<(u64, Step)> {
        let mut fate = Fate { faults, random, strikes, is_down: now_ms < self.down_until_ms };
        let steps = match &call {
            Call::Rows(writes) => fate.of_writes(writes.clone()),
            Call::Guard(_)
            | Call::Slot(..)
            | Call::Head(_)
            | Call::Range(..)
            | Call::Sent(..)
            | Call::Overview(_) => fate.of_read(call.clone()),
            _ => fate.of_statement(call.clone()),
        };
        let failed = steps.iter().any(|(_, step)| matches!(step, Step::Fail(_)));
        self.unknown += u64::from(failed && matches!(call, Call::Commit(_)));
        steps
    }
}

/// What a caller hears when a call fails.
fn failure(call: &Call) -> Answer {
    let lost = || RingError("no answer".to_owned());
    let unavailable = || StoreError::Unavailable("no answer".to_owned());
    match call {
        Call::Guard(_) => Answer::Guard(Err(lost())),
        Call::Slot(..) => Answer::Slot(Err(lost())),
        Call::Create(..) | Call::TakeOver(..) | Call::Commit(_) | Call::Release(..) => {
            Answer::Applied(Err(lost()))
        }
        Call::Rows(_) | Call::Heads(_) => Answer::Written(false),
        Call::Head(_) => Answer::Head(Err(unavailable())),
        Call::Range(..) => Answer::Entries(Err(unavailable())),
        Call::Sent(..) => Answer::Sent(Err(unavailable())),
        Call::Overview(_) => Answer::Overview(Err(unavailable())),
    }
}

struct Fate<'a> {
    faults: &'a Faults,
    random: &'a mut Random,
    strikes: &'a mut Strikes,
    is_down: bool,
}

impl Fate<'_> {
    fn strikes(&mut self, class: FaultClass) -> bool {
        let strikes = self.random.chance(self.faults.rate(class));
        if strikes {
            self.strikes.strike(class);
        }
        strikes
    }

    fn way_ms(&mut self) -> u64 {
        if self.strikes(FaultClass::StatementSlow) {
            return self.random.between(20, 900);
        }
        self.random.between(1, 4)
    }

    fn timeout_ms(&mut self) -> u64 {
        self.random.between(5, 400)
    }

    fn apply(call: Call, answer_in_ms: Option<u64>) -> Step {
        Step::Apply { call, answer_in_ms, is_late: false }
    }

    fn late(call: Call) -> Step {
        Step::Apply { call, answer_in_ms: None, is_late: true }
    }

    fn of_read(&mut self, call: Call) -> Vec<(u64, Step)> {
        let fails = self.is_down || self.strikes(FaultClass::ReadFailed);
        if fails {
            return vec![(self.timeout_ms(), Step::Fail(failure(&call)))];
        }
        vec![(self.way_ms(), Self::apply(call, Some(self.random.between(1, 4))))]
    }

    fn of_statement(&mut self, call: Call) -> Vec<(u64, Step)> {
        let failed_at_ms = self.timeout_ms();
        let failed = (failed_at_ms, Step::Fail(failure(&call)));
        if self.is_down && self.random.chance(800) || self.strikes(FaultClass::StatementLost) {
            return vec![failed];
        }
        if self.is_down || self.strikes(FaultClass::AppliedLate) {
            let late_ms = failed_at_ms + self.random.between(0, 4_000);
            return vec![failed, (late_ms, Self::late(call))];
        }
        if self.strikes(FaultClass::AnswerLost) {
            return vec![(self.random.between(0, failed_at_ms), Self::late(call)), failed];
        }
        let way_ms = self.way_ms();
        let mut steps = vec![(way_ms, Self::apply(call.clone(), Some(self.random.between(1, 4))))];
        if self.strikes(FaultClass::StatementTwice) {
            steps.push((way_ms + self.random.between(1, 3_000), Self::late(call)));
        }
        steps
    }

    /// Rows, then heads, then the answer.
    fn of_writes(&mut self, writes: RowWrites) -> Vec<(u64, Step)> {
        let slow = self.strikes(FaultClass::MaterialiseSlow);
        let rows_ms = if slow { self.random.between(50, 3_000) } else { self.way_ms() };
        let mut steps = Vec::new();
        if self.strikes(FaultClass::MaterialiseLate) {
            let copy_ms = rows_ms + self.random.between(5, 8_000);
            steps.push((copy_ms, Self::late(Call::Rows(writes.clone()))));
            steps.push((copy_ms + 1, Self::late(Call::Heads(writes.clone()))));
        }
        if self.is_down || self.strikes(FaultClass::MaterialiseFailed) {
            let failed = Step::Fail(Answer::Written(false));
            let part = RowWrites { mask: self.random.next() & self.random.next(), ..writes };
            steps.push((rows_ms, Self::late(Call::Rows(part))));
            steps.push((rows_ms + self.timeout_ms(), failed));
            return steps;
        }
        let heads_ms = rows_ms + self.random.between(1, 3);
        steps.push((rows_ms, Self::late(Call::Rows(writes.clone()))));
        steps.push((heads_ms, Self::apply(Call::Heads(writes), Some(self.random.between(1, 3)))));
        steps
    }
}
