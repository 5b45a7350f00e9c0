//! Drafts that another node handed over, as if they had been sent here.

use std::time::Duration;

use schema::cluster::envelope::DraftResult;
use schema::record::Draft;
use schema::wire::Refusal;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use crate::conversation::{Conversations, Submit, SubmitReply, Submitted};

/// A little above the conversation's own deadline.
const DEADLINE: Duration = Duration::from_secs(11);

/// Hands drafts of one conversation to it, in order, and waits until each is decided on.
pub async fn work_on(conversations: &Conversations, drafts: &[Draft]) -> Vec<DraftResult> {
    let deadline = Instant::now() + DEADLINE;
    let waiting: Vec<_> = drafts.iter().map(|draft| hand(conversations, draft)).collect();
    let mut results = Vec::with_capacity(waiting.len());
    for answer in waiting {
        results.push(match answer {
            Err(refusal) => refusal.into(),
            Ok(answer) => match timeout_at(deadline, answer).await {
                Ok(Ok(Ok(Submitted { seq, sent_at, duplicate }))) => {
                    DraftResult::Stored { seq, sent_at, duplicate }
                }
                Ok(Ok(Err(refusal))) => refusal.into(),
                // The conversation died, or says nothing.
                Ok(Err(_)) | Err(_) => DraftResult::Open,
            },
        });
    }
    results
}

type Answer = oneshot::Receiver<Result<Submitted, Refusal>>;

fn hand(conversations: &Conversations, draft: &Draft) -> Result<Answer, Refusal> {
    let conversation =
        conversations.get_or_start(draft.conversation_id).map_err(|quarantined| {
            Refusal::retry_later("the conversation restarts")
                .retry_after_ms(quarantined.retry_after_ms)
        })?;
    let (reply, answer) = oneshot::channel();
    let submit = Submit { draft: draft.clone(), reply: SubmitReply::Call(reply) };
    conversation.try_send(submit).map_err(|_| Refusal::retry_later("the conversation is busy"))?;
    Ok(answer)
}
