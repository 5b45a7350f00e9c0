//! The life of a device: one socket after another until it is told to stop.

mod incoming;
mod timers;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use schema::checker::{ClientKey, Digest, PositionKind};
use schema::wire::{Ack, ClientFrame, ConversationState, JoinConversation, Position, SendMessage};
use schema::{ConversationId, Sequence, SequenceRange};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use crate::client::device::{Command, Cut, DeviceOptions, Draft, Progress};
use crate::client::outbox::{Answer, Outbox, Pending};
use crate::client::recorder::Recorder;
use crate::client::reorder::ReorderBuffer;
use crate::client::socket::Socket;
use crate::client::socket_error::SocketError;

/// First and largest pause before coming back; the first one is doubled each time.
const BACK_OFF_MS: (u64, u64) = (10, 500);

/// Frames that came together and are dealt with before anything else is looked at.
const TOGETHER_MAX: usize = 64;

/// How a socket's life ended.
enum End {
    Stop,
    Cut,
    Away(Duration),
    Lost(SocketError),
}

/// One conversation as this device follows it.
struct Following {
    buffer: ReorderBuffer<()>,
    acked: Sequence,
    acked_at: Option<Instant>,
    /// The first number missing at the last tick.
    hole: Option<Sequence>,
    /// Asked for by `fetch_history` and not answered yet.
    asked: Option<SequenceRange>,
}

pub(super) struct DeviceTask {
    options: DeviceOptions,
    client: ClientKey,
    recorder: Recorder,
    commands: mpsc::Receiver<Command>,
    progress: Arc<Progress>,
    outbox: Outbox,
    following: BTreeMap<ConversationId, Following>,
    /// Channels that it asked to read, by reference, until `joined` comes.
    joining: BTreeMap<u64, ConversationId>,
    /// Sockets lost so far: the next one goes elsewhere, where there is another address.
    losses: usize,
    random: StdRng,
    next_reference: u64,
    heartbeat: Duration,
    last_ping: Instant,
}

impl DeviceTask {
    pub fn new(
        options: DeviceOptions,
        client: ClientKey,
        recorder: Recorder,
        commands: mpsc::Receiver<Command>,
        progress: Arc<Progress>,
    ) -> Self {
        let random = StdRng::seed_from_u64(options.seed);
        let followed = options.conversations.iter().chain(&options.habits.channels);
        let following = followed.map(|id| (*id, Following::new())).collect();
        Self {
            options,
            client,
            recorder,
            commands,
            progress,
            outbox: Outbox::default(),
            following,
            joining: BTreeMap::new(),
            losses: 0,
            random,
            next_reference: 1,
            heartbeat: Duration::from_secs(25),
            last_ping: Instant::now(),
        }
    }

    pub async fn run(mut self) {
        let mut pause_ms = BACK_OFF_MS.0;
        loop {
            let welcomed = self.progress.sockets.load(Ordering::Relaxed);
            match self.one_socket().await {
                End::Stop => return,
                End::Cut => continue,
                End::Away(pause) => {
                    sleep(pause).await;
                    continue;
                }
                End::Lost(error) if error.should_reconnect() => {
                    self.losses += 1;
                    self.notice_loss(&error);
                }
                End::Lost(error) => {
                    self.notice_loss(&error);
                    self.recorder.problem(format!("{}: {error}", self.options.label));
                    self.outbox.fail_all(&error.to_string());
                    return;
                }
            }
            if self.progress.sockets.load(Ordering::Relaxed) > welcomed {
                pause_ms = BACK_OFF_MS.0;
            }
            let jittered = self.random.random_range(pause_ms / 2..=pause_ms);
            sleep(Duration::from_millis(jittered)).await;
            pause_ms = (pause_ms * 2).min(BACK_OFF_MS.1);
        }
    }

    fn notice_loss(&self, error: &SocketError) {
        if let Some(observer) = &self.options.habits.observer {
            observer.lost(error);
        }
    }

    async fn one_socket(&mut self) -> End {
        let DeviceOptions { address, encoding, style, .. } = &self.options;
        let others = &self.options.habits.others;
        let own = others.iter().position(|other| other == address).unwrap_or_default();
        let address = match others.len() {
            0 => address,
            count => &others[(own + self.losses) % count],
        };
        let mut socket = match Socket::connect(address, *encoding, *style).await {
            Ok(socket) => socket,
            Err(error) => return End::Lost(error),
        };
        let end = match self.live(&mut socket).await {
            Ok(end) => end,
            Err(error) => End::Lost(error),
        };
        if matches!(end, End::Cut | End::Away(_)) {
            socket.reset();
        }
        end
    }

    async fn live(&mut self, socket: &mut Socket) -> Result<End, SocketError> {
        self.greet(socket).await?;
        self.retransmit_all(socket).await?;
        let mut tick = interval(self.options.habits.tick);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                frame = socket.receive() => {
                    self.on_frame(socket, frame?).await?;
                    // What came with it, without looking at the clock each time.
                    for _ in 0..TOGETHER_MAX {
                        let Some(frame) = socket.received()? else { break };
                        self.on_frame(socket, frame).await?;
                    }
                }
                command = self.commands.recv() => {
                    if let Some(end) = self.on_command(socket, command).await? {
                        return Ok(end);
                    }
                }
                _ = tick.tick() => self.on_tick(socket).await?,
            }
        }
    }

    async fn greet(&mut self, socket: &mut Socket) -> Result<(), SocketError> {
        for each in self.following.values_mut() {
            each.buffer.forget_held();
            each.asked = None;
        }
        self.outbox.forget_transmissions();
        let channels = &self.options.habits.channels;
        let positions: Vec<Position> = self
            .following
            .iter()
            .filter(|(id, _)| !channels.contains(id))
            .map(|(id, each)| Position::new(*id, each.buffer.position()))
            .collect();
        let welcome = socket.greet(&self.options.credentials, positions.clone()).await?;
        self.recorder.record(|history| {
            history.record_socket_open(self.client);
            for Position { conversation_id, seq, .. } in positions {
                history.record_start(self.client, conversation_id, seq);
            }
        });
        self.heartbeat = Duration::from_millis(welcome.heartbeat_ms.max(1_000));
        self.last_ping = Instant::now();
        self.note_states(&welcome.conversations);
        self.join_channels(socket).await?;
        if let Some(observer) = &self.options.habits.observer {
            observer.opened();
        }
        self.progress.sockets.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    async fn join_channels(&mut self, socket: &mut Socket) -> Result<(), SocketError> {
        self.joining.clear();
        for index in 0..self.options.habits.channels.len() {
            let conversation_id = self.options.habits.channels[index];
            let after = self
                .following
                .get(&conversation_id)
                .map_or(Sequence::START, |each| each.buffer.position());
            self.recorder.record(|history| {
                history.record_start(self.client, conversation_id, after);
            });
            self.join(socket, conversation_id).await?;
        }
        Ok(())
    }

    /// Asks for a channel from where it was read up to.
    async fn join(
        &mut self,
        socket: &mut Socket,
        conversation_id: ConversationId,
    ) -> Result<(), SocketError> {
        let reference = self.next_reference;
        self.next_reference += 1;
        self.joining.insert(reference, conversation_id);
        let each = self.following.get(&conversation_id);
        let after = each.map_or(Sequence::START, |each| each.buffer.position());
        let join =
            JoinConversation { reference, conversation_id, after: Some(after), generation: None };
        socket.send(&ClientFrame::JoinConversation(join)).await
    }

    fn note_states(&self, states: &[ConversationState]) {
        self.recorder.record(|history| {
            for state in states {
                let ConversationState { conversation_id, head, delivered, read, .. } = *state;
                let (client, id) = (self.client, conversation_id);
                history.record_head(id, head);
                history.record_position(client, id, PositionKind::Delivered, delivered);
                history.record_position(client, id, PositionKind::Read, read);
            }
        });
    }

    // === what the owner asks ===

    async fn on_command(
        &mut self,
        socket: &mut Socket,
        command: Option<Command>,
    ) -> Result<Option<End>, SocketError> {
        match command {
            None | Some(Command::Stop) => Ok(Some(End::Stop)),
            Some(Command::Cut) => Ok(Some(End::Cut)),
            Some(Command::Away(pause)) => Ok(Some(End::Away(pause))),
            Some(Command::Sleep(pause)) => {
                sleep(pause).await;
                Ok(None)
            }
            Some(Command::Send { draft, cut, answer }) => {
                let reference = self.put_in_outbox(draft, answer);
                if cut.is_some_and(|cut| cut.before_write) {
                    return Ok(Some(End::Cut));
                }
                self.transmit(socket, reference).await?;
                let Some(Cut { delay, .. }) = cut else { return Ok(None) };
                sleep(delay).await;
                Ok(Some(End::Cut))
            }
        }
    }

    fn put_in_outbox(&mut self, draft: Draft, answer: Answer) -> u64 {
        let Draft { conversation_id, message_id, content, reply_to } = draft;
        let digest = Digest::of_message(&content, reply_to, None, &[]);
        let reference = self.next_reference;
        self.next_reference += 1;
        let frame = SendMessage {
            reply_to,
            ..SendMessage::new(reference, message_id, conversation_id, content)
        };
        let (transmitted_at, retry_at) = (None, None);
        let pending = Pending { frame, digest, transmissions: 0, transmitted_at, retry_at, answer };
        self.outbox.push(pending);
        reference
    }

    /// Writes a message of the outbox; from the second time on marked as a retry.
    async fn transmit(&mut self, socket: &mut Socket, reference: u64) -> Result<(), SocketError> {
        let Some(pending) = self.outbox.get_mut(reference) else { return Ok(()) };
        pending.frame.retry = (pending.transmissions > 0).then_some(true);
        pending.transmissions += 1;
        pending.transmitted_at = Some(Instant::now());
        pending.retry_at = None;
        let SendMessage { conversation_id, message_id, .. } = pending.frame;
        let digest = pending.digest;
        self.recorder.record(|history| {
            history.record_send(self.client, conversation_id, message_id, digest);
        });
        socket.send(&ClientFrame::SendMessage(pending.frame.clone())).await
    }

    async fn retransmit_all(&mut self, socket: &mut Socket) -> Result<(), SocketError> {
        for reference in self.outbox.references() {
            self.transmit(socket, reference).await?;
        }
        Ok(())
    }
}

impl Following {
    const fn new() -> Self {
        let buffer = ReorderBuffer::new(Sequence::START);
        Self { buffer, acked: Sequence::START, acked_at: None, hole: None, asked: None }
    }

    /// Says, and notes, that the device has everything up to its position.
    fn acknowledge(&mut self, conversation_id: ConversationId) -> ClientFrame {
        let seq = self.buffer.position();
        (self.acked, self.acked_at) = (seq, Some(Instant::now()));
        ClientFrame::Ack(Ack { conversation_id, seq })
    }
}
