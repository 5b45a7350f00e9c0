use std::path::Path;

use actors::committer::payload;
use actors::ports::wall_clock::{SystemClock, WallClock as _};
use actors::ports::{
    Applied, Commit, CommitRing, MaterialisedCommit, MessageStore, NewConversation, NewDevice,
    NewUser, PersonalStore, RosterStore, Rotation, UserStore,
};
use schema::record::{
    ConversationKind, ConversationOverview, ConversationPatch, Due, Entry, Event, Fact, FactKind,
    FactRange, FactWrite, Member, NewRefreshToken, PositionAdvance, Role,
};
use schema::{ConversationId, DeviceId, OwnerToken, ScheduledId, Sequence, SequenceRange, UserId};
use tokio::sync::oneshot;

use super::{config, keyspace_name, message};
use crate::store::cql::{
    AuditOptions, CqlConfig, CqlOpenError, ImportError, Store, audit, import, migrate,
};
use crate::store::embedded::{self, EmbeddedConfig, Export, ExportError, OpenError};

const USERS: usize = 30;

/// What was put into the embedded store.
pub(super) struct Source {
    pub users: Vec<UserId>,
    devices: Vec<DeviceId>,
    pub conversations: Vec<ConversationId>,
    token: [u8; 32],
}

/// Fills an embedded store with something in every table, and with commits that only its ring has.
pub(super) async fn fill(data_dir: &Path) -> Source {
    let store = embedded::Store::open(EmbeddedConfig::new(data_dir)).expect("opens");
    let (users, devices, token) = fill_accounts(&store).await;
    let mut conversations = Vec::new();
    for (i, creator) in users.iter().enumerate() {
        let other = users[(i + 1) % USERS];
        let new = |kind, name: Option<&str>| NewConversation {
            conversation_id: ConversationId::generate(),
            kind,
            name: name.map(str::to_owned),
            created_by: *creator,
            created_at: 1_700_000_000_000,
            members: [(*creator, Role::Owner), (other, Role::Member)]
                .map(|(user_id, role)| Member { user_id, role })
                .into(),
        };
        for new in [new(ConversationKind::Direct, None), new(ConversationKind::Group, Some("Old"))]
        {
            conversations.push(new.conversation_id);
            RosterStore::create(&store, new).await.expect("answers");
        }
    }
    for (n, id) in (1..).zip(&conversations) {
        fill_conversation(&store, n, *id, &users).await;
        let advance = PositionAdvance {
            user_id: users[0],
            conversation_id: *id,
            delivered: Some((devices[0], Sequence(n % 50 + 2))),
            read: Some(Sequence(n % 50 + 1)),
            is_private: false,
        };
        store.advance_positions(vec![advance]).await.expect("answers");
    }
    let blocked = Fact::Blocked(users[1]);
    let write = FactWrite { user_id: users[0], stamp: 5, fact: blocked, is_gone: false };
    store.write_facts(vec![write]).await.expect("answers");
    store.add_due(due(&users, &conversations)).await.expect("answers");
    leave_commits_in_ring(&store, &conversations, &users).await;
    store.close();
    Source { users, devices, conversations, token }
}

fn due(users: &[UserId], conversations: &[ConversationId]) -> Due {
    Due {
        send_at: 1_700_000_000_000,
        scheduled_id: ScheduledId::from_bytes([7; 16]),
        user_id: users[0],
        conversation_id: conversations[0],
    }
}

async fn fill_accounts(store: &embedded::Store) -> (Vec<UserId>, Vec<DeviceId>, [u8; 32]) {
    let accounts: Vec<_> = (0..USERS)
        .map(|i| NewUser {
            user_id: UserId::generate(),
            username: format!("user-{i}"),
            display_name: format!("User {i}"),
            password_hash: (i % 2 == 0).then(|| format!("$argon2id$of-{i}")),
            created_at: 1_700_000_000_000,
        })
        .collect();
    let users: Vec<_> = accounts.iter().map(|user| user.user_id).collect();
    store.create_users(accounts).await.expect("answers").expect("are new");
    let status = Some("at sea".to_owned());
    store.update_profile(users[3], None, status).await.expect("answers");
    let new: Vec<_> = users
        .iter()
        .map(|user_id| NewDevice {
            device_id: DeviceId::generate(),
            user_id: *user_id,
            name: "Phone".to_owned(),
            created_at: 1_700_000_000_000,
        })
        .collect();
    let devices: Vec<_> = new.iter().map(|device| device.device_id).collect();
    store.add_devices(new).await.expect("answers");
    store.revoke_device(users[1], devices[1], 1_700_000_000_001).await.expect("answers");
    let expires_at = SystemClock.now_ms() + 86_400_000;
    let first =
        NewRefreshToken { hash: [1; 32], user_id: users[0], device_id: devices[0], expires_at };
    store.add_refresh_token(first).await.expect("answers");
    store.rotate_refresh_token([1; 32], [2; 32], expires_at, 1).await.expect("answers");
    (users, devices, [2; 32])
}

async fn fill_conversation(store: &embedded::Store, n: u64, id: ConversationId, users: &[UserId]) {
    let mut entries: Vec<_> = (1..=200).map(|seq| message(id, seq)).collect();
    entries[9].event =
        Event::ConversationChanged(Box::new(ConversationPatch::named(format!("Name {n}"))));
    let row = store.conversation(id).await.expect("answers").expect("it was made");
    if row.kind == ConversationKind::Group {
        let late = Member { user_id: users[7], role: Role::Admin };
        entries[19].event =
            Event::MembersChanged { added: vec![late], removed: vec![users[8], users[9]] };
    }
    let commit = MaterialisedCommit { shard: 0, n, entries: entries.into() };
    store.materialise(vec![commit]).await.expect("answers");
}

/// Two commits that no table knows: one renames a conversation, one takes somebody out of another.
async fn leave_commits_in_ring(
    store: &embedded::Store,
    conversations: &[ConversationId],
    users: &[UserId],
) {
    let owner = OwnerToken::generate();
    CommitRing::create(store, 1, owner).await.expect("answers");
    let changes = [
        Event::ConversationChanged(Box::new(ConversationPatch::named("From the ring"))),
        Event::MembersChanged { added: Vec::new(), removed: vec![users[7]] },
    ];
    for ((n, id), event) in (1..).zip(conversations).zip(changes) {
        let entry = payload::encode_entry(&Entry { event, ..message(*id, 201) });
        let payload = payload::join([entry.as_slice()].into_iter());
        let commit = Commit { shard: 1, owner, n, done: 0, payload };
        assert_eq!(store.commit(commit).await, Ok(Applied::Yes));
    }
}

/// What readers are told, less what differs between stores.
pub(super) async fn told(
    roster: &dyn RosterStore,
    messages: &dyn MessageStore,
    source: &Source,
) -> (Vec<Vec<ConversationOverview>>, Vec<Vec<Entry>>) {
    let (mut lists, mut logs) = (Vec::new(), Vec::new());
    for (user, device) in source.users.iter().zip(&source.devices) {
        lists.push(roster.conversations_of(*user, Some(*device)).await.expect("answers"));
    }
    for id in &source.conversations {
        let all = SequenceRange::new(Sequence(1), Sequence(u64::MAX));
        logs.push(messages.range(*id, all).await.expect("answers"));
    }
    (lists, logs)
}

async fn interrupted_import(export: &Export, config: &CqlConfig) {
    let (reached, mut far_enough) = oneshot::channel();
    let mut reached = Some(reached);
    let work = import(export, config, move |table, rows| {
        if table == "messages" && rows > 2_000 {
            reached.take().map(|reached| reached.send(()));
        }
    });
    tokio::select! {
        biased;
        _ = &mut far_enough => {}
        outcome = work => panic!("it was to be interrupted: {outcome:?}"),
    }
}

/// What the embedded server may do before an interrupted import is run again. The new values are
/// smaller: of equal timestamps the larger value would win.
async fn change_source(data_dir: &Path, source: &Source) {
    let store = embedded::Store::open(EmbeddedConfig::new(data_dir)).expect("opens");
    let name = Some("A".to_owned());
    store.update_profile(source.users[4], name, None).await.expect("answers");
    store.update_profile(source.users[3], None, Some(String::new())).await.expect("answers");
    store.close();
}

#[tokio::test]
async fn an_imported_store_tells_the_same() {
    let dir = tempfile::tempdir().expect("a folder");
    let source = fill(dir.path()).await;
    let config = config(&keyspace_name()).await;
    migrate(&config).await.expect("migrates");

    let export = Export::open(dir.path()).await.expect("opens");
    let in_use = Export::open(dir.path()).await.err();
    assert!(matches!(in_use, Some(ExportError::Open(OpenError::InUse { .. }))), "{in_use:?}");
    interrupted_import(&export, &config).await;
    let unfinished = Store::connect(&config).await.err();
    assert!(matches!(unfinished, Some(CqlOpenError::ImportUnfinished)), "{unfinished:?}");

    let other_dir = tempfile::tempdir().expect("a folder");
    embedded::Store::open(EmbeddedConfig::new(other_dir.path())).expect("opens").close();
    let other = Export::open(other_dir.path()).await.expect("opens");
    let refused = import(&other, &config, |_, _| {}).await.err();
    assert!(matches!(refused, Some(ImportError::AnotherStore(_))), "{refused:?}");

    drop(export);
    change_source(dir.path(), &source).await;
    let export = Export::open(dir.path()).await.expect("opens");
    let report = import(&export, &config, |_, _| {}).await.expect("goes on");
    assert_eq!((report.users, report.conversations, report.direct_pairs), (30, 60, 30));
    assert_eq!((report.entries, report.heads, report.sent_ids), (12_002, 60, 12_002));
    assert_eq!((report.devices, report.refresh_tokens, report.positions), (30, 2, 120));
    let refused = import(&export, &config, |_, _| {}).await.err();
    assert!(matches!(refused, Some(ImportError::AlreadyDone(_))), "{refused:?}");
    drop(export);

    let store = Store::connect(&config).await.expect("connects");
    let before = embedded::Store::open(EmbeddedConfig::new(dir.path())).expect("opens");
    let (lists, logs) = told(&store, &store, &source).await;
    let (lists_before, logs_before) = told(&before, &before, &source).await;
    for (list, before) in lists.iter().zip(&lists_before) {
        assert_eq!(list, before, "a chat list");
    }
    assert!(logs == logs_before, "logs differ");
    accounts_came_along(&store, &before, &source).await;
    life_goes_on(&store, &source).await;

    let options = AuditOptions { sent_index: true, now_ms: SystemClock.now_ms() };
    let audited = audit(&store, options).await.expect("answers");
    assert!(audited.passed, "{audited:?}");
    assert_eq!(audited.conversations, 60);

    let refused = import(&other, &config, |_, _| {}).await;
    assert!(matches!(refused, Err(ImportError::AlreadyDone(_))), "{refused:?}");
}

async fn accounts_came_along(store: &Store, before: &embedded::Store, source: &Source) {
    for (i, (user, device)) in source.users.iter().zip(&source.devices).enumerate() {
        let name = format!("user-{i}");
        let found = store.user_by_name(name.clone()).await.expect("answers");
        assert_eq!(Ok(found), before.user_by_name(name.clone()).await);
        let hash = store.credentials(name).await.expect("answers").expect("exists").password_hash;
        assert_eq!(hash.is_some(), i % 2 == 0);
        assert_eq!(store.device(*device).await, before.device(*device).await);
        assert_eq!(store.devices(*user).await, before.devices(*user).await);
    }
    for id in &source.conversations {
        assert_eq!(store.members(*id).await, before.members(*id).await);
    }
    let own = FactRange::kinds(FactKind::ReadReceipts, FactKind::Scheduled, 10);
    let facts = PersonalStore::facts(store, source.users.clone(), own).await;
    assert_eq!(facts, Ok(vec![(source.users[0], Fact::Blocked(source.users[1]))]));
    let wanted = due(&source.users, &source.conversations);
    assert_eq!(store.due(0, wanted.send_at, 10).await, Ok(vec![wanted]));
}

/// What is written after an import wins over what it brought.
async fn life_goes_on(store: &Store, source: &Source) {
    let (user_id, device_id) = (source.users[0], source.devices[0]);
    let expires_at = SystemClock.now_ms() + 86_400_000;
    let rotated = store.rotate_refresh_token(source.token, [3; 32], expires_at, 1).await;
    assert_eq!(rotated, Ok(Rotation::Rotated { user_id, device_id }), "the session goes on");
    let reused = store.rotate_refresh_token([1; 32], [4; 32], expires_at, 1).await;
    assert_eq!(reused, Ok(Rotation::Reused { user_id, device_id }), "spent ones stay spent");

    let id = source.conversations[1];
    let first = Entry {
        event: Event::ConversationChanged(Box::new(ConversationPatch::named("After"))),
        ..message(id, 202)
    };
    let commit = MaterialisedCommit { shard: 0, n: 1, entries: [first].into() };
    store.materialise(vec![commit]).await.expect("answers");
    let row = store.conversation(id).await.expect("answers").expect("exists");
    assert_eq!(row.name.as_deref(), Some("After"), "the first commit wins");
    assert_eq!(store.head(id).await, Ok(Sequence(202)));
}

#[tokio::test]
async fn a_store_in_use_is_no_target() {
    let dir = tempfile::tempdir().expect("a folder");
    let missing = Export::open(dir.path()).await.err();
    assert!(matches!(missing, Some(ExportError::Open(OpenError::Missing(_)))), "{missing:?}");
    embedded::Store::open(EmbeddedConfig::new(dir.path())).expect("opens").close();
    let export = Export::open(dir.path()).await.expect("opens");
    let store = super::new_store().await;
    super::ring(&store).create(0, OwnerToken::generate()).await.expect("answers");
    let keyspace = store.session().get_keyspace().expect("it has one").to_string();
    let refused = import(&export, &config(&keyspace).await, |_, _| {}).await.err();
    assert!(matches!(refused, Some(ImportError::TargetNotEmpty("commit_ring"))), "{refused:?}");
    Store::connect(&config(&keyspace).await).await.expect("it was left as it is");
}
