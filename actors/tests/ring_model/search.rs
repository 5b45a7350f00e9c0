//! Runs the checker and reports.

use std::time::SystemTime;

use stateright::{Checker, HasDiscoveries, Model as _};

use super::action::Action;
use super::coverage::{Coverage, Sight};
use super::model::RingModel;
use super::mutant::Mutant;
use super::state::Bounds;

/// A property, and the steps after which it does not hold.
pub type Failure = (&'static str, Vec<Action>);

/// What an exhaustive search came across.
pub struct Searched(std::sync::Arc<Coverage>);

impl Searched {
    /// # Panics
    /// If one of them was not seen: then the search proves less than it should.
    pub fn must_have_seen(&self, sights: &[Sight]) {
        let unseen: Vec<_> = sights.iter().filter(|sight| self.0.count(**sight) == 0).collect();
        assert!(unseen.is_empty(), "never seen: {unseen:?}");
    }
}

/// Visits every state within the bounds; all properties must hold in all of them.
pub fn exhaust(bounds: Bounds) -> Searched {
    exhaust_model(RingModel::new(bounds, Mutant::None))
}

/// # Panics
/// If a property does not hold somewhere: with the shortest way there.
pub fn exhaust_model(model: RingModel) -> Searched {
    let found = failures(model.clone());
    if !found.is_empty() {
        let search = model.checker().finish_when(HasDiscoveries::AnyFailures);
        let shortest = paths(&search.spawn_bfs().join());
        panic!("{shortest:#?}");
    }
    println!("{}", model.coverage);
    Searched(model.coverage)
}

/// All properties that do not hold everywhere.
#[must_use]
pub fn failures(model: RingModel) -> Vec<Failure> {
    println!("{:?}, {:?}, reduced: {}", model.mutant, model.bounds, model.is_reduced);
    let begun = SystemTime::now();
    let checker = model.checker().spawn_dfs().join();
    report(&checker, begun);
    paths(&checker)
}

/// Searches until a property fails, with reductions and without.
///
/// # Panics
/// If it never does.
pub fn hunt(mutant: Mutant, bounds: Bounds, property: &'static str) {
    for is_reduced in [true, false] {
        hunt_one(RingModel { is_reduced, ..RingModel::new(bounds, mutant) }, property);
    }
}

fn hunt_one(model: RingModel, property: &'static str) {
    let (mutant, is_reduced) = (model.mutant, model.is_reduced);
    let search = model.checker().finish_when(HasDiscoveries::AllOf([property].into()));
    let begun = SystemTime::now();
    let checker = search.spawn_bfs().join();
    let found = paths(&checker);
    let Some((_, steps)) = found.iter().find(|(name, _)| *name == property) else {
        panic!("{mutant:?} does not break: {property}");
    };
    println!("{mutant:?} breaks: {property}; reduced: {is_reduced}; {} steps", steps.len());
    println!("  {steps:?}");
    report(&checker, begun);
}

fn report(checker: &impl Checker<RingModel>, begun: SystemTime) {
    println!(
        "  {} unique states, {} steps, {} deep, {:.1} s",
        checker.unique_state_count(),
        checker.state_count(),
        checker.max_depth(),
        begun.elapsed().unwrap_or_default().as_secs_f32(),
    );
}

fn paths(checker: &impl Checker<RingModel>) -> Vec<Failure> {
    let discoveries = checker.discoveries().into_iter();
    discoveries.map(|(name, path)| (name, path.into_actions())).collect()
}
