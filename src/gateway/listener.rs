//! Listens, accepts, and hands sockets to the workers in turn.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix::ArbiterHandle;
use actix_web::web::ServiceConfig;
use tokio::sync::{mpsc, watch};

use super::worker::{self, Service};

/// Adds a listener's routes to a worker's application.
pub type Routes = Arc<dyn Fn(&mut ServiceConfig) + Send + Sync>;

/// Sockets accepted and not taken by their worker yet.
const HAND_OVER_MAX: usize = 1024;
const BACKLOG: i32 = 4096;
/// With no descriptor left, accepting pauses this long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A listening socket and the address it really has.
pub struct Bound {
    pub address: SocketAddr,
    listener: TcpListener,
}

/// Listens on `address`; port 0 takes any free one.
///
/// # Errors
/// The operating system's, with the address named.
pub fn bind(address: SocketAddr) -> io::Result<Bound> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{address}: {error}"));
    let domain = socket2::Domain::for_address(address);
    let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None).map_err(named)?;
    socket.set_reuse_address(true).map_err(named)?;
    socket.bind(&address.into()).map_err(named)?;
    socket.listen(BACKLOG).map_err(named)?;
    socket.set_nonblocking(true).map_err(named)?;
    let listener = TcpListener::from(socket);
    Ok(Bound { address: listener.local_addr().map_err(named)?, listener })
}

/// Accepts on the calling thread and serves on `workers`, until `stop` turns true.
///
/// # Errors
/// When the listener cannot be watched.
pub fn serve(
    bound: Bound,
    workers: &[ArbiterHandle],
    service: &Service,
    mut stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let listener = actix_rt::net::TcpListener::from_std(bound.listener)?;
    let mut hands = Vec::new();
    for worker in workers {
        let (hand, sockets) = mpsc::channel(HAND_OVER_MAX);
        let service = service.clone();
        worker.spawn_fn(move || {
            actix_rt::spawn(worker::serve(sockets, service));
        });
        hands.push(hand);
    }
    actix_rt::spawn(async move {
        let mut turn = 0;
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = stop.wait_for(|stop| *stop) => return,
            };
            match accepted.and_then(|(socket, _)| socket.into_std()) {
                Ok(socket) => {
                    // A worker that is behind by this many gets no more; the peer sees a reset.
                    let _ = hands[turn % hands.len()].try_send(socket);
                    turn += 1;
                }
                Err(error) => {
                    tracing::warn!(%error, "accepting paused");
                    actix_rt::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    });
    Ok(())
}
