//! Bytes to frames and back, in both encodings, within limits.

use std::cell::Cell;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::client_frame::ClientFrame;
use super::error_code::ErrorCode;
use super::scan;
use super::server_frame::ServerFrame;

/// How frames are written on a socket; chosen by the sub-protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// `switchboard.v1.msgpack`, binary messages.
    MessagePack,
    /// `switchboard.v1.json`, text messages.
    Json,
}

impl Encoding {
    pub const ALL: [Self; 2] = [Self::MessagePack, Self::Json];

    #[must_use]
    pub const fn sub_protocol(self) -> &'static str {
        match self {
            Self::MessagePack => "switchboard.v1.msgpack",
            Self::Json => "switchboard.v1.json",
        }
    }
}

/// Largest whole WebSocket message from a client, bytes.
pub const FRAME_BYTES_MAX: usize = 128 * 1024;
/// The same before `hello` has succeeded.
pub const GREETING_BYTES_MAX: usize = 4 * 1024;

/// Why a client's bytes are no frame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The socket cannot be trusted to be in step any more: close it.
    #[error("not a frame: {0}")]
    Malformed(String),
    /// A well-formed frame that this server does not know: answer, and go on.
    #[error("unknown frame {name:?}")]
    UnknownFrame { name: String, reference: Option<u64> },
    /// A known frame whose body has another shape: answer, and go on.
    #[error("{name}: {reason}")]
    BadBody { name: &'static str, reference: Option<u64>, reason: String },
}

impl DecodeError {
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::UnknownFrame { .. } => ErrorCode::UnknownFrame,
            Self::Malformed(_) | Self::BadBody { .. } => ErrorCode::BadFrame,
        }
    }

    #[must_use]
    pub const fn reference(&self) -> Option<u64> {
        match self {
            Self::Malformed(_) => None,
            Self::UnknownFrame { reference, .. } | Self::BadBody { reference, .. } => *reference,
        }
    }
}

/// Only the `ref` of a body, for answers to frames that do not decode.
#[derive(Deserialize)]
struct JustReference {
    #[serde(rename = "ref", default)]
    reference: Option<u64>,
}

/// A body not decoded yet.
enum RawBody<'a> {
    MessagePack(&'a [u8]),
    Json(&'a RawValue),
}

impl RawBody<'_> {
    fn decode<T: DeserializeOwned>(&self) -> Result<T, String> {
        match self {
            Self::MessagePack(bytes) => {
                rmp_serde::from_slice(bytes).map_err(|error| error.to_string())
            }
            Self::Json(raw) => serde_json::from_str(raw.get()).map_err(|error| error.to_string()),
        }
    }

    fn reference(&self) -> Option<u64> {
        self.decode::<JustReference>().ok().and_then(|body| body.reference)
    }
}

/// Decodes one whole client message.
///
/// # Errors
/// [`DecodeError`]; only `Malformed` should end the connection.
pub fn decode_client(encoding: Encoding, bytes: &[u8]) -> Result<ClientFrame, DecodeError> {
    match encoding {
        Encoding::MessagePack => {
            scan::messagepack(bytes).map_err(malformed)?;
            let (name, body) = split_messagepack(bytes)?;
            client_body(name, &RawBody::MessagePack(body))
        }
        Encoding::Json => {
            let text = std::str::from_utf8(bytes).map_err(malformed)?;
            scan::json_depth(text).map_err(malformed)?;
            let SingleEntry(name, body) = serde_json::from_str(text).map_err(malformed)?;
            client_body(&name, &RawBody::Json(&body))
        }
    }
}

fn malformed(error: impl std::fmt::Display) -> DecodeError {
    DecodeError::Malformed(error.to_string())
}

fn client_body(name: &str, body: &RawBody<'_>) -> Result<ClientFrame, DecodeError> {
    fn typed<T: DeserializeOwned>(
        name: &'static str,
        body: &RawBody<'_>,
        wrap: fn(T) -> ClientFrame,
    ) -> Result<ClientFrame, DecodeError> {
        body.decode().map(wrap).map_err(|reason| DecodeError::BadBody {
            name,
            reference: body.reference(),
            reason,
        })
    }
    match name {
        "hello" => typed("hello", body, ClientFrame::Hello),
        "send_message" => typed("send_message", body, ClientFrame::SendMessage),
        "ack" => typed("ack", body, ClientFrame::Ack),
        "edit_message" => typed("edit_message", body, ClientFrame::EditMessage),
        "delete_message" => typed("delete_message", body, ClientFrame::DeleteMessage),
        "react" => typed("react", body, ClientFrame::React),
        "pin_message" => typed("pin_message", body, ClientFrame::PinMessage),
        "follow_thread" => typed("follow_thread", body, ClientFrame::FollowThread),
        "typing_indicator" => typed("typing_indicator", body, ClientFrame::TypingIndicator),
        "set_presence" => typed("set_presence", body, ClientFrame::SetPresence),
        "subscribe_presence" => typed("subscribe_presence", body, ClientFrame::SubscribePresence),
        "read_receipt" => typed("read_receipt", body, ClientFrame::ReadReceipt),
        "join_conversation" => typed("join_conversation", body, ClientFrame::JoinConversation),
        "leave_conversation" => typed("leave_conversation", body, ClientFrame::LeaveConversation),
        "fetch_history" => typed("fetch_history", body, ClientFrame::FetchHistory),
        "ping" => typed("ping", body, ClientFrame::Ping),
        _ => Err(DecodeError::UnknownFrame {
            name: name.chars().take(64).collect(),
            reference: body.reference(),
        }),
    }
}

/// Splits scanned MessagePack `{name: body}` into its name and the bytes of its body.
fn split_messagepack(bytes: &[u8]) -> Result<(&str, &[u8]), DecodeError> {
    let mut rest = bytes;
    let entries = rmp::decode::read_map_len(&mut rest)
        .map_err(|_| DecodeError::Malformed("not a map".into()))?;
    if entries != 1 {
        return Err(DecodeError::Malformed("not a map with one entry".into()));
    }
    rmp::decode::read_str_from_slice(rest)
        .map_err(|_| DecodeError::Malformed("the frame's name is not text".into()))
}

/// A JSON object with exactly one entry, its value not parsed yet.
struct SingleEntry(String, Box<RawValue>);

impl<'de> Deserialize<'de> for SingleEntry {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = SingleEntry;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("an object with one entry")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<Self::Value, A::Error> {
                use serde::de::Error as _;
                let entry = map
                    .next_entry::<String, Box<RawValue>>()?
                    .ok_or_else(|| A::Error::custom("an empty object"))?;
                if map.next_key::<serde::de::IgnoredAny>()?.is_some() {
                    return Err(A::Error::custom("an object with more than one entry"));
                }
                Ok(SingleEntry(entry.0, entry.1))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

/// Decodes a server frame: what clients in Rust, tests and the load tester use.
///
/// # Errors
/// [`DecodeError::Malformed`] with the decoder's words.
pub fn decode_server(encoding: Encoding, bytes: &[u8]) -> Result<ServerFrame, DecodeError> {
    match encoding {
        Encoding::MessagePack => rmp_serde::from_slice(bytes).map_err(malformed),
        Encoding::Json => serde_json::from_slice(bytes).map_err(malformed),
    }
}

/// Encodes any frame: maps with named fields.
///
/// # Panics
/// Never for the frames of this crate: they hold no map with keys other than text.
#[must_use]
pub fn encode<T: Serialize>(encoding: Encoding, frame: &T) -> Bytes {
    with_encoded(encoding, frame, Bytes::copy_from_slice)
}

/// Encodes as [`encode`] does, for `use_bytes` alone: no memory is taken for most frames.
///
/// # Panics
/// Never for the frames of this crate: they hold no map with keys other than text.
#[expect(clippy::expect_used, reason = "frames of this crate always encode; a test holds it")]
pub fn with_encoded<T: Serialize, R>(
    encoding: Encoding,
    frame: &T,
    use_bytes: impl FnOnce(&[u8]) -> R,
) -> R {
    // Taken, not borrowed: `use_bytes` may encode something, too.
    let mut bytes = SCRATCH.take();
    bytes.clear();
    match encoding {
        Encoding::MessagePack => {
            rmp_serde::encode::write_named(&mut bytes, frame).expect("frames always encode");
        }
        Encoding::Json => serde_json::to_writer(&mut bytes, frame).expect("frames always encode"),
    }
    let result = use_bytes(&bytes);
    if bytes.capacity() <= SCRATCH_BYTES_MAX {
        SCRATCH.set(bytes);
    }
    result
}

/// More than this a thread does not keep.
const SCRATCH_BYTES_MAX: usize = 64 * 1024;

thread_local! {
    /// Where a thread encodes.
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}
