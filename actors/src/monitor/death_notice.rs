//! Death is a message: a guard in the actor's state reports however it ended.

use std::sync::Arc;

use actix::dev::ToEnvelope;
use actix::{Actor, Addr, Handler, Message};
use schema::{ConnectionId, ConversationId, UserId};

/// Which actor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Child {
    Connection(ConnectionId),
    Session(UserId),
    Conversation(ConversationId),
    Sequencer(ConversationId),
    RemoteSequencer(ConversationId),
    Committer(u32),
}

impl Child {
    /// Label value of metrics.
    #[must_use]
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Connection(_) => "connection",
            Self::Session(_) => "session",
            Self::Conversation(_) => "conversation",
            Self::Sequencer(_) => "sequencer",
            Self::RemoteSequencer(_) => "remote_sequencer",
            Self::Committer(_) => "committer",
        }
    }
}

/// Tells two lives of one child apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Incarnation(pub u64);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DownReason {
    /// Ended as it meant to.
    Stopped,
    Panicked,
}

/// A watched actor has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Message)]
#[rtype(result = "()")]
pub struct Down {
    pub child: Child,
    pub incarnation: Incarnation,
    pub reason: DownReason,
}

/// Who hears of deaths. Shared by its notices: each address of its own would weigh a hundred bytes.
pub trait Watcher: Send + Sync {
    fn hear(&self, down: Down);
}

impl<A> Watcher for Addr<A>
where
    A: Actor + Handler<Down>,
    A::Context: ToEnvelope<A, Down>,
{
    fn hear(&self, down: Down) {
        #[expect(
            clippy::disallowed_methods,
            reason = "the one permitted: a death must not be refused"
        )]
        self.do_send(down);
    }
}

/// A field of every supervised actor. When the actor's state is dropped, its watcher hears of it.
///
/// `panic = "abort"` would silence it: never build with that.
pub struct DeathNotice {
    child: Child,
    incarnation: Incarnation,
    watcher: Arc<dyn Watcher>,
}

impl DeathNotice {
    #[must_use]
    pub fn new(child: Child, incarnation: Incarnation, watcher: Arc<dyn Watcher>) -> Self {
        metrics::gauge!(schema::metric::ACTORS, "kind" => child.kind()).increment(1.0);
        Self { child, incarnation, watcher }
    }
}

impl Drop for DeathNotice {
    fn drop(&mut self) {
        let reason =
            if std::thread::panicking() { DownReason::Panicked } else { DownReason::Stopped };
        metrics::gauge!(schema::metric::ACTORS, "kind" => self.child.kind()).decrement(1.0);
        self.watcher.hear(Down { child: self.child, incarnation: self.incarnation, reason });
    }
}
