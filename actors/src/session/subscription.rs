//! A user's part in one conversation, as the session holds it. Pure but for the address.

use actix::Addr;
use schema::record::ConversationOverview;
use schema::{ConnectionId, Sequence, UserId};

use super::cursor::Cursor;
use crate::conversation::{Conversation, Joined};
use crate::peers::Follow;

/// Why the session hears of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Member,
    /// Reads a channel on the sockets that asked for it.
    Reader,
}

/// One conversation of the user.
pub struct Subscription {
    pub part: Part,
    pub generation: u32,
    /// The last number known here.
    pub head: Sequence,
    /// The user has read up to here.
    pub read: Sequence,
    /// The last number that the user may not see.
    pub visible_after: Sequence,
    /// The other user of a direct conversation.
    pub peer: Option<UserId>,
    pub conversation: Option<Addr<Conversation>>,
    pub cursors: Vec<Cursor>,
    /// Keeps the node interested in the conversation.
    pub follow: Option<Follow>,
}

impl Subscription {
    #[must_use]
    pub fn member(overview: &ConversationOverview) -> Self {
        Self {
            part: Part::Member,
            generation: overview.conversation.generation,
            head: overview.head,
            read: overview.read,
            visible_after: overview.membership.joined_after,
            peer: overview.peer,
            conversation: None,
            cursors: Vec::new(),
            follow: None,
        }
    }

    #[must_use]
    pub const fn joined(joined: &Joined, part: Part) -> Self {
        Self {
            part,
            generation: joined.generation,
            head: joined.head,
            read: Sequence::START,
            visible_after: joined.visible_after,
            peer: joined.peer,
            conversation: None,
            cursors: Vec::new(),
            follow: None,
        }
    }

    pub fn cursor(&mut self, connection: ConnectionId) -> Option<&mut Cursor> {
        self.cursors.iter_mut().find(|cursor| cursor.connection == connection)
    }

    /// Adds a socket that was handed everything up to `sent`; true when it is behind.
    pub fn follow(&mut self, connection: ConnectionId, sent: Sequence) -> bool {
        let sent = sent.max(self.visible_after);
        self.cursors.retain(|cursor| cursor.connection != connection);
        self.cursors.reserve_exact(1);
        self.cursors.push(Cursor::at(connection, sent));
        sent < self.head
    }

    pub fn unfollow(&mut self, connection: ConnectionId) {
        self.cursors.retain(|cursor| cursor.connection != connection);
    }
}
