//! `migrate`: makes the keyspace of a cluster, or brings it to this version's shape.

use std::io::Write as _;

use super::{Outcome, block_on, print_json};
use crate::store::cql::{CqlConfig, MigrateReport, migrate};

/// Migrates the database of a cluster and prints what was done.
///
/// May be run at any time, also by several at once and while servers of the version before run.
pub(super) fn run(config: &CqlConfig, json: bool) -> anyhow::Result<Outcome> {
    let report = block_on(async { Ok(migrate(config).await?) })?;
    if json {
        print_json(&as_json(&report))?;
    } else {
        print(config, &report)?;
    }
    Ok(Outcome::Holds)
}

fn as_json(report: &MigrateReport) -> serde_json::Value {
    serde_json::json!({
        "made_keyspace": report.made_keyspace,
        "applied": report.applied,
        "store_id": report.facts.store_id,
        "shards": report.facts.shape.shards,
        "slots": report.facts.shape.slots,
        "generation": report.facts.generation,
    })
}

fn print(config: &CqlConfig, report: &MigrateReport) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    if report.made_keyspace {
        writeln!(out, "made the keyspace {}", config.keyspace)?;
    }
    for name in &report.applied {
        writeln!(out, "applied {name}")?;
    }
    let facts = report.facts;
    writeln!(
        out,
        "{config} is ready: store {}, {} shards of {} slots",
        facts.store_id, facts.shape.shards, facts.shape.slots
    )
}
