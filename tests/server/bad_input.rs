//! Whatever a peer sends: the documented error or close code, and nobody else is disturbed.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use loadtest::client::LeanSocket;
use loadtest::client::SocketError;
use loadtest::client::frame_codec::{self, Opcode};
use schema::record::{Content, ConversationKind};
use schema::wire::{
    Ack, ClientFrame, Encoding, ErrorCode, FetchHistory, Hello, SendMessage, ServerFrame, encode,
};
use schema::{ConversationId, DeviceId, MessageId, Sequence};
use tokio::time::timeout;

use crate::support::{Online, PATIENCE, Server};

/// What the server says to these payloads: its error codes, then the close code.
async fn said_to(
    server: &Server,
    encoding: Encoding,
    payloads: &[Vec<u8>],
) -> (Vec<ErrorCode>, u16) {
    let mut socket = LeanSocket::connect(server.address(), encoding).await.unwrap();
    for payload in payloads {
        if socket.send(payload).await.is_err() {
            break;
        }
    }
    let mut codes = Vec::new();
    loop {
        let received = socket.receive(|bytes| schema::wire::decode_server(encoding, bytes));
        match timeout(PATIENCE, received).await.expect("no close in time") {
            Ok(Ok(ServerFrame::Error(error))) => codes.push(error.code),
            Ok(_) => {}
            Err(SocketError::Closed { code, .. }) => return (codes, code),
            Err(other) => panic!("in place of a close frame: {other}"),
        }
    }
}

fn hello(token: &str) -> ClientFrame {
    let token = token.to_owned();
    ClientFrame::Hello(Hello { token, device_id: None, client: None, positions: None })
}

fn packed(frame: &ClientFrame) -> Vec<u8> {
    encode(Encoding::MessagePack, frame).to_vec()
}

#[tokio::test]
async fn before_hello_nothing_else_is_heard() {
    let server = Server::start().await;
    let person = server.people(1).await.remove(0);
    let bad_frame = (vec![ErrorCode::BadFrame], 4500);
    let ping = packed(&ClientFrame::Ping(schema::wire::Ping::default()));
    let before = said_to(&server, Encoding::MessagePack, &[ping]).await;
    assert_eq!(before, (vec![ErrorCode::HelloRequired], 4500));
    for garbage in [
        vec![0xff, 0x00, 0x13],
        vec![0xc1],
        vec![],
        vec![0xdd, 0xff, 0xff, 0xff, 0xff],
        vec![0x81, 0xa5, b'h', b'e', b'l', b'l', b'o', 0xdf, 0xff, 0xff, 0xff, 0xff],
        vec![0x91; 1000],
    ] {
        assert_eq!(said_to(&server, Encoding::MessagePack, &[garbage]).await, bad_frame);
    }
    let deep = format!("{{\"hello\":{}", "[".repeat(1000));
    assert_eq!(said_to(&server, Encoding::Json, &[deep.into_bytes()]).await, bad_frame);
    let invalid_text = vec![b'{', 0xff, 0xfe, b'}'];
    assert_eq!(said_to(&server, Encoding::Json, &[invalid_text]).await, bad_frame);
    let large = packed(&hello(&"x".repeat(5_000)));
    assert_eq!(said_to(&server, Encoding::MessagePack, &[large]).await.1, 1009);
    let unknown = br#"{"nonsense":{"ref":1}}"#.to_vec();
    let unknown = said_to(&server, Encoding::Json, &[unknown]).await;
    assert_eq!(unknown, (vec![ErrorCode::UnknownFrame], 4500));

    let bad_token = (vec![ErrorCode::BadToken], 4501);
    for token in ["", "x", "a.b.c", &person.access_token[..person.access_token.len() - 4]] {
        let said = said_to(&server, Encoding::MessagePack, &[packed(&hello(token))]).await;
        assert_eq!(said, bad_token, "{token}");
    }
    let other_device = ClientFrame::Hello(Hello {
        token: person.access_token.clone(),
        device_id: Some(DeviceId::generate()),
        client: None,
        positions: None,
    });
    assert_eq!(said_to(&server, Encoding::MessagePack, &[packed(&other_device)]).await, bad_token);
}

#[tokio::test]
async fn a_revoked_device_is_closed_at_once_and_not_let_in_again() {
    let server = Server::start().await;
    let register = serde_json::json!({"username": "eve", "password": "correct horse battery"});
    let signed_in: schema::rest::SignedIn =
        server.rest.post_public("/v1/register", None, &register).await.unwrap();
    let mut online = LeanSocket::connect(server.address(), Encoding::MessagePack).await.unwrap();
    online.send(&packed(&hello(&signed_in.access_token))).await.unwrap();
    online.receive(|_| ()).await.unwrap();
    let client = reqwest::Client::new();
    let logout = client.post(server.url("/v1/logout")).bearer_auth(&signed_in.access_token);
    assert_eq!(logout.send().await.unwrap().status(), 204);
    let ended = loop {
        match timeout(PATIENCE, online.receive(|_| ())).await.unwrap() {
            Ok(()) => {}
            Err(SocketError::Closed { code, .. }) => break code,
            Err(other) => panic!("{other}"),
        }
    };
    assert_eq!(ended, 4502);
    let said =
        said_to(&server, Encoding::MessagePack, &[packed(&hello(&signed_in.access_token))]).await;
    assert_eq!(said, (vec![ErrorCode::TokenRevoked], 4502));
}

/// Clocks are given a minute of leeway, so the test takes that long.
#[tokio::test]
async fn an_expired_token_says_so() {
    let server = Server::start().await;
    let person = server.people(1).await.remove(0);
    let mint = serde_json::json!({"username": person.username, "token_ttl_s": 1});
    let minted: serde_json::Value = server.rest.post_internal("/v1/tokens", &mint).await.unwrap();
    let token = minted["access_token"].as_str().unwrap();
    tokio::time::sleep(Duration::from_secs(62)).await;
    let said = said_to(&server, Encoding::MessagePack, &[packed(&hello(token))]).await;
    assert_eq!(said, (vec![ErrorCode::TokenExpired], 4501));
}

async fn refused(online: &mut Online, frame: ClientFrame) -> ErrorCode {
    online.say(frame).await;
    online.error().await.code
}

#[tokio::test]
async fn a_greeted_peer_gets_an_error_for_what_cannot_be_and_goes_on() {
    let server = Server::start().await;
    let people = server.people(2).await;
    let theirs = server.conversation(ConversationKind::Group, &people[1], &[]).await;
    let mine = server.conversation(ConversationKind::Group, &people[0], &[]).await;
    let mut online = server.online(&people[0]).await;
    let send = |conversation_id, content| {
        SendMessage::new(5, MessageId::generate(), conversation_id, content)
    };
    let text = |text: String| Content::Text { text };
    let hi = || text("hi".into());
    for absent in [ConversationId::generate(), theirs] {
        let code = refused(&mut online, ClientFrame::SendMessage(send(absent, hi()))).await;
        assert_eq!(code, ErrorCode::NotFound, "absent and forbidden look the same");
        let fetch = FetchHistory {
            reference: 6,
            conversation_id: absent,
            before: None,
            after: None,
            at: None,
            limit: None,
        };
        assert_eq!(
            refused(&mut online, ClientFrame::FetchHistory(fetch)).await,
            ErrorCode::NotFound
        );
    }
    let media = Content::Media { media_id: uuid::Uuid::now_v7(), caption: None };
    for (content, code) in [
        (text(String::new()), ErrorCode::InvalidContent),
        (text("x".repeat(64 * 1024 + 1)), ErrorCode::InvalidContent),
        (media, ErrorCode::InvalidContent),
    ] {
        assert_eq!(refused(&mut online, ClientFrame::SendMessage(send(mine, content))).await, code);
    }
    for wrong in [
        SendMessage { reply_to: Some(Sequence(9)), ..send(mine, hi()) },
        SendMessage { thread: Some(Sequence(0)), ..send(mine, hi()) },
        SendMessage { mentions: Some(vec![people[1].user_id]), ..send(mine, hi()) },
        SendMessage { expires_after_ms: Some(5), ..send(mine, hi()) },
        SendMessage { message_id: MessageId(uuid::Uuid::new_v4()), ..send(mine, hi()) },
    ] {
        let code = refused(&mut online, ClientFrame::SendMessage(wrong)).await;
        assert_eq!(code, ErrorCode::InvalidField);
    }
    let both = FetchHistory {
        reference: 7,
        conversation_id: mine,
        before: Some(Sequence(1)),
        after: Some(Sequence(1)),
        at: None,
        limit: None,
    };
    assert_eq!(
        refused(&mut online, ClientFrame::FetchHistory(both)).await,
        ErrorCode::InvalidField
    );
    assert_eq!(refused(&mut online, hello("again")).await, ErrorCode::AlreadyGreeted);
    // Positions beyond what there is, of what one is not in: no answer, no harm.
    online.say(ClientFrame::Ack(Ack { conversation_id: theirs, seq: Sequence(u64::MAX) })).await;
    online.say(ClientFrame::Ack(Ack { conversation_id: mine, seq: Sequence(u64::MAX) })).await;
    let largest = "y".repeat(64 * 1024);
    assert_eq!(online.send(mine, &largest).await, Sequence(1));
}

#[tokio::test]
async fn oversize_is_1009_whole_or_in_pieces() {
    let server = Server::start().await;
    let person = server.people(1).await.remove(0);
    for pieces in [1, 40] {
        let mut online = server.online(&person).await;
        let mut stream = raw(&server, &person.access_token);
        let total = 200 * 1024;
        for piece in 0..pieces {
            let (first, last) = (piece == 0, piece == pieces - 1);
            let opcode = if first { 0x2 } else { 0x0 } | if last { 0x80 } else { 0 };
            let written = write_masked(&mut stream, opcode, &vec![7; total / pieces]);
            if written.is_err() {
                break;
            }
        }
        assert_eq!(close_code(&mut stream), Some(1009), "{pieces} pieces");
        online.say(ClientFrame::Ping(schema::wire::Ping::default())).await;
        let _ = online;
    }
}

#[tokio::test]
async fn fragments_are_joined_and_pings_between_them_answered() {
    let server = Server::start().await;
    let person = server.people(1).await.remove(0);
    let chat = server.conversation(ConversationKind::Group, &person, &[]).await;
    let mut stream = raw(&server, &person.access_token);
    let frame = packed(&ClientFrame::SendMessage(SendMessage::new(
        9,
        MessageId::generate(),
        chat,
        Content::Text { text: "in three pieces".into() },
    )));
    let third = frame.len() / 3;
    write_masked(&mut stream, 0x2, &frame[..third]).unwrap();
    write_masked(&mut stream, 0x89, b"are you there").unwrap();
    write_masked(&mut stream, 0x0, &frame[third..2 * third]).unwrap();
    write_masked(&mut stream, 0x80, &frame[2 * third..]).unwrap();
    let pong = next_frame(&mut stream).unwrap();
    assert_eq!((pong.0, &pong.1[..]), (0x8a, &b"are you there"[..]));
    let answer = next_frame(&mut stream).unwrap();
    let decoded = schema::wire::decode_server(Encoding::MessagePack, &answer.1).unwrap();
    assert!(matches!(decoded, ServerFrame::Accepted(accepted) if accepted.seq == Sequence(1)));
    // A piece of nothing breaks the protocol.
    write_masked(&mut stream, 0x80, b"?").unwrap();
    assert!(matches!(close_code(&mut stream), Some(4500)));
}

#[tokio::test]
async fn upgrades_are_refused_with_a_status_and_a_problem() {
    let server = Server::start().await;
    let address = server.address().to_owned();
    let ask = |path: &str, headers: &str| {
        let mut stream = TcpStream::connect(&address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Version: 13\r\n{headers}\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = vec![0; 2048];
        let count = stream.read(&mut answer).unwrap();
        String::from_utf8_lossy(&answer[..count]).into_owned()
    };
    let protocol = "Sec-WebSocket-Protocol: switchboard.v1.json\r\n";
    assert!(ask("/ws", protocol).starts_with("HTTP/1.1 101"));
    let same_host = format!("{protocol}Origin: http://{address}\r\n");
    assert!(ask("/ws", &same_host).starts_with("HTTP/1.1 101"));
    for (path, headers, status, code) in [
        ("/ws", "", 400, "bad_frame"),
        ("/ws", "Sec-WebSocket-Protocol: soap\r\n", 400, "bad_frame"),
        ("/ws?token=x", protocol, 400, "bad_frame"),
        ("/elsewhere", protocol, 404, "not_found"),
        ("/ws", &format!("{protocol}Origin: http://evil.example\r\n"), 403, "forbidden"),
        ("/ws", &format!("{protocol}Origin: null\r\n"), 403, "forbidden"),
    ] {
        let answer = ask(path, headers);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{path} {headers}: {answer}");
        assert!(answer.contains(&format!("\"code\":\"{code}\"")), "{answer}");
    }
}

/// A greeted socket whose bytes the test writes itself.
fn raw(server: &Server, token: &str) -> TcpStream {
    let address = server.address();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = format!(
        "GET /ws HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Protocol: switchboard.v1.msgpack\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    write_masked(&mut stream, 0x82, &packed(&hello(token))).unwrap();
    let (_, welcome) = next_frame(&mut stream).unwrap();
    let decoded = schema::wire::decode_server(Encoding::MessagePack, &welcome).unwrap();
    assert!(matches!(decoded, ServerFrame::Welcome(_)));
    stream
}

fn write_masked(stream: &mut TcpStream, first_byte: u8, payload: &[u8]) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    frame_codec::encode(&mut bytes, Opcode::Binary, payload, [1, 2, 3, 4]);
    bytes[0] = first_byte;
    stream.write_all(&bytes)
}

/// First byte and payload of the next frame; `None` at the end.
fn next_frame(stream: &mut TcpStream) -> Option<(u8, Vec<u8>)> {
    let mut head = [0; 2];
    stream.read_exact(&mut head).ok()?;
    let length = match head[1] {
        126 => {
            let mut bytes = [0; 2];
            stream.read_exact(&mut bytes).ok()?;
            usize::from(u16::from_be_bytes(bytes))
        }
        127 => {
            let mut bytes = [0; 8];
            stream.read_exact(&mut bytes).ok()?;
            usize::try_from(u64::from_be_bytes(bytes)).ok()?
        }
        short => usize::from(short),
    };
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload).ok()?;
    Some((head[0], payload))
}

fn close_code(stream: &mut TcpStream) -> Option<u16> {
    while let Some((first, payload)) = next_frame(stream) {
        if first == 0x88 {
            return Some(u16::from_be_bytes([payload[0], payload[1]]));
        }
    }
    None
}
