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

fn hunt(mutant: Mutant, bounds: Bounds, expected: &'static str) {
    let mut model = RingModel::new(bounds, mutant);
    model.is_reduced = std::env::var("MREDUCED").is_ok();
    let begun = std::time::SystemTime::now();
    let checker = model
        .checker()
        .finish_when(stateright::HasDiscoveries::AllOf([expected].into()))
        .target_state_count(15_000_000)
        .spawn_bfs()
        .join();
    println!(
        "{mutant:?}: {} unique, {} steps, depth {}, {:?}",
        checker.unique_state_count(),
        checker.state_count(),
        checker.max_depth(),
        begun.elapsed().unwrap()
    );
    let mut found: Vec<_> =
        checker.discoveries().into_iter().map(|(name, path)| (path.into_actions(), name)).collect();
    found.sort_by_key(|(path, _)| path.len());
    for (path, name) in found {
        println!("  {} {name}: {path:?}", if name == expected { "!!" } else { "  " });
    }
}

#[test]
fn mutants() {
    let two = Bounds {
        owners: 2,
        activations: 2,
        epochs: 3,
        messages: 2,
        slots: 2,
        unknown: 1,
        late: 1,
        ..Bounds::default()
    };
    let plain = Bounds { unknown: 0, late: 0, ..two };
    hunt(Mutant::DropHead, Bounds { unknown: 0, ..two }, judge::COMMITS_HAVE_NO_GAP);
    hunt(Mutant::DropHead, Bounds { unknown: 0, ..two }, judge::ACKNOWLEDGED_IS_KEPT);
    hunt(Mutant::DropOwner, plain, judge::NO_ALARM);
    hunt(Mutant::RetryWithOtherBytes, two, judge::ACKNOWLEDGED_WAS_STORED);
    hunt(Mutant::AckBeforeResolve, two, judge::ACKNOWLEDGED_WAS_STORED);
    hunt(Mutant::DoneBeforeMaterialised, plain, judge::DONE_IS_MATERIALISED);
    hunt(Mutant::DoneBeforeMaterialised, plain, judge::ACKNOWLEDGED_IS_KEPT);
    hunt(Mutant::WallClockTimestamps, plain, judge::DONE_IS_MATERIALISED);
    hunt(Mutant::WallClockTimestamps, plain, judge::NUMBERS_HAVE_NO_GAP);
    hunt(
        Mutant::WallClockTimestamps,
        Bounds { activations: 3, messages: 3, ..plain },
        judge::NUMBERS_HAVE_NO_GAP,
    );
    hunt(Mutant::ServeBeforeReplayed, Bounds { messages: 3, ..plain }, judge::NUMBERS_HAVE_NO_GAP);
    hunt(Mutant::NoSentIndex, Bounds { retries: 1, ..plain }, judge::AN_ID_HAS_ONE_NUMBER);
}

#[test]
fn drop_owner_all() {
    let two = Bounds {
        owners: 2,
        activations: 2,
        epochs: 3,
        messages: 2,
        slots: 2,
        unknown: 1,
        late: 1,
        ..Bounds::default()
    };
    for bounds in [
        Bounds { unknown: 0, late: 0, ..two },
        two,
        Bounds { activations: 3, unknown: 0, late: 0, ..two },
        Bounds { messages: 3, unknown: 0, late: 0, ..two },
    ] {
        let model = RingModel { is_reduced: false, ..RingModel::new(bounds, Mutant::DropOwner) };
        let checker = model.checker().target_state_count(15_000_000).spawn_dfs().join();
        println!("{} unique", checker.unique_state_count());
        for (name, path) in checker.discoveries() {
            println!("  {name}: {:?}", path.into_actions());
        }
    }
}
