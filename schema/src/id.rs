//! Identifiers as distinct types, so that no function can take one for another.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! identifier {
    ($($(#[$doc:meta])+ $name:ident;)+) => {$(
        $(#[$doc])+
        ///
        /// Travels as 16 bytes in MessagePack and as hyphenated text in JSON.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        pub struct $name(pub Uuid);

        impl $name {
            /// Makes a new identifier, ordered by the time of its making (UUIDv7, RFC 9562).
            #[must_use]
            pub fn generate() -> Self {
                Self(Uuid::now_v7())
            }

            #[must_use]
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }

            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(formatter)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, "{}({})", stringify!($name), self.0.hyphenated())
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }
    )+};
}

identifier! {
    /// A person or a bot with an account.
    UserId;
    /// One signed-in installation of a user; has at most one live socket.
    DeviceId;
    /// One socket, for as long as it is open.
    ConnectionId;
    /// A direct, group or channel conversation.
    ConversationId;
    /// Made by the client (UUIDv7); the idempotency key of a send.
    MessageId;
    /// A message that is to be sent later.
    ScheduledId;
    /// A link that lets its holder become a member; not the secret in it.
    InviteId;
    /// One server process.
    NodeId;
    /// Fresh for every activation of a shard on a node: the fence of its commits.
    OwnerToken;
}

impl OwnerToken {
    /// Written by a graceful release; never equal to a generated token, and never null again.
    pub const NOBODY: Self = Self(Uuid::nil());
}

impl UserId {
    /// Among mentions: every member.
    pub const EVERYONE: Self = Self(Uuid::nil());
    /// Among mentions: every member who is there.
    pub const HERE: Self = Self(Uuid::from_u128(1));

    /// Stands for several users, and for none alone.
    #[must_use]
    pub fn is_group(self) -> bool {
        self == Self::EVERYONE || self == Self::HERE
    }

    /// Among mentions: whether this means `user`, who was there or not.
    #[must_use]
    pub fn means(self, user: Self, was_here: bool) -> bool {
        self == user || self == Self::EVERYONE || (self == Self::HERE && was_here)
    }
}

impl MessageId {
    /// A new id that says that it was made at this time, milliseconds since 1970 UTC.
    #[must_use]
    pub fn made_at(unix_ms: i64) -> Self {
        let unix_ms = u64::try_from(unix_ms).unwrap_or(0);
        let nanos = u32::try_from(unix_ms % 1_000).unwrap_or(0) * 1_000_000;
        Self(Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, unix_ms / 1_000, nanos)))
    }

    /// Milliseconds since 1970 UTC inside a UUIDv7; `None` for any other version.
    #[must_use]
    pub fn unix_ms(&self) -> Option<i64> {
        if self.0.get_version_num() != 7 {
            return None;
        }
        let bytes = self.0.as_bytes();
        let mut padded = [0_u8; 8];
        padded[2..].copy_from_slice(&bytes[..6]);
        i64::try_from(u64::from_be_bytes(padded)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_id_tells_when_it_was_made() {
        let id = MessageId(Uuid::new_v7(uuid::Timestamp::from_unix(
            uuid::NoContext,
            1_700_000_000,
            123_000_000,
        )));
        assert_eq!(id.unix_ms(), Some(1_700_000_000_123));
        assert_eq!(MessageId(Uuid::new_v4()).unix_ms(), None);
        let later = MessageId::made_at(1_900_000_000_456);
        assert_eq!(later.unix_ms(), Some(1_900_000_000_456));
        assert_ne!(later, MessageId::made_at(1_900_000_000_456));
    }

    #[test]
    fn ids_are_sixteen_bytes_in_messagepack_and_text_in_json() {
        let id = UserId::from_bytes([7; 16]);
        let packed = rmp_serde::to_vec_named(&id).unwrap();
        assert_eq!(packed[..2], [0xc4, 16]);
        assert_eq!(packed.len(), 18);
        assert_eq!(serde_json::to_string(&id).unwrap(), "\"07070707-0707-0707-0707-070707070707\"");
    }
}
