//! Starts the server on data that is there already, and sends at once: how long until the first
//! message is stored.

use std::time::Duration;

use anyhow::Context as _;
use schema::record::{Content, ConversationKind};
use schema::wire::{ClientFrame, Encoding, SendMessage, ServerFrame};
use schema::{ConversationId, MessageId};
use serde::Serialize;
use tokio::time::Instant;

use crate::client::{Credentials, RestClient, Socket, SocketStyle, provision, within};
use crate::server_process::{ServerProcess, ServerSpec};
use crate::verdict::{self, Outcome};

/// How often, on how much.
#[derive(Clone, Debug)]
pub struct Options {
    pub spec: ServerSpec,
    pub rounds: usize,
    /// Messages in the log before the first stop.
    pub messages: usize,
    /// Fails when the median is beyond it.
    pub median_max: Option<Duration>,
}

/// From the start of the process to the acknowledgement, milliseconds.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Figures {
    pub rounds: usize,
    pub median_ms: f64,
    pub fastest_ms: f64,
    pub slowest_ms: f64,
}

const ANSWER_WAIT: Duration = Duration::from_secs(20);
const STOP_MAX: Duration = Duration::from_secs(30);

/// Runs the scenario.
///
/// # Errors
/// When the server does not start, or refuses a message.
pub async fn run(options: Options) -> anyhow::Result<Outcome> {
    let mut server = ServerProcess::start(options.spec.clone()).await?;
    let rest = RestClient::new(server.target())?;
    let people = provision(&rest, "start", 2).await?;
    let (kind, others) = (ConversationKind::Direct, vec![people[1].user_id]);
    let id = rest.create_conversation(&people[0].access_token, kind, others, None).await?;
    let mut socket = open(&server, &people[0]).await?;
    for number in 0..options.messages {
        send(&mut socket, id, number as u64).await?;
    }
    drop(socket);
    let mut took_ms = Vec::new();
    for number in 0..options.rounds {
        server.stop(STOP_MAX).await?;
        let begun = Instant::now();
        server.restart().await?;
        let mut socket = open(&server, &people[0]).await?;
        send(&mut socket, id, number as u64).await?;
        took_ms.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    took_ms.sort_by(f64::total_cmp);
    let median_ms = took_ms.get(took_ms.len() / 2).copied().context("no rounds")?;
    let mut problems = Vec::new();
    if let Some(most) = options.median_max.filter(|most| median_ms > most.as_secs_f64() * 1e3) {
        problems.push(format!("{median_ms:.0} ms are more than {} ms", most.as_millis()));
    }
    let figures = Figures {
        rounds: took_ms.len(),
        median_ms,
        fastest_ms: took_ms[0],
        slowest_ms: took_ms[took_ms.len() - 1],
    };
    let figures = verdict::Figures::ColdStart(figures);
    Ok(Outcome::new("cold-start", None, figures, None, problems))
}

async fn open(server: &ServerProcess, person: &Credentials) -> anyhow::Result<Socket> {
    let address = server.target().public;
    let mut socket = Socket::connect(&address, Encoding::MessagePack, SocketStyle::Lean).await?;
    socket.greet(person, Vec::new()).await?;
    Ok(socket)
}

async fn send(socket: &mut Socket, id: ConversationId, reference: u64) -> anyhow::Result<()> {
    let frame = ClientFrame::SendMessage(SendMessage::new(
        reference,
        MessageId::generate(),
        id,
        Content::Text { text: "the first one".to_owned() },
    ));
    socket.send(&frame).await?;
    within("accepted", ANSWER_WAIT, async {
        loop {
            match socket.receive().await? {
                ServerFrame::Accepted(_) => return Ok(()),
                ServerFrame::Error(error) => {
                    return Err(crate::client::SocketError::Refused(error));
                }
                _ => {}
            }
        }
    })
    .await?;
    Ok(())
}
