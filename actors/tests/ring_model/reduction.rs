//! Fewer states, the same verdict.
//!
//! Some steps may be taken at once whenever they are possible: nothing that another activation, the
//! database or a client does can prevent them, change them or be changed by them, and no property
//! sees them. Whatever could have happened before them can happen after them.
//!
//! - A statement whose condition does not hold never takes effect: it may be refused now, and an
//!   error says no more to its sender than a refusal.
//! - A refusal, a guard, and whatever is answered to an activation that does not serve yet changes
//!   only what its core asks next, or lets it serve or end sooner. (The answer that a commit took
//!   effect is another matter: what clients send before it goes into the next commit together.)
//! - Rows that the tables show already change nothing.
//! - A statement whose answer is lost, and one that is lost itself, are cases of one that is on its
//!   way after its sender heard an error: it takes effect at the same point, or never.
//!
//! All of this is tried, too: see the test `reductions_lose_nothing`.

use actors::ports::Applied;

use super::action::Action;
use super::activation::Activation;
use super::database::{Answer, Request};
use super::model::RingModel;
use super::state::State;

impl RingModel {
    /// A step that may be taken at once.
    pub fn prompt(&self, state: &State) -> Option<Action> {
        if !self.is_reduced {
            return None;
        }
        state.live.iter().find_map(|activation| {
            let number = activation.number;
            if self.is_refused(state, activation) {
                return Some(Action::CarryOut(number));
            }
            if self.is_prompt(state, activation) {
                return Some(Action::Answer(number));
            }
            let rows = activation.rows.as_ref()?;
            let is_spent = !rows.is_written && state.tables.is_spent(&rows.rows);
            if is_spent && state.left.failed_rows == 0 {
                return Some(Action::WriteRows(number));
            }
            let is_replayed = rows.is_written && !activation.driver.core.is_ready();
            is_replayed.then_some(Action::AnswerRows(number))
        })
    }

    fn is_refused(&self, state: &State, activation: &Activation) -> bool {
        let pending = activation.call.as_ref().filter(|call| call.answer.is_none());
        pending.is_some_and(|call| {
            let number = activation.number;
            let is_read = call.request.is_read();
            !is_read && !state.database.would_apply(number, &call.request, self.mutant)
        })
    }

    fn is_prompt(&self, state: &State, activation: &Activation) -> bool {
        let Some(call) = &activation.call else { return false };
        match (&call.request, &call.answer) {
            (_, None) => false,
            (_, Some(Answer::Applied(Applied::No))) | (Request::Guard, _) => true,
            (request, Some(_)) => {
                let may_lose = !request.is_read() && state.left.unknown > 0;
                let is_unsure = may_lose && !self.is_covered_by_delay(state);
                !activation.driver.core.is_ready() && !is_unsure
            }
        }
    }

    /// Every statement whose outcome may be unknown may also be delayed.
    pub const fn is_covered_by_delay(&self, state: &State) -> bool {
        self.is_reduced && state.left.late >= state.left.unknown
    }
}
