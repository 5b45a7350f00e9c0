//! Everyone in a replayed conversation: the speakers, and those who read it afterwards.

use std::time::Duration;

use schema::checker::ClientKey;
use schema::record::ConversationKind;
use schema::wire::{ClientFrame, Encoding, FetchHistory, Position, ServerFrame};
use schema::{ConversationId, Sequence, SequenceRange};
use tokio::time::Instant;

use super::chat_log::ChatLog;
use crate::client::{
    Credentials, Device, DeviceOptions, Habits, Recorder, Socket, SocketError, SocketStyle,
    provision, within,
};
use crate::scenario::Backend;

/// Connecting, and a page of history.
const WAIT: Duration = Duration::from_secs(60);
/// Lets repeats arrive that should not.
const SETTLE: Duration = Duration::from_millis(300);
/// Odd on purpose: pages end in the middle of everything.
const PAGE_LIMITS: (u64, u64) = (200, 97);

/// A group conversation with all its people.
pub struct Cast {
    pub conversation_id: ConversationId,
    /// In the order of [`ChatLog::speakers`].
    pub speakers: Vec<Device>,
    /// Members from the start that first connect at the end, one for each encoding.
    late: Vec<(Credentials, Encoding)>,
    owner: Credentials,
    label: String,
    seed: u64,
    catch_up: Duration,
}

impl Cast {
    /// Makes the users and the conversation, and connects all speakers.
    pub async fn assemble(
        backend: &Backend,
        log: &ChatLog,
        recorder: &Recorder,
        (seed, catch_up): (u64, Duration),
    ) -> anyhow::Result<Self> {
        let people = log.speakers.len() + Encoding::ALL.len();
        let mut users = provision(&backend.rest, "replay", people).await?;
        let late = users.split_off(log.speakers.len()).into_iter().zip(Encoding::ALL).collect();
        let mut cast = Self {
            conversation_id: ConversationId::from_bytes([0; 16]),
            speakers: Vec::new(),
            late,
            owner: users[0].clone(),
            label: log.name.clone(),
            seed,
            catch_up,
        };
        cast.open_conversation(backend, &users, recorder).await?;
        for (index, credentials) in users.into_iter().enumerate() {
            let label = format!("{}/{}", log.name, log.speakers[index]);
            // All four combinations of encoding and socket speak.
            let encoding = Encoding::ALL[index % 2];
            let style = if index % 4 < 2 { SocketStyle::Standard } else { SocketStyle::Lean };
            let options = cast.device(backend, label, credentials, encoding, style, index);
            cast.speakers.push(Device::start(options, recorder.clone()));
        }
        for speaker in &cast.speakers {
            speaker.wait_connected(WAIT).await?;
        }
        Ok(cast)
    }

    /// Waits for the live readers, then reads the log in all other ways. Returns its head.
    pub async fn read_back(
        self,
        backend: &Backend,
        recorder: &Recorder,
    ) -> anyhow::Result<Sequence> {
        let id = self.conversation_id;
        let token = &self.owner.access_token;
        let log = backend.rest.read_forward(token, id, PAGE_LIMITS.0).await?;
        recorder.record_log(id, &log);
        let end = Instant::now() + self.catch_up;
        for speaker in &self.speakers {
            // One that is late is the checker's to report, as a missing tail.
            speaker.wait_position(id, log.head, end.duration_since(Instant::now())).await;
            recorder.record(|history| history.expect_caught_up(speaker.client(), id));
        }
        let backward = backend.rest.read_backward(token, id, PAGE_LIMITS.1).await?;
        let by_rest = recorder.add_client(&format!("{}/by REST", self.label), self.owner.user_id);
        recorder.record_reading(by_rest, id, &backward);
        for (index, (credentials, encoding)) in self.late.iter().enumerate() {
            self.catch_up_late(backend, recorder, credentials, *encoding, index, log.head).await;
            let label = format!("{}/by pages {encoding:?}", self.label);
            let client = recorder.add_client(&label, credentials.user_id);
            let reader = PageReader { client, conversation_id: id, head: log.head, recorder };
            if let Err(error) = reader.read(backend, credentials, *encoding).await {
                recorder.problem(format!("{label}: {error}"));
            }
        }
        tokio::time::sleep(SETTLE).await;
        for speaker in self.speakers {
            speaker.stop().await;
        }
        Ok(log.head)
    }

    async fn open_conversation(
        &mut self,
        backend: &Backend,
        users: &[Credentials],
        recorder: &Recorder,
    ) -> anyhow::Result<()> {
        let late = self.late.iter().map(|(credentials, _)| credentials);
        let members = users[1..].iter().chain(late).map(|user| user.user_id).collect();
        self.conversation_id = backend
            .rest
            .create_conversation(
                &self.owner.access_token,
                ConversationKind::Group,
                members,
                Some(self.label.clone()),
            )
            .await?;
        recorder.record(|history| history.expect_known_senders(self.conversation_id));
        Ok(())
    }

    fn device(
        &self,
        backend: &Backend,
        label: String,
        credentials: Credentials,
        encoding: Encoding,
        style: SocketStyle,
        index: usize,
    ) -> DeviceOptions {
        DeviceOptions {
            label,
            address: backend.address_of(index).to_owned(),
            credentials,
            encoding,
            style,
            conversations: vec![self.conversation_id],
            seed: self.seed.wrapping_add(index as u64),
            habits: Habits::default(),
        }
    }

    /// A member that was never there gets all of it from the first entry.
    async fn catch_up_late(
        &self,
        backend: &Backend,
        recorder: &Recorder,
        credentials: &Credentials,
        encoding: Encoding,
        index: usize,
        head: Sequence,
    ) {
        let label = format!("{}/late {encoding:?}", self.label);
        let style = SocketStyle::Standard;
        let options =
            self.device(backend, label, credentials.clone(), encoding, style, 1_000 + index);
        let device = Device::start(options, recorder.clone());
        device.wait_position(self.conversation_id, head, self.catch_up).await;
        recorder.record(|history| history.expect_caught_up(device.client(), self.conversation_id));
        device.stop().await;
    }
}

/// Reads a log by `fetch_history`, up and down again.
struct PageReader<'a> {
    client: ClientKey,
    conversation_id: ConversationId,
    head: Sequence,
    recorder: &'a Recorder,
}

impl PageReader<'_> {
    async fn read(
        &self,
        backend: &Backend,
        credentials: &Credentials,
        encoding: Encoding,
    ) -> Result<(), SocketError> {
        let mut socket =
            Socket::connect(backend.address(), encoding, SocketStyle::Standard).await?;
        // Has everything already, so that only pages come.
        let position = Position::new(self.conversation_id, self.head);
        socket.greet(credentials, vec![position]).await?;
        let mut after = Sequence::START;
        while after < self.head {
            let expected = SequenceRange::above(after, PAGE_LIMITS.0, self.head);
            self.page(&mut socket, expected, Some(after), None, PAGE_LIMITS.0).await?;
            after = expected.last;
        }
        let mut before = self.head.next();
        while before > Sequence(1) {
            let expected = SequenceRange::below(before, PAGE_LIMITS.1, Sequence(1));
            self.page(&mut socket, expected, None, Some(before), PAGE_LIMITS.1).await?;
            before = expected.first;
        }
        Ok(())
    }

    async fn page(
        &self,
        socket: &mut Socket,
        expected: SequenceRange,
        after: Option<Sequence>,
        before: Option<Sequence>,
        limit: u64,
    ) -> Result<(), SocketError> {
        let conversation_id = self.conversation_id;
        let reference = expected.first.0;
        let limit = Some(limit);
        let fetch = FetchHistory { reference, conversation_id, before, after, at: None, limit };
        socket.send(&ClientFrame::FetchHistory(fetch)).await?;
        let page = within("history", WAIT, async {
            loop {
                match socket.receive().await? {
                    ServerFrame::History(page) => return Ok(page),
                    ServerFrame::Error(error) => {
                        return Err(SocketError::Refused(error));
                    }
                    _ => {}
                }
            }
        })
        .await?;
        self.recorder.record(|history| {
            let rows = page.entries.iter().map(Into::into);
            history.record_history_page(self.client, conversation_id, expected, rows);
            history.record_head(conversation_id, page.head);
        });
        Ok(())
    }
}
