//! As much of XMPP as the comparison needs: registering, signing in, a room, messages, the archive.

mod splitter;

use std::time::Duration;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use splitter::{Piece, Splitter, inner, says};

/// A server at its limit still answers within this time.
const ANSWER_WAIT: Duration = Duration::from_secs(120);
/// The one host of the server under test, its rooms, and everybody's password.
pub const DOMAIN: &str = "localhost";
pub const ROOMS: &str = "conference.localhost";
const PASSWORD: &str = "load";
/// Messages of an archive asked for at once.
const PAGE: u64 = 250;

/// One connection, signed in or about to be.
#[derive(Debug)]
pub struct Stream {
    tcp: TcpStream,
    splitter: Splitter,
    next_id: u64,
    /// Messages of an archive that came so far.
    results: u64,
}

/// What came.
#[derive(Debug, PartialEq, Eq)]
pub enum Stanza {
    /// A message with a body.
    Text(String),
    Other,
}

impl Stream {
    /// Makes a user (XEP-0077).
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn register(address: &str, user: &str) -> anyhow::Result<()> {
        let mut stream = Self::open(address).await?;
        let query = format!(
            "<query xmlns='jabber:iq:register'><username>{user}</username>\
             <password>{PASSWORD}</password></query>"
        );
        stream.ask("set", None, &query).await.context("registering")?;
        Ok(())
    }

    /// Signs in, binds a resource, and says that it is there, as clients do.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn sign_in(address: &str, user: &str) -> anyhow::Result<Self> {
        let mut stream = Self::open(address).await?;
        let secret = BASE64.encode(format!("\0{user}\0{PASSWORD}"));
        stream
            .write(&format!(
                "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{secret}</auth>"
            ))
            .await?;
        let answer = stream.until(|stanza| !stanza.starts_with("<stream:features")).await?;
        anyhow::ensure!(answer.starts_with("<success"), "signing in: {answer}");
        stream.begin().await?;
        let bind =
            "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>load</resource></bind>";
        stream.ask("set", None, bind).await.context("binding")?;
        stream.write("<presence/>").await?;
        stream.ask("get", Some(DOMAIN), "<ping xmlns='urn:xmpp:ping'/>").await.context("a ping")?;
        Ok(stream)
    }

    async fn open(address: &str) -> anyhow::Result<Self> {
        let tcp = TcpStream::connect(address).await.with_context(|| address.to_owned())?;
        tcp.set_nodelay(true)?;
        let mut stream = Self { tcp, splitter: Splitter::default(), next_id: 0, results: 0 };
        stream.begin().await?;
        Ok(stream)
    }

    async fn begin(&mut self) -> anyhow::Result<()> {
        self.write(&format!(
            "<?xml version='1.0'?><stream:stream to='{DOMAIN}' xmlns='jabber:client' \
             xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"
        ))
        .await?;
        self.until(|stanza| stanza.starts_with("<stream:features")).await?;
        Ok(())
    }

    /// Enters a room, making it when it is not there (XEP-0045).
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn join(&mut self, room: &str, nick: &str) -> anyhow::Result<()> {
        self.write(&format!(
            "<presence to='{room}/{nick}'><x xmlns='http://jabber.org/protocol/muc'>\
             <history maxstanzas='0'/></x></presence>"
        ))
        .await?;
        // The room tells us of ourselves last.
        let own = |stanza: &str| {
            stanza.starts_with("<presence")
                && (stanza.contains("'110'")
                    || stanza.contains("\"110\"")
                    || says(stanza, "presence", "type", "error"))
        };
        let answer = self.until(own).await.context("joining")?;
        anyhow::ensure!(!says(&answer, "presence", "type", "error"), "joining: {answer}");
        Ok(())
    }

    /// # Errors
    /// When the connection is gone.
    pub async fn send(&mut self, to: &str, kind: &str, text: &str) -> anyhow::Result<()> {
        self.next_id += 1;
        let id = self.next_id;
        self.write(&format!(
            "<message to='{to}' type='{kind}' id='m{id}'><body>{text}</body></message>"
        ))
        .await
    }

    /// The next stanza. May be dropped half-way and called again.
    ///
    /// # Errors
    /// When a message came back, or the connection is gone.
    pub async fn receive(&mut self) -> anyhow::Result<Stanza> {
        let stanza = self.next().await?;
        if says(stanza, "message", "type", "error") {
            bail!("refused: {stanza}");
        }
        let body = stanza.starts_with("<message").then(|| inner(stanza, "body")).flatten();
        Ok(body.map_or(Stanza::Other, |body| Stanza::Text(body.to_owned())))
    }

    /// How many messages an archive holds (XEP-0313): one's own, or a room's.
    ///
    /// # Errors
    /// When the server does not say.
    pub async fn archived(&mut self, room: Option<&str>) -> anyhow::Result<u64> {
        let (mut seen, mut after) = (0, String::new());
        loop {
            let query = format!(
                "<query xmlns='urn:xmpp:mam:2'><set xmlns='http://jabber.org/protocol/rsm'>\
                 <max>{PAGE}</max>{after}</set></query>"
            );
            let results = self.results;
            let answer = self.ask("set", room, &query).await.context("the archive")?;
            // Where the server does not say how many there are, all are counted.
            if let Some(count) = inner(&answer, "count") {
                return Ok(count.parse()?);
            }
            seen += self.results - results;
            match inner(&answer, "last") {
                Some(last) if self.results > results && !says_complete(&answer) => {
                    after = format!("<after>{last}</after>");
                }
                _ => return Ok(seen),
            }
        }
    }

    async fn ask(&mut self, kind: &str, to: Option<&str>, what: &str) -> anyhow::Result<String> {
        self.next_id += 1;
        let id = format!("q{}", self.next_id);
        let to = to.map(|to| format!(" to='{to}'")).unwrap_or_default();
        self.write(&format!("<iq type='{kind}' id='{id}'{to}>{what}</iq>")).await?;
        let answer = self.until(|stanza| says(stanza, "iq", "id", &id)).await?;
        anyhow::ensure!(says(&answer, "iq", "type", "result"), "{answer}");
        Ok(answer)
    }

    /// Reads on until one is the wanted stanza.
    async fn until(&mut self, is_wanted: impl Fn(&str) -> bool) -> anyhow::Result<String> {
        let wait = async {
            loop {
                let stanza = self.next().await?;
                if stanza.starts_with("<stream:error") || is_wanted(stanza) {
                    return anyhow::Ok(stanza.to_owned());
                }
                if stanza.starts_with("<message") && stanza.contains("<result ") {
                    self.results += 1;
                }
            }
        };
        let stanza = timeout(ANSWER_WAIT, wait).await.context("no answer within 120 s")??;
        anyhow::ensure!(!stanza.starts_with("<stream:error"), "{stanza}");
        Ok(stanza)
    }

    async fn next(&mut self) -> anyhow::Result<&str> {
        loop {
            match self.splitter.take() {
                Some(Piece::Stanza(range)) => return Ok(self.splitter.text(range)),
                Some(Piece::End) => bail!("the server ended the stream"),
                None => {}
            }
            let buffer = self.splitter.buffer();
            buffer.reserve(4_096);
            if self.tcp.read_buf(buffer).await? == 0 {
                bail!("the server closed the connection");
            }
        }
    }

    async fn write(&mut self, text: &str) -> anyhow::Result<()> {
        Ok(self.tcp.write_all(text.as_bytes()).await?)
    }
}

fn says_complete(answer: &str) -> bool {
    answer.contains("complete='true'") || answer.contains("complete=\"true\"")
}
