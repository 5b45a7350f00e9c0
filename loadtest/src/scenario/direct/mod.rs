//! Pairs of users in direct conversations, in a closed loop: the figure for one-to-one messages.
//!
//! Each pair has one message on its way. It counts once it is accepted (stored) **and** delivered;
//! then the next is sent. Latency runs from the send; the loop being closed, nothing is ever due
//! before. CPU is read from the operating system, the server's and the client's apart.

mod pair;
mod template;

use std::time::Duration;

use hdrhistogram::Histogram;
use schema::record::ConversationKind;
use schema::wire::{Encoding, Position};
use schema::{ConversationId, Sequence};
use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::{Backend, ServerChoice, keep_evidence};
use crate::client::{
    Credentials, LeanSocket, Recorder, Socket, SocketError, SocketStyle, provision,
};
use crate::process_stats;
use crate::verdict::{self, Outcome};
use pair::{Pair, PairReport, Sample, Window};

/// How many, how long, how large.
#[derive(Clone, Debug)]
pub struct Options {
    pub server: ServerChoice,
    pub pairs: usize,
    pub warmup: Duration,
    pub duration: Duration,
    /// Of each text, 16 at least.
    pub body_bytes: usize,
    /// Receivers acknowledge their position once in so many messages, as clients do.
    pub ack_every: u64,
}

/// Percentiles, microseconds.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Latency {
    pub p50_us: u64,
    pub p90_us: u64,
    pub p99_us: u64,
    pub p999_us: u64,
    pub max_us: u64,
}

/// What was measured within the window.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Figures {
    pub pairs: usize,
    pub body_bytes: usize,
    pub ack_every: u64,
    pub measured_s: f64,
    pub messages: u64,
    /// Stored and delivered, per second.
    pub messages_per_s: f64,
    pub accepted: Latency,
    pub delivered: Latency,
    /// Absent where the server's pid is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_cpu_us_per_message: Option<f64>,
    pub client_cpu_us_per_message: f64,
}

/// Between connecting and the warm-up: tasks and sockets are to be there.
const LEAD: Duration = Duration::from_millis(100);
/// Page size of the reading afterwards.
const PAGE_LIMIT: u64 = 200;

/// Runs the scenario.
///
/// # Errors
/// When it cannot be run: no server, or users cannot be made or connected.
pub async fn run(options: Options) -> anyhow::Result<Outcome> {
    let mut backend = Backend::open(options.server.clone()).await?;
    let pairs = connect_pairs(&backend, &options).await?;
    let recorder = Recorder::new();
    let (reports, figures) = measure(&backend, &options, pairs).await?;
    for report in &reports {
        if let Some(failure) = &report.failure {
            recorder.problem(failure.clone());
        }
        report.record(&recorder);
        let id = report.conversation_id();
        match backend.rest.read_forward(report.token(), id, PAGE_LIMIT).await {
            Ok(log) => recorder.record_log(id, &log),
            Err(error) => recorder.problem(format!("{error:#}")),
        }
    }
    let (verdict, mut problems) = recorder.judge();
    if figures.messages == 0 {
        problems.push("no message was both accepted and delivered in the window".to_owned());
    }
    let figures = verdict::Figures::Direct(figures);
    let outcome = Outcome::new("direct", None, figures, Some(verdict), problems);
    Ok(keep_evidence(outcome, &mut backend))
}

async fn connect_pairs(backend: &Backend, options: &Options) -> anyhow::Result<Vec<Pair>> {
    let users = provision(&backend.rest, "direct", options.pairs * 2).await?;
    let mut pairs = Vec::with_capacity(options.pairs);
    for two in users.chunks_exact(2) {
        let (sender, receiver) = (two[0].clone(), two[1].clone());
        let conversation_id = backend
            .rest
            .create_conversation(
                &sender.access_token,
                ConversationKind::Direct,
                vec![receiver.user_id],
                None,
            )
            .await?;
        let sender = connect(backend.address(), sender, conversation_id).await?;
        let receiver = connect(backend.address(), receiver, conversation_id).await?;
        let (bytes, ack_every) = (options.body_bytes.max(16), options.ack_every);
        pairs.push(Pair::new(conversation_id, sender, receiver, bytes, ack_every));
    }
    Ok(pairs)
}

async fn connect(
    address: &str,
    credentials: Credentials,
    conversation_id: ConversationId,
) -> Result<(Credentials, LeanSocket), SocketError> {
    let mut socket = Socket::connect(address, Encoding::MessagePack, SocketStyle::Lean).await?;
    let start = Position::new(conversation_id, Sequence::START);
    socket.greet(&credentials, vec![start]).await?;
    match socket {
        Socket::Lean(socket) => Ok((credentials, *socket)),
        Socket::Standard(_) => Err(SocketError::Protocol("not the socket asked for".to_owned())),
    }
}

/// Runs all pairs; CPU is read at both ends of the window.
async fn measure(
    backend: &Backend,
    options: &Options,
    pairs: Vec<Pair>,
) -> anyhow::Result<(Vec<PairReport>, Figures)> {
    let begin = Instant::now() + LEAD + options.warmup;
    let window = Window { begin, end: begin + options.duration };
    let mut running = JoinSet::new();
    for pair in pairs {
        running.spawn(pair.run(window));
    }
    sleep_until(window.begin).await;
    let cpu_before = Cpu::read(backend.pid())?;
    sleep_until(window.end).await;
    let cpu_after = Cpu::read(backend.pid());
    let reports = running.join_all().await;
    let samples: Vec<Sample> =
        reports.iter().flat_map(|report| report.samples.iter().copied()).collect();
    let mut figures = summarise(options, &samples)?;
    // A server that died has no CPU to read: the reports say so.
    if let Ok(cpu_after) = cpu_after {
        let per_message =
            |time: Duration| time.as_secs_f64() * 1_000_000.0 / figures.messages.max(1) as f64;
        figures.client_cpu_us_per_message = per_message(cpu_after.client - cpu_before.client);
        figures.server_cpu_us_per_message = cpu_after
            .server
            .zip(cpu_before.server)
            .map(|(after, before)| per_message(after - before));
    }
    Ok((reports, figures))
}

/// CPU time since the start of the two processes.
struct Cpu {
    server: Option<Duration>,
    client: Duration,
}

impl Cpu {
    fn read(server_pid: Option<u32>) -> anyhow::Result<Self> {
        let server = server_pid.map(process_stats::cpu_time).transpose()?;
        Ok(Self { server, client: process_stats::cpu_time(std::process::id())? })
    }
}

fn summarise(options: &Options, samples: &[Sample]) -> anyhow::Result<Figures> {
    let measured_s = options.duration.as_secs_f64();
    let messages = samples.len() as u64;
    Ok(Figures {
        pairs: options.pairs,
        body_bytes: options.body_bytes.max(16),
        ack_every: options.ack_every,
        measured_s,
        messages,
        messages_per_s: messages as f64 / measured_s.max(0.001),
        accepted: latency(samples.iter().map(|sample| sample.accepted_us))?,
        delivered: latency(samples.iter().map(|sample| sample.delivered_us))?,
        ..Figures::default()
    })
}

fn latency(samples_us: impl Iterator<Item = u64>) -> anyhow::Result<Latency> {
    // Three digits, up to a minute.
    let mut histogram = Histogram::<u64>::new_with_bounds(1, 60_000_000, 3)?;
    for sample_us in samples_us {
        histogram.saturating_record(sample_us.max(1));
    }
    let at = |percent| histogram.value_at_percentile(percent);
    Ok(Latency {
        p50_us: at(50.0),
        p90_us: at(90.0),
        p99_us: at(99.0),
        p999_us: at(99.9),
        max_us: histogram.max(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_samples() {
        let found = latency(1..=1_000).unwrap();
        assert!((495..=505).contains(&found.p50_us), "{found:?}");
        assert!((985..=995).contains(&found.p99_us), "{found:?}");
        assert!((999..=1_001).contains(&found.max_us), "{found:?}");
    }
}
