//! A server in this process that speaks just enough of the contract, and lies on request: a load
//! tester that no broken server can fail proves nothing.

mod http;
mod journal;
mod state;

use std::sync::{Arc, Mutex};

use futures_util::{SinkExt as _, StreamExt as _};
use loadtest::client::Target;
use loadtest::scenario::ServerChoice;
use schema::wire::{ClientFrame, Encoding, ServerFrame, codec};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};

pub use state::{Lie, State};

pub type Shared = Arc<Mutex<State>>;

/// Starts it; it ends with the test's runtime.
pub async fn start(lie: Lie) -> ServerChoice {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let public = listener.local_addr().unwrap().to_string();
    tokio::spawn(accept(listener, Arc::new(Mutex::new(State::new(lie)))));
    let internal = Some(public.clone());
    let target = Target { public, internal, admin_token: Some("admin".to_owned()) };
    ServerChoice::Running { target, pid: Some(std::process::id()) }
}

/// Serves all that connect, sockets and REST alike.
pub async fn accept(listener: TcpListener, state: Shared) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        tokio::spawn(serve(stream, Arc::clone(&state)));
    }
}

async fn serve(stream: TcpStream, state: Shared) {
    let mut first = [0; 8];
    let is_socket =
        stream.peek(&mut first).await.is_ok_and(|count| first[..count].starts_with(b"GET /ws "));
    // A client that is gone is no concern of the server's.
    if is_socket {
        let _ = serve_socket(stream, state).await;
    } else {
        let _ = http::serve(stream, &state).await;
    }
}

async fn serve_socket(stream: TcpStream, state: Shared) -> Result<(), Box<dyn std::error::Error>> {
    stream.set_nodelay(true)?;
    let mut encoding = Encoding::Json;
    #[allow(clippy::result_large_err)]
    let choose = |request: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
        let offered = request.headers()["sec-websocket-protocol"].clone();
        if offered == Encoding::MessagePack.sub_protocol() {
            encoding = Encoding::MessagePack;
        }
        response.headers_mut().insert("sec-websocket-protocol", offered);
        Ok(response)
    };
    let mut socket = tokio_tungstenite::accept_hdr_async(stream, choose).await?;
    let (out, mut outgoing) = mpsc::unbounded_channel::<ServerFrame>();
    let mut device = None;
    loop {
        tokio::select! {
            message = socket.next() => {
                let message = message.ok_or("gone")??;
                if message.is_close() {
                    return Ok(());
                }
                if !(message.is_binary() || message.is_text()) {
                    continue;
                }
                let frame = codec::decode_client(encoding, &message.into_data())?;
                let mut state = state.lock().unwrap();
                match frame {
                    ClientFrame::Hello(hello) => device = Some(state.hello(&hello, &out)),
                    other => state.on_frame(device.ok_or("hello first")?, other, &out),
                }
            }
            frame = outgoing.recv() => {
                let bytes = codec::encode(encoding, &frame.ok_or("replaced")?);
                socket.send(match encoding {
                    Encoding::MessagePack => Message::Binary(bytes),
                    Encoding::Json => Message::Text(bytes.try_into()?),
                }).await?;
            }
        }
    }
}
