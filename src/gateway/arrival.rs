//! Before the first byte of HTTP: who is it, and TLS. With a deadline, and never too many at once.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_rt::net::TcpStream;
use actix_rt::time::timeout;
use schema::metric;

use super::admission::Admission;
use super::proxy_protocol::{self, BadHeader, Step};
use super::stream::ClientStream;
use super::tls::{CurrentTls, TlsSocket};
use crate::api::address::limited_as;
use crate::config::AddressRange;

/// For the PROXY header and the TLS handshake together.
const DEADLINE: Duration = Duration::from_secs(5);

/// How sockets of a listener begin.
pub struct Arrival {
    pub admission: Arc<Admission>,
    pub tls: Option<Arc<CurrentTls>>,
    /// Trusted proxies say whom they speak for.
    pub proxy_protocol: bool,
    pub trusted_proxies: Vec<AddressRange>,
}

/// Why a socket was dropped before it said anything in HTTP.
#[derive(Debug, thiserror::Error)]
enum Dropped {
    #[error("too many begin at once")]
    Crowded,
    #[error("no beginning in time")]
    Late,
    #[error(transparent)]
    Header(#[from] BadHeader),
    #[error("TLS: {0}")]
    Tls(io::Error),
    #[error(transparent)]
    Socket(#[from] io::Error),
}

impl Dropped {
    const fn reason(&self) -> &'static str {
        match self {
            Self::Crowded => "handshakes",
            Self::Late => "handshake_timeout",
            Self::Header(_) => "proxy_header",
            Self::Tls(_) => "tls",
            Self::Socket(_) => "socket",
        }
    }
}

impl Arrival {
    /// The stream to speak HTTP on and the address behind it; `None` when it was dropped.
    pub async fn begin(
        &self,
        tcp: TcpStream,
        peer: Option<SocketAddr>,
    ) -> Option<(ClientStream, Option<SocketAddr>)> {
        let is_proxy = peer.is_some_and(|peer| self.is_trusted(peer));
        let speaks_for_another = self.proxy_protocol && is_proxy;
        if self.tls.is_none() && !speaks_for_another {
            return Some((ClientStream::Plain(tcp), peer));
        }
        let begun = self.within_limits(tcp, peer, is_proxy, speaks_for_another).await;
        match begun {
            Ok(begun) => Some(begun),
            Err(dropped) => {
                let reason = dropped.reason();
                metrics::counter!(metric::CONNECTIONS_REFUSED, "reason" => reason).increment(1);
                tracing::debug!(error = %dropped, "a connection was dropped");
                None
            }
        }
    }

    async fn within_limits(
        &self,
        tcp: TcpStream,
        peer: Option<SocketAddr>,
        is_proxy: bool,
        speaks_for_another: bool,
    ) -> Result<(ClientStream, Option<SocketAddr>), Dropped> {
        // A proxy stands for many: it counts for the node, not as one address.
        let counted = peer.filter(|_| !is_proxy).map(|peer| limited_as(peer.ip()));
        let _permit = self.admission.begin_handshake(counted).ok_or(Dropped::Crowded)?;
        let begin = async {
            let told = if speaks_for_another { proxy_header(&tcp).await? } else { None };
            let stream = match &self.tls {
                None => ClientStream::Plain(tcp),
                Some(tls) => {
                    let socket = TlsSocket::accept(tcp, tls.config()).await;
                    ClientStream::Tls(Box::new(socket.map_err(Dropped::Tls)?))
                }
            };
            Ok((stream, told.or(peer)))
        };
        timeout(DEADLINE, begin).await.map_err(|_| Dropped::Late)?
    }

    fn is_trusted(&self, peer: SocketAddr) -> bool {
        self.trusted_proxies.iter().any(|range| range.contains(peer.ip()))
    }
}

async fn proxy_header(tcp: &TcpStream) -> Result<Option<SocketAddr>, Dropped> {
    let mut bytes = Vec::new();
    loop {
        match proxy_protocol::read(&bytes)? {
            Step::Done(address) => return Ok(address),
            Step::Read(count) => {
                let begin = bytes.len();
                bytes.resize(begin + count, 0);
                read_exactly(tcp, &mut bytes[begin..]).await?;
            }
        }
    }
}

async fn read_exactly(tcp: &TcpStream, mut room: &mut [u8]) -> io::Result<()> {
    while !room.is_empty() {
        tcp.readable().await?;
        match tcp.try_read(room) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => room = &mut room[count..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
