//! Who may not write in a direct conversation, because the other one blocks them.

use std::collections::BTreeSet;
use std::time::Duration;

use actix::{ActorFutureExt as _, AsyncContext as _, Context, Handler, WrapFuture as _};
use schema::UserId;
use schema::record::{ConversationKind, Membership};
use tokio::time::Instant;

use super::actor::Conversation;
use super::messages::Block;
use super::roster::Roster;
use crate::personal::Personal;
use crate::ports::StoreError;

/// In a cluster the news that somebody is blocked may be lost. What is known of it counts for so
/// long, then it is read before the next message goes on: a block holds this long after it was
/// stored at the latest, whatever was lost.
pub const KNOWN_FOR: Duration = Duration::from_secs(10);

/// The members whom the other one blocks, read anew; nobody in conversations of more than two.
pub async fn blocked(personal: &Personal, roster: &Roster) -> Result<BTreeSet<UserId>, StoreError> {
    let mut blocked = BTreeSet::new();
    if roster.record.kind == ConversationKind::Direct {
        let members: Vec<UserId> = roster.current().map(|it: &Membership| it.user_id).collect();
        for (_, privacy) in personal.privacies_anew(members.clone()).await? {
            let others = members.iter().filter(|it| privacy.blocked.contains(it));
            blocked.extend(others.copied());
        }
    }
    Ok(blocked)
}

/// What a read of it found, and when it was begun.
pub(super) type Found = (Instant, Result<BTreeSet<UserId>, StoreError>);

impl Conversation {
    /// Reads who is blocked where what is known may be out of date; `None`: it is not.
    pub(super) fn read_blocks(&self) -> Option<impl Future<Output = Found> + use<>> {
        let serving = self.serving.as_ref().ok()?;
        let is_direct = serving.roster.record.kind == ConversationKind::Direct;
        let is_old = serving.blocks_read_at.elapsed() >= KNOWN_FOR;
        if !is_direct || !is_old || !self.context.personal.may_miss_news() {
            return None;
        }
        let (personal, roster) = (self.context.personal.clone(), serving.roster.clone());
        let began = Instant::now();
        Some(async move { (began, blocked(&personal, &roster).await) })
    }

    pub(super) fn note_blocks(&mut self, (began, read): Found) -> Result<(), StoreError> {
        let blocked = read?;
        if let Ok(serving) = &mut self.serving {
            serving.roster.blocked = blocked;
            serving.blocks_read_at = began;
        }
        Ok(())
    }

    /// The same without anybody waiting: other nodes do not judge, but tell who types.
    pub(super) fn refresh_blocks(&mut self, ctx: &mut Context<Self>) {
        let is_here = self.serving.as_ref().is_ok_and(|it| it.sequencer.is_here());
        let Some(read) = self.read_blocks().filter(|_| !is_here) else { return };
        if let Ok(serving) = &mut self.serving {
            serving.blocks_read_at = Instant::now();
        }
        ctx.spawn(read.into_actor(self).map(|found, actor, _| {
            // Another time.
            let _ = actor.note_blocks(found);
        }));
    }
}

impl Handler<Block> for Conversation {
    type Result = ();

    fn handle(&mut self, message: Block, _: &mut Self::Context) {
        let Ok(serving) = &mut self.serving else { return };
        if message.on {
            serving.roster.blocked.insert(message.user);
        } else {
            serving.roster.blocked.remove(&message.user);
        }
    }
}
