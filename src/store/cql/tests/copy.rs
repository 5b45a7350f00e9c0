//! A copy of a cluster by its contents, and a cluster made of it again.

use actors::ports::wall_clock::{SystemClock, WallClock as _};
use actors::ports::{InviteStore, MaterialisedCommit, MessageStore, PersonalStore, RosterStore};
use schema::record::{
    Content, ConversationPatch, Entry, Event, Fact, FactKind, FactRange, FactWrite, Invite,
    InviteUse, MessageBody, NewInvite, Posting, UnsentDraft,
};
use schema::{InviteId, Sequence};

use super::import::{Source, fill, told};
use super::{config, keyspace_name, message};
use crate::store::cql::{AuditOptions, Store, audit, export, import, migrate};
use crate::store::embedded::{self, EmbeddedConfig, Export};

const HOUR_MS: i64 = 3_600_000;

/// Gives some conversations all that their entries say or do not say, then removes old entries.
async fn fill_cares(store: &Store, source: &Source) -> [u8; 32] {
    let (id, kept) = (source.conversations[1], source.conversations[3]);
    let change = ConversationPatch {
        description: Some(Some("Tuesdays".to_owned())),
        retention_days: Some(Some(30)),
        posting: Some(Posting::Admins),
        ..ConversationPatch::default()
    };
    let banned = vec![source.users[12]];
    let mut vanishing = MessageBody::new(Content::Text { text: "for a day".to_owned() });
    vanishing.expires_after_ms = Some(86_400_000);
    let said = [
        Event::ConversationChanged(Box::new(change)),
        Event::BansChanged { banned, unbanned: Vec::new() },
        Event::Message(vanishing),
    ];
    // One has a commit more that was in the ring alone.
    for (n, of, first) in [(1, id, 202), (2, kept, 201)] {
        let entries = (first..).zip(&said);
        let entries =
            entries.map(|(seq, event)| Entry { event: event.clone(), ..message(of, seq) });
        let commit = MaterialisedCommit { shard: 2, n, entries: entries.collect() };
        store.materialise(vec![commit]).await.expect("answers");
    }
    // All of one log but its end; all of another.
    while store.purge_below(id, Sequence(203), 1_000).await.expect("answers") {}
    let all_gone = source.conversations[5];
    while store.purge_below(all_gone, Sequence(200), 1_000).await.expect("answers") {}
    let now_ms = SystemClock.now_ms();
    let invite = Invite {
        invite_id: InviteId::from_bytes([8; 16]),
        conversation_id: id,
        created_by: source.users[0],
        created_at: now_ms,
        expires_at: now_ms + 86_400_000,
        uses_max: Some(2),
        uses: 0,
        is_revoked: false,
    };
    let hash = [9; 32];
    store.add_invite(NewInvite { hash, invite }).await.expect("answers");
    let used = store.use_invite(hash, source.users[20], now_ms).await.expect("answers");
    assert_eq!(used, InviteUse::Granted);
    let draft =
        UnsentDraft { text: "half a thought".to_owned(), reply_to: None, updated_at: now_ms };
    let facts = [
        Fact::ReadReceipts(false),
        Fact::MutedUntil(id, now_ms + 5_000),
        Fact::Draft(id, draft),
        Fact::Hidden(kept, Sequence(7)),
    ];
    let user_id = source.users[2];
    let writes = facts.map(|fact| FactWrite { user_id, stamp: 77, fact, is_gone: false });
    store.write_facts(writes.into()).await.expect("answers");
    hash
}

/// All of it, as a store tells it.
async fn cares<S>(store: &S, source: &Source, hash: [u8; 32]) -> String
where
    S: RosterStore + MessageStore + PersonalStore + InviteStore,
{
    let mut told = String::new();
    for at in [1, 3, 5] {
        let id = source.conversations[at];
        let row = store.conversation(id).await.expect("answers").expect("exists");
        let row = (row.name, row.profile, row.purged_up_to);
        let members = store.members(id).await.expect("answers");
        let bans = store.bans(id).await.expect("answers");
        let head = store.head(id).await.expect("answers");
        told += &format!("{row:?}\n{members:?}\n{bans:?}\n{head:?}\n");
    }
    let everything = FactRange::kinds(FactKind::ReadReceipts, FactKind::Scheduled, 100);
    let facts = PersonalStore::facts(store, source.users.clone(), everything).await;
    let due = store.due(0, 1_700_000_000_000, 10).await.expect("answers");
    let invite = store.invite(hash).await.expect("answers").expect("exists");
    told + &format!("{:?}\n{due:?}\n{invite:?}", facts.expect("answers"))
}

/// A cluster of its own that holds what the folder does.
async fn cluster_of(folder: &std::path::Path) -> Store {
    let config = config(&keyspace_name()).await;
    migrate(&config).await.expect("migrates");
    let from = Export::open(folder).await.expect("opens");
    import(&from, &config, |_, _| {}).await.expect("is filled");
    Store::connect(&config).await.expect("connects")
}

#[tokio::test]
async fn a_copy_of_a_cluster_has_what_entries_do_not_say_and_logs_that_were_cut() {
    let dir = tempfile::tempdir().expect("a folder");
    let source = fill(dir.path()).await;
    let cluster = cluster_of(dir.path()).await;
    let hash = fill_cares(&cluster, &source).await;
    let before = cares(&cluster, &source, hash).await;
    for wanted in ["Tuesdays", "retention_days: Some(30)", "half a thought", "uses: 1"] {
        assert!(before.contains(wanted), "{wanted}: {before}");
    }

    let copy_dir = tempfile::tempdir().expect("a folder");
    let copy = embedded::Store::open(EmbeddedConfig::new(copy_dir.path())).expect("opens");
    let copied = export(&cluster, &copy, |_, _| {}).await.expect("copies");
    assert_eq!((copied.invites, copied.facts, copied.scheduled), (1, 5, 1));
    assert_eq!(cares(&copy, &source, hash).await, before);
    let lists = (told(&cluster, &cluster, &source).await, told(&copy, &copy, &source).await);
    assert!(lists.0 == lists.1, "chat lists or logs of the copy differ");
    copy.close();
    drop(copy);

    let again = cluster_of(copy_dir.path()).await;
    let shards = again.facts().shape.shards;
    let (mut vanished, now_ms) = (0, SystemClock.now_ms());
    for shard in 0..shards {
        let purged =
            again.purge_expired(shard, now_ms + 23 * HOUR_MS, now_ms + 25 * HOUR_MS, 10).await;
        vanished += purged.expect("answers").purged;
    }
    assert_eq!(vanished, 2, "what is to disappear is still known");
    assert_eq!(cares(&again, &source, hash).await, before);
    let user = source.users[21];
    let now_ms = SystemClock.now_ms();
    assert_eq!(again.use_invite(hash, user, now_ms).await, Ok(InviteUse::Granted));
    let late = again.use_invite(hash, source.users[22], now_ms).await;
    assert_eq!(late, Ok(InviteUse::Refused), "its uses were counted on");
    let options = AuditOptions { sent_index: true, now_ms };
    let audited = audit(&again, options).await.expect("answers");
    assert!(audited.passed, "{audited:?}");
}

#[tokio::test]
async fn a_copy_of_a_cluster_tells_the_same_and_becomes_a_cluster_again() {
    let dir = tempfile::tempdir().expect("a folder");
    let source = fill(dir.path()).await;
    let cluster = cluster_of(dir.path()).await;

    let copy_dir = tempfile::tempdir().expect("a folder");
    let copy = embedded::Store::open(EmbeddedConfig::new(copy_dir.path())).expect("opens");
    let copied = export(&cluster, &copy, |_, _| {}).await.expect("copies");
    assert_eq!((copied.users, copied.devices, copied.refresh_tokens), (30, 30, 1));
    assert_eq!((copied.conversations, copied.entries, copied.positions), (60, 12_002, 120));
    let before = told(&cluster, &cluster, &source).await;
    let in_copy = told(&copy, &copy, &source).await;
    for (list, before) in in_copy.0.iter().zip(&before.0) {
        assert_eq!(list, before, "a chat list of the copy");
    }
    assert!(in_copy.1 == before.1, "logs of the copy differ");
    copy.close();
    drop(copy);

    let again = cluster_of(copy_dir.path()).await;
    let after = told(&again, &again, &source).await;
    for (list, before) in after.0.iter().zip(&before.0) {
        assert_eq!(list, before, "a chat list of the second cluster");
    }
    assert!(after.1 == before.1, "logs of the second cluster differ");
    let options = AuditOptions { sent_index: true, now_ms: SystemClock.now_ms() };
    let audited = audit(&again, options).await.expect("answers");
    assert!(audited.passed, "{audited:?}");
}
