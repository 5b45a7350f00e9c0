//! What [`InviteStore`] promises.

use std::sync::Arc;

use futures_util::future::join_all;
use schema::record::{Invite, InviteUse, NewInvite};
use schema::{ConversationId, InviteId, UserId};

use crate::ports::{InviteStore, WallClock as _, wall_clock::SystemClock};

/// Runs every check.
pub async fn run(store: Arc<dyn InviteStore>) {
    an_invite_is_found_by_its_hash(&*store).await;
    uses_are_counted_once_a_user(&*store).await;
    no_more_than_its_uses_are_granted(&store).await;
    what_ended_lets_nobody_in(&*store).await;
}

fn new(uses_max: Option<u32>) -> NewInvite {
    let bytes = [*uuid::Uuid::new_v4().as_bytes(), *uuid::Uuid::new_v4().as_bytes()];
    let mut hash = [0; 32];
    hash[..16].copy_from_slice(&bytes[0]);
    hash[16..].copy_from_slice(&bytes[1]);
    let now_ms = SystemClock.now_ms();
    let invite = Invite {
        invite_id: InviteId::generate(),
        conversation_id: ConversationId::generate(),
        created_by: UserId::generate(),
        created_at: now_ms,
        expires_at: now_ms + 3_600_000,
        uses_max,
        uses: 0,
        is_revoked: false,
    };
    NewInvite { hash, invite }
}

pub async fn an_invite_is_found_by_its_hash(store: &dyn InviteStore) {
    let (one, mut two) = (new(None), new(Some(5)));
    two.invite.conversation_id = one.invite.conversation_id;
    two.invite.created_at = one.invite.created_at + 1;
    two.invite.expires_at = one.invite.expires_at;
    store.add_invite(two).await.expect("answers");
    store.add_invite(one).await.expect("answers");
    assert_eq!(store.invite(one.hash).await, Ok(Some(one.invite)));
    assert_eq!(store.invite([9; 32]).await, Ok(None));
    let now_ms = one.invite.created_at;
    let listed = store.invites(one.invite.conversation_id, now_ms).await;
    assert_eq!(listed, Ok(vec![one.invite, two.invite]), "oldest first");
    let listed = store.invites(one.invite.conversation_id, one.invite.expires_at).await;
    assert_eq!(listed, Ok(Vec::new()), "expired");
    assert_eq!(store.invites(ConversationId::generate(), now_ms).await, Ok(Vec::new()));
}

pub async fn uses_are_counted_once_a_user(store: &dyn InviteStore) {
    let NewInvite { hash, invite } = new(Some(2));
    store.add_invite(NewInvite { hash, invite }).await.expect("answers");
    let [anna, bert, cleo] = [(); 3].map(|()| UserId::generate());
    let now_ms = invite.created_at;
    for (user, expected) in [
        (anna, InviteUse::Granted),
        (anna, InviteUse::Granted),
        (bert, InviteUse::Granted),
        (cleo, InviteUse::Refused),
        (anna, InviteUse::Granted),
    ] {
        assert_eq!(store.use_invite(hash, user, now_ms).await, Ok(expected));
    }
    let uses = store.invite(hash).await.map(|it| it.map(|it| it.uses));
    assert_eq!(uses, Ok(Some(2)));
    let unlimited = new(None);
    store.add_invite(unlimited).await.expect("answers");
    for _ in 0..5 {
        let used = store.use_invite(unlimited.hash, UserId::generate(), now_ms).await;
        assert_eq!(used, Ok(InviteUse::Granted));
    }
}

pub async fn no_more_than_its_uses_are_granted(store: &Arc<dyn InviteStore>) {
    let NewInvite { hash, invite } = new(Some(3));
    store.add_invite(NewInvite { hash, invite }).await.expect("answers");
    let uses = (0..10).map(|_| store.use_invite(hash, UserId::generate(), invite.created_at));
    let uses = join_all(uses).await;
    let granted = uses.iter().filter(|it| **it == Ok(InviteUse::Granted)).count();
    assert_eq!(granted, 3, "{uses:?}");
    let counted = store.invite(hash).await.expect("answers").expect("it is there");
    assert_eq!(counted.uses, 3);
}

pub async fn what_ended_lets_nobody_in(store: &dyn InviteStore) {
    let NewInvite { hash, invite } = new(Some(3));
    store.add_invite(NewInvite { hash, invite }).await.expect("answers");
    let (user, id) = (UserId::generate(), invite.conversation_id);
    let used = store.use_invite(hash, user, invite.expires_at).await;
    assert_eq!(used, Ok(InviteUse::Refused), "expired");
    let elsewhere = store.revoke_invite(ConversationId::generate(), invite.invite_id).await;
    assert_eq!(elsewhere, Ok(false), "of another conversation");
    assert_eq!(store.revoke_invite(id, InviteId::generate()).await, Ok(false));
    assert_eq!(store.revoke_invite(id, invite.invite_id).await, Ok(true));
    let used = store.use_invite(hash, user, invite.created_at).await;
    assert_eq!(used, Ok(InviteUse::Refused), "revoked");
    assert_eq!(store.invites(id, invite.created_at).await, Ok(Vec::new()));
    let unknown = store.use_invite([8; 32], user, invite.created_at).await;
    assert_eq!(unknown, Ok(InviteUse::Refused), "never was");
}
