//! Messages that a user wants sent later. `actors/src/scheduling.rs` sends them.

use schema::record::{Content, Due, Fact, FactKind, FactRange, ScheduledMessage, ScheduledState};
use schema::wire::{ErrorCode, Refusal, ScheduledChanged};
use schema::{ConversationId, MessageId, ScheduledId, Sequence, UserId};

use super::changes::unavailable;
use super::hub::Personal;

/// Messages of one user that wait or failed.
pub const SCHEDULED_MAX: usize = 100;
/// A message is scheduled at most so far ahead: a year.
const AHEAD_MS_MAX: i64 = 366 * 24 * 60 * 60 * 1_000;

/// A message to be sent later.
#[derive(Clone, Debug)]
pub struct NewScheduled {
    pub conversation_id: ConversationId,
    pub content: Content,
    pub reply_to: Option<Sequence>,
    pub mentions: Vec<UserId>,
    /// Milliseconds since 1970 UTC.
    pub send_at: i64,
}

/// What to change of one.
#[derive(Clone, Debug, Default)]
pub struct ScheduledPatch {
    pub content: Option<Content>,
    pub mentions: Option<Vec<UserId>>,
    pub send_at: Option<i64>,
}

/// Checks a time against the present one.
fn check_time(send_at: i64, now_ms: i64) -> Result<(), Refusal> {
    if send_at <= now_ms || send_at > now_ms.saturating_add(AHEAD_MS_MAX) {
        let text = "send_at: must be later than now, at most 366 days";
        return Err(Refusal::new(ErrorCode::InvalidField, text));
    }
    Ok(())
}

const fn due_of(user_id: UserId, message: &ScheduledMessage) -> Due {
    Due {
        send_at: message.send_at,
        scheduled_id: message.scheduled_id,
        user_id,
        conversation_id: message.conversation_id,
    }
}

fn changed(message: &ScheduledMessage) -> ScheduledChanged {
    ScheduledChanged {
        scheduled_id: message.scheduled_id,
        conversation_id: message.conversation_id,
        state: message.state,
        send_at: message.send_at,
        seq: None,
        failure: message.failure,
    }
}

impl Personal {
    /// What waits and what failed, the next first.
    ///
    /// # Errors
    /// `retry_later`.
    pub async fn scheduled(&self, user: UserId) -> Result<Vec<ScheduledMessage>, Refusal> {
        let range = FactRange::kinds(FactKind::Scheduled, FactKind::Scheduled, SCHEDULED_MAX);
        let facts = self.facts(user, range).await.map_err(|error| unavailable(&error))?;
        let messages = facts.into_iter().filter_map(|fact| match fact {
            Fact::Scheduled(message) => Some(message),
            _ => None,
        });
        let mut messages: Vec<ScheduledMessage> = messages.collect();
        messages.sort_by_key(|message| (message.send_at, message.scheduled_id));
        Ok(messages)
    }

    pub(crate) async fn scheduled_message(
        &self,
        user: UserId,
        id: ScheduledId,
    ) -> Result<Option<ScheduledMessage>, Refusal> {
        let range = FactRange::about(FactKind::Scheduled, id.as_bytes(), 1);
        let facts = self.facts(user, range).await.map_err(|error| unavailable(&error))?;
        Ok(facts.into_iter().find_map(|fact| match fact {
            Fact::Scheduled(message) => Some(message),
            _ => None,
        }))
    }

    /// Keeps a message that is to be sent later. What it says, and that the user is a member, is
    /// the caller's to check.
    ///
    /// # Errors
    /// `invalid_field` for the time and for too many, `retry_later`.
    pub async fn schedule(
        &self,
        user: UserId,
        new: NewScheduled,
    ) -> Result<ScheduledMessage, Refusal> {
        let now_ms = self.clock.now_ms();
        check_time(new.send_at, now_ms)?;
        if self.scheduled(user).await?.len() >= SCHEDULED_MAX {
            let text = "at most 100 messages wait to be sent";
            return Err(Refusal::new(ErrorCode::InvalidField, text));
        }
        let message = ScheduledMessage {
            scheduled_id: ScheduledId::generate(),
            conversation_id: new.conversation_id,
            message_id: MessageId::made_at(new.send_at),
            content: new.content,
            reply_to: new.reply_to,
            mentions: new.mentions,
            send_at: new.send_at,
            created_at: now_ms,
            state: ScheduledState::Pending,
            failure: None,
        };
        self.keep_scheduled(user, &message).await?;
        Ok(message)
    }

    /// Changes one that waits; one that failed waits again.
    ///
    /// # Errors
    /// `not_found`, `invalid_field` for the time, `retry_later`.
    pub async fn change_scheduled(
        &self,
        user: UserId,
        id: ScheduledId,
        patch: ScheduledPatch,
    ) -> Result<ScheduledMessage, Refusal> {
        let found = self.scheduled_message(user, id).await?;
        let mut message = found.ok_or_else(Refusal::not_found)?;
        let now_ms = self.clock.now_ms();
        if let Some(send_at) = patch.send_at {
            check_time(send_at, now_ms)?;
        }
        let is_late = message.state == ScheduledState::Failed;
        let send_at = patch.send_at.or_else(|| is_late.then_some(now_ms + 1));
        if let Some(send_at) = send_at {
            // The id holds its time: it is looked up among those that were sent then.
            message.message_id = MessageId::made_at(send_at);
            message.send_at = send_at;
        }
        message.content = patch.content.unwrap_or(message.content);
        message.mentions = patch.mentions.unwrap_or(message.mentions);
        (message.state, message.failure) = (ScheduledState::Pending, None);
        self.keep_scheduled(user, &message).await?;
        Ok(message)
    }

    /// That it is due is noted first: what is due and not there is forgotten, what is there and not
    /// due would wait for ever.
    async fn keep_scheduled(
        &self,
        user: UserId,
        message: &ScheduledMessage,
    ) -> Result<(), Refusal> {
        let due = self.store.add_due(due_of(user, message)).await;
        due.map_err(|error| unavailable(&error))?;
        self.write_scheduled(user, message, false).await?;
        self.tell_scheduled(user, changed(message));
        Ok(())
    }

    async fn write_scheduled(
        &self,
        user: UserId,
        message: &ScheduledMessage,
        is_gone: bool,
    ) -> Result<(), Refusal> {
        let fact = Fact::Scheduled(message.clone());
        self.write(user, vec![(fact, is_gone)]).await.map_err(|error| unavailable(&error))
    }

    /// Takes one back that was not sent yet.
    ///
    /// # Errors
    /// `not_found`, `retry_later`.
    pub async fn cancel_scheduled(&self, user: UserId, id: ScheduledId) -> Result<(), Refusal> {
        let found = self.scheduled_message(user, id).await?;
        let message = found.ok_or_else(Refusal::not_found)?;
        self.write_scheduled(user, &message, true).await?;
        let state = ScheduledState::Cancelled;
        self.tell_scheduled(user, ScheduledChanged { state, ..changed(&message) });
        Ok(())
    }

    /// It was sent: it leaves the list.
    pub(crate) async fn scheduled_sent(
        &self,
        user: UserId,
        message: &ScheduledMessage,
        seq: Option<Sequence>,
    ) -> Result<(), Refusal> {
        self.write_scheduled(user, message, true).await?;
        let state = ScheduledState::Sent;
        self.tell_scheduled(user, ScheduledChanged { state, seq, ..changed(message) });
        Ok(())
    }

    /// It cannot be sent: it stays in the list and says why.
    pub(crate) async fn scheduled_failed(
        &self,
        user: UserId,
        message: ScheduledMessage,
        code: ErrorCode,
    ) -> Result<(), Refusal> {
        let (state, failure) = (ScheduledState::Failed, Some(code));
        let failed = ScheduledMessage { state, failure, ..message };
        self.write_scheduled(user, &failed, false).await?;
        self.tell_scheduled(user, changed(&failed));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_ahead_and_not_too_far() {
        let now = 1_800_000_000_000;
        assert!(check_time(now + 1, now).is_ok() && check_time(now + AHEAD_MS_MAX, now).is_ok());
        for wrong in [now, now - 1, now + AHEAD_MS_MAX + 1, i64::MAX, i64::MIN] {
            assert!(check_time(wrong, now).is_err(), "{wrong}");
        }
    }
}
