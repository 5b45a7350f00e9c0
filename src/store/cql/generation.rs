//! A new generation of a cluster's store, after its tables were restored.

use super::config::CqlConfig;
use super::facts;
use super::open::CqlOpenError;
use super::rows::small;
use super::store::Store;

/// Starts a new generation, `at_least` that number, and returns it. Servers read it when they start: none
/// may run.
///
/// # Errors
/// As for connecting, and when another did the same a moment ago.
pub async fn raise_generation(config: &CqlConfig, at_least: u32) -> Result<u32, CqlOpenError> {
    let store = Store::connect(config).await?;
    let before = store.facts().generation;
    let generation = at_least.max(before + 1);
    let cql = "UPDATE cluster SET generation = ? WHERE id = 1 IF generation = ?";
    let values = (small(generation.into()), small(before.into()));
    if facts::change(store.session(), store.profiles(), cql, values).await? {
        return Ok(generation);
    }
    Err(CqlOpenError::Database("the generation was raised by another a moment ago".to_owned()))
}
