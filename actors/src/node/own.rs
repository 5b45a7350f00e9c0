//! What one may see of others, and what one does not want to see.

use schema::record::{Entry, Event};
use schema::wire::{ErrorCode, PresenceStatus, Refusal, UserOnline};
use schema::{ConversationId, DeviceId, Sequence, UserId};

use super::{ChatRow, HistoryRead, Node, Page, unavailable};
use crate::personal::Sight;

/// Takes away what a hidden message, or an edit of one, says.
fn conceal(entry: &mut Entry, is_hidden: impl Fn(Sequence) -> bool) {
    let said = match &entry.event {
        Event::Message(_) => entry.seq,
        Event::MessageEdited { target, .. } => *target,
        _ => return,
    };
    if is_hidden(said) {
        entry.event = entry.event.scrubbed();
    }
}

impl Node {
    pub(super) async fn conceal(
        &self,
        reader: UserId,
        conversation: ConversationId,
        read: &mut HistoryRead,
    ) -> Result<(), Refusal> {
        let hidden = self.tree.personal.hidden(reader).await;
        let hidden = hidden.map_err(|error| unavailable(&error))?;
        if let Some(hidden) = hidden.get(&conversation) {
            read.entries.iter_mut().for_each(|entry| conceal(entry, |seq| hidden.contains(&seq)));
            read.states.retain(|state| !hidden.contains(&state.seq));
        }
        Ok(())
    }

    pub(super) async fn conceal_rows(
        &self,
        reader: UserId,
        rows: &mut [ChatRow],
    ) -> Result<(), Refusal> {
        let hidden = self.tree.personal.hidden(reader).await;
        let hidden = hidden.map_err(|error| unavailable(&error))?;
        for row in rows {
            let hidden = hidden.get(&row.overview.conversation.conversation_id);
            if let (Some(hidden), Some(last)) = (hidden, &mut row.last) {
                conceal(last, |seq| hidden.contains(&seq));
            }
        }
        Ok(())
    }

    /// Hides a message from its reader alone.
    ///
    /// # Errors
    /// `not_found`, `invalid_field` for what is no message, `retry_later`.
    pub async fn hide(
        &self,
        reader: UserId,
        by: DeviceId,
        conversation: ConversationId,
        target: Sequence,
    ) -> Result<(), Refusal> {
        let page = self.history(reader, conversation, Page::Before(target.forward(1)), 1).await?;
        let found = page.entries.iter().find(|entry| entry.seq == target);
        match found.map(|entry| &entry.event) {
            Some(Event::Message(_)) => {
                self.tree.personal.hide(reader, Some(by), conversation, target).await
            }
            Some(_) => {
                let text = "target: the entry is not a message";
                Err(Refusal::new(ErrorCode::InvalidField, text))
            }
            None => Err(Refusal::not_found()),
        }
    }

    /// How a user is, on whichever node, as far as `viewer` may know.
    ///
    /// # Errors
    /// `retry_later`.
    pub async fn presence(&self, viewer: UserId, user: UserId) -> Result<UserOnline, Refusal> {
        let sights = self.tree.personal.sights(viewer, vec![user]).await;
        let sights = sights.map_err(|error| unavailable(&error))?;
        let sight = sights.get(&user).copied().unwrap_or(Sight::NOTHING);
        let mut shown =
            UserOnline { user_id: user, status: PresenceStatus::Offline, last_seen: None };
        if sight.presence {
            shown = self.tree.presence.look(user).await;
        }
        if shown.status == PresenceStatus::Offline {
            shown.last_seen = shown.last_seen.max(sight.seen_at);
        }
        shown.last_seen = shown.last_seen.filter(|_| sight.last_seen);
        Ok(shown)
    }
}
