//! One authenticated connection to a server of either kind.

use anyhow::Context as _;
use schema::record::{Content, ConversationKind};
use schema::wire::{Ack, ClientFrame, Encoding, Ping, SendMessage, ServerFrame, codec};
use schema::{ConversationId, MessageId};

use super::xmpp::{self, Stanza, Stream};
use crate::client::{Credentials, LeanSocket, RestClient, Socket, SocketStyle, provision};

/// Devices acknowledge their position once in so many messages, as clients of Switchboard do.
const ACK_EVERY: u64 = 16;

/// The server that is compared.
#[derive(Clone, Debug)]
pub enum Peer {
    Switchboard(RestClient),
    /// `host:port`, and a prefix that keeps the users of one run apart from those of another.
    Xmpp {
        address: String,
        prefix: String,
    },
}

/// Somebody who may sign in.
#[derive(Clone, Debug)]
pub enum Account {
    Switchboard(Box<Credentials>),
    Xmpp(String),
}

/// Where a message goes.
#[derive(Clone, Debug)]
pub enum Place {
    Conversation(ConversationId),
    Person(String),
    Room(String),
}

/// What came.
#[derive(Debug, PartialEq, Eq)]
pub enum Seen {
    Text(String),
    /// An own message is stored. XMPP says nothing of the kind.
    Accepted,
    Other,
}

/// One connection, signed in.
#[derive(Debug)]
pub enum Line {
    Switchboard {
        socket: Box<LeanSocket>,
        texts: u64,
        sent: u64,
        /// To be told before the next frame is waited for: a wait may be dropped, a text may not.
        owed: Option<Ack>,
    },
    Xmpp(Box<Stream>),
}

impl Peer {
    /// Makes so many users.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn accounts(&self, first: usize, count: usize) -> anyhow::Result<Vec<Account>> {
        match self {
            Self::Switchboard(rest) => {
                let users = provision(rest, "peer", count).await?;
                Ok(users.into_iter().map(|user| Account::Switchboard(Box::new(user))).collect())
            }
            Self::Xmpp { address, prefix } => {
                let mut accounts = Vec::with_capacity(count);
                for number in first..first + count {
                    let name = format!("{prefix}{number}");
                    Stream::register(address, &name).await?;
                    accounts.push(Account::Xmpp(name));
                }
                Ok(accounts)
            }
        }
    }

    /// Signs in, and has one request answered.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn connect(&self, account: &Account) -> anyhow::Result<Line> {
        match (self, account) {
            (Self::Switchboard(rest), Account::Switchboard(user)) => {
                let (encoding, style) = (Encoding::MessagePack, SocketStyle::Lean);
                let address = &rest.target().public;
                let mut socket = Socket::connect(address, encoding, style).await?;
                socket.greet(user, Vec::new()).await?;
                socket.send(&ClientFrame::Ping(Ping { positions: None })).await?;
                while !matches!(socket.receive().await?, ServerFrame::Pong(_)) {}
                let Socket::Lean(socket) = socket else { anyhow::bail!("not a lean socket") };
                Ok(Line::Switchboard { socket, texts: 0, sent: 0, owed: None })
            }
            (Self::Xmpp { address, .. }, Account::Xmpp(user)) => {
                Ok(Line::Xmpp(Box::new(Stream::sign_in(address, user).await?)))
            }
            _ => anyhow::bail!("an account of another server"),
        }
    }

    /// Where `from` writes to reach `to`.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn pair(&self, from: &Account, to: &Account) -> anyhow::Result<Place> {
        match (self, from, to) {
            (Self::Switchboard(rest), Account::Switchboard(from), Account::Switchboard(to)) => {
                let (token, kind) = (&from.access_token, ConversationKind::Direct);
                let id = rest.create_conversation(token, kind, vec![to.user_id], None).await?;
                Ok(Place::Conversation(id))
            }
            (_, _, Account::Xmpp(to)) => Ok(Place::Person(format!("{to}@{}", xmpp::DOMAIN))),
            _ => anyhow::bail!("an account of another server"),
        }
    }

    /// A room for these; XMPP wants each to enter it ([`Line::enter`]).
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn room(&self, members: &[Account]) -> anyhow::Result<Place> {
        let Self::Switchboard(rest) = self else {
            let Account::Xmpp(name) = &members[0] else { anyhow::bail!("no account") };
            return Ok(Place::Room(format!("room-{name}@{}", xmpp::ROOMS)));
        };
        let mut ids = Vec::new();
        for member in members {
            let Account::Switchboard(user) = member else { anyhow::bail!("no account") };
            ids.push((user.user_id, &user.access_token));
        }
        let others = ids[1..].iter().map(|(id, _)| *id).collect();
        let (kind, name) = (ConversationKind::Group, Some("room".to_owned()));
        let id = rest.create_conversation(ids[0].1, kind, others, name).await?;
        Ok(Place::Conversation(id))
    }

    /// How many messages the server keeps of this place, as `account` may read it.
    ///
    /// # Errors
    /// When it does not say.
    pub async fn archived(&self, account: &Account, place: &Place) -> anyhow::Result<u64> {
        match (self, account, place) {
            (Self::Switchboard(rest), Account::Switchboard(user), Place::Conversation(id)) => {
                let log = rest.read_forward(&user.access_token, *id, 200).await?;
                let rows = log.pages.iter().flat_map(|(_, rows)| rows);
                let is_message =
                    |row: &&schema::checker::Row| row.kind == schema::checker::RowKind::Message;
                Ok(rows.filter(is_message).count() as u64)
            }
            (Self::Xmpp { address, .. }, Account::Xmpp(user), place) => {
                let mut stream = Stream::sign_in(address, user).await?;
                let Place::Room(room) = place else { return stream.archived(None).await };
                stream.join(room, "archivist").await?;
                stream.archived(Some(room)).await
            }
            _ => anyhow::bail!("a place of another server"),
        }
    }
}

impl Line {
    /// Enters a room, where one has to.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn enter(&mut self, place: &Place, number: usize) -> anyhow::Result<()> {
        match (self, place) {
            (Self::Xmpp(stream), Place::Room(room)) => {
                stream.join(room, &format!("n{number}")).await
            }
            _ => Ok(()),
        }
    }

    /// Whether the server tells a sender that its message is stored.
    #[must_use]
    pub const fn acknowledges(&self) -> bool {
        matches!(self, Self::Switchboard { .. })
    }

    /// # Errors
    /// When the connection is gone.
    pub async fn send(&mut self, place: &Place, text: String) -> anyhow::Result<()> {
        match (self, place) {
            (Self::Switchboard { socket, sent, .. }, Place::Conversation(id)) => {
                *sent += 1;
                let frame = ClientFrame::SendMessage(SendMessage::new(
                    *sent,
                    MessageId::generate(),
                    *id,
                    Content::Text { text },
                ));
                Ok(socket.send(&codec::encode(Encoding::MessagePack, &frame)).await?)
            }
            (Self::Xmpp(stream), Place::Person(to)) => stream.send(to, "chat", &text).await,
            (Self::Xmpp(stream), Place::Room(to)) => stream.send(to, "groupchat", &text).await,
            _ => anyhow::bail!("a place of another server"),
        }
    }

    /// What comes next. May be dropped half-way and called again.
    ///
    /// # Errors
    /// When the server refuses something, or the connection is gone.
    pub async fn receive(&mut self) -> anyhow::Result<Seen> {
        match self {
            Self::Xmpp(stream) => Ok(match stream.receive().await? {
                Stanza::Text(text) => Seen::Text(text),
                Stanza::Other => Seen::Other,
            }),
            Self::Switchboard { socket, texts, owed, .. } => {
                if let Some(ack) = owed.take() {
                    let ack = ClientFrame::Ack(ack);
                    socket.send(&codec::encode(Encoding::MessagePack, &ack)).await?;
                }
                let decode = |bytes: &[u8]| codec::decode_server(Encoding::MessagePack, bytes);
                match socket.receive(decode).await?.context("a frame")? {
                    ServerFrame::NewMessage(message) => {
                        *texts += 1;
                        let (conversation_id, seq) = (message.conversation_id, message.seq);
                        if texts.is_multiple_of(ACK_EVERY) {
                            *owed = Some(Ack { conversation_id, seq });
                        }
                        let Content::Text { text } = message.content else {
                            return Ok(Seen::Other);
                        };
                        Ok(Seen::Text(text))
                    }
                    ServerFrame::Accepted(_) => Ok(Seen::Accepted),
                    ServerFrame::Error(error) => anyhow::bail!("refused: {error:?}"),
                    _ => Ok(Seen::Other),
                }
            }
        }
    }
}
