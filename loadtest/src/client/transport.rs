//! Connections under the sockets: plain or TLS, from one local address or several.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

use super::target::Address;
use super::tls;

/// How this process connects; set once, before the first connection.
#[derive(Clone, Debug, Default)]
pub struct ConnectSettings {
    /// Local addresses to come from, in turn: a pair of addresses has 28,000 ports.
    pub sources: Vec<IpAddr>,
    /// For `https` and `wss`; without it the system's authorities are trusted.
    pub tls: Option<Arc<ClientConfig>>,
    /// What `tls` was made of, for other processes that are to connect likewise.
    pub trust: Option<tls::Trust>,
}

static SETTINGS: OnceLock<ConnectSettings> = OnceLock::new();
static NEXT_SOURCE: AtomicUsize = AtomicUsize::new(0);
/// Bytes; 0 leaves it to the system.
static RECEIVE_BUFFER: AtomicU32 = AtomicU32::new(0);

/// Sets how this process connects. Later calls change nothing.
pub fn configure(settings: ConnectSettings) {
    let _ = SETTINGS.set(settings);
}

/// Gives later connections of this process so small a buffer of the kernel's for what they have
/// not read: as phones on slow networks have. 0 leaves it to the system, which takes megabytes.
pub fn set_receive_buffer(bytes: u32) {
    RECEIVE_BUFFER.store(bytes, Ordering::Relaxed);
}

/// How this process connects.
#[must_use]
pub fn settings() -> ConnectSettings {
    SETTINGS.get().cloned().unwrap_or_default()
}

/// The TLS settings in use.
///
/// # Errors
/// When the system's certificate authorities cannot be used.
pub fn tls_config() -> io::Result<Arc<ClientConfig>> {
    static SYSTEM: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    if let Some(config) = SETTINGS.get().and_then(|settings| settings.tls.clone()) {
        return Ok(config);
    }
    if let Some(config) = SYSTEM.get() {
        return Ok(Arc::clone(config));
    }
    let config = tls::client_config(&tls::Trust::System).map_err(io::Error::other)?;
    Ok(Arc::clone(SYSTEM.get_or_init(|| config)))
}

/// One connection.
#[derive(Debug)]
pub enum Transport {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Transport {
    /// # Errors
    /// When it cannot connect, or the server's certificate is not trusted.
    pub async fn connect(address: Address<'_>) -> io::Result<Self> {
        let tcp = connect_tcp(address.host_port).await?;
        tcp.set_nodelay(true)?;
        if !address.is_tls {
            return Ok(Self::Plain(tcp));
        }
        let name = ServerName::try_from(address.host().to_owned()).map_err(io::Error::other)?;
        let stream = TlsConnector::from(tls_config()?).connect(name, tcp).await?;
        Ok(Self::Tls(Box::new(stream)))
    }

    /// The TCP connection underneath.
    #[must_use]
    pub fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => stream.get_ref().0,
        }
    }
}

async fn connect_tcp(host_port: &str) -> io::Result<TcpStream> {
    let sources = SETTINGS.get().map(|settings| settings.sources.as_slice()).unwrap_or_default();
    let buffer = RECEIVE_BUFFER.load(Ordering::Relaxed);
    if sources.is_empty() && buffer == 0 {
        return TcpStream::connect(host_port).await;
    }
    let turn = NEXT_SOURCE.fetch_add(1, Ordering::Relaxed);
    let source = turn.checked_rem(sources.len()).map(|index| sources[index]);
    let mut last = io::Error::new(io::ErrorKind::NotFound, "no address");
    for address in lookup_host(host_port).await? {
        if source.is_some_and(|source| source.is_ipv4() != address.is_ipv4()) {
            continue;
        }
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        if buffer > 0 {
            socket.set_recv_buffer_size(buffer)?;
        }
        if let Some(source) = source {
            socket.bind(SocketAddr::new(source, 0))?;
        }
        match socket.connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

impl AsyncRead for Transport {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
