//! Opens many sockets, one user each, and weighs them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use schema::ConversationId;
use schema::MessageId;
use schema::record::{Content, ConversationKind};
use schema::wire::{ClientFrame, Encoding, Ping, SendMessage, ServerFrame};
use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::{Backend, ServerChoice, keep_evidence};
use crate::client::{Credentials, Socket, SocketError, SocketStyle, provision, within};
use crate::process_stats::{self, KernelMemory, Memory};
use crate::verdict::{self, Outcome};

/// What each connection does once before it falls silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Echo {
    /// `ping`, answered by `pong`.
    Ping,
    /// Also one message to a group of its own, answered by `accepted`.
    Message,
}

/// How many, and how heavy they may be.
#[derive(Clone, Debug)]
pub struct Options {
    pub server: ServerChoice,
    pub connections: usize,
    pub echo: Echo,
    /// Between the last echo and the weighing.
    pub settle: Duration,
    /// Resident bytes; beyond it the scenario fails.
    pub bytes_per_connection_max: Option<u64>,
}

/// What they weigh.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Figures {
    pub connections: usize,
    /// Sockets that were gone when weighed.
    pub lost: u64,
    pub open_ms: u64,
    pub before: Memory,
    pub after: Memory,
    /// Growth of resident memory, per connection.
    pub resident_bytes_per_connection: u64,
    /// Growth of the server's own memory, per connection.
    pub anonymous_bytes_per_connection: u64,
    /// Growth of TCP buffers of the machine, both ends, per connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel_tcp_bytes_per_connection: Option<u64>,
    /// Growth of the kernel's structures, both ends, per connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel_slab_bytes_per_connection: Option<u64>,
    /// CPU of the server while settling, for all connections, share of one core in percent.
    pub idle_cpu_percent: f64,
}

/// Handshakes under way at once: fewer than the silent sockets that a server allows one address.
const OPENING_MAX: usize = 16;
const ANSWER_WAIT: Duration = Duration::from_secs(20);

/// Runs the scenario.
///
/// # Errors
/// When it cannot be run: no server, or its memory cannot be read.
pub async fn run(options: Options) -> anyhow::Result<Outcome> {
    let mut backend = Backend::open(options.server.clone()).await?;
    let pid = backend.pid().context("the server's memory is read by its pid (--server-pid)")?;
    let users = provision(&backend.rest, "idle", options.connections + 1).await?;
    let guests = invite(&backend, users, options.echo).await?;
    let mut problems = Vec::new();
    let mut guests = guests.into_iter();
    // The first socket pays for what is set up once.
    if let Some(first) = guests.next() {
        let socket = open(backend.address().to_owned(), first).await?;
        drop(socket);
        sleep(Duration::from_millis(500)).await;
    }
    let (before, kernel_before) = (process_stats::memory(pid)?, process_stats::kernel_memory());
    let begun = Instant::now();
    let lost = Arc::new(AtomicU64::new(0));
    let crowd = open_all(backend.address(), guests.collect(), &lost, &mut problems).await;
    let open_ms = begun.elapsed().as_millis() as u64;
    let cpu_before = process_stats::cpu_time(pid)?;
    sleep(options.settle).await;
    let cpu = process_stats::cpu_time(pid)?.saturating_sub(cpu_before);
    let mut figures = weigh(crowd.len(), before, process_stats::memory(pid)?, kernel_before);
    figures.open_ms = open_ms;
    figures.lost = lost.load(Ordering::Relaxed);
    figures.idle_cpu_percent = 100.0 * cpu.as_secs_f64() / options.settle.as_secs_f64().max(0.001);
    judge(&options, &figures, &mut problems);
    drop(crowd);
    let outcome = Outcome::new("idle", None, verdict::Figures::Idle(figures), None, problems);
    Ok(keep_evidence(outcome, &mut backend))
}

fn judge(options: &Options, figures: &Figures, problems: &mut Vec<String>) {
    if figures.connections != options.connections {
        problems.push(format!(
            "{} of {} connections were opened",
            figures.connections, options.connections
        ));
    }
    if figures.lost > 0 {
        problems.push(format!("{} connections were lost while idle", figures.lost));
    }
    let resident = figures.resident_bytes_per_connection;
    if let Some(most) = options.bytes_per_connection_max.filter(|most| resident > *most) {
        problems.push(format!("{resident} resident bytes per connection, at most {most} allowed"));
    }
}

fn weigh(
    connections: usize,
    before: Memory,
    after: Memory,
    kernel_before: Option<KernelMemory>,
) -> Figures {
    let each = |after: u64, before: u64| after.saturating_sub(before) / connections.max(1) as u64;
    let kernel = kernel_before.zip(process_stats::kernel_memory());
    Figures {
        connections,
        before,
        after,
        resident_bytes_per_connection: each(after.resident_bytes, before.resident_bytes),
        anonymous_bytes_per_connection: each(after.anonymous_bytes, before.anonymous_bytes),
        kernel_tcp_bytes_per_connection: kernel
            .map(|(before, after)| each(after.tcp_buffer_bytes, before.tcp_buffer_bytes)),
        kernel_slab_bytes_per_connection: kernel
            .map(|(before, after)| each(after.slab_bytes, before.slab_bytes)),
        ..Figures::default()
    }
}

/// One connection to come.
struct Guest {
    credentials: Credentials,
    /// Where it says something, if it is to.
    own_group: Option<ConversationId>,
}

async fn invite(
    backend: &Backend,
    users: Vec<Credentials>,
    echo: Echo,
) -> anyhow::Result<Vec<Guest>> {
    let mut guests = Vec::with_capacity(users.len());
    for credentials in users {
        let own_group = match echo {
            Echo::Ping => None,
            Echo::Message => {
                let (token, kind) = (&credentials.access_token, ConversationKind::Group);
                let name = Some("own".to_owned());
                Some(backend.rest.create_conversation(token, kind, Vec::new(), name).await?)
            }
        };
        guests.push(Guest { credentials, own_group });
    }
    Ok(guests)
}

/// Opens all; each stays in a task that answers the server's pings.
async fn open_all(
    address: &str,
    guests: Vec<Guest>,
    lost: &Arc<AtomicU64>,
    problems: &mut Vec<String>,
) -> JoinSet<()> {
    let gate = Arc::new(Semaphore::new(OPENING_MAX));
    let mut opening = JoinSet::new();
    for guest in guests {
        let (gate, address) = (Arc::clone(&gate), address.to_owned());
        opening.spawn(async move {
            // The gate is never closed.
            let _permit = gate.acquire_owned().await;
            open(address, guest).await
        });
    }
    let mut crowd = JoinSet::new();
    while let Some(opened) = opening.join_next().await {
        match opened {
            Ok(Ok(socket)) => drop(crowd.spawn(stay(socket, Arc::clone(lost)))),
            Ok(Err(error)) if problems.len() < 5 => problems.push(error.to_string()),
            Err(error) if problems.len() < 5 => problems.push(error.to_string()),
            Ok(Err(_)) | Err(_) => {}
        }
    }
    crowd
}

async fn stay(mut socket: Socket, lost: Arc<AtomicU64>) {
    while socket.receive().await.is_ok() {}
    lost.fetch_add(1, Ordering::Relaxed);
}

async fn open(address: String, guest: Guest) -> Result<Socket, SocketError> {
    let mut socket = Socket::connect(&address, Encoding::MessagePack, SocketStyle::Lean).await?;
    socket.greet(&guest.credentials, Vec::new()).await?;
    socket.send(&ClientFrame::Ping(Ping::default())).await?;
    wait_for(&mut socket, "pong", |frame| matches!(frame, ServerFrame::Pong(_))).await?;
    if let Some(conversation_id) = guest.own_group {
        let message = SendMessage::new(
            1,
            MessageId::generate(),
            conversation_id,
            Content::Text { text: "hello".to_owned() },
        );
        socket.send(&ClientFrame::SendMessage(message)).await?;
        wait_for(&mut socket, "accepted", |frame| matches!(frame, ServerFrame::Accepted(_)))
            .await?;
    }
    Ok(socket)
}

async fn wait_for(
    socket: &mut Socket,
    what: &'static str,
    is_it: impl Fn(&ServerFrame) -> bool,
) -> Result<(), SocketError> {
    within(what, ANSWER_WAIT, async {
        loop {
            match socket.receive().await? {
                frame if is_it(&frame) => return Ok(()),
                ServerFrame::Error(error) => {
                    return Err(SocketError::Refused(error));
                }
                _ => {}
            }
        }
    })
    .await
}
