//! What a device does as time goes by: retries, heartbeats, acknowledgements, repair of holes.

use std::time::Duration;

use schema::SequenceRange;
use schema::wire::{ClientFrame, FetchHistory, Ping};
use tokio::time::Instant;

use super::DeviceTask;
use crate::client::socket::Socket;
use crate::client::socket_error::SocketError;

/// A transmitted message without any answer for so long: the socket is given up.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// Between two acknowledgements: what the protocol asks of clients.
const ACK_PAUSE: Duration = Duration::from_secs(1);
/// The protocol's own limit.
const HISTORY_PAGE_MAX: u64 = 200;

impl DeviceTask {
    pub(super) async fn on_tick(&mut self, socket: &mut Socket) -> Result<(), SocketError> {
        let now = Instant::now();
        if self.outbox.is_overdue(now, ANSWER_LIMIT) {
            let waited_ms = ANSWER_LIMIT.as_millis() as u64;
            return Err(SocketError::Timeout { what: "answer to send_message", waited_ms });
        }
        for reference in self.outbox.due(now) {
            self.transmit(socket, reference).await?;
        }
        if now.duration_since(self.last_ping) >= self.heartbeat {
            self.last_ping = now;
            socket.send(&ClientFrame::Ping(Ping::default())).await?;
        }
        self.acknowledge_and_ask(socket).await
    }

    async fn acknowledge_and_ask(&mut self, socket: &mut Socket) -> Result<(), SocketError> {
        for (id, each) in &mut self.following {
            let position = each.buffer.position();
            let is_due = each.acked_at.is_none_or(|at| at.elapsed() >= ACK_PAUSE);
            if position > each.acked && is_due {
                socket.send(&each.acknowledge(*id)).await?;
            }
            // An own accepted message runs ahead by right: it takes two ticks to be a hole.
            let missing = each.buffer.missing();
            let first = missing.map(|range| range.first);
            let is_old = std::mem::replace(&mut each.hole, first) == first;
            let Some(missing) = missing.filter(|_| is_old && each.asked.is_none()) else {
                continue;
            };
            let limit = missing.len().min(HISTORY_PAGE_MAX);
            let after = missing.first.back(1);
            each.asked = Some(SequenceRange::above(after, limit, missing.last));
            self.next_reference += 1;
            let fetch = FetchHistory {
                reference: self.next_reference,
                conversation_id: *id,
                before: None,
                after: Some(after),
                at: None,
                limit: Some(limit),
            };
            socket.send(&ClientFrame::FetchHistory(fetch)).await?;
        }
        Ok(())
    }
}
