//! The model as the checker sees it.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use stateright::{Model, Property};

use super::action::Action;
use super::coverage::Coverage;
use super::judge;
use super::mutant::Mutant;
use super::state::{Bounds, State, digest};
use super::step::Step;

/// The ring, its owners and their clients, within bounds.
#[derive(Clone)]
pub struct RingModel {
    pub bounds: Bounds,
    pub mutant: Mutant,
    /// Leaves out what leads nowhere else, see [`super::reduction`].
    pub is_reduced: bool,
    pub coverage: Arc<Coverage>,
    /// What the database and clients came to show, for a comparison of searches.
    pub shown: Option<Arc<Mutex<HashSet<u64>>>>,
}

impl RingModel {
    #[must_use]
    pub fn new(bounds: Bounds, mutant: Mutant) -> Self {
        let is_reduced = mutant == Mutant::None;
        Self { bounds, mutant, is_reduced, coverage: Arc::default(), shown: None }
    }
}

impl Model for RingModel {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::new(self.bounds, self.mutant)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        self.enabled(state, actions);
    }

    fn next_state(&self, before: &State, action: Action) -> Option<State> {
        let mut state = before.clone();
        let mut has_changed = Step { model: self, state: &mut state }.take(action);
        while has_changed && let Some(action) = self.prompt(&state) {
            has_changed = Step { model: self, state: &mut state }.take(action);
        }
        if has_changed && let Some(shown) = &self.shown {
            let projection = (&state.database, &state.tables, &state.acknowledged);
            shown.lock().unwrap().insert(digest(&projection));
        }
        has_changed.then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        judge::properties()
    }

    fn within_boundary(&self, state: &State) -> bool {
        state.guard().is_none_or(|guard| guard.epoch.0 <= u64::from(self.bounds.epochs))
    }
}
