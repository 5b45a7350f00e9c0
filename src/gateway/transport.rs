//! Bytes between one socket and its connection actor, with buffers only while bytes are under
//! way.
//!
//! The task owns the actor. Reading is driven by the actor's own polling, through one scratch
//! buffer a thread; what the actor queued in its link goes out with as few write calls as the
//! socket takes.

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_codec::Decoder as _;
use actix_http::ws;
use actors::connection::{Link, Piece, Received, Written};
use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use schema::metric;
use schema::wire::CloseCode;
use schema::wire::codec::{FRAME_BYTES_MAX, GREETING_BYTES_MAX};

use super::admission::Permit;
use super::stream::ClientStream;
use super::watchdog::Watchdog;

/// Bytes read at once, and in one turn of a task before others get theirs.
const READ_BYTES: usize = 16 * 1024;
const READ_TURN_BYTES: usize = 64 * 1024;
/// A frame's header with its mask (RFC 6455 section 5.2).
const FRAME_HEADER_BYTES_MAX: usize = 14;
/// After goodbye, the peer has this long to hang up.
const LINGER: Duration = Duration::from_secs(2);

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into_boxed_slice());
}

type Driven = Pin<Box<dyn Stream<Item = Result<Bytes, actix_web::Error>>>>;

/// Frames from the peer. A buffer is held only while a frame is cut.
pub struct FrameReader {
    socket: Rc<ClientStream>,
    link: Rc<Link>,
    watchdog: Rc<Watchdog>,
    codec: ws::Codec,
    /// What came and is not decoded yet; at first, what came with the upgrade request.
    buffer: BytesMut,
    turn_bytes: usize,
    /// The last read took all there was.
    is_drained: bool,
}

impl FrameReader {
    pub fn new(
        socket: Rc<ClientStream>,
        link: Rc<Link>,
        watchdog: Rc<Watchdog>,
        early: &[u8],
    ) -> Self {
        let codec = ws::Codec::new().max_size(FRAME_BYTES_MAX);
        Self {
            socket,
            link,
            watchdog,
            codec,
            buffer: BytesMut::from(early),
            turn_bytes: 0,
            is_drained: false,
        }
    }

    fn decode(&mut self) -> Option<Received> {
        if self.buffer.is_empty() {
            return None;
        }
        let received = match self.codec.decode(&mut self.buffer) {
            Ok(Some(frame)) => Some(received(frame)),
            Ok(None) if self.buffer.len() > self.bytes_max() => Some(Received::TooLarge),
            Ok(None) => None,
            Err(ws::ProtocolError::Overflow) => Some(Received::TooLarge),
            Err(_) => Some(Received::Broken),
        };
        if self.buffer.is_empty() {
            self.buffer = BytesMut::new();
        }
        received
    }

    /// Bytes that may wait for the rest of their frame.
    fn bytes_max(&self) -> usize {
        let payload = if self.link.is_greeted() { FRAME_BYTES_MAX } else { GREETING_BYTES_MAX };
        payload + FRAME_HEADER_BYTES_MAX
    }

    /// Reads what is there: the count, zero at the end.
    fn read(&mut self) -> io::Result<usize> {
        SCRATCH.with_borrow_mut(|scratch| {
            let count = self.socket.try_read(scratch)?;
            self.buffer.extend_from_slice(&scratch[..count]);
            self.turn_bytes += count;
            self.is_drained = self.socket.is_emptied_by(count, scratch.len());
            self.link.heard(self.watchdog.now_s());
            Ok(count)
        })
    }

    fn ended(&self) -> Poll<Option<Received>> {
        self.link.set_ended();
        Poll::Ready(None)
    }
}

impl Stream for FrameReader {
    type Item = Received;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Received>> {
        loop {
            if self.link.is_ending() {
                return Poll::Ready(None);
            }
            if let Some(received) = self.decode() {
                return Poll::Ready(Some(received));
            }
            if self.turn_bytes >= READ_TURN_BYTES {
                self.turn_bytes = 0;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if std::mem::take(&mut self.is_drained) {
                self.socket.forget_readiness();
                match self.socket.tcp().poll_read_ready(cx) {
                    Poll::Pending => {
                        self.turn_bytes = 0;
                        return Poll::Pending;
                    }
                    // More has come since, or the end.
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(_)) => return self.ended(),
                }
            }
            match self.read() {
                Ok(0) => return self.ended(),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.turn_bytes = 0;
                    match self.socket.tcp().poll_read_ready(cx) {
                        Poll::Pending => return Poll::Pending,
                        Poll::Ready(Ok(())) => {}
                        Poll::Ready(Err(_)) => return self.ended(),
                    }
                }
                Err(_) => {
                    self.link.abort();
                    return self.ended();
                }
            }
        }
    }
}

fn received(frame: ws::Frame) -> Received {
    match frame {
        ws::Frame::Text(bytes) => Received::Piece(Piece::Whole { text: true, bytes }),
        ws::Frame::Binary(bytes) => Received::Piece(Piece::Whole { text: false, bytes }),
        ws::Frame::Continuation(item) => Received::Piece(match item {
            ws::Item::FirstText(bytes) => Piece::First { text: true, bytes },
            ws::Item::FirstBinary(bytes) => Piece::First { text: false, bytes },
            ws::Item::Continue(bytes) => Piece::Middle(bytes),
            ws::Item::Last(bytes) => Piece::Last(bytes),
        }),
        ws::Frame::Ping(bytes) => Received::Ping(bytes),
        ws::Frame::Pong(_) => Received::Pong,
        ws::Frame::Close(reason) => {
            Received::Goodbye(reason.map_or(1005, |reason| u16::from(reason.code)))
        }
    }
}

/// The task of one socket.
pub struct Transport {
    socket: Rc<ClientStream>,
    link: Rc<Link>,
    watchdog: Rc<Watchdog>,
    /// `None` once the connection is ending.
    actor: Option<Driven>,
    permit: Permit,
    lingering: Option<Pin<Box<actix_rt::time::Sleep>>>,
}

impl Transport {
    pub fn new(
        socket: Rc<ClientStream>,
        link: Rc<Link>,
        watchdog: Rc<Watchdog>,
        actor: Driven,
        permit: Permit,
    ) -> Self {
        link.set_outlet(Some(socket.clone()));
        Self { socket, link, watchdog, actor: Some(actor), permit, lingering: None }
    }

    fn drive(&mut self, cx: &mut Context<'_>) {
        while let Some(actor) = &mut self.actor {
            match actor.as_mut().poll_next(cx) {
                // Everything goes out through the link; the context itself writes nothing.
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(Some(Err(_)) | None) => {
                    self.link.set_ended();
                    self.actor = None;
                }
                Poll::Pending => break,
            }
        }
        if self.link.is_greeted() {
            self.permit.greeted();
        }
        if self.link.is_ending() {
            self.actor = None;
        }
    }

    /// Writes until nothing is left (`Ready`) or the peer takes no more (`Pending`).
    fn flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            match self.link.write_out() {
                Written::All => return Poll::Ready(Ok(())),
                Written::Failed(error) => return Poll::Ready(Err(error)),
                Written::Blocked => {
                    self.link.blocked(self.watchdog.now_s());
                    match self.socket.tcp().poll_write_ready(cx) {
                        Poll::Pending => return Poll::Pending,
                        Poll::Ready(ready) => ready?,
                    }
                }
            }
        }
    }

    /// After goodbye: hear the peer out, so that unread bytes do not turn it into a reset.
    fn linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.lingering.is_none() {
            self.socket.shut_down_writing();
        }
        let deadline =
            self.lingering.get_or_insert_with(|| Box::pin(actix_rt::time::sleep(LINGER)));
        if deadline.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        SCRATCH.with_borrow_mut(|scratch| {
            loop {
                match self.socket.try_read(scratch) {
                    Ok(0) => return Poll::Ready(()),
                    Ok(_) => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        match self.socket.tcp().poll_read_ready(cx) {
                            Poll::Pending => return Poll::Pending,
                            Poll::Ready(Ok(())) => {}
                            Poll::Ready(Err(_)) => return Poll::Ready(()),
                        }
                    }
                    Err(_) => return Poll::Ready(()),
                }
            }
        })
    }
}

impl Future for Transport {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.link.set_waker(cx.waker());
        self.drive(cx);
        if self.link.is_aborted() {
            return Poll::Ready(());
        }
        match self.flush(cx) {
            Poll::Ready(Err(_)) => Poll::Ready(()),
            Poll::Ready(Ok(())) if self.link.is_ending() => self.linger(cx),
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Pending,
        }
    }
}

impl Drop for Transport {
    fn drop(&mut self) {
        // A session may hold the link a moment longer: the socket closes now.
        self.link.set_outlet(None);
        let reason = self.link.closing().map_or("peer", CloseCode::name);
        metrics::counter!(metric::CONNECTIONS_CLOSED, "reason" => reason).increment(1);
    }
}
