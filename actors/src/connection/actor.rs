//! One socket as an actor: the one file that names `actix_web_actors`.

use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix::{
    Actor, ActorContext as _, ActorFutureExt as _, Addr, Arbiter, AsyncContext as _, Handler,
    StreamHandler, WrapFuture as _,
};
use actix_http::ws::{Codec, Message as WsMessage, ProtocolError};
use actix_web::error::PayloadError;
use actix_web_actors::ws::WebsocketContext;
use bytes::Bytes;
use futures_util::Stream;
use schema::wire::codec::{FRAME_BYTES_MAX, GREETING_BYTES_MAX};
use schema::wire::{
    ClientFrame, CloseCode, DecodeError, Encoding, ErrorCode, ErrorFrame, Hello, ServerFrame,
    decode_client, framing,
};
use schema::{ConnectionId, metric};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::assembler::{AssembleError, Assembler, Piece};
use super::link::Link;
use super::phase::{Effect, Phase};
use super::received::Received;
use crate::monitor::{DeathNotice, handled};
use crate::ports::{Authenticator, TokenRefused, WallClock};
use crate::session::local;
use crate::session::{Attach, Drained, FromSocket, Session, Sessions, ToSocket};

/// Above the sends that may wait for an answer at once; an empty mailbox takes no room.
const MAILBOX: usize = 4096;
/// Checking a token and preparing the session end after this time.
const ATTACH_DEADLINE: Duration = Duration::from_secs(5);
/// Lives of a session tried for one socket.
const ATTACH_TRIES: usize = 4;
/// Frames that wait for a busy session before the socket is let go.
const PARKED_MAX: usize = 256;
const PARKED_RETRY: Duration = Duration::from_millis(20);

/// What connections work with.
pub struct ConnectionContext {
    pub sessions: Arc<Sessions>,
    pub authenticator: Arc<dyn Authenticator>,
    pub clock: Arc<dyn WallClock>,
}

/// The actor.
struct Connection {
    id: ConnectionId,
    encoding: Encoding,
    context: Arc<ConnectionContext>,
    link: Rc<Link>,
    /// Until the actor has started.
    incoming: Option<Pin<Box<dyn Stream<Item = Received>>>>,
    phase: Phase,
    assembler: Assembler,
    /// Shared with the watchdog and the notice: an address weighs a hundred bytes.
    session: Option<Arc<Addr<Session>>>,
    /// Frames that a busy session refused, in order; `None` while there are none.
    #[expect(clippy::box_collection, reason = "a third of the room while there are none")]
    parked: Option<Box<Vec<ClientFrame>>>,
    abandoned: Option<Arc<AtomicBool>>,
    /// The device says that it has been here before.
    is_back: bool,
    /// Once greeted.
    notice: Option<Box<DeathNotice>>,
}

/// Starts a connection over what comes from the peer. Poll the stream to drive it; it ends with
/// the connection. What goes out is in `link`.
pub fn open<S>(
    context: Arc<ConnectionContext>,
    encoding: Encoding,
    link: Rc<Link>,
    incoming: S,
) -> impl Stream<Item = Result<Bytes, actix_web::Error>>
where
    S: Stream<Item = Received> + 'static,
{
    link.set_encoding(encoding);
    let connection = Connection {
        id: ConnectionId::generate(),
        encoding,
        context,
        link,
        incoming: Some(Box::pin(incoming)),
        phase: Phase::Greeting,
        assembler: Assembler::default(),
        session: None,
        parked: None,
        abandoned: None,
        is_back: false,
        notice: None,
    };
    // The context's own decoder keeps its buffer for life, so it gets nothing to decode.
    let nothing = futures_util::stream::empty::<Result<Bytes, PayloadError>>();
    WebsocketContext::with_codec(connection, nothing, Codec::new())
}

type Ctx = WebsocketContext<Connection>;

impl Connection {
    fn send(&self, frame: &ServerFrame) {
        self.link.send_frame(frame);
    }

    fn error(&self, error: ErrorFrame) {
        metrics::counter!(metric::FRAME_ERRORS, "code" => error.code.as_str()).increment(1);
        self.send(&ServerFrame::Error(error));
    }

    fn close(&mut self, code: CloseCode) {
        self.phase = Phase::Closing;
        self.link.close(code);
    }

    fn on_piece(&mut self, piece: Piece, ctx: &mut Ctx) {
        let limit = if self.phase.is_greeted() { FRAME_BYTES_MAX } else { GREETING_BYTES_MAX };
        match self.assembler.take(piece, limit) {
            Ok(None) => {}
            Ok(Some(whole)) if whole.text != (self.encoding == Encoding::Json) => {
                let text = "the sub-protocol decides between text and binary messages";
                self.error(ErrorFrame::new(None, ErrorCode::BadFrame, text));
                self.close(CloseCode::BadFrame);
            }
            Ok(Some(whole)) => self.on_message(&whole.bytes, ctx),
            Err(AssembleError::TooLarge) => self.close(CloseCode::TooLarge),
            Err(AssembleError::OutOfOrder) => self.close(CloseCode::BadFrame),
        }
    }

    fn on_message(&mut self, bytes: &[u8], ctx: &mut Ctx) {
        if self.phase == Phase::Closing {
            return;
        }
        match decode_client(self.encoding, bytes) {
            Ok(frame) => self.on_frame(frame, ctx),
            Err(error) => {
                let ends = matches!(error, DecodeError::Malformed(_)) || !self.phase.is_greeted();
                self.error(ErrorFrame::new(error.reference(), error.code(), error.to_string()));
                if ends {
                    self.close(CloseCode::BadFrame);
                }
            }
        }
    }

    fn on_frame(&mut self, frame: ClientFrame, ctx: &mut Ctx) {
        count_frame(&frame);
        let reference = frame.reference();
        let (phase, effect) = self.phase.on_frame(frame);
        self.phase = phase;
        match effect {
            Effect::Verify(hello) => {
                self.link.set_said_hello();
                self.verify(hello, ctx);
            }
            Effect::Forward(frame) => self.forward(frame, ctx),
            Effect::Refuse { code, text } => self.error(ErrorFrame::new(reference, code, text)),
            Effect::RefuseAndClose { code, text, close } => {
                self.error(ErrorFrame::new(reference, code, text));
                self.close(close);
            }
            Effect::Ignore => {}
        }
    }

    /// Checks the token, then finds or starts the user's session and attaches to it.
    fn verify(&mut self, hello: Hello, ctx: &mut Ctx) {
        let Hello { token, device_id, positions, .. } = hello;
        let (context, connection) = (self.context.clone(), self.id);
        let socket = ctx.address().recipient();
        local::offer(self.id, self.link.clone());
        let abandoned = Arc::new(AtomicBool::new(false));
        self.abandoned = Some(abandoned.clone());
        self.is_back = positions.as_ref().is_some_and(|it| !it.is_empty());
        let attach = async move {
            let identity = context.authenticator.verify(token).await?;
            if device_id.is_some_and(|device| device != identity.device_id) {
                return Err(TokenRefused::Bad);
            }
            let positions = positions.unwrap_or_default();
            for _ in 0..ATTACH_TRIES {
                let session = context.sessions.get_or_start(identity.user_id, &Arbiter::current());
                let Ok(session) = session else { break };
                let (taken, was_taken) = oneshot::channel();
                let attach = Attach {
                    connection,
                    device: identity.device_id,
                    socket: socket.clone(),
                    abandoned: abandoned.clone(),
                    positions: positions.clone(),
                    taken,
                };
                if session.try_send(attach).is_ok() && was_taken.await.is_ok() {
                    return Ok(());
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Err(TokenRefused::Unavailable)
        };
        ctx.spawn(timeout(ATTACH_DEADLINE, attach).into_actor(self).map(
            |attached, connection, _| {
                let attached = attached.unwrap_or(Err(TokenRefused::Unavailable));
                connection.on_attached(attached);
            },
        ));
    }

    fn on_attached(&mut self, attached: Result<(), TokenRefused>) {
        // On success the session's welcome says the rest, and may be here already.
        let Err(refused) = attached else { return };
        let code = refused.code();
        metrics::counter!(metric::SIGN_IN_FAILURES, "code" => code.as_str()).increment(1);
        self.error(ErrorFrame::new(None, code, refused.to_string()));
        self.close(match refused {
            TokenRefused::Bad | TokenRefused::Expired => CloseCode::BadToken,
            TokenRefused::Revoked => CloseCode::TokenRevoked,
            TokenRefused::Unavailable => CloseCode::Overloaded,
        });
    }

    /// Hands a frame to the session; what a busy session refuses waits in order.
    fn forward(&mut self, frame: ClientFrame, ctx: &mut Ctx) {
        if self.parked.is_some() {
            return self.park(frame, ctx);
        }
        let Some(session) = &self.session else { return };
        match session.try_send(FromSocket { connection: self.id, frame }) {
            Ok(()) => {}
            Err(actix::prelude::SendError::Full(refused)) => self.park(refused.frame, ctx),
            Err(actix::prelude::SendError::Closed(_)) => self.close(CloseCode::Overloaded),
        }
    }

    fn park(&mut self, frame: ClientFrame, ctx: &mut Ctx) {
        let parked = self.parked.get_or_insert_with(|| {
            ctx.run_later(PARKED_RETRY, Self::unpark);
            Box::default()
        });
        parked.push(frame);
        if parked.len() > PARKED_MAX {
            self.close(CloseCode::Overloaded);
        }
    }

    fn unpark(&mut self, ctx: &mut Ctx) {
        for frame in self.parked.take().into_iter().flat_map(|parked| *parked) {
            self.forward(frame, ctx);
        }
    }
}

/// The frames of which there are many without a look-up.
fn count_frame(frame: &ClientFrame) {
    match frame {
        ClientFrame::SendMessage(_) => {
            crate::count!(metric::FRAMES_RECEIVED, 1, "frame" => "send_message");
        }
        ClientFrame::Ack(_) => crate::count!(metric::FRAMES_RECEIVED, 1, "frame" => "ack"),
        other => {
            metrics::counter!(metric::FRAMES_RECEIVED, "frame" => other.name()).increment(1);
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        local::withdraw(self.id);
    }
}

impl Actor for Connection {
    type Context = Ctx;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX);
        if let Some(incoming) = self.incoming.take() {
            ctx.add_stream(incoming);
        }
    }
}

impl StreamHandler<Result<WsMessage, ProtocolError>> for Connection {
    fn handle(&mut self, _: Result<WsMessage, ProtocolError>, _: &mut Ctx) {}

    /// The empty stream of the context: the real one goes on.
    fn finished(&mut self, _: &mut Ctx) {}
}

impl StreamHandler<Received> for Connection {
    fn handle(&mut self, received: Received, ctx: &mut Ctx) {
        match received {
            Received::Piece(piece) => self.on_piece(piece, ctx),
            Received::Ping(bytes) => self.link.send(framing::pong(&bytes)),
            Received::Pong => {}
            Received::Goodbye(code) => {
                self.phase = Phase::Closing;
                self.link.close_echo(code);
            }
            Received::TooLarge => self.close(CloseCode::TooLarge),
            Received::Broken => self.close(CloseCode::BadFrame),
        }
    }

    fn finished(&mut self, ctx: &mut Ctx) {
        ctx.stop();
    }
}

impl Handler<ToSocket> for Connection {
    type Result = ();

    fn handle(&mut self, message: ToSocket, ctx: &mut Ctx) {
        handled();
        if !matches!(message, ToSocket::Probe(_)) {
            self.link.note_taken();
        }
        if self.abandoned.as_ref().is_some_and(|it| it.load(Ordering::Relaxed)) {
            metrics::counter!(metric::SLOW_CONSUMERS).increment(1);
            return self.close(CloseCode::SlowConsumer);
        }
        match message {
            ToSocket::Welcome { frames, session, notice } => {
                if self.phase == Phase::Verifying {
                    self.phase = Phase::Ready;
                    self.link.set_greeted();
                    if self.is_back {
                        metrics::counter!(metric::RECONNECTS).increment(1);
                    }
                }
                let watched = session.clone();
                self.link.set_orphaned(move || !watched.connected());
                (self.session, self.notice) = (Some(session), Some(Box::new(notice)));
                local::withdraw(self.id);
                frames.iter().for_each(|frame| self.send(frame));
            }
            ToSocket::Deliver { batch, skip } => {
                self.link.put(&batch, skip, self.id, self.context.clock.as_ref());
            }
            ToSocket::Page { conversation, entries } => {
                metrics::counter!(metric::DELIVERIES).increment(entries.len() as u64);
                entries.iter().for_each(|log| self.link.send(log.frame(self.encoding)));
                if let Some(session) = self.session.clone() {
                    let drained = Drained { connection: self.id, conversation };
                    let full = |error| matches!(error, actix::prelude::SendError::Full(_));
                    self.link.when_drained(move || !session.try_send(drained).is_err_and(full));
                }
            }
            ToSocket::Frame(frame) => self.send(&frame),
            ToSocket::Probe(probe) => {
                if let Some(again) = probe.arrived() {
                    let _ = ctx.address().try_send(ToSocket::Probe(again));
                }
            }
            ToSocket::Close { code, error } => {
                if let Some(error) = error {
                    self.error(error);
                }
                self.close(code);
            }
        }
    }
}
