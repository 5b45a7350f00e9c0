//! A socket of a client, plain or encrypted.

use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use actix_rt::net::{ActixStream, Ready, TcpStream};
use actors::connection::Outlet;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};

use super::tls::TlsSocket;

/// No larger than the plain one alone: a test holds it.
pub enum ClientStream {
    Plain(TcpStream),
    Tls(Box<TlsSocket>),
}

impl ClientStream {
    pub fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Tls(tls) => tls.tcp(),
        }
    }

    /// # Errors
    /// `WouldBlock` when nothing is there.
    pub fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.try_read(buffer),
            Self::Tls(tls) => tls.try_read(buffer),
        }
    }

    /// # Errors
    /// `WouldBlock` when the peer takes no more.
    pub fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.try_write_vectored(slices),
            Self::Tls(tls) => tls.try_write_vectored(slices),
        }
    }

    /// Writes what was taken and has not left: nothing on a plain socket.
    ///
    /// # Errors
    /// `WouldBlock` when the peer takes no more.
    pub fn try_flush(&self) -> io::Result<()> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Tls(tls) => tls.try_flush(),
        }
    }

    /// Whether a read of `count` bytes into `room` bytes has taken all there was. A read that did
    /// not fill its buffer has emptied a plain socket (epoll(7), edge-triggered); records of TLS
    /// end where they like.
    pub const fn is_emptied_by(&self, count: usize, room: usize) -> bool {
        matches!(self, Self::Plain(_)) && count < room
    }

    /// The next bytes are news: another read that would find nothing is saved. The end of the
    /// stream is never forgotten.
    pub fn forget_readiness(&self) {
        let _ = self.tcp().try_io(Interest::READABLE, || {
            Err::<(), _>(io::Error::from(io::ErrorKind::WouldBlock))
        });
    }

    /// Nothing more comes from here.
    pub fn shut_down_writing(&self) {
        if let Self::Tls(tls) = self {
            tls.say_goodbye();
        }
        let _ = socket2::SockRef::from(self.tcp()).shutdown(Shutdown::Write);
    }
}

impl Outlet for ClientStream {
    fn write(&self, frames: &[IoSlice<'_>]) -> io::Result<usize> {
        match (self, frames) {
            (Self::Plain(tcp), [only]) => tcp.try_write(only),
            _ => self.try_write_vectored(frames),
        }
    }

    fn flush(&self) -> io::Result<()> {
        self.try_flush()
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_read(cx, buffer),
            Self::Tls(tls) => loop {
                match tls.try_read(buffer.initialize_unfilled()) {
                    Ok(count) => {
                        buffer.advance(count);
                        return Poll::Ready(Ok(()));
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        ready!(tls.tcp().poll_read_ready(cx))?;
                    }
                    Err(error) => return Poll::Ready(Err(error)),
                }
            },
        }
    }
}

/// Tries until it succeeds, fails or would have to wait.
fn poll_write<T>(
    tcp: &TcpStream,
    cx: &mut Context<'_>,
    mut write: impl FnMut() -> io::Result<T>,
) -> Poll<io::Result<T>> {
    loop {
        match write() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                ready!(tcp.poll_write_ready(cx))?;
            }
            written => return Poll::Ready(written),
        }
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_write(cx, bytes),
            Self::Tls(tls) => {
                poll_write(tls.tcp(), cx, || tls.try_write_vectored(&[IoSlice::new(bytes)]))
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Self::Tls(tls) => poll_write(tls.tcp(), cx, || tls.try_flush()),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            stream @ Self::Tls(_) => {
                ready!(poll_write(stream.tcp(), cx, || stream.try_flush()))?;
                stream.shut_down_writing();
                Poll::Ready(Ok(()))
            }
        }
    }
}

impl ActixStream for ClientStream {
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        ActixStream::poll_read_ready(self.tcp(), cx)
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        ActixStream::poll_write_ready(self.tcp(), cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encryption_costs_plain_sockets_nothing() {
        assert_eq!(size_of::<ClientStream>(), size_of::<TcpStream>());
    }
}
