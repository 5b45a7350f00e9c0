//! Messages that repeat another one: whoever sends them must be able to see it, and it must say so.

use std::sync::Arc;
use std::time::Duration;

use schema::record::{
    Content, Conversation, ConversationKind, Entry, Event, MessageRef, MessageState, message_state,
};
use schema::wire::{ErrorCode, Refusal};
use schema::{SequenceRange, UserId};
use tokio::time::Instant;

use super::actor::ConversationContext;
use super::gone::Gone;
use super::load::unavailable;
use crate::ports::StoreError;

/// An entry that was stored is in the readers' tables within this time, else it is not there.
const SHOWN_MAX: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(50);

/// Checks that `sender` can see the message and that it says `content` now.
///
/// # Errors
/// `not_found`, `invalid_content`, `retry_later`.
pub(super) async fn check(
    context: Arc<ConversationContext>,
    sender: UserId,
    original: MessageRef,
    content: Content,
) -> Result<(), Refusal> {
    let look = look(&context, sender, original);
    let found = look.await.map_err(|error| unavailable(&error))?;
    match found {
        None => Err(Refusal::not_found()),
        Some(said) if said == content => Ok(()),
        Some(_) => {
            let text = "content: not what the message says that is forwarded";
            Err(Refusal::new(ErrorCode::InvalidContent, text))
        }
    }
}

/// What a message says now to one who can see it.
async fn look(
    context: &ConversationContext,
    sender: UserId,
    original: MessageRef,
) -> Result<Option<Content>, StoreError> {
    let MessageRef { conversation_id, seq } = original;
    let Some(record) = context.roster.conversation(conversation_id).await? else {
        return Ok(None);
    };
    if !can_see(context, &record, sender, original).await? {
        return Ok(None);
    }
    let range = SequenceRange::new(seq, seq);
    let deadline = Instant::now() + SHOWN_MAX;
    let entry = loop {
        let entry = context.messages.range(conversation_id, range).await?.pop();
        if entry.is_some() || Instant::now() >= deadline {
            break entry;
        }
        tokio::time::sleep(PAUSE).await;
    };
    let gone = Gone::at(context.clock.now_ms(), &record, context.retention_default_days);
    let Some(entry) = entry.filter(|entry| !gone.has(entry)) else { return Ok(None) };
    let changes = context.messages.changes(conversation_id, range).await?;
    Ok(said(entry, message_state::states(&changes).into_iter().next()))
}

fn said(entry: Entry, state: Option<MessageState>) -> Option<Content> {
    let Event::Message(body) = entry.event else { return None };
    let state = state.unwrap_or_default();
    if state.deleted.is_some() {
        return None;
    }
    let content = state.edited.map_or(body.content, |edited| edited.content);
    Some(content).filter(|content| *content != Content::Deleted {})
}

async fn can_see(
    context: &ConversationContext,
    record: &Conversation,
    user: UserId,
    message: MessageRef,
) -> Result<bool, StoreError> {
    let MessageRef { conversation_id, seq } = message;
    if seq <= record.purged_up_to {
        return Ok(false);
    }
    if let Some(place) = context.roster.membership(conversation_id, user).await? {
        return Ok(place.joined_after < seq && place.left_at.is_none_or(|left| seq <= left));
    }
    let is_open = record.kind == ConversationKind::Channel;
    Ok(is_open
        && !context.roster.bans(conversation_id).await?.iter().any(|ban| ban.user_id == user))
}
