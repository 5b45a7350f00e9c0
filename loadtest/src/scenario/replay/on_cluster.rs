//! The replay through a cluster of the scenario's own: speakers and readers spread over its nodes,
//! all logs at once, while nodes are paused and killed and everything around them breaks.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use futures_util::future::try_join_all;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use schema::Sequence;
use tokio::time::{Instant, sleep};

use super::cast::Cast;
use super::chat_log::ChatLog;
use super::{Figures, FileFigures, Options, draft};
use crate::client::Recorder;
use crate::faults::schedule;
use crate::scenario::Backend;
use crate::scenario::faults::{self, stage::Stage};
use crate::verdict::{self, Outcome};

/// Between two lines of a log, at the most, milliseconds: so that faults meet many of them.
const PAUSE_MS_MAX: u64 = 60;

/// Runs the scenario on a cluster that it starts. Of `options` the files, the seed and the time to
/// catch up count; `cluster` says which cluster, and what breaks.
///
/// # Errors
/// When it cannot be run: a service or a server does not start, an unreadable file.
pub async fn run(options: Options, cluster: faults::Options) -> anyhow::Result<Outcome> {
    let logs: Vec<ChatLog> =
        options.files.iter().map(|file| ChatLog::read(file)).collect::<anyhow::Result<_>>()?;
    anyhow::ensure!(!logs.is_empty(), "no file is given");
    let stage = Stage::start(&cluster).await?;
    let backend = Backend::of_nodes(stage.cluster.targets())?;
    let recorder = Recorder::new();
    let mut random = StdRng::seed_from_u64(options.seed);
    let mut casts = Vec::new();
    for log in &logs {
        let choices = (random.random(), options.catch_up);
        casts.push(Cast::assemble(&backend, log, &recorder, choices).await.context("the cast")?);
    }
    let nemesis = Arc::new(stage.nemesis());
    let schedule = schedule(cluster.seed, &cluster.mix, nemesis.shape(), cluster.duration);
    let mut figures = Figures::default();
    let played = async {
        let sends = logs.iter().zip(&casts).map(|(log, cast)| {
            send_lines(log, cast, &recorder, StdRng::seed_from_u64(random.random()))
        });
        // All faults strike, and all lines are said.
        let (sent, ()) = tokio::join!(try_join_all(sends), nemesis.execute(&schedule));
        figures.files = sent?;
        nemesis.heal().await.context("healing")?;
        for (cast, file) in casts.into_iter().zip(&mut figures.files) {
            let begun = Instant::now();
            file.head = cast.read_back(&backend, &recorder).await?;
            file.read_back_ms = begun.elapsed().as_millis() as u64;
        }
        if let Err(report) = stage.cluster.audit().await.context("the audit")? {
            recorder.problem(format!("the audit of the store fails: {report}"));
        }
        anyhow::Ok(())
    };
    if let Err(error) = played.await {
        recorder.problem(format!("{error:#}"));
    }
    let tally = nemesis.tally();
    drop(nemesis);
    let (verdict, mut problems) = recorder.judge();
    problems.extend(tally.problems.iter().cloned());
    for class in schedule.classes() {
        if tally.struck.get(class.name()).copied().unwrap_or_default() == 0 {
            problems.push(format!("{} was asked for and struck nobody", class.name()));
        }
    }
    let lines: u64 = logs.iter().map(|log| log.lines.len() as u64).sum();
    if verdict.counts.messages != lines {
        let held = verdict.counts.messages;
        problems.push(format!("{lines} lines were to be sent, the logs hold {held} messages"));
    }
    figures.tally = Some(tally);
    let figures = verdict::Figures::Replay(figures);
    let outcome = Outcome::new("replay", Some(options.seed), figures, Some(verdict), problems);
    Ok(stage.end(outcome))
}

/// A line is said when the line before it is accepted.
async fn send_lines(
    log: &ChatLog,
    cast: &Cast,
    recorder: &Recorder,
    mut random: StdRng,
) -> anyhow::Result<FileFigures> {
    let begun = Instant::now();
    let mut numbers: Vec<Sequence> = Vec::with_capacity(log.lines.len());
    for (index, line) in log.lines.iter().enumerate() {
        let draft = draft(cast, line, &numbers);
        let accepted = cast.speakers[line.speaker].send(draft, None).await;
        let seq = accepted.with_context(|| format!("{}: line {index}", log.name))?.seq;
        if numbers.last().is_some_and(|last| *last >= seq) {
            recorder.problem(format!("{}: line {index} got {seq}, not above the last", log.name));
        }
        numbers.push(seq);
        sleep(Duration::from_millis(random.random_range(0..=PAUSE_MS_MAX))).await;
    }
    let replay_ms = begun.elapsed().as_millis() as u64;
    Ok(FileFigures { replay_ms, ..FileFigures::of(log) })
}
