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

/// Read anew this often while somebody writes: that one is blocked may be told and be lost.
const REFRESH: Duration = Duration::from_secs(30);

/// The members whom the other one blocks; nobody in conversations of more than two.
pub async fn blocked(personal: &Personal, roster: &Roster) -> Result<BTreeSet<UserId>, StoreError> {
    let mut blocked = BTreeSet::new();
    if roster.record.kind == ConversationKind::Direct {
        let members: Vec<UserId> = roster.current().map(|it: &Membership| it.user_id).collect();
        for member in &members {
            let privacy = personal.privacy(*member).await?;
            let others = members.iter().filter(|it| privacy.blocked.contains(it));
            blocked.extend(others.copied());
        }
    }
    Ok(blocked)
}

impl Conversation {
    pub(super) fn refresh_blocks(&mut self, ctx: &mut Context<Self>) {
        let Ok(serving) = &mut self.serving else { return };
        let is_direct = serving.roster.record.kind == ConversationKind::Direct;
        if !is_direct || serving.blocks_read_at.elapsed() < REFRESH {
            return;
        }
        serving.blocks_read_at = Instant::now();
        let (personal, roster) = (self.context.personal.clone(), serving.roster.clone());
        let read = async move { blocked(&personal, &roster).await };
        ctx.spawn(read.into_actor(self).map(|read, actor, _| {
            if let (Ok(blocked), Ok(serving)) = (read, &mut actor.serving) {
                serving.roster.blocked = blocked;
            }
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
