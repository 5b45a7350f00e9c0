//! The life of a device: one socket after another until it is told to stop.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use schema::checker::{ClientKey, Digest, PositionKind, Row};
use schema::wire::{
    Accepted, Ack, ClientFrame, ConversationState, ErrorFrame, FetchHistory, History, LogFrame,
    Ping, Position, SendMessage, ServerFrame,
};
use schema::{ConversationId, Sequence, SequenceRange};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::device::{Command, Cut, DeviceOptions, Draft, Progress};
use super::outbox::{Answer, Outbox, Pending};
use super::recorder::Recorder;
use super::reorder::ReorderBuffer;
use super::socket::Socket;
use super::socket_error::SocketError;

/// How often retries, acknowledgements and heartbeats are looked at.
const TICK: Duration = Duration::from_millis(200);
/// A transmitted message without any answer for so long: the socket is given up.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// First and largest pause before coming back; the first one is doubled each time.
const BACK_OFF_MS: (u64, u64) = (10, 500);
/// Delivered entries are acknowledged in groups of this many, or at the next tick.
const ACK_EVERY: u64 = 16;
/// The protocol's own limit.
const HISTORY_PAGE_MAX: u64 = 200;

/// How a socket's life ended.
enum End {
    Stop,
    Cut,
    Lost(SocketError),
}

/// One conversation as this device follows it.
struct Following {
    buffer: ReorderBuffer<()>,
    acked: Sequence,
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
        let following = options.conversations.iter().map(|id| (*id, Following::new())).collect();
        Self {
            options,
            client,
            recorder,
            commands,
            progress,
            outbox: Outbox::default(),
            following,
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
                End::Lost(error) if error.should_reconnect() => {}
                End::Lost(error) => {
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

    async fn one_socket(&mut self) -> End {
        let DeviceOptions { address, encoding, style, .. } = &self.options;
        let mut socket = match Socket::connect(address, *encoding, *style).await {
            Ok(socket) => socket,
            Err(error) => return End::Lost(error),
        };
        let end = match self.live(&mut socket).await {
            Ok(end) => end,
            Err(error) => End::Lost(error),
        };
        if matches!(end, End::Cut) {
            socket.reset();
        }
        end
    }

    async fn live(&mut self, socket: &mut Socket) -> Result<End, SocketError> {
        self.greet(socket).await?;
        self.retransmit_all(socket).await?;
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                frame = socket.receive() => self.on_frame(socket, frame?).await?,
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
        let positions: Vec<Position> = self
            .following
            .iter()
            .map(|(id, each)| Position { conversation_id: *id, seq: each.buffer.position() })
            .collect();
        let welcome = socket.greet(&self.options.credentials, positions.clone()).await?;
        self.recorder.record(|history| {
            history.record_socket_open(self.client);
            for Position { conversation_id, seq } in positions {
                history.record_start(self.client, conversation_id, seq);
            }
        });
        self.heartbeat = Duration::from_millis(welcome.heartbeat_ms.max(1_000));
        self.last_ping = Instant::now();
        self.note_states(&welcome.conversations);
        self.progress.sockets.fetch_add(1, Ordering::Relaxed);
        Ok(())
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
            reference,
            message_id,
            conversation_id,
            content,
            reply_to,
            thread: None,
            mentions: None,
            expires_after_ms: None,
            retry: None,
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

    // === what the server says ===

    async fn on_frame(
        &mut self,
        socket: &mut Socket,
        frame: ServerFrame,
    ) -> Result<(), SocketError> {
        match frame {
            ServerFrame::Accepted(accepted) => self.on_accepted(socket, accepted).await,
            ServerFrame::NewMessage(message) => {
                self.on_entry(socket, &LogFrame::NewMessage(message)).await
            }
            ServerFrame::MembersChanged(change) => {
                self.on_entry(socket, &LogFrame::MembersChanged(change)).await
            }
            ServerFrame::ConversationChanged(change) => {
                self.on_entry(socket, &LogFrame::ConversationChanged(change)).await
            }
            ServerFrame::History(history) => self.on_history(socket, &history).await,
            ServerFrame::MoreConversations(more) => {
                self.note_states(&more.conversations);
                Ok(())
            }
            ServerFrame::Error(error) => {
                self.on_error(error);
                Ok(())
            }
            ServerFrame::Resync(resync) => {
                let problem = format!("{} was told to resync: {resync:?}", self.options.label);
                self.recorder.problem(problem);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    async fn on_accepted(
        &mut self,
        socket: &mut Socket,
        accepted: Accepted,
    ) -> Result<(), SocketError> {
        let Accepted { reference, message_id, conversation_id, seq, duplicate, .. } = accepted;
        let Some(pending) = self.outbox.take(reference) else {
            self.recorder.problem(format!("{}: nobody asked {accepted:?}", self.options.label));
            return Ok(());
        };
        let asked = (pending.frame.message_id, pending.frame.conversation_id);
        if asked != (message_id, conversation_id) {
            self.recorder.problem(format!("{asked:?} was answered by {accepted:?}"));
        }
        self.recorder.record(|history| {
            history.record_ack(self.client, conversation_id, message_id, seq, duplicate);
        });
        // The sender may have stopped waiting.
        let _ = pending.answer.send(Ok(accepted));
        self.arrived(socket, conversation_id, seq).await
    }

    async fn on_entry(&mut self, socket: &mut Socket, entry: &LogFrame) -> Result<(), SocketError> {
        self.recorder.record(|history| history.record_delivery(self.client, Row::from(entry)));
        self.arrived(socket, entry.conversation_id(), entry.seq()).await
    }

    async fn on_history(&mut self, socket: &mut Socket, page: &History) -> Result<(), SocketError> {
        let id = page.conversation_id;
        let asked = self.following.get_mut(&id).and_then(|each| each.asked.take());
        let Some(asked) = asked else { return Ok(()) };
        self.recorder.record(|history| {
            let rows = page.entries.iter().map(Row::from);
            history.record_history_page(self.client, id, asked, rows);
        });
        for entry in &page.entries {
            self.arrived(socket, id, entry.seq()).await?;
        }
        Ok(())
    }

    /// Refusals: temporary ones are repeated under the same id, others are the sender's to know.
    fn on_error(&mut self, error: ErrorFrame) {
        let label = &self.options.label;
        let Some(reference) = error.reference else {
            return self.recorder.problem(format!("{label}: {error:?}"));
        };
        if !error.temporary {
            if let Some(pending) = self.outbox.take(reference) {
                let _ = pending.answer.send(Err(format!("refused: {error:?}")));
            }
            return self.recorder.problem(format!("{label}: {error:?}"));
        }
        if let Some(pending) = self.outbox.get_mut(reference) {
            let wait = Duration::from_millis(error.retry_after_ms.unwrap_or(100));
            pending.retry_at = Some(Instant::now() + wait);
        }
    }

    /// Number `seq` is here: shows what can be shown now.
    async fn arrived(
        &mut self,
        socket: &mut Socket,
        id: ConversationId,
        seq: Sequence,
    ) -> Result<(), SocketError> {
        let each = self.following.entry(id).or_insert_with(Following::new);
        each.buffer.offer(seq, ());
        let position = each.buffer.position();
        self.progress.set_position(id, position);
        if each.acked.distance_to(position) >= ACK_EVERY {
            each.acked = position;
            socket.send(&ack(id, position)).await?;
        }
        Ok(())
    }

    // === what time brings ===

    async fn on_tick(&mut self, socket: &mut Socket) -> Result<(), SocketError> {
        let now = Instant::now();
        if self.outbox.is_overdue(now, ANSWER_LIMIT) {
            let waited_ms = ANSWER_LIMIT.as_millis() as u64;
            return Err(SocketError::Timeout { what: "answer to send_message", waited_ms });
        }
        for reference in self.outbox.due(now) {
            self.transmit(socket, reference).await?;
        }
        if now.duration_since(self.last_ping) >= self.heartbeat {
            self.last_ping = now;
            socket.send(&ClientFrame::Ping(Ping::default())).await?;
        }
        self.acknowledge_and_ask(socket).await
    }

    async fn acknowledge_and_ask(&mut self, socket: &mut Socket) -> Result<(), SocketError> {
        for (id, each) in &mut self.following {
            let position = each.buffer.position();
            if position > each.acked {
                each.acked = position;
                socket.send(&ack(*id, position)).await?;
            }
            // An own accepted message runs ahead by right: it takes two ticks to be a hole.
            let missing = each.buffer.missing();
            let first = missing.map(|range| range.first);
            let is_old = std::mem::replace(&mut each.hole, first) == first;
            let Some(missing) = missing.filter(|_| is_old && each.asked.is_none()) else {
                continue;
            };
            let limit = missing.len().min(HISTORY_PAGE_MAX);
            let after = missing.first.back(1);
            each.asked = Some(SequenceRange::above(after, limit, missing.last));
            self.next_reference += 1;
            let fetch = FetchHistory {
                reference: self.next_reference,
                conversation_id: *id,
                before: None,
                after: Some(after),
                limit: Some(limit),
            };
            socket.send(&ClientFrame::FetchHistory(fetch)).await?;
        }
        Ok(())
    }
}

impl Following {
    const fn new() -> Self {
        let buffer = ReorderBuffer::new(Sequence::START);
        Self { buffer, acked: Sequence::START, hole: None, asked: None }
    }
}

const fn ack(conversation_id: ConversationId, seq: Sequence) -> ClientFrame {
    ClientFrame::Ack(Ack { conversation_id, seq })
}
