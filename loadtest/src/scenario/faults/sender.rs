//! Devices that send all the time, and how long they wait to be told that it is stored.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use hdrhistogram::Histogram;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use schema::record::Content;
use schema::wire::Accepted;
use schema::{ConversationId, MessageId};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::Options;
use super::crowd::Crowd;
use crate::client::{Device, Draft, Recorder};

/// For what is still unanswered when all is healed.
const ANSWER_WAIT: Duration = Duration::from_secs(180);
const LOOK_EVERY: Duration = Duration::from_millis(200);
const TEXT_BYTES_MAX: usize = 300;
const LATENCY_US_MAX: u64 = 600_000_000;

/// What the senders were told.
#[derive(Clone, Debug)]
pub(super) struct Answers {
    pub latency_us: Histogram<u64>,
    /// Between two answers to anybody.
    pub longest_silence: Duration,
    last_answer: Instant,
}

impl Answers {
    fn new() -> anyhow::Result<Self> {
        let latency_us = Histogram::new_with_bounds(1, LATENCY_US_MAX, 3)?;
        Ok(Self { latency_us, longest_silence: Duration::ZERO, last_answer: Instant::now() })
    }

    fn note(&mut self, waited: Duration) {
        self.latency_us.saturating_record(waited.as_micros() as u64);
        let now = Instant::now();
        self.longest_silence = self.longest_silence.max(now - self.last_answer);
        self.last_answer = now;
    }
}

/// All senders at work.
pub(super) struct Load {
    sending: JoinSet<anyhow::Result<()>>,
    is_over: Arc<AtomicBool>,
    answers: anyhow::Result<Arc<Mutex<Answers>>>,
}

impl Load {
    /// Every device of the crowd sends to its conversations in turn.
    pub fn start(crowd: &Crowd, options: &Options) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let answers = Answers::new().map(|answers| Arc::new(Mutex::new(answers)));
        let mut sending = JoinSet::new();
        if let Ok(answers) = &answers {
            for (index, member) in crowd.members().enumerate() {
                let sender = Sender {
                    device: Arc::clone(&member.device),
                    conversation_id: member.conversation_id,
                    random: StdRng::seed_from_u64(options.seed ^ ((index as u64 + 1) << 20)),
                    pipeline: options.pipeline.max(1),
                    pause_ms: options.pause_ms,
                    is_over: Arc::clone(&is_over),
                    answers: Arc::clone(answers),
                };
                sending.spawn(sender.run());
            }
        }
        Self { sending, is_over, answers }
    }

    /// Lets them finish. One that never gets its answer is a problem.
    pub async fn end(mut self, recorder: &Recorder) -> anyhow::Result<Answers> {
        self.is_over.store(true, Ordering::Relaxed);
        while let Some(ended) = self.sending.join_next().await {
            if let Err(error) = ended? {
                recorder.problem(format!("{error:#}"));
            }
        }
        let answers = self.answers?;
        let answers = answers.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(answers)
    }
}

struct Sender {
    device: Arc<Device>,
    conversation_id: ConversationId,
    random: StdRng,
    pipeline: usize,
    pause_ms: (u64, u64),
    is_over: Arc<AtomicBool>,
    answers: Arc<Mutex<Answers>>,
}

impl Sender {
    async fn run(mut self) -> anyhow::Result<()> {
        let mut waiting = FuturesUnordered::new();
        let mut next = Instant::now();
        while !self.is_over.load(Ordering::Relaxed) {
            tokio::select! {
                () = sleep_until(next), if waiting.len() < self.pipeline => {
                    let draft = self.draft();
                    let answer = self.device.submit(draft, None).await?;
                    waiting.push(wait(Instant::now(), answer, Arc::clone(&self.answers)));
                    let pause_ms = self.random.random_range(self.pause_ms.0..=self.pause_ms.1);
                    next = Instant::now() + Duration::from_millis(pause_ms);
                }
                Some(answered) = waiting.next() => answered?,
                // To look whether it is over.
                () = sleep(LOOK_EVERY) => {}
            }
        }
        let rest = async {
            while let Some(answered) = waiting.next().await {
                answered?;
            }
            anyhow::Ok(())
        };
        timeout(ANSWER_WAIT, rest).await.context("no answer within 180 s")?
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

async fn wait(
    begun: Instant,
    answer: oneshot::Receiver<Result<Accepted, String>>,
    answers: Arc<Mutex<Answers>>,
) -> anyhow::Result<()> {
    answer.await.context("the device has ended")?.map_err(anyhow::Error::msg)?;
    answers.lock().unwrap_or_else(PoisonError::into_inner).note(begun.elapsed());
    Ok(())
}
