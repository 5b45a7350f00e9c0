//! WebSocket close codes of our own range, in two halves that tell a client whether to return.

/// Why the server closed a socket. 4000–4499: reconnect with jitter; 4500–4999: do not.
#[repr(u16)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseCode {
    Draining = 4000,
    SlowConsumer = 4001,
    HeartbeatLost = 4002,
    Overloaded = 4003,
    Replaced = 4004,
    BadFrame = 4500,
    BadToken = 4501,
    TokenRevoked = 4502,
    HelloTimeout = 4503,
    Forbidden = 4504,
    /// RFC 6455's own code: the whole message was larger than the limit.
    TooLarge = 1009,
}

impl CloseCode {
    pub const ALL: [Self; 11] = [
        Self::Draining,
        Self::SlowConsumer,
        Self::HeartbeatLost,
        Self::Overloaded,
        Self::Replaced,
        Self::BadFrame,
        Self::BadToken,
        Self::TokenRevoked,
        Self::HelloTimeout,
        Self::Forbidden,
        Self::TooLarge,
    ];

    /// The close code of this number, if it is one of ours.
    #[must_use]
    pub fn from_code(code: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.code() == code)
    }

    #[must_use]
    pub const fn code(self) -> u16 {
        self as u16
    }

    /// The close frame's reason text.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Draining => "draining",
            Self::SlowConsumer => "slow_consumer",
            Self::HeartbeatLost => "heartbeat_lost",
            Self::Overloaded => "overloaded",
            Self::Replaced => "replaced",
            Self::BadFrame => "bad_frame",
            Self::BadToken => "bad_token",
            Self::TokenRevoked => "token_revoked",
            Self::HelloTimeout => "hello_timeout",
            Self::Forbidden => "forbidden",
            Self::TooLarge => "too_large",
        }
    }

    #[must_use]
    pub const fn client_should_reconnect(self) -> bool {
        let code = self as u16;
        code >= 4000 && code < 4500
    }
}
