//! Stable error codes, the same on sockets and in REST problems.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! error_codes {
    ($($(#[$doc:meta])+ $name:ident = $text:literal, $status:literal, $temporary:literal;)+) => {
        /// What went wrong. The text form never changes once published.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        pub enum ErrorCode {
            $($(#[$doc])+ #[serde(rename = $text)] $name,)+
        }

        impl ErrorCode {
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }

            /// HTTP status of the REST form.
            #[must_use]
            pub const fn http_status(self) -> u16 {
                match self { $(Self::$name => $status,)+ }
            }

            /// The same request may succeed later.
            #[must_use]
            pub const fn is_temporary(self) -> bool {
                match self { $(Self::$name => $temporary,)+ }
            }
        }
    };
}

error_codes! {
    /// The bytes are no frame: not one map with one entry, or a body of the wrong shape.
    BadFrame = "bad_frame", 400, false;
    /// The frame's name is not one that this server knows.
    UnknownFrame = "unknown_frame", 400, false;
    /// The first frame must be `hello`.
    HelloRequired = "hello_required", 400, false;
    /// `hello` was already answered on this socket.
    AlreadyGreeted = "already_greeted", 400, false;
    /// The token is not valid here.
    BadToken = "bad_token", 401, false;
    /// The token was valid once: refresh it and come again.
    TokenExpired = "token_expired", 401, false;
    /// The device was signed out.
    TokenRevoked = "token_revoked", 401, false;
    /// Wrong user name or password.
    BadCredentials = "bad_credentials", 401, false;
    /// Signed in, but not allowed.
    Forbidden = "forbidden", 403, false;
    /// No such thing, or none that you may see: the two look the same.
    NotFound = "not_found", 404, false;
    /// A field's value is not acceptable; the message says which and why.
    InvalidField = "invalid_field", 422, false;
    /// The content is empty, too large, or of a kind that cannot be stored.
    InvalidContent = "invalid_content", 422, false;
    /// The message or body is larger than the limit.
    TooLarge = "too_large", 413, false;
    /// This `message_id` was stored with other content; `seq` is the number it has.
    MessageIdReused = "message_id_reused", 409, false;
    /// The user name is taken.
    UsernameTaken = "username_taken", 409, false;
    /// The `Idempotency-Key` was used for another request.
    IdempotencyKeyReused = "idempotency_key_reused", 422, false;
    /// A request with this `Idempotency-Key` is still running.
    IdempotencyKeyInUse = "idempotency_key_in_use", 409, true;
    /// Too many requests of this kind; wait `retry_after_ms`.
    RateLimited = "rate_limited", 429, true;
    /// The server is at a limit; wait and try again.
    Overloaded = "overloaded", 503, true;
    /// The outcome is not known yet or could not be had in time: repeat under the same id.
    RetryLater = "retry_later", 503, true;
    /// The HTTP method or route does not exist.
    MethodNotAllowed = "method_not_allowed", 405, false;
    /// Something broke on our side; it is logged under the `trace_id`.
    Internal = "internal", 500, true;
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}
