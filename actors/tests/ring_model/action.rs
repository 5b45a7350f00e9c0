//! What can happen in a state.

use super::database::Request;
use super::model::RingModel;
use super::state::State;
use super::tables::Part;

/// One step. Activations are named by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A node activates the shard.
    Start,
    /// An activation dies without a word, and its node activates the shard again.
    Restart(u8),
    /// A client's draft reaches an activation's sequencer.
    Submit {
        to: u8,
        id: u8,
        retry: bool,
    },
    /// The statement or read in flight is carried out; the answer is on its way.
    CarryOut(u8),
    /// The same, and a copy of the statement stays on its way.
    CarryOutAndCopy(u8),
    /// The answer arrives.
    Answer(u8),
    /// The statement was carried out, and its sender hears an error.
    LoseAnswer(u8),
    /// The sender hears an error; the statement is gone.
    Lose(u8),
    /// The sender hears an error; the statement is still on its way.
    Delay(u8),
    FailRead {
        of: u8,
        too_late: bool,
    },
    /// The time to wait is over.
    Wake(u8),
    MaterialiseDue(u8),
    /// Someone waits for what is committed to be materialised.
    AskToMaterialise(u8),
    WriteRows(u8),
    AnswerRows(u8),
    /// Materialising fails after a part of it; a copy may stay on its way.
    FailRows {
        of: u8,
        arrived: Part,
        copy: bool,
    },
    /// The guard is read though nothing is to be committed.
    Look(u8),
    AnswerLook(u8),
    /// An idle owner gives the shard up and stops.
    Release(u8),
    /// A statement that nobody waits for is carried out.
    CarryOutLate(u8),
    WriteLateRows(u8),
}

impl RingModel {
    /// Everything that can happen next, in an order that depends on the state alone.
    pub fn enabled(&self, state: &State, actions: &mut Vec<Action>) {
        let left = &state.left;
        let may_start = state.started < left.activations;
        if may_start && state.live.len() < usize::from(left.owners) {
            actions.push(Action::Start);
        }
        for activation in &state.live {
            let number = activation.number;
            if may_start {
                actions.push(Action::Restart(number));
            }
            self.of_clients(state, number, actions);
            self.of_call(state, number, actions);
            self.of_rows(state, number, actions);
            self.of_idle(state, number, actions);
            if activation.wake {
                actions.push(Action::Wake(number));
            }
        }
        let count = |length: usize| 0..u8::try_from(length).unwrap();
        actions.extend(count(state.late.len()).map(Action::CarryOutLate));
        actions.extend(count(state.late_rows.len()).map(Action::WriteLateRows));
    }

    fn of_clients(&self, state: &State, to: u8, actions: &mut Vec<Action>) {
        if !state.live[state.place(to)].driver.is_serving(self.mutant) {
            return;
        }
        if state.drafted < state.left.messages {
            actions.push(Action::Submit { to, id: state.drafted, retry: false });
        }
        if state.left.retries > 0 {
            let ids = 0..state.drafted;
            actions.extend(ids.map(|id| Action::Submit { to, id, retry: true }));
        }
    }

    fn of_call(&self, state: &State, number: u8, actions: &mut Vec<Action>) {
        let activation = &state.live[state.place(number)];
        let Some(call) = &activation.call else { return };
        let (left, is_read) = (&state.left, call.request.is_read());
        let may_lose = !is_read && left.unknown > 0;
        if call.answer.is_some() {
            actions.push(Action::Answer(number));
            if may_lose && !self.is_covered_by_delay(state) {
                actions.push(Action::LoseAnswer(number));
            }
            return;
        }
        actions.push(Action::CarryOut(number));
        if is_read {
            if left.failed_reads > 0 {
                actions.push(Action::FailRead { of: number, too_late: false });
                if activation.driver.core.is_ready() {
                    actions.push(Action::FailRead { of: number, too_late: true });
                }
            }
            return;
        }
        let applies = state.database.would_apply(number, &call.request, self.mutant);
        let copy_matters = || self.copy_matters(state, number, &call.request);
        if left.late > 0 && (!self.is_reduced || copy_matters()) {
            actions.push(Action::CarryOutAndCopy(number));
        }
        if may_lose && left.late > 0 && (!self.is_reduced || applies) {
            actions.push(Action::Delay(number));
        }
        if may_lose && !(self.is_reduced && (!applies || self.is_covered_by_delay(state))) {
            actions.push(Action::Lose(number));
        }
    }

    /// Whether a second copy could take effect after the first.
    fn copy_matters(&self, state: &State, number: u8, request: &Request) -> bool {
        let mut database = state.database.clone();
        database.change(|database| database.carry_out(number, request, self.mutant));
        database.would_apply(number, request, self.mutant)
    }

    fn of_rows(&self, state: &State, number: u8, actions: &mut Vec<Action>) {
        let activation = &state.live[state.place(number)];
        let left = &state.left;
        match &activation.rows {
            Some(rows) if rows.is_written => actions.push(Action::AnswerRows(number)),
            Some(rows) => {
                actions.push(Action::WriteRows(number));
                let matters = !self.is_reduced || !state.tables.is_spent(&rows.rows);
                if left.failed_rows > 0 {
                    let mut fail = |arrived, copy| {
                        actions.push(Action::FailRows { of: number, arrived, copy });
                    };
                    fail(Part::Nothing, false);
                    if matters {
                        fail(Part::AllButHeads, false);
                        fail(Part::Everything, false);
                        if left.late_rows > 0 {
                            fail(Part::Nothing, true);
                            fail(Part::AllButHeads, true);
                        }
                    }
                }
            }
            None => {
                if activation.driver.core.ring_depth() > 0 {
                    actions.push(Action::AskToMaterialise(number));
                }
            }
        }
        if activation.due > 0 {
            actions.push(Action::MaterialiseDue(number));
        }
    }

    fn of_idle(&self, state: &State, number: u8, actions: &mut Vec<Action>) {
        let activation = &state.live[state.place(number)];
        let core = &activation.driver.core;
        if activation.look.is_some() {
            actions.push(Action::AnswerLook(number));
        } else if state.left.looks > 0 && core.is_ready() {
            actions.push(Action::Look(number));
        }
        if state.left.releases > 0 && core.is_quiet() {
            actions.push(Action::Release(number));
        }
    }
}
