//! One encrypted socket, read and written without waiting, as plain ones are.

use std::cell::RefCell;
use std::io::{self, IoSlice, Read as _, Write as _};
use std::sync::Arc;

use actix_rt::net::TcpStream;
use tokio_rustls::rustls::{ServerConfig, ServerConnection};

/// A TCP socket and its TLS session.
pub struct TlsSocket {
    tcp: TcpStream,
    session: RefCell<ServerConnection>,
}

/// The TCP socket as the session reads and writes it.
struct Raw<'a>(&'a TcpStream);

impl io::Read for Raw<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buffer)
    }
}

impl io::Write for Raw<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn would_block(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}

impl TlsSocket {
    /// Shakes hands. The caller sets the deadline.
    ///
    /// # Errors
    /// What the peer did wrong, or the socket's error.
    pub async fn accept(tcp: TcpStream, config: Arc<ServerConfig>) -> io::Result<Self> {
        let session = ServerConnection::new(config).map_err(io::Error::other)?;
        let socket = Self { tcp, session: RefCell::new(session) };
        loop {
            match socket.try_flush() {
                Ok(()) => {}
                Err(error) if would_block(&error) => {
                    socket.tcp.writable().await?;
                    continue;
                }
                Err(error) => return Err(error),
            }
            if !socket.session.borrow().is_handshaking() {
                return Ok(socket);
            }
            match socket.receive() {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => {}
                Err(error) if would_block(&error) => socket.tcp.readable().await?,
                Err(error) => return Err(error),
            }
        }
    }

    pub const fn tcp(&self) -> &TcpStream {
        &self.tcp
    }

    /// Reads ciphertext once and works on it: the count, zero at the end.
    fn receive(&self) -> io::Result<usize> {
        let mut session = self.session.borrow_mut();
        let count = session.read_tls(&mut Raw(&self.tcp))?;
        if let Err(error) = session.process_new_packets() {
            // The peer is told why, if it still reads.
            let _ = session.write_tls(&mut Raw(&self.tcp));
            return Err(io::Error::new(io::ErrorKind::InvalidData, error));
        }
        Ok(count)
    }

    /// # Errors
    /// `WouldBlock` when nothing is there.
    pub fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.session.borrow_mut().reader().read(buffer);
            match read {
                Err(error) if would_block(&error) => {}
                // Hung up without goodbye: an end like any other, frames have their own.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
                read => return read,
            }
            if self.receive()? == 0 {
                return Ok(0);
            }
        }
    }

    /// Takes bytes to encrypt once all that was taken before has left.
    ///
    /// # Errors
    /// `WouldBlock` when the peer takes no more.
    pub fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.try_flush()?;
        let count = self.session.borrow_mut().writer().write_vectored(slices)?;
        match self.try_flush() {
            Err(error) if !would_block(&error) => Err(error),
            _ => Ok(count),
        }
    }

    /// Writes what is encrypted.
    ///
    /// # Errors
    /// `WouldBlock` when the peer takes no more.
    pub fn try_flush(&self) -> io::Result<()> {
        let mut session = self.session.borrow_mut();
        while session.wants_write() {
            if session.write_tls(&mut Raw(&self.tcp))? == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
        Ok(())
    }

    /// Says in TLS that nothing more comes.
    pub fn say_goodbye(&self) {
        self.session.borrow_mut().send_close_notify();
        let _ = self.try_flush();
    }
}
