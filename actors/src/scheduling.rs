//! Sends scheduled messages when their time has come.
//!
//! Every node looks at what is due, and sends what belongs to the shards that it owns. A message
//! has its id from the beginning, so that one that is sent again, by this node after a crash or by
//! the next owner, is the same message. A row of what is due goes once it is decided what became of
//! its message; so every node sees what was left over.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use schema::record::{Draft, Due, Event, MessageBody, ScheduledMessage, ScheduledState};
use schema::wire::{ErrorCode, Refusal};
use schema::{ScheduledId, metric};
use tokio::time::Instant;

use crate::node::Node;
use crate::ports::Owner;

/// What is due is looked at this often.
const LOOK: Duration = Duration::from_secs(1);
/// Messages looked at in one round.
const DUE_MAX: usize = 5_000;
/// Messages sent at once.
const AT_ONCE: usize = 16;
/// One that could not be sent just now is tried again after this time.
const RETRY: Duration = Duration::from_secs(5);
/// What became due while no server ran is sent when it is not older: a month.
const LATE_MS_MAX: i64 = 31 * 24 * 60 * 60 * 1_000;
/// What is noted late, by a node whose clock is behind, is still seen.
const OVERLAP_MS: i64 = 2 * 60 * 1_000;

/// Where the next look begins. Pure.
#[derive(Debug)]
struct Looking {
    from_ms: i64,
    tried: BTreeMap<ScheduledId, Instant>,
}

impl Looking {
    /// After a look at what was due up to `now_ms`: `left` is the time of the oldest that is still
    /// there.
    fn looked(&mut self, now_ms: i64, left: Option<i64>, is_whole: bool) {
        let all_done = if is_whole { now_ms - OVERLAP_MS } else { self.from_ms };
        self.from_ms = left.unwrap_or(all_done).min(all_done.max(self.from_ms)).max(self.from_ms);
    }

    fn may_try(&self, id: ScheduledId, now: Instant) -> bool {
        self.tried.get(&id).is_none_or(|at| now >= *at + RETRY)
    }
}

/// Sends what is due for as long as the program runs.
pub async fn run(node: Node) {
    let now_ms = node.tree().ports.clock.now_ms();
    let mut looking = Looking { from_ms: now_ms - LATE_MS_MAX, tried: BTreeMap::new() };
    loop {
        tokio::time::sleep(LOOK).await;
        look(&node, &mut looking).await;
    }
}

async fn look(node: &Node, looking: &mut Looking) {
    let ports = &node.tree().ports;
    let now_ms = ports.clock.now_ms();
    let due = match ports.personal.due(looking.from_ms, now_ms, DUE_MAX).await {
        Ok(due) => due,
        Err(error) => return tracing::warn!(%error, "what is due could not be read"),
    };
    let is_whole = due.len() < DUE_MAX;
    let now = Instant::now();
    looking.tried.retain(|id, _| due.iter().any(|it| it.scheduled_id == *id));
    let is_mine = |it: &&Due| node.tree().sequencers.owner(it.conversation_id) == Owner::Here;
    let mine: Vec<Due> = due
        .iter()
        .filter(is_mine)
        .filter(|it| looking.may_try(it.scheduled_id, now))
        .copied()
        .collect();
    let outcomes: Vec<(Due, bool)> = stream::iter(mine)
        .map(|due| async move { (due, settle(node, due).await) })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    for (due, _) in outcomes.iter().filter(|(_, is_done)| !is_done) {
        looking.tried.insert(due.scheduled_id, now);
    }
    let is_done = |it: &Due| outcomes.iter().any(|(due, done)| *done && due == it);
    let left = due.iter().find(|it| !is_done(it)).map(|it| it.send_at);
    looking.looked(now_ms, left, is_whole);
}

/// Sends one message, or finds that there is nothing to send; false when it is to be tried again.
async fn settle(node: &Node, due: Due) -> bool {
    match decide_and_send(node, due).await {
        Ok(()) => {
            let removed = node.tree().ports.personal.remove_due(due).await;
            removed.is_ok()
        }
        Err(refusal) => {
            tracing::debug!(%refusal, "a scheduled message waits");
            false
        }
    }
}

async fn decide_and_send(node: &Node, due: Due) -> Result<(), Refusal> {
    let personal = &node.tree().personal;
    let found = personal.scheduled_message(due.user_id, due.scheduled_id).await?;
    // Taken back, sent already, or due at another time.
    let is_due =
        |it: &ScheduledMessage| it.state == ScheduledState::Pending && it.send_at == due.send_at;
    let Some(message) = found.filter(is_due) else { return Ok(()) };
    let draft = Draft {
        conversation_id: message.conversation_id,
        message_id: message.message_id,
        sender_id: due.user_id,
        event: Event::Message(MessageBody {
            reply_to: message.reply_to,
            mentions: message.mentions.clone(),
            ..MessageBody::new(message.content.clone())
        }),
        // It may have been sent before a crash.
        retry: true,
    };
    match node.submit_unread(draft).await {
        Ok(submitted) => {
            count("sent");
            personal.scheduled_sent(due.user_id, &message, Some(submitted.seq)).await
        }
        // Sent, then changed in the same moment.
        Err(refusal) if refusal.code == ErrorCode::MessageIdReused => {
            personal.scheduled_sent(due.user_id, &message, refusal.seq).await
        }
        Err(refusal) if refusal.code.is_temporary() => Err(refusal),
        Err(refusal) => {
            count("failed");
            personal.scheduled_failed(due.user_id, message, refusal.code).await
        }
    }
}

fn count(outcome: &'static str) {
    metrics::counter!(metric::SCHEDULED, "outcome" => outcome).increment(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_look_begins_at_what_is_left() {
        let mut looking = Looking { from_ms: 0, tried: BTreeMap::new() };
        let now = 100 * OVERLAP_MS;
        looking.looked(now, Some(OVERLAP_MS), true);
        assert_eq!(looking.from_ms, OVERLAP_MS, "what is left is seen again");
        looking.looked(now, None, false);
        assert_eq!(looking.from_ms, OVERLAP_MS, "there was more than was looked at");
        looking.looked(now, None, true);
        assert_eq!(looking.from_ms, now - OVERLAP_MS);
        looking.looked(now + 1, Some(now), true);
        assert_eq!(looking.from_ms, now + 1 - OVERLAP_MS, "what came just now is within it");
        looking.looked(0, None, true);
        assert_eq!(looking.from_ms, now + 1 - OVERLAP_MS, "never backwards");
    }
}
