//! Plans that replay real chat: the older scenario of that name, told in the report of the newer.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;

use super::console::Console;
use super::world::Source;
use crate::plan::{Plan, Replay};
use crate::run_report::{FORMAT, RunFigures, RunReport};
use crate::scenario::{ServerChoice, replay};
use crate::server_process::ServerSpec;
use crate::verdict::Figures;

/// Speakers of a made-up log.
const SPEAKERS: usize = 12;

/// Runs it on one server: an own one, or the first given.
pub async fn run(
    plan: Plan,
    source: Source,
    seed: u64,
    console: &Console,
) -> anyhow::Result<RunReport> {
    let planned = plan.replay.clone().unwrap_or_default();
    console.say(&format!("{}: {} (seed {seed})", plan.name, plan.summary));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let (server, description) = server(source, &plan)?;
    let (files, made_up) = files(&planned)?;
    let options = replay::Options {
        server,
        files,
        seed,
        cut_per_mille: planned.cut_sockets_per_mille,
        kill_server_after: planned.kill_server_after,
        catch_up: Duration::from_secs_f64(plan.timing.catch_up_s),
    };
    let played = replay::run(options).await;
    if let Some(file) = made_up {
        std::fs::remove_file(&file).with_context(|| file.display().to_string())?;
    }
    let outcome = played?;
    let counts = outcome.verdict.as_ref().map(|verdict| verdict.counts).unwrap_or_default();
    let mut figures = RunFigures { due: counts.sent, accepted: counts.acked, ..Default::default() };
    let mut notes = Vec::new();
    if let Figures::Replay(replayed) = &outcome.figures {
        for file in &replayed.files {
            figures.measured_s += file.replay_ms as f64 / 1_000.0;
            figures.read_back_s += file.read_back_ms as f64 / 1_000.0;
            notes.push(format!(
                "{}: {} lines of {} speakers, {} sockets cut, {} server kills",
                file.name, file.lines, file.speakers, file.sockets_cut, file.server_kills
            ));
        }
    }
    figures.delivered = counts.deliveries;
    let measured_s = figures.measured_s.max(1e-6);
    figures.accepted_per_s = figures.accepted as f64 / measured_s;
    figures.delivered_per_s = figures.delivered as f64 / measured_s;
    let mut report = RunReport {
        format: FORMAT,
        scenario: plan.name.clone(),
        passed: false,
        seed,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started_at: now.as_millis() as u64,
        server: description,
        cores: std::thread::available_parallelism().map_or(0, usize::from),
        plan,
        problems: outcome.problems,
        notes,
        checks: Vec::new(),
        verdict: outcome.verdict,
        figures,
        stages: Vec::new(),
        processes: Vec::new(),
        slices: Vec::new(),
        marks: Vec::new(),
        distribution: Vec::new(),
    };
    report.conclude();
    Ok(report)
}

fn server(source: Source, plan: &Plan) -> anyhow::Result<(ServerChoice, String)> {
    anyhow::ensure!(!plan.server.is_cluster(), "a replay through a cluster: faults --replay FILE");
    Ok(match source {
        Source::Own { binary, data_dir, mut environment } => {
            let planned = plan.server.environment.iter();
            environment.splice(0..0, planned.map(|(name, value)| (name.clone(), value.clone())));
            let spec = ServerSpec { binary, data_dir, environment };
            (ServerChoice::Own(spec), "own: 1 node, embedded store".to_owned())
        }
        Source::Given { targets, pids } => {
            let target = targets.into_iter().next().context("no target")?;
            let description = format!("given: {}", target.public);
            (ServerChoice::Running { target, pid: pids.first().copied() }, description)
        }
    })
}

fn files(planned: &Replay) -> anyhow::Result<(Vec<PathBuf>, Option<PathBuf>)> {
    if !planned.files.is_empty() {
        return Ok((planned.files.clone(), None));
    }
    let file = std::env::temp_dir().join(format!("made-up-chat-{}.jsonl", uuid::Uuid::now_v7()));
    std::fs::write(&file, made_up(planned.made_up_lines.max(1)))
        .with_context(|| file.display().to_string())?;
    Ok((vec![file.clone()], Some(file)))
}

/// Chat in which now and then somebody answers an earlier line.
fn made_up(lines: usize) -> String {
    let mut text = String::new();
    for index in 0..lines {
        let speaker = index * index % SPEAKERS;
        let answer =
            if index % 7 == 3 { format!(",\"reply_to\":[{}]", index - 3) } else { String::new() };
        // Writing into a string cannot fail.
        let _ = writeln!(
            text,
            "{{\"n\":{index},\"kind\":\"message\",\"from\":\"s{speaker}\",\
             \"text\":\"line {index} of s{speaker} ☂\"{answer}}}"
        );
    }
    text
}
