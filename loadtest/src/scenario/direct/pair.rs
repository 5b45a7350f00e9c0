//! Two users in a direct conversation: one sends, the other receives, one message at a time.

use std::time::Duration;

use schema::checker::{Digest, History, Row};
use schema::wire::{Ack, ClientFrame, Encoding, LogFrame, ServerFrame, codec};
use schema::{ConversationId, MessageId, Sequence};
use tokio::time::{Instant, timeout};

use super::template::Template;
use crate::client::{Credentials, LeanSocket, Recorder, SocketError};

/// One exchange takes at most this long.
const EXCHANGE_DEADLINE: Duration = Duration::from_secs(30);
/// After the last exchange: lets repeats arrive that should not.
const SETTLE: Duration = Duration::from_millis(300);

/// When to measure.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    pub begin: Instant,
    pub end: Instant,
}

/// Latencies of one message, microseconds from its being sent.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    pub accepted_us: u64,
    pub delivered_us: u64,
}

/// What happened, in the order that each side saw it. Judged after the run, to keep it cheap.
#[derive(Clone, Copy, Debug)]
enum Fact {
    Send { message_id: MessageId, number: u64 },
    Ack { message_id: MessageId, seq: Sequence, duplicate: bool },
    Delivery(Row),
}

/// One end: a socket, and what it saw.
#[derive(Debug)]
struct End {
    credentials: Credentials,
    socket: LeanSocket,
    facts: Vec<Fact>,
}

/// Both ends, connected and greeted.
#[derive(Debug)]
pub struct Pair {
    conversation_id: ConversationId,
    template: Template,
    sender: End,
    receiver: End,
    /// The receiver acknowledges its position once in so many messages.
    ack_every: u64,
}

/// What a pair did.
#[derive(Debug)]
pub struct PairReport {
    pair: Pair,
    /// Messages accepted and delivered within the window.
    pub samples: Vec<Sample>,
    /// Why it stopped before the end.
    pub failure: Option<String>,
}

impl Pair {
    #[must_use]
    pub fn new(
        conversation_id: ConversationId,
        sender: (Credentials, LeanSocket),
        receiver: (Credentials, LeanSocket),
        text_bytes: usize,
        ack_every: u64,
    ) -> Self {
        let end = |(credentials, socket)| End { credentials, socket, facts: Vec::new() };
        Self {
            conversation_id,
            template: Template::new(conversation_id, text_bytes),
            sender: end(sender),
            receiver: end(receiver),
            ack_every: ack_every.max(1),
        }
    }

    /// Exchanges messages until the window ends.
    pub async fn run(mut self, window: Window) -> PairReport {
        let mut samples = Vec::with_capacity(4_096);
        let mut failure = None;
        let mut number = 0;
        while Instant::now() < window.end {
            number += 1;
            match timeout(EXCHANGE_DEADLINE, self.exchange(number)).await {
                Ok(Ok((sent_at, sample))) => {
                    let done = sent_at
                        + Duration::from_micros(sample.accepted_us.max(sample.delivered_us));
                    if window.begin <= sent_at && done <= window.end {
                        samples.push(sample);
                    }
                }
                Ok(Err(error)) => failure = Some(error.to_string()),
                Err(_) => failure = Some(format!("message {number} took more than 30 s")),
            }
            if failure.is_some() {
                break;
            }
        }
        self.sender.settle(self.conversation_id).await;
        self.receiver.settle(self.conversation_id).await;
        PairReport { pair: self, samples, failure }
    }

    /// One message: sent, and both accepted and delivered.
    async fn exchange(&mut self, number: u64) -> Result<(Instant, Sample), SocketError> {
        let id = self.conversation_id;
        let message_id = MessageId::generate();
        let sent_at = Instant::now();
        self.sender.facts.push(Fact::Send { message_id, number });
        self.sender.socket.send(self.template.fill(message_id, number)).await?;
        // A refusal of one side ends the wait of the other.
        let (accepted_at, (seq, delivered_at)) = tokio::try_join!(
            self.sender.accepted(id, Template::reference_of(number)),
            self.receiver.delivered(id, message_id),
        )?;
        if number.is_multiple_of(self.ack_every) {
            let ack = ClientFrame::Ack(Ack { conversation_id: id, seq });
            let payload = codec::encode(Encoding::MessagePack, &ack);
            self.receiver.socket.send(&payload).await?;
        }
        let since = |at: Instant| at.duration_since(sent_at).as_micros() as u64;
        let (accepted_us, delivered_us) = (since(accepted_at), since(delivered_at));
        Ok((sent_at, Sample { accepted_us, delivered_us }))
    }
}

impl End {
    /// Waits for the answer to `reference`.
    async fn accepted(
        &mut self,
        id: ConversationId,
        reference: u64,
    ) -> Result<Instant, SocketError> {
        loop {
            match self.next(id).await? {
                ServerFrame::Accepted(accepted) if accepted.reference == reference => {
                    return Ok(Instant::now());
                }
                _ => {}
            }
        }
    }

    /// Waits for one message; returns its number.
    async fn delivered(
        &mut self,
        id: ConversationId,
        message_id: MessageId,
    ) -> Result<(Sequence, Instant), SocketError> {
        loop {
            match self.next(id).await? {
                ServerFrame::NewMessage(message) if message.message_id == message_id => {
                    return Ok((message.seq, Instant::now()));
                }
                _ => {}
            }
        }
    }

    /// The next frame, written down.
    async fn next(&mut self, id: ConversationId) -> Result<ServerFrame, SocketError> {
        let frame = self
            .socket
            .receive(|payload| codec::decode_server(Encoding::MessagePack, payload))
            .await?
            .map_err(|error| SocketError::Frame(error.to_string()))?;
        let entry = match frame {
            ServerFrame::Accepted(accepted) => {
                let (message_id, seq) = (accepted.message_id, accepted.seq);
                let duplicate = accepted.duplicate;
                self.facts.push(Fact::Ack { message_id, seq, duplicate });
                return Ok(ServerFrame::Accepted(accepted));
            }
            ServerFrame::NewMessage(message) => LogFrame::NewMessage(message),
            ServerFrame::MembersChanged(change) => LogFrame::MembersChanged(change),
            ServerFrame::ConversationChanged(change) => LogFrame::ConversationChanged(change),
            ServerFrame::Error(error) => return Err(SocketError::Refused(error)),
            other => return Ok(other),
        };
        if entry.conversation_id() == id {
            self.facts.push(Fact::Delivery(Row::from(&entry)));
        }
        Ok(entry.into())
    }

    async fn settle(&mut self, id: ConversationId) {
        // Ends by the time limit, or by a socket that is gone: both are the end here.
        let _ = timeout(SETTLE, async { while self.next(id).await.is_ok() {} }).await;
    }

    fn record(&self, recorder: &Recorder, id: ConversationId, role: &str, template: &Template) {
        let label = format!("{role} {}", self.credentials.username);
        let client = recorder.add_client(&label, self.credentials.user_id);
        let write = |history: &mut History| {
            history.record_socket_open(client);
            history.record_start(client, id, Sequence::START);
            for fact in &self.facts {
                match *fact {
                    Fact::Send { message_id, number } => {
                        let digest = Digest::of_text(&template.text(number));
                        history.record_send(client, id, message_id, digest);
                    }
                    Fact::Ack { message_id, seq, duplicate } => {
                        history.record_ack(client, id, message_id, seq, duplicate);
                    }
                    Fact::Delivery(row) => history.record_delivery(client, row),
                }
            }
            history.expect_caught_up(client, id);
        };
        recorder.record(write);
    }
}

impl PairReport {
    #[must_use]
    pub const fn conversation_id(&self) -> ConversationId {
        self.pair.conversation_id
    }

    #[must_use]
    pub fn token(&self) -> &str {
        &self.pair.sender.credentials.access_token
    }

    /// Hands what both ends saw to the checker.
    pub fn record(&self, recorder: &Recorder) {
        let Pair { conversation_id, template, sender, receiver, .. } = &self.pair;
        recorder.record(|history| history.expect_known_senders(*conversation_id));
        sender.record(recorder, *conversation_id, "sender", template);
        receiver.record(recorder, *conversation_id, "receiver", template);
    }
}
