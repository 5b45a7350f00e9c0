//! One socket as its session sees it.

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix::Recipient;
use actix::prelude::SendError;
use schema::{ConnectionId, ConversationId, DeviceId, Sequence, UserId};

use super::local::LocalSocket;
use super::messages::ToSocket;
use crate::conversation::{Batch, DeliveryItem};
use crate::ports::WallClock;

/// One attached socket.
pub(super) struct Link {
    pub connection: ConnectionId,
    pub device: DeviceId,
    pub socket: Recipient<ToSocket>,
    /// When it is on this thread.
    pub local: Option<Rc<dyn LocalSocket>>,
    pub abandoned: Arc<AtomicBool>,
    pub is_away: bool,
    /// Whose presence it wants to hear of.
    pub watched: Box<[UserId]>,
    /// Conversations that wait for their turn to catch up.
    pub behind: VecDeque<ConversationId>,
    /// Conversations whose pages are on their way.
    pub catching_up: usize,
}

impl Link {
    /// False when the socket is gone, or its mailbox is full.
    pub fn hand(&mut self, what: ToSocket) -> bool {
        if let (Some(local), ToSocket::Frame(frame)) = (&self.local, &what)
            && local.is_open()
        {
            local.clone().frame(frame);
            return true;
        }
        match self.socket.try_send(what) {
            Ok(()) => {
                if let Some(local) = &self.local {
                    local.note_queued();
                }
                true
            }
            Err(SendError::Full(_)) => {
                metrics::counter!(schema::metric::MAILBOX_REFUSALS, "kind" => "connection")
                    .increment(1);
                self.abandoned.store(true, Ordering::Relaxed);
                false
            }
            Err(SendError::Closed(_)) => false,
        }
    }

    /// Hands live entries over. Those of `known` the socket was told of by `accepted`. False as
    /// [`hand`](Self::hand).
    pub fn deliver(
        &mut self,
        batch: &Arc<Batch>,
        skip: usize,
        known: &[Sequence],
        clock: &dyn WallClock,
    ) -> bool {
        let is_own = |item: &DeliveryItem| item.origin == Some(self.connection);
        if batch.items()[skip..].iter().all(is_own) {
            // The socket has sent them itself and hears `accepted`.
            return true;
        }
        let batch = batch.marked(self.connection, known);
        match &self.local {
            Some(local) if local.is_open() => {
                local.clone().deliver(&batch, skip, self.connection, clock);
                true
            }
            _ => self.hand(ToSocket::Deliver { batch, skip }),
        }
    }
}
