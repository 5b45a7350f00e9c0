//! The chat client: one user, one socket at a time, lines in, entries out.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use anyhow::bail;
use schema::record::{Content, ConversationKind};
use schema::rest::ConversationView;
use schema::wire::{ClientFrame, FetchHistory, LogFrame, Position, SendMessage};
use schema::{ConversationId, MessageId, Sequence};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::command::{self, HELP, Line};
use super::rest::Rest;
use super::screen;
use super::socket::{Closed, Socket};
use super::timeline::Timeline;

/// Entries shown when a conversation is opened.
pub(super) const SHOWN_ON_OPEN: u64 = 20;
pub(super) const BACK_OFF_MAX: Duration = Duration::from_secs(30);
/// After the end of input, what was sent is given this long to be acknowledged.
const LAST_ACKS_MAX: Duration = Duration::from_secs(15);

/// How a chat ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    ByUser,
    WithUnsent(usize),
}

pub(super) struct Client {
    pub(super) rest: Rest,
    lines: mpsc::Receiver<String>,
    pub(super) timelines: HashMap<ConversationId, Timeline<LogFrame>>,
    pub(super) titles: HashMap<ConversationId, String>,
    /// Of the logs that the timelines are of.
    pub(super) generations: HashMap<ConversationId, u32>,
    pub(super) open: Option<ConversationId>,
    /// Sent and not acknowledged, oldest first (ids are made in order).
    pub(super) unacknowledged: BTreeMap<MessageId, SendMessage>,
    last_reference: u64,
    /// Opened, and its last entries not asked for yet.
    to_show: Option<ConversationId>,
    /// When to send again what the server asked to wait with.
    pub(super) resend_at: Option<Instant>,
    /// Set at the end of input.
    end_at: Option<Instant>,
}

impl Client {
    pub(super) async fn start(rest: Rest, open: Option<&str>) -> anyhow::Result<Self> {
        let mut client = Self {
            rest,
            lines: read_lines(),
            timelines: HashMap::new(),
            titles: HashMap::new(),
            generations: HashMap::new(),
            open: None,
            unacknowledged: BTreeMap::new(),
            last_reference: 0,
            to_show: None,
            resend_at: None,
            end_at: None,
        };
        // This device has read nothing, but its user has: begin at the present.
        for item in client.rest.chat_list().await? {
            client.timelines.insert(item.conversation_id, Timeline::above(item.head));
            client.titles.insert(item.conversation_id, screen::title(&item));
            client.generations.insert(item.conversation_id, item.generation);
        }
        screen::notice(&format!("signed in as {}; /help", client.rest.me.username))?;
        if let Some(what) = open {
            client.open(what).await?;
        }
        Ok(client)
    }

    /// Connects, and connects again, until the user ends it.
    pub(super) async fn run(mut self) -> anyhow::Result<Ended> {
        let mut failures = 0_u32;
        loop {
            let positions = self.positions();
            let url = self.rest.socket_url();
            let closed =
                match Socket::open(&url, self.rest.tls(), self.rest.access_token(), positions)
                    .await?
                {
                    Ok((mut socket, welcome)) => {
                        failures = 0;
                        // Of what was restored meanwhile the server speaks next.
                        self.generations.extend(
                            welcome
                                .conversations
                                .iter()
                                .map(|it| (it.conversation_id, it.generation)),
                        );
                        match self.serve(&mut socket).await? {
                            Some(closed) => closed,
                            None => {
                                socket.close().await;
                                return Ok(self.ended());
                            }
                        }
                    }
                    Err(closed) => closed,
                };
            match closed {
                Closed::ForGood(reason) => bail!("the server closed the connection: {reason}"),
                Closed::BadToken if !self.rest.refresh().await? => {
                    bail!("the access token is not good any more");
                }
                Closed::BadToken => {}
                Closed::Lost(reason) => {
                    failures += 1;
                    let pause = back_off(failures);
                    let seconds = pause.as_secs_f64();
                    screen::notice(&format!("{reason}; again in {seconds:.1} s"))?;
                    if self.end_at.is_some_and(|end_at| Instant::now() + pause > end_at) {
                        return Ok(self.ended());
                    }
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }

    fn ended(&self) -> Ended {
        match self.unacknowledged.len() {
            0 => Ended::ByUser,
            count => Ended::WithUnsent(count),
        }
    }

    fn positions(&self) -> Vec<Position> {
        let position = |(id, timeline): (&ConversationId, &Timeline<_>)| Position {
            generation: self.generations.get(id).copied(),
            ..Position::new(*id, timeline.position())
        };
        self.timelines.iter().map(position).collect()
    }

    /// One socket's life. `None`: the user ended it.
    async fn serve(&mut self, socket: &mut Socket) -> anyhow::Result<Option<Closed>> {
        self.timelines.values_mut().for_each(Timeline::forget_questions);
        self.resend_at = (!self.unacknowledged.is_empty()).then(Instant::now);
        if let Err(closed) = self.show_opened(socket).await {
            return Ok(Some(closed));
        }
        loop {
            let has_all = self.unacknowledged.is_empty();
            if self.end_at.is_some() && has_all {
                return Ok(None);
            }
            let far = Instant::now() + Duration::from_secs(3600);
            let step = tokio::select! {
                frame = socket.next() => match frame {
                    Ok(frame) => self.on_frame(frame, socket).await?,
                    Err(closed) => Err(closed),
                },
                // One message at a time: what is said keeps its order, also when one must wait.
                line = self.lines.recv(), if self.end_at.is_none() && has_all => {
                    self.on_line(line, socket).await?
                }
                () = sleep_until(self.resend_at.unwrap_or(far)) => self.resend(socket).await,
                () = sleep_until(self.end_at.unwrap_or(far)) => match self.end_at {
                    Some(_) => return Ok(None),
                    None => Ok(()),
                },
            };
            if let Err(closed) = step {
                return Ok(Some(closed));
            }
        }
    }

    /// Sends again, under the same ids, what was not acknowledged.
    async fn resend(&mut self, socket: &mut Socket) -> Result<(), Closed> {
        self.resend_at = None;
        for message in self.unacknowledged.values() {
            let again = SendMessage { retry: Some(true), ..message.clone() };
            socket.send(ClientFrame::SendMessage(again)).await?;
        }
        Ok(())
    }

    /// Asks for the last entries of what was opened.
    async fn show_opened(&mut self, socket: &mut Socket) -> Result<(), Closed> {
        match self.to_show.take() {
            None => Ok(()),
            Some(opened) => {
                let question = self.recent(opened);
                socket.send(question).await
            }
        }
    }

    async fn on_line(
        &mut self,
        line: Option<String>,
        socket: &mut Socket,
    ) -> anyhow::Result<Result<(), Closed>> {
        let line = line.unwrap_or_else(|| "/quit".to_owned());
        match command::parse(&line) {
            Line::Nothing => {}
            Line::Help => eprintln_lines(HELP)?,
            Line::Quit => self.end_at = Some(Instant::now() + LAST_ACKS_MAX),
            Line::List => screen::chat_list(&self.rest.chat_list().await?)?,
            Line::Wrong(why) => screen::notice(why)?,
            Line::Say(text) => return self.say(text, socket).await,
            Line::Who => match self.open {
                None => screen::notice("nothing is open")?,
                Some(open) => screen::members(&self.rest.conversation(open).await?)?,
            },
            Line::Open(what) => {
                if let Err(error) = self.open(what).await {
                    screen::notice(&error.to_string())?;
                }
                return Ok(self.show_opened(socket).await);
            }
            Line::Group { name, members } => {
                if let Err(error) = self.make_group(name, &members).await {
                    screen::notice(&error.to_string())?;
                }
                return Ok(self.show_opened(socket).await);
            }
        }
        Ok(Ok(()))
    }

    async fn say(&mut self, text: &str, socket: &mut Socket) -> anyhow::Result<Result<(), Closed>> {
        let Some(conversation_id) = self.open else {
            screen::notice("nothing is open: /open NAME first")?;
            return Ok(Ok(()));
        };
        let message = SendMessage::new(
            self.next_reference(),
            MessageId::generate(),
            conversation_id,
            Content::Text { text: text.to_owned() },
        );
        self.unacknowledged.insert(message.message_id, message.clone());
        Ok(socket.send(ClientFrame::SendMessage(message)).await)
    }

    /// Opens a conversation by id, or the direct one with a user.
    async fn open(&mut self, what: &str) -> anyhow::Result<()> {
        let view = match what.parse::<ConversationId>() {
            Ok(id) => self.rest.conversation(id).await?,
            Err(_) => {
                let user = self.rest.find_user(what).await?;
                self.rest.create(ConversationKind::Direct, None, vec![user.user_id]).await?
            }
        };
        let title = view.name.clone().unwrap_or_else(|| what.to_owned());
        self.opened(&view, title)
    }

    async fn make_group(&mut self, name: &str, members: &[&str]) -> anyhow::Result<()> {
        let mut ids = Vec::new();
        for member in members {
            ids.push(self.rest.find_user(member).await?.user_id);
        }
        let view = self.rest.create(ConversationKind::Group, Some(name.to_owned()), ids).await?;
        self.opened(&view, name.to_owned())
    }

    fn opened(&mut self, view: &ConversationView, title: String) -> anyhow::Result<()> {
        let id = view.conversation_id;
        self.timelines.entry(id).or_insert_with(|| Timeline::above(view.head));
        self.generations.entry(id).or_insert(view.generation);
        screen::notice(&format!("open: {title} ({id})"))?;
        self.titles.insert(id, title);
        (self.open, self.to_show) = (Some(id), Some(id));
        Ok(())
    }

    fn recent(&mut self, conversation_id: ConversationId) -> ClientFrame {
        let seq = self.timelines.get(&conversation_id).map(Timeline::position).unwrap_or_default();
        // Shown again from a little below, so that one sees what was said before.
        let after = seq.back(SHOWN_ON_OPEN);
        self.timelines.insert(conversation_id, Timeline::above(after));
        self.history(conversation_id, after)
    }

    pub(super) fn history(
        &mut self,
        conversation_id: ConversationId,
        after: Sequence,
    ) -> ClientFrame {
        ClientFrame::FetchHistory(FetchHistory {
            reference: self.next_reference(),
            conversation_id,
            before: None,
            after: Some(after),
            at: None,
            limit: Some(200),
        })
    }

    const fn next_reference(&mut self) -> u64 {
        self.last_reference += 1;
        self.last_reference
    }
}

/// Full jitter: anything up to half a second, one, two … thirty.
fn back_off(failures: u32) -> Duration {
    let ceiling = Duration::from_millis(500) * 2_u32.saturating_pow(failures.min(10) - 1);
    ceiling.min(BACK_OFF_MAX).mul_f64(rand::random_range(0.1..1.0))
}

/// Lines of standard input. A thread of its own: reading a terminal cannot be cancelled.
fn read_lines() -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel(16);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines() {
            let Ok(line) = line else { return };
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    lines
}

fn eprintln_lines(text: &str) -> anyhow::Result<()> {
    text.lines().try_for_each(screen::notice)
}
