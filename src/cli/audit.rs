//! `audit`: reads the whole stored log and proves its promises.

use std::collections::BTreeMap;
use std::io::Write as _;

use actors::committer::payload;
use actors::ports::wall_clock::SystemClock;
use actors::ports::{StoreError, WallClock as _};
use anyhow::Context as _;
use schema::checker::{History, Row, Violation};
use schema::record::Entry;
use schema::{ConversationId, Sequence};
use serde::Serialize;

use super::options::ServerOptions;
use super::{Outcome, block_on, print_json};
use crate::config::StoreAddress;
use crate::store::cql::{self, AuditOptions, CqlConfig};
use crate::store::embedded::{ReadOnlyStore, open_read_only};

/// Violations that are printed.
const VIOLATIONS_SHOWN: usize = 20;

#[derive(clap::Args)]
pub(super) struct AuditArguments {
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
    /// Of a cluster: look every entry of the last 29 days up in the index of sent ids
    #[arg(long)]
    sent_index: bool,
    #[command(flatten)]
    options: ServerOptions,
}

/// What was read and what is wrong with it.
#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    pub passed: bool,
    pub conversations: u64,
    rows: u64,
    pub messages: u64,
    /// Rows of commits that readers' tables do not have yet.
    rows_only_in_ring: u64,
    violations: Vec<Violation>,
    /// Where the ring of commits and the readers' tables disagree, or a slot does not read.
    ring_faults: Vec<String>,
    /// What SQLite finds wrong with its file.
    file_faults: Vec<String>,
}

/// Committed entries that may not be materialised yet.
type RingRows = BTreeMap<ConversationId, BTreeMap<Sequence, Row>>;

pub(super) fn run(arguments: &AuditArguments) -> anyhow::Result<Outcome> {
    let config = arguments.options.load()?;
    if let StoreAddress::Cql(url) = &config.store {
        return cluster(&CqlConfig::from_url(url.expose())?, arguments);
    }
    let store = match open_read_only(&config.data_dir) {
        Ok(store) => store,
        Err(error) => {
            writeln!(std::io::stderr(), "error: nothing to audit: {error}")?;
            return Ok(Outcome::CannotTell);
        }
    };
    let report = match audit(&store) {
        Ok(report) => report,
        Err(error) => {
            writeln!(std::io::stderr(), "error: the store cannot be read: {error:#}")?;
            return Ok(Outcome::CannotTell);
        }
    };
    if arguments.json {
        print_json(&report)?;
    } else {
        let counts = Counts {
            conversations: report.conversations,
            rows: report.rows,
            messages: report.messages,
            rows_only_in_ring: report.rows_only_in_ring,
        };
        let faults = report.file_faults.iter().chain(&report.ring_faults).cloned();
        let violations = report.violations.iter().map(ToString::to_string);
        print(report.passed, counts, faults.chain(violations))?;
    }
    Ok(if report.passed { Outcome::Holds } else { Outcome::DoesNotHold })
}

/// The log of a live cluster.
fn cluster(config: &CqlConfig, arguments: &AuditArguments) -> anyhow::Result<Outcome> {
    let now_ms = SystemClock.now_ms();
    let options = AuditOptions { sent_index: arguments.sent_index, now_ms };
    let audited = block_on(async {
        let store = cql::Store::connect(config).await?;
        anyhow::Ok(cql::audit(&store, options).await?)
    });
    let report = match audited {
        Ok(report) => report,
        Err(error) => {
            writeln!(std::io::stderr(), "error: the store cannot be read: {error:#}")?;
            return Ok(Outcome::CannotTell);
        }
    };
    if arguments.json {
        print_json(&report)?;
    } else {
        let (faults, violations) = (
            report.ring_faults.iter().chain(&report.index_faults),
            report.violations.iter().map(ToString::to_string),
        );
        let counts = Counts {
            conversations: report.conversations,
            rows: report.rows,
            messages: report.messages,
            rows_only_in_ring: report.rows_only_in_ring,
        };
        print(report.passed, counts, faults.cloned().chain(violations))?;
    }
    Ok(if report.passed { Outcome::Holds } else { Outcome::DoesNotHold })
}

/// One conversation at a time: memory is that of the largest.
pub(super) fn audit(store: &ReadOnlyStore) -> anyhow::Result<Report> {
    let mut report =
        Report { file_faults: store.faults_of_file().context("check")?, ..Report::default() };
    // The ring first: a commit that is materialised meanwhile is then seen twice, never not at all.
    let mut ring = ring_rows(store, &mut report.ring_faults)?;
    for conversation in store.conversations() {
        let conversation = conversation.context("conversations")?;
        let committed = ring.remove(&conversation).unwrap_or_default();
        audit_conversation(store, conversation, committed, &mut report)?;
    }
    for (conversation, committed) in ring {
        audit_conversation(store, conversation, committed, &mut report)?;
    }
    report.passed = report.violations.is_empty()
        && report.ring_faults.is_empty()
        && report.file_faults.is_empty();
    Ok(report)
}

fn audit_conversation(
    store: &ReadOnlyStore,
    conversation: ConversationId,
    mut committed: BTreeMap<Sequence, Row>,
    report: &mut Report,
) -> anyhow::Result<()> {
    let mut history = History::new();
    // The head first: entries that come meanwhile are above it, and no violation.
    history.record_head(conversation, store.head(conversation).context("head")?);
    for entry in store.entries(conversation) {
        let entry: Entry = entry.context("entries")?;
        let row = Row::from(&entry);
        if let Some(in_ring) = committed.remove(&row.seq)
            && !in_ring.agrees(&row)
        {
            report.ring_faults.push(format!(
                "conversation {conversation}: the ring has {in_ring}, readers are shown {row}"
            ));
        }
        history.record_log_row(row);
    }
    // After the entries: what is removed meanwhile is not missing.
    let row = store.conversation(conversation).context("conversation")?;
    history.record_removed(conversation, row.map_or(Sequence::START, |it| it.purged_up_to));
    report.rows_only_in_ring += u64::try_from(committed.len()).unwrap_or(u64::MAX);
    for row in committed.into_values() {
        history.record_log_row(row);
    }
    let verdict = history.check();
    report.conversations += 1;
    report.rows += verdict.counts.log_rows;
    report.messages += verdict.counts.messages;
    report.violations.extend(verdict.violations);
    Ok(())
}

fn ring_rows(store: &ReadOnlyStore, faults: &mut Vec<String>) -> Result<RingRows, StoreError> {
    let mut rows = RingRows::new();
    for shard in 0..store.facts().shape.shards {
        let Some(guard) = store.guard(shard)? else { continue };
        for n in guard.done + 1..=guard.head {
            // A slot with another number was materialised and used again since the guard was read.
            let Some(slot) = store.slot(shard, n)?.filter(|slot| slot.n == n) else {
                check_still_owed(store, shard, n, faults)?;
                continue;
            };
            match payload::split(&slot.payload) {
                Ok(entries) => entries.iter().map(Row::from).for_each(|row| {
                    rows.entry(row.conversation_id).or_default().insert(row.seq, row);
                }),
                Err(error) => faults.push(format!("shard {shard}, commit {n}: {error}")),
            }
        }
    }
    Ok(rows)
}

/// A commit that is not materialised must be in its slot.
fn check_still_owed(
    store: &ReadOnlyStore,
    shard: u32,
    n: u64,
    faults: &mut Vec<String>,
) -> Result<(), StoreError> {
    if store.guard(shard)?.is_some_and(|guard| guard.done < n) {
        faults.push(format!("shard {shard}, commit {n}: neither materialised nor in its slot"));
    }
    Ok(())
}

/// What was read.
struct Counts {
    conversations: u64,
    rows: u64,
    messages: u64,
    rows_only_in_ring: u64,
}

fn print(
    passed: bool,
    counts: Counts,
    faults: impl Iterator<Item = String>,
) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    let verdict = if passed { "PASS" } else { "FAIL" };
    let Counts { conversations, rows, messages, rows_only_in_ring } = counts;
    writeln!(
        out,
        "{verdict}: {conversations} conversations, {rows} rows ({messages} messages), \
         {rows_only_in_ring} rows only in the ring"
    )?;
    for line in faults.take(VIOLATIONS_SHOWN) {
        writeln!(out, "  - {line}")?;
    }
    Ok(())
}
