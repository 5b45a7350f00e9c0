mod action;
mod activation;
mod coverage;
mod database;
mod driver;
mod entries;
mod judge;
mod model;
mod mutant;
mod reduction;
mod state;
mod tables;

use stateright::{Checker as _, Model as _};

use crate::model::RingModel;
use crate::mutant::Mutant;
use crate::state::Bounds;

#[test]
fn explore() {
    let get = |name: &str, default: u8| {
        std::env::var(name).ok().and_then(|it| it.parse().ok()).unwrap_or(default)
    };
    let bounds = Bounds {
        owners: get("OWNERS", 2),
        activations: get("ACT", 3),
        epochs: get("EPOCHS", 3),
        messages: get("MSG", 3),
        slots: get("SLOTS", 2),
        retries: get("RETRIES", 0),
        unknown: get("UNKNOWN", 1),
        late: get("LATE", 1),
        failed_reads: get("READS", 0),
        failed_rows: get("ROWS", 0),
        late_rows: get("LROWS", 0),
        looks: get("LOOKS", 0),
        releases: get("REL", 0),
    };
    let mut model = RingModel::new(bounds, Mutant::None);
    model.is_reduced = get("REDUCED", 1) == 1;
    let coverage = model.coverage.clone();
    let begun = std::time::SystemTime::now();
    let checker = model
        .checker()
        .target_state_count(get("STATES", 20) as usize * 1_000_000)
        .spawn_dfs()
        .join();
    println!(
        "{} unique, {} steps, depth {}, {:?}",
        checker.unique_state_count(),
        checker.state_count(),
        checker.max_depth(),
        begun.elapsed().unwrap()
    );
    println!("{coverage}");
    for (name, path) in checker.discoveries() {
        println!("{name}: {:?}", path.clone().into_actions());
    }
}
