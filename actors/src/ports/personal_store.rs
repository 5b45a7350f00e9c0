//! What belongs to single users: their facts, and the messages that they want sent later.

use schema::UserId;
use schema::record::{Due, Fact, FactRange, FactWrite};

use super::PortFuture;

/// Facts by user and key, and due messages by time.
///
/// Guarantees: of two writes of one key, whatever they say, the one with the higher stamp counts,
/// whichever comes first. Writes are seen by every later read when they return.
pub trait PersonalStore: Send + Sync + 'static {
    /// Writes facts durably.
    fn write_facts(&self, writes: Vec<FactWrite>) -> PortFuture<()>;

    /// Notes when users were there last, milliseconds since 1970 UTC, as [`Fact::LastSeen`] under
    /// that time as its stamp. Need not be durable when it returns.
    fn note_seen(&self, seen: Vec<(UserId, i64)>) -> PortFuture<()>;

    /// The facts of these users in the range, by user as they were named and ascending by key; the
    /// range's limit is each user's.
    fn facts(&self, users: Vec<UserId>, range: FactRange) -> PortFuture<Vec<(UserId, Fact)>>;

    /// Notes that a message is due, durably. Repeats are harmless.
    fn add_due(&self, due: Due) -> PortFuture<()>;

    /// Forgets it.
    fn remove_due(&self, due: Due) -> PortFuture<()>;

    /// What is due from one time to another, both included, at most `limit`, ascending.
    fn due(&self, from_ms: i64, to_ms: i64, limit: usize) -> PortFuture<Vec<Due>>;
}
