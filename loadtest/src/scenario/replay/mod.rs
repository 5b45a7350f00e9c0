//! Replays logs of real chat, each as one group conversation, and reads them back in every way.
//!
//! Every speaker is a user on a socket of its own. A line is sent only when the line before it is
//! accepted, so the log's order is known and must be found again by everyone: the speakers live,
//! readers that come late and catch up from the start, pages over sockets and REST in both
//! directions. Sockets are reset and the server is killed on the way, if asked.

mod cast;
pub mod chat_log;
mod on_cluster;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use schema::record::Content;
use schema::{MessageId, Sequence};
use serde::Serialize;
use tokio::time::{Instant, sleep};

use super::{Backend, ServerChoice};
use crate::client::{Cut, Draft, Recorder};
use crate::faults::Tally;
use crate::verdict::{self, Outcome};
pub use on_cluster::run as run_on_cluster;

use cast::Cast;
use chat_log::{ChatLog, Line};

/// What to replay, and what to break meanwhile.
#[derive(Clone, Debug)]
pub struct Options {
    pub server: ServerChoice,
    pub files: Vec<PathBuf>,
    /// Of all random choices.
    pub seed: u64,
    /// Of 1,000 lines, so many have their sender's socket reset round the send, and as many the
    /// socket of another speaker.
    pub cut_per_mille: u32,
    /// `kill -9` of an own server while the line after this many is on its way, in each file.
    pub kill_server_after: Option<usize>,
    /// How long each reader has at the end to get everything. One that has not fails.
    pub catch_up: Duration,
}

/// The usual [`Options::catch_up`].
pub const CATCH_UP: Duration = Duration::from_secs(60);

/// What was replayed.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Figures {
    pub files: Vec<FileFigures>,
    /// What was broken meanwhile, in a cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tally: Option<Tally>,
}

/// One file's share.
#[derive(Clone, Debug, Default, Serialize)]
pub struct FileFigures {
    pub name: String,
    pub lines: usize,
    pub speakers: usize,
    /// Messages of the log that say nothing and were not sent.
    pub empty_messages: usize,
    pub head: Sequence,
    pub sockets_cut: usize,
    pub server_kills: usize,
    /// From `kill -9` to being reachable again, milliseconds.
    pub restart_ms: Option<u64>,
    pub replay_ms: u64,
    /// Until every reader had everything and the log was read back, milliseconds.
    pub read_back_ms: u64,
}

impl FileFigures {
    fn of(log: &ChatLog) -> Self {
        Self {
            name: log.name.clone(),
            lines: log.lines.len(),
            speakers: log.speakers.len(),
            empty_messages: log.empty_messages,
            ..Self::default()
        }
    }
}

/// Resets come at most this long after the frame is written.
const CUT_DELAY_US_MAX: u64 = 3_000;
/// A kill comes at most this long after its line was handed over.
const KILL_DELAY_US_MAX: u64 = 2_000;

/// Runs the scenario.
///
/// # Errors
/// When it cannot be run: no server, an unreadable file. What the server does wrong is in the
/// [`Outcome`].
pub async fn run(options: Options) -> anyhow::Result<Outcome> {
    let Options { server, files, seed, .. } = &options;
    let logs: Vec<ChatLog> =
        files.iter().map(|file| ChatLog::read(file)).collect::<anyhow::Result<_>>()?;
    anyhow::ensure!(!logs.is_empty(), "no file is given");
    let mut backend = Backend::open(server.clone()).await?;
    if options.kill_server_after.is_some() {
        backend.own()?;
    }
    let recorder = Recorder::new();
    let mut random = StdRng::seed_from_u64(*seed);
    let mut figures = Figures::default();
    let mut lines_sent = 0;
    for log in &logs {
        let mut replay =
            Replay { log, options: &options, recorder: &recorder, random: &mut random };
        // What a broken server leads to is a failure, not a scenario that could not be run.
        match replay.run(&mut backend).await {
            Ok(file) => figures.files.push(file),
            Err(error) => recorder.problem(format!("{}: {error:#}", log.name)),
        }
        lines_sent += log.lines.len() as u64;
    }
    let (verdict, mut problems) = recorder.judge();
    if verdict.counts.messages != lines_sent {
        problems.push(format!(
            "{lines_sent} lines were to be sent, the logs hold {} messages",
            verdict.counts.messages
        ));
    }
    let figures = verdict::Figures::Replay(figures);
    let outcome = Outcome::new("replay", Some(*seed), figures, Some(verdict), problems);
    Ok(super::keep_evidence(outcome, &mut backend))
}

/// One file on its way.
struct Replay<'a> {
    log: &'a ChatLog,
    options: &'a Options,
    recorder: &'a Recorder,
    random: &'a mut StdRng,
}

impl Replay<'_> {
    async fn run(&mut self, backend: &mut Backend) -> anyhow::Result<FileFigures> {
        let choices = (self.random.random(), self.options.catch_up);
        let cast = Cast::assemble(backend, self.log, self.recorder, choices).await?;
        let mut figures = FileFigures::of(self.log);
        let begun = Instant::now();
        self.send_lines(backend, &cast, &mut figures).await?;
        figures.replay_ms = begun.elapsed().as_millis() as u64;
        let begun = Instant::now();
        figures.head = cast.read_back(backend, self.recorder).await?;
        figures.read_back_ms = begun.elapsed().as_millis() as u64;
        Ok(figures)
    }

    async fn send_lines(
        &mut self,
        backend: &mut Backend,
        cast: &Cast,
        figures: &mut FileFigures,
    ) -> anyhow::Result<()> {
        let mut numbers: Vec<Sequence> = Vec::with_capacity(self.log.lines.len());
        for (index, line) in self.log.lines.iter().enumerate() {
            let draft = draft(cast, line, &numbers);
            let cut = self.choose_cuts(cast, figures).await;
            let sending = cast.speakers[line.speaker].send(draft, cut);
            let accepted = if self.options.kill_server_after == Some(index) {
                let delay = Duration::from_micros(self.random.random_range(0..KILL_DELAY_US_MAX));
                let (accepted, restart) = tokio::join!(sending, kill(backend, delay));
                figures.server_kills += 1;
                figures.restart_ms = Some(restart?.as_millis() as u64);
                accepted
            } else {
                sending.await
            };
            let seq = accepted.with_context(|| format!("line {index}"))?.seq;
            if numbers.last().is_some_and(|last| *last >= seq) {
                let last = numbers.last().copied().unwrap_or_default();
                self.recorder.problem(format!(
                    "{}: line {index} got {seq}, the line before it {last}",
                    self.log.name
                ));
            }
            numbers.push(seq);
        }
        Ok(())
    }

    /// Rolls for the sender's socket and for another one's; the other one is reset now.
    async fn choose_cuts(&mut self, cast: &Cast, figures: &mut FileFigures) -> Option<Cut> {
        let chance = self.options.cut_per_mille.min(1_000);
        let other = self.random.random_range(0..cast.speakers.len());
        if self.random.random_ratio(chance, 1_000) {
            figures.sockets_cut += 1;
            cast.speakers[other].cut().await;
        }
        let cut = Cut {
            before_write: self.random.random_ratio(1, 4),
            delay: Duration::from_micros(self.random.random_range(0..CUT_DELAY_US_MAX)),
        };
        let is_cut = self.random.random_ratio(chance, 1_000);
        figures.sockets_cut += usize::from(is_cut);
        is_cut.then_some(cut)
    }
}

fn draft(cast: &Cast, line: &Line, numbers: &[Sequence]) -> Draft {
    Draft {
        conversation_id: cast.conversation_id,
        message_id: MessageId::generate(),
        content: Content::Text { text: line.text.clone() },
        reply_to: line.reply_to.map(|answered| numbers[answered]),
    }
}

async fn kill(backend: &mut Backend, delay: Duration) -> anyhow::Result<Duration> {
    sleep(delay).await;
    let server = backend.own()?;
    server.kill_9().await?;
    server.restart().await
}
