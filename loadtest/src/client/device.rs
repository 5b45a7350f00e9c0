//! A device that keeps at it: reconnects with its positions, retries under the same ids, shows
//! entries in order, and writes everything down.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use schema::checker::ClientKey;
use schema::record::Content;
use schema::wire::{Accepted, Encoding};
use schema::{ConversationId, MessageId, Sequence};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::device_task::DeviceTask;
use super::observer::Observer;
use super::outbox::Answer;
use super::provision::Credentials;
use super::recorder::Recorder;
use super::socket::SocketStyle;

/// Who the device is and how it speaks.
#[derive(Clone, Debug)]
pub struct DeviceOptions {
    /// For people; names the client in violations.
    pub label: String,
    /// `host:port` of the public listener.
    pub address: String,
    pub credentials: Credentials,
    pub encoding: Encoding,
    pub style: SocketStyle,
    /// Followed from their first entry on.
    pub conversations: Vec<ConversationId>,
    /// Of the random choices: pauses before coming back.
    pub seed: u64,
    pub habits: Habits,
}

/// What may differ from device to device.
#[derive(Clone, Debug)]
pub struct Habits {
    /// How often retries, acknowledgements and heartbeats are looked at.
    pub tick: Duration,
    /// Delivered entries are acknowledged in groups of this many, or at the next tick that is a
    /// second after the acknowledgement before.
    pub ack_every: u64,
    /// Channels that the device reads without being a member.
    pub channels: Vec<ConversationId>,
    /// All addresses to try in turn when the own one does not answer, as a balancer would.
    pub others: Arc<[String]>,
    pub observer: Option<Arc<dyn Observer>>,
}

impl Default for Habits {
    fn default() -> Self {
        let (tick, ack_every) = (Duration::from_millis(200), 1_000);
        Self { tick, ack_every, channels: Vec::new(), others: Arc::new([]), observer: None }
    }
}

/// A message to send.
#[derive(Clone, Debug)]
pub struct Draft {
    pub conversation_id: ConversationId,
    pub message_id: MessageId,
    pub content: Content,
    pub reply_to: Option<Sequence>,
}

/// How the socket is reset round a send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Before the frame is written; else after.
    pub before_write: bool,
    /// From the write to the reset. The socket is not read meanwhile, so an answer may be lost.
    pub delay: Duration,
}

/// What a device's task is asked to do.
#[derive(Debug)]
pub(super) enum Command {
    Send {
        draft: Draft,
        cut: Option<Cut>,
        answer: Answer,
    },
    Cut,
    /// Reset the socket and come back after this long.
    Away(Duration),
    /// Read nothing for so long; the socket stays.
    Sleep(Duration),
    Stop,
}

/// What a device's task tells.
#[derive(Debug, Default)]
pub(super) struct Progress {
    pub positions: Mutex<BTreeMap<ConversationId, Sequence>>,
    /// Sockets that were welcomed.
    pub sockets: AtomicU64,
}

impl Progress {
    pub fn set_position(&self, conversation_id: ConversationId, seq: Sequence) {
        let mut positions = self.positions.lock().unwrap_or_else(PoisonError::into_inner);
        positions.insert(conversation_id, seq);
    }
}

/// A send, through all retries, takes at most this long: longer than any restart.
const SEND_DEADLINE: Duration = Duration::from_secs(90);
/// Commands waiting while a device is away.
const COMMANDS_MAX: usize = 64;
/// How often a waiting caller looks.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// The handle of a running device. Dropping it ends the device.
#[derive(Debug)]
pub struct Device {
    commands: mpsc::Sender<Command>,
    progress: Arc<Progress>,
    client: ClientKey,
    task: JoinHandle<()>,
    label: String,
}

impl Device {
    /// Starts a device; it connects at once and again whenever it is cut off.
    #[must_use]
    pub fn start(options: DeviceOptions, recorder: Recorder) -> Self {
        let (commands, inbox) = mpsc::channel(COMMANDS_MAX);
        let progress = Arc::new(Progress::default());
        let client = recorder.add_client(&options.label, options.credentials.user_id);
        let label = options.label.clone();
        let task = DeviceTask::new(options, client, recorder, inbox, Arc::clone(&progress));
        let task = tokio::spawn(task.run());
        Self { commands, progress, client, task, label }
    }

    #[must_use]
    pub const fn client(&self) -> ClientKey {
        self.client
    }

    /// Hands a message over; the receiver tells its outcome. For pipelining.
    ///
    /// # Errors
    /// When the device has ended.
    pub async fn submit(
        &self,
        draft: Draft,
        cut: Option<Cut>,
    ) -> anyhow::Result<oneshot::Receiver<Result<Accepted, String>>> {
        let (answer, outcome) = oneshot::channel();
        let command = Command::Send { draft, cut, answer };
        self.commands
            .send(command)
            .await
            .ok()
            .with_context(|| format!("{} has ended", self.label))?;
        Ok(outcome)
    }

    /// Sends a message and waits until it is stored, through any number of sockets.
    ///
    /// # Errors
    /// When the server refuses it for good, or within 90 s nothing came of it.
    pub async fn send(&self, draft: Draft, cut: Option<Cut>) -> anyhow::Result<Accepted> {
        let message_id = draft.message_id;
        let work = async {
            let outcome = self.submit(draft, cut).await?;
            outcome.await.context("the device has ended")?.map_err(anyhow::Error::msg)
        };
        timeout(SEND_DEADLINE, work)
            .await
            .context("no answer within 90 s")
            .and_then(|answer| answer)
            .with_context(|| format!("{} sending {message_id}", self.label))
    }

    /// Resets the present socket, if there is one.
    pub async fn cut(&self) {
        // An ended device has no socket to cut.
        let _ = self.commands.send(Command::Cut).await;
    }

    /// Hands a message over without waiting, when there is room for it; gives it back when not.
    ///
    /// # Errors
    /// With the draft, when too many wait already or the device has ended.
    pub fn try_submit(&self, draft: Draft) -> Result<(), Draft> {
        let (answer, _) = oneshot::channel();
        let refused = self.commands.try_send(Command::Send { draft, cut: None, answer });
        match refused.map_err(mpsc::error::TrySendError::into_inner) {
            Err(Command::Send { draft, .. }) => Err(draft),
            _ => Ok(()),
        }
    }

    /// Resets the present socket; the device comes back after `pause`.
    pub async fn go_away(&self, pause: Duration) {
        let _ = self.commands.send(Command::Away(pause)).await;
    }

    /// The device reads nothing for so long, as one whose network or program hangs.
    pub async fn stop_reading(&self, pause: Duration) {
        let _ = self.commands.send(Command::Sleep(pause)).await;
    }

    /// How many sockets were welcomed so far.
    #[must_use]
    pub fn sockets(&self) -> u64 {
        self.progress.sockets.load(Ordering::Relaxed)
    }

    /// Up to where the device has shown a conversation.
    #[must_use]
    pub fn position(&self, conversation_id: ConversationId) -> Sequence {
        let positions = self.progress.positions.lock().unwrap_or_else(PoisonError::into_inner);
        positions.get(&conversation_id).copied().unwrap_or_default()
    }

    /// Waits until the device has been welcomed once.
    ///
    /// # Errors
    /// After `deadline`.
    pub async fn wait_connected(&self, deadline: Duration) -> anyhow::Result<()> {
        let is_connected = || self.progress.sockets.load(Ordering::Relaxed) > 0;
        anyhow::ensure!(poll(deadline, is_connected).await, "{} got no welcome", self.label);
        Ok(())
    }

    /// Waits until the device has shown everything up to `seq`; false when it has not in time.
    pub async fn wait_position(
        &self,
        conversation_id: ConversationId,
        seq: Sequence,
        deadline: Duration,
    ) -> bool {
        poll(deadline, || self.position(conversation_id) >= seq).await
    }

    /// Ends the device.
    pub async fn stop(mut self) {
        if self.commands.send(Command::Stop).await.is_ok() {
            // One that is waiting for a dead server is ended by the drop.
            let _ = timeout(Duration::from_secs(1), &mut self.task).await;
        }
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn poll(deadline: Duration, is_done: impl Fn() -> bool) -> bool {
    let end = Instant::now() + deadline;
    while !is_done() {
        if Instant::now() >= end {
            return false;
        }
        sleep(LOOK_EVERY).await;
    }
    true
}
