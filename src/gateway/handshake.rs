//! Which upgrade requests become sockets. Pure.

use actix_http::RequestHead;
use actix_http::header::{HOST, ORIGIN, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL};
use actix_http::ws;
use bytes::Bytes;
use schema::rest::Problem;
use schema::wire::{Encoding, ErrorCode};

/// Why an upgrade is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("sockets are at /ws")]
    WrongPath,
    #[error("not a WebSocket upgrade of version 13")]
    NotWebSocket,
    #[error("offer switchboard.v1.msgpack or switchboard.v1.json as sub-protocol")]
    NoSubProtocol,
    #[error("pages of this origin may not open sockets here")]
    Origin,
    #[error("a URL is no place for a token: send it in the hello frame")]
    TokenInUrl,
    #[error("the server holds as many sockets as it can")]
    NodeFull,
    #[error("too many sockets from this address")]
    AddressFull,
    #[error("the server is going away")]
    Draining,
}

impl Refused {
    const fn code(self) -> ErrorCode {
        match self {
            Self::WrongPath => ErrorCode::NotFound,
            Self::NotWebSocket | Self::NoSubProtocol | Self::TokenInUrl => ErrorCode::BadFrame,
            Self::Origin => ErrorCode::Forbidden,
            Self::NodeFull | Self::Draining => ErrorCode::Overloaded,
            Self::AddressFull => ErrorCode::RateLimited,
        }
    }

    /// The whole HTTP response.
    #[must_use]
    pub fn response(self) -> Bytes {
        let code = self.code();
        let status = actix_http::StatusCode::from_u16(code.http_status()).unwrap_or_default();
        let reason = status.canonical_reason().unwrap_or_default();
        let problem = Problem {
            kind: format!("/v1/errors#{code}"),
            title: reason.to_owned(),
            status: status.as_u16(),
            code,
            detail: Some(self.to_string()),
            trace_id: uuid::Uuid::new_v4().simple().to_string(),
            temporary: code.is_temporary(),
            retry_after_ms: code.is_temporary().then_some(1_000),
            errors: Vec::new(),
        };
        let body = serde_json::to_string(&problem).unwrap_or_default();
        let head = format!(
            "HTTP/1.1 {} {reason}\r\ncontent-type: application/problem+json\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n{body}",
            status.as_u16(),
            body.len()
        );
        head.into()
    }
}

/// Checks an upgrade request; gives the encoding that its sub-protocol names.
///
/// # Errors
/// [`Refused`] for the first rule broken.
pub fn check(head: &RequestHead, allowed_origins: &[String]) -> Result<Encoding, Refused> {
    if head.uri.path() != "/ws" {
        return Err(Refused::WrongPath);
    }
    if head.uri.query().is_some_and(carries_token) {
        return Err(Refused::TokenInUrl);
    }
    ws::verify_handshake(head).map_err(|_| Refused::NotWebSocket)?;
    let text = |name| head.headers.get(name).map(|value| value.to_str().unwrap_or(""));
    if let Some(origin) = text(ORIGIN)
        && !origin_allowed(origin, text(HOST).unwrap_or(""), allowed_origins)
    {
        return Err(Refused::Origin);
    }
    let offered = head.headers.get_all(SEC_WEBSOCKET_PROTOCOL);
    let offered = offered.filter_map(|value| value.to_str().ok()).collect::<Vec<_>>();
    sub_protocol(&offered).ok_or(Refused::NoSubProtocol)
}

fn carries_token(query: &str) -> bool {
    query.split('&').any(|pair| {
        let name = pair.split('=').next().unwrap_or("").to_ascii_lowercase();
        name.contains("token") || name == "authorization" || name == "jwt"
    })
}

/// Exact matches only: with no list, the page must come from the host it connects to.
fn origin_allowed(origin: &str, host: &str, allowed: &[String]) -> bool {
    if !allowed.is_empty() {
        return allowed.iter().any(|it| it == origin);
    }
    let same = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    !host.is_empty() && same == Some(host)
}

/// The client's first offer that this server speaks.
fn sub_protocol(offered: &[&str]) -> Option<Encoding> {
    let names = offered.iter().flat_map(|header| header.split(',')).map(str::trim);
    names.filter_map(|name| Encoding::ALL.into_iter().find(|it| it.sub_protocol() == name)).next()
}

/// The response that opens the socket.
#[must_use]
pub fn accept(head: &RequestHead, encoding: Encoding) -> Bytes {
    let key = head.headers.get(SEC_WEBSOCKET_KEY).map_or(&b""[..], |key| key.as_bytes());
    let digest = ws::hash_key(key);
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
         sec-websocket-accept: {}\r\nsec-websocket-protocol: {}\r\n\r\n",
        String::from_utf8_lossy(&digest),
        encoding.sub_protocol()
    )
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_match_exactly() {
        let none: [String; 0] = [];
        let host = "chat.example:8080";
        assert!(origin_allowed("http://chat.example:8080", host, &none));
        assert!(origin_allowed("https://chat.example:8080", host, &none));
        for wrong in [
            "null",
            "http://evil.example",
            "http://chat.example:8081",
            "http://chat.example",
            "http://CHAT.example:8080",
            "http://xchat.example:8080",
            "http://chat.example:8080.evil.example",
            "chat.example:8080",
            "",
        ] {
            assert!(!origin_allowed(wrong, host, &none), "{wrong}");
        }
        let list = ["https://app.example".to_owned()];
        assert!(origin_allowed("https://app.example", host, &list));
        assert!(!origin_allowed("http://app.example", host, &list));
        assert!(!origin_allowed("http://chat.example:8080", host, &list));
    }

    #[test]
    fn the_first_known_offer_counts() {
        assert_eq!(
            sub_protocol(&["soap, switchboard.v1.json", "switchboard.v1.msgpack"]),
            Some(Encoding::Json)
        );
        assert_eq!(sub_protocol(&["switchboard.v2.msgpack"]), None);
        assert_eq!(sub_protocol(&[]), None);
    }

    #[test]
    fn tokens_in_urls_are_found() {
        assert!(carries_token("a=1&access_token=x"));
        assert!(carries_token("Token=x"));
        assert!(!carries_token("v=1"));
    }
}
