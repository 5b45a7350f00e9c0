//! Connections that greet once and say nothing more.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use schema::UserId;
use schema::wire::{ClientFrame, Encoding, Ping, ServerFrame, SubscribePresence};
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::meter::{Ear, Meter};
use crate::client::{Credentials, Observer as _, Socket, SocketError, SocketStyle, within};

const OPENING_MAX: usize = 32;
const ANSWER_WAIT: Duration = Duration::from_secs(20);
/// Before trying again to come back.
const AGAIN: Duration = Duration::from_millis(200);

/// One of them, to be sent away.
#[derive(Debug, Default)]
struct Leash {
    away: Notify,
    away_ms: AtomicU64,
}

/// All of them, connected. Dropping it ends them.
#[derive(Debug, Default)]
pub struct SilentCrowd {
    leashes: Vec<Arc<Leash>>,
    open: Arc<AtomicU64>,
    _tasks: JoinSet<()>,
}

impl SilentCrowd {
    /// Connects one device for each of `users`, spread over `addresses`. Each watches those that
    /// follow it in the list, `watches` of them. Failures are told.
    pub async fn open(
        users: Vec<Credentials>,
        watches: usize,
        addresses: &[String],
        meter: &Arc<Meter>,
        problems: &mut Vec<String>,
    ) -> Self {
        let gate = Arc::new(Semaphore::new(OPENING_MAX));
        let mut opening = JoinSet::new();
        let ids: Vec<UserId> = users.iter().map(|user| user.user_id).collect();
        for (number, user) in users.into_iter().enumerate() {
            let others = ids.iter().cycle().skip(number + 1).take(watches.min(ids.len() - 1));
            let watched: Arc<[UserId]> = others.copied().collect();
            let address = addresses[number % addresses.len()].clone();
            let gate = Arc::clone(&gate);
            opening.spawn(async move {
                // The gate is never closed.
                let _permit = gate.acquire_owned().await;
                let socket = greet_and_watch(&address, &user, &watched).await;
                (socket, address, user, watched)
            });
        }
        let mut crowd = Self::default();
        while let Some(opened) = opening.join_next().await {
            match opened {
                Ok((Ok(socket), address, user, watched)) => {
                    crowd.keep(socket, address, user, watched, meter);
                }
                Ok((Err(error), ..)) if problems.len() < 5 => problems.push(error.to_string()),
                Err(error) if problems.len() < 5 => problems.push(error.to_string()),
                Ok((Err(_), ..)) | Err(_) => {}
            }
        }
        crowd
    }

    fn keep(
        &mut self,
        socket: Socket,
        address: String,
        user: Credentials,
        watched: Arc<[UserId]>,
        meter: &Arc<Meter>,
    ) {
        let meter = Arc::clone(meter);
        let (leash, ear) = (Arc::new(Leash::default()), Ear::new(Arc::clone(&meter)));
        self.leashes.push(Arc::clone(&leash));
        self.open.fetch_add(1, Ordering::Relaxed);
        let open = Arc::clone(&self.open);
        self._tasks.spawn(async move {
            let mut socket = Some(socket);
            loop {
                if let Some(held) = &mut socket {
                    tokio::select! {
                        () = leash.away.notified() => {}
                        error = until_it_ends(held, &meter) => ear.lost(&error),
                    }
                    open.fetch_sub(1, Ordering::Relaxed);
                    if let Some(held) = socket.take() {
                        held.reset();
                    }
                    let away_ms = leash.away_ms.swap(0, Ordering::Relaxed);
                    sleep(Duration::from_millis(away_ms)).await;
                }
                match greet_and_watch(&address, &user, &watched).await {
                    Ok(back) => {
                        ear.opened();
                        open.fetch_add(1, Ordering::Relaxed);
                        socket = Some(back);
                    }
                    Err(error) => {
                        ear.lost(&error);
                        sleep(AGAIN).await;
                    }
                }
            }
        });
    }

    #[must_use]
    pub fn count(&self) -> usize {
        self.leashes.len()
    }

    /// How many sockets are open now.
    #[must_use]
    pub fn count_open(&self) -> u64 {
        self.open.load(Ordering::Relaxed)
    }

    /// Resets the socket of this number; it comes back after `pause`.
    pub fn go_away(&self, number: usize, pause: Duration) {
        let leash = &self.leashes[number % self.leashes.len()];
        leash.away_ms.store(pause.as_millis() as u64, Ordering::Relaxed);
        leash.away.notify_one();
    }
}

async fn until_it_ends(socket: &mut Socket, meter: &Meter) -> SocketError {
    loop {
        match socket.receive().await {
            Ok(ServerFrame::UserOnline(_)) => meter.note_presence(),
            Ok(_) => {}
            Err(error) => return error,
        }
    }
}

/// Greets, and subscribes to the presence of others.
async fn greet_and_watch(
    address: &str,
    user: &Credentials,
    watched: &[UserId],
) -> Result<Socket, SocketError> {
    let mut socket = greet(address, user).await?;
    if !watched.is_empty() {
        let subscribe = SubscribePresence { user_ids: watched.to_vec() };
        socket.send(&ClientFrame::SubscribePresence(subscribe)).await?;
    }
    Ok(socket)
}

/// Connects, is welcomed, and exchanges one ping.
pub async fn greet(address: &str, user: &Credentials) -> Result<Socket, SocketError> {
    let mut socket = Socket::connect(address, Encoding::MessagePack, SocketStyle::Lean).await?;
    socket.greet(user, Vec::new()).await?;
    socket.send(&ClientFrame::Ping(Ping::default())).await?;
    within("pong", ANSWER_WAIT, async {
        while !matches!(socket.receive().await?, ServerFrame::Pong(_)) {}
        Ok(())
    })
    .await?;
    Ok(socket)
}
