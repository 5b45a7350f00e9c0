//! What a conversation starts from.

use std::sync::Arc;
use std::time::Duration;

use actix::Recipient;
use schema::ConversationId;
use schema::wire::{ErrorCode, Refusal};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use super::actor::ConversationContext;
use super::blocks;
use super::roster::Roster;
use crate::ports::StoreError;
use crate::sequencer::{FromSequencer, Open, Opened, SequencerHandle};

/// Looking for a sequencer ends after this time.
const DEADLINE: Duration = Duration::from_secs(5);

/// A conversation ready to serve.
pub struct Loaded {
    pub roster: Roster,
    pub sequencer: SequencerHandle,
    pub life: u64,
    pub opened: Opened,
}

pub fn unavailable(error: &StoreError) -> Refusal {
    tracing::warn!(%error, "a conversation's store did not answer");
    Refusal::retry_later("the store did not answer")
}

/// Loads record, sequencer and members. The sequencer comes before the members: what is stored
/// and not in the members' table is then among the entries that it hands over.
pub async fn load(
    conversation: ConversationId,
    context: Arc<ConversationContext>,
    news: Recipient<FromSequencer>,
) -> Result<Loaded, Refusal> {
    let record = context.roster.conversation(conversation).await.map_err(|e| unavailable(&e))?;
    let record = record.ok_or_else(Refusal::not_found)?;
    let (sequencer, life, opened) = open(conversation, context.clone(), news, 0).await?;
    let members = context.roster.members(conversation).await.map_err(|e| unavailable(&e))?;
    let bans = context.roster.bans(conversation).await.map_err(|e| unavailable(&e))?;
    let mut roster = Roster::new(record, members, bans);
    let blocked = blocks::blocked(&context.personal, &roster).await;
    roster.blocked = blocked.map_err(|e| unavailable(&e))?;
    Ok(Loaded { roster, sequencer, life, opened })
}

/// Finds a sequencer that gives numbers. `life`: that of the last one.
pub async fn open(
    conversation: ConversationId,
    context: Arc<ConversationContext>,
    news: Recipient<FromSequencer>,
    mut life: u64,
) -> Result<(SequencerHandle, u64, Opened), Refusal> {
    let deadline = Instant::now() + DEADLINE;
    let mut pause = Duration::from_millis(5);
    while Instant::now() < deadline {
        life += 1;
        let sequencer = context.sequencers.get_or_start(conversation).map_err(|quarantined| {
            Refusal::new(ErrorCode::RetryLater, "the conversation is restarting")
                .retry_after_ms(quarantined.retry_after_ms)
        })?;
        let (reply, opened) = oneshot::channel();
        let open = Open { conversation: news.clone(), life, opened: reply };
        if sequencer.open(open).is_ok()
            && let Ok(Ok(opened)) = timeout_at(deadline, opened).await
        {
            return Ok((sequencer, life, opened));
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(200));
    }
    Err(Refusal::retry_later("the conversation's shard is not ready"))
}
