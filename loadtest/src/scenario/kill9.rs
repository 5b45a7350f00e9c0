//! Kills the server at random moments under load: nothing acknowledged may be lost, nothing stored
//! twice, no number skipped.
//!
//! Senders in several group conversations send without pause, a few messages each in flight. Each
//! round ends with `kill -9`; the server is started again on its data, the senders come back with
//! their positions and repeat what was not acknowledged under the same ids.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use schema::record::{Content, ConversationKind};
use schema::wire::{Accepted, Encoding};
use schema::{ConversationId, MessageId, Sequence};
use serde::Serialize;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::{Backend, ServerChoice, keep_evidence};
use crate::client::{
    Credentials, Device, DeviceOptions, Draft, Habits, Recorder, SocketStyle, provision,
};
use crate::verdict::{self, Outcome};

/// How much, and how often the server dies.
#[derive(Clone, Debug)]
pub struct Options {
    /// Must be an own one.
    pub server: ServerChoice,
    pub rounds: u32,
    pub senders: usize,
    pub conversations: usize,
    /// Messages a sender has on their way at once.
    pub pipeline: usize,
    /// How long the server lives in a round, from and to, milliseconds.
    pub uptime_ms: (u64, u64),
    /// A sender's pause after each message, from and to, milliseconds.
    pub pause_ms: (u64, u64),
    /// How long each reader has at the end to get everything. One that has not fails.
    pub catch_up: Duration,
    pub seed: u64,
}

impl Options {
    #[must_use]
    pub const fn new(server: ServerChoice, seed: u64) -> Self {
        Self {
            server,
            rounds: 20,
            senders: 100,
            conversations: 5,
            pipeline: 4,
            uptime_ms: (200, 1_500),
            pause_ms: (20, 200),
            catch_up: Duration::from_secs(60),
            seed,
        }
    }
}

/// What was done to the server.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Figures {
    pub kills: u32,
    pub senders: usize,
    pub conversations: usize,
    pub accepted: u64,
    /// From `kill -9` to being reachable again, each round, milliseconds.
    pub restart_ms: Vec<u64>,
    pub elapsed_ms: u64,
}

const CONNECT_WAIT: Duration = Duration::from_secs(60);
/// For what is still unanswered after the last restart.
const ANSWER_WAIT: Duration = Duration::from_secs(90);
/// For a late reader, however long the others took.
const LATE_WAIT_MIN: Duration = Duration::from_secs(5);
const SETTLE: Duration = Duration::from_millis(300);
const TEXT_BYTES_MAX: usize = 300;

/// Runs the scenario.
///
/// # Errors
/// When it cannot be run: no own server, or it does not start. What the server does wrong is in
/// the [`Outcome`].
pub async fn run(options: Options) -> anyhow::Result<Outcome> {
    anyhow::ensure!(
        options.senders >= options.conversations && options.conversations > 0,
        "at least one sender for each conversation is needed"
    );
    let mut backend = Backend::open(options.server.clone()).await?;
    backend.own()?;
    let begun = Instant::now();
    let recorder = Recorder::new();
    let crowd = Crowd::assemble(&backend, &options, &recorder).await?;
    let mut figures = Figures {
        senders: options.senders,
        conversations: options.conversations,
        ..Figures::default()
    };
    // From here on a failure is the server's, not the scenario's.
    if let Err(error) = play(&mut backend, &options, crowd, &recorder, &mut figures).await {
        recorder.problem(format!("{error:#}"));
    }
    figures.elapsed_ms = begun.elapsed().as_millis() as u64;
    let (verdict, mut problems) = recorder.judge();
    if verdict.counts.retries == 0 {
        problems.push("no message had to be sent again: the kills struck nothing".to_owned());
    }
    let figures = verdict::Figures::Kill9(figures);
    let outcome = Outcome::new("kill9", Some(options.seed), figures, Some(verdict), problems);
    Ok(keep_evidence(outcome, &mut backend))
}

async fn play(
    backend: &mut Backend,
    options: &Options,
    crowd: Crowd,
    recorder: &Recorder,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let is_over = Arc::new(AtomicBool::new(false));
    let accepted = Arc::new(AtomicU64::new(0));
    let mut sending = JoinSet::new();
    for (index, member) in crowd.members.iter().enumerate() {
        let sender = Sender {
            device: Arc::clone(&member.device),
            conversation_id: member.conversation_id,
            random: StdRng::seed_from_u64(options.seed ^ (index as u64 + 1) << 20),
            pipeline: options.pipeline.max(1),
            pause_ms: options.pause_ms,
            is_over: Arc::clone(&is_over),
            accepted: Arc::clone(&accepted),
        };
        sending.spawn(sender.run());
    }
    let mut random = StdRng::seed_from_u64(options.seed);
    for _ in 0..options.rounds {
        let uptime_ms = random.random_range(options.uptime_ms.0..=options.uptime_ms.1);
        sleep(Duration::from_millis(uptime_ms)).await;
        let server = backend.own()?;
        server.kill_9().await?;
        figures.kills += 1;
        figures.restart_ms.push(server.restart().await?.as_millis() as u64);
    }
    // A last stretch of good weather, so that everybody is back.
    sleep(Duration::from_millis(options.uptime_ms.1)).await;
    is_over.store(true, Ordering::Relaxed);
    while let Some(ended) = sending.join_next().await {
        if let Err(error) = ended? {
            recorder.problem(format!("{error:#}"));
        }
    }
    figures.accepted = accepted.load(Ordering::Relaxed);
    crowd.read_back(backend, recorder, options).await
}

/// A member of one conversation, sending.
struct Member {
    device: Arc<Device>,
    conversation_id: ConversationId,
}

/// One conversation: who owns it, and who reads it when all is over.
struct Group {
    conversation_id: ConversationId,
    owner: Credentials,
    late: Credentials,
}

struct Crowd {
    members: Vec<Member>,
    groups: Vec<Group>,
}

impl Crowd {
    async fn assemble(
        backend: &Backend,
        options: &Options,
        recorder: &Recorder,
    ) -> anyhow::Result<Self> {
        let count = options.conversations;
        let mut users = provision(&backend.rest, "kill9", options.senders + count).await?;
        let late = users.split_off(options.senders);
        let mut crowd = Self { members: Vec::new(), groups: Vec::new() };
        for (index, late) in late.into_iter().enumerate() {
            let own: Vec<Credentials> = users.iter().skip(index).step_by(count).cloned().collect();
            let owner = own[0].clone();
            let others = own[1..].iter().chain([&late]).map(|user| user.user_id).collect();
            let (kind, name) = (ConversationKind::Group, Some(format!("kill9 {index}")));
            let conversation_id =
                backend.rest.create_conversation(&owner.access_token, kind, others, name).await?;
            recorder.record(|history| history.expect_known_senders(conversation_id));
            for (number, credentials) in own.into_iter().enumerate() {
                let label = format!("group {index} sender {number}");
                let (id, lot) = (conversation_id, crowd.members.len() as u64);
                let options = device(backend, label, credentials, id, options.seed, lot);
                let device = Arc::new(Device::start(options, recorder.clone()));
                crowd.members.push(Member { device, conversation_id });
            }
            crowd.groups.push(Group { conversation_id, owner, late });
        }
        for member in &crowd.members {
            member.device.wait_connected(CONNECT_WAIT).await?;
        }
        Ok(crowd)
    }

    async fn read_back(
        self,
        backend: &Backend,
        recorder: &Recorder,
        options: &Options,
    ) -> anyhow::Result<()> {
        let end = Instant::now() + options.catch_up;
        for (index, group) in self.groups.iter().enumerate() {
            let id = group.conversation_id;
            let token = &group.owner.access_token;
            let log = backend.rest.read_forward(token, id, 200).await?;
            recorder.record_log(id, &log);
            let backward = backend.rest.read_backward(token, id, 97).await?;
            let by_rest = recorder.add_client("by REST", group.owner.user_id);
            recorder.record_reading(by_rest, id, &backward);
            let label = format!("late reader of {id}");
            let lot = index as u64 * 3;
            let late = device(backend, label, group.late.clone(), id, options.seed, lot);
            let late = Device::start(late, recorder.clone());
            let wait = end.duration_since(Instant::now()).max(LATE_WAIT_MIN);
            expect_caught_up(&late, id, log.head, recorder, wait).await;
            for member in self.members.iter().filter(|member| member.conversation_id == id) {
                let wait = end.duration_since(Instant::now());
                expect_caught_up(&member.device, id, log.head, recorder, wait).await;
            }
        }
        sleep(SETTLE).await;
        Ok(())
    }
}

async fn expect_caught_up(
    device: &Device,
    id: ConversationId,
    head: Sequence,
    recorder: &Recorder,
    wait: Duration,
) {
    // One that is late is the checker's to report, as a missing tail.
    device.wait_position(id, head, wait).await;
    recorder.record(|history| history.expect_caught_up(device.client(), id));
}

fn device(
    backend: &Backend,
    label: String,
    credentials: Credentials,
    conversation_id: ConversationId,
    seed: u64,
    lot: u64,
) -> DeviceOptions {
    DeviceOptions {
        label,
        address: backend.address().to_owned(),
        credentials,
        // Both encodings and both kinds of socket, mostly the cheap ones.
        encoding: Encoding::ALL[usize::from(lot.is_multiple_of(4))],
        style: if lot % 8 < 2 { SocketStyle::Standard } else { SocketStyle::Lean },
        conversations: vec![conversation_id],
        seed: seed.wrapping_add(lot),
        habits: Habits::default(),
    }
}

/// Sends until the end, then waits for all answers.
struct Sender {
    device: Arc<Device>,
    conversation_id: ConversationId,
    random: StdRng,
    pipeline: usize,
    pause_ms: (u64, u64),
    is_over: Arc<AtomicBool>,
    accepted: Arc<AtomicU64>,
}

type Outcomes = VecDeque<oneshot::Receiver<Result<Accepted, String>>>;

impl Sender {
    async fn run(mut self) -> anyhow::Result<()> {
        let mut waiting = Outcomes::new();
        while !self.is_over.load(Ordering::Relaxed) {
            if waiting.len() >= self.pipeline {
                self.settle_oldest(&mut waiting).await?;
            }
            let draft = self.draft();
            waiting.push_back(self.device.submit(draft, None).await?);
            let pause_ms = self.random.random_range(self.pause_ms.0..=self.pause_ms.1);
            sleep(Duration::from_millis(pause_ms)).await;
        }
        while !waiting.is_empty() {
            self.settle_oldest(&mut waiting).await?;
        }
        Ok(())
    }

    async fn settle_oldest(&self, waiting: &mut Outcomes) -> anyhow::Result<()> {
        let Some(oldest) = waiting.pop_front() else { return Ok(()) };
        timeout(ANSWER_WAIT, oldest)
            .await
            .context("no answer within 90 s")?
            .context("the device has ended")?
            .map_err(anyhow::Error::msg)?;
        self.accepted.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn draft(&mut self) -> Draft {
        let length = self.random.random_range(1..TEXT_BYTES_MAX);
        let text = (0..length).map(|_| self.random.random_range('a'..='z')).collect();
        Draft {
            conversation_id: self.conversation_id,
            message_id: MessageId::generate(),
            content: Content::Text { text },
            reply_to: None,
        }
    }
}
