//! Signals between users and what is one user's own, on several nodes.

use std::time::Duration;

use schema::record::{
    Content, Due, Event, Fact, FactWrite, ScheduledMessage, ScheduledState, Visibility,
};
use schema::wire::{
    ClientFrame, ErrorCode, PresenceStatus, ReadReceipt, ServerFrame, SetPresence,
    SubscribePresence, TypingIndicator, TypingState,
};
use schema::{DeviceId, MessageId, ScheduledId, Sequence, UserId};
use tokio::time::timeout;

use super::cluster_kit_tests::{Cluster, Person, direct, log_at};
use super::tests::{PATIENCE, conversation, draft, send};
use crate::conversation::Page;
use crate::personal::SettingsPatch;
use crate::ports::{Identity, MessageStore as _, PersonalStore as _};

/// The frame that tells of a block is lost: it holds a little later nevertheless, also for who
/// writes seldom.
#[actix::test]
async fn a_block_holds_though_the_news_of_it_is_lost() {
    let cluster = Cluster::start(2, 0);
    let [anna, bert] = [UserId::generate(), UserId::generate()];
    let id = direct(&cluster.store, anna, bert).await;
    for node in 0..2 {
        send(cluster.node(node), draft(id, bert, "hello")).await;
    }
    // As another node would write it.
    let fact = Fact::Blocked(bert);
    let write = FactWrite { user_id: anna, stamp: 1, fact, is_gone: false };
    cluster.store.write_facts(vec![write]).await.unwrap();
    tokio::time::sleep(crate::conversation::BLOCKS_KNOWN_FOR).await;
    for node in 0..2 {
        let sent = cluster.node(node).submit(draft(id, bert, "again")).await;
        let sent = sent.map(drop).map_err(|refusal| refusal.code);
        assert_eq!(sent, Err(ErrorCode::Forbidden), "the first one already, at node {node}");
        assert!(cluster.node(node).submit(draft(id, anna, "not to you")).await.is_ok());
    }
}

/// Each node notes who is there on it, whichever owns the shard and whichever took the message.
#[actix::test]
async fn who_is_there_is_noted_on_each_node() {
    let cluster = Cluster::start(3, 0);
    let [anna, bert, cleo, gone] = [(); 4].map(|()| UserId::generate());
    let id = conversation(&cluster.store, &[anna, bert, cleo, gone]).await;
    let mut people = Vec::new();
    for (node, user) in [(0, anna), (1, bert), (2, cleo)] {
        people.push(Person::at(&cluster.trees[node], user).await);
    }
    let mut calls = draft(id, anna, "lunch?");
    let Event::Message(body) = &mut calls.event else { panic!() };
    body.mentions = vec![UserId::HERE];
    let seq = send(cluster.node(2), calls).await;
    let mentions = async |node: usize, user: UserId| {
        let rows = cluster.node(node).chat_list(user).await.unwrap();
        let counts = cluster.node(node).chat_counts(user, &rows).await.unwrap();
        (rows[0].here.contains(&seq), counts[0].mentions)
    };
    for (user, expected) in [(bert, 1), (cleo, 1), (gone, 0)] {
        for node in 0..3 {
            // Written by the node where the user is, and read by all.
            let told = async {
                while mentions(node, user).await != (expected == 1, expected) {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            };
            timeout(PATIENCE, told).await.expect("noted in time");
        }
    }
    assert_eq!(mentions(0, gone).await, (false, 0));
}

/// Entries go from the store, and no node is told: each that has the log at hand finds it out.
#[actix::test]
async fn where_a_log_begins_is_found_out_by_each_node() {
    let cluster = Cluster::start(2, 0);
    let [anna, bert] = [UserId::generate(), UserId::generate()];
    let id = direct(&cluster.store, anna, bert).await;
    for text in ["one", "two", "three", "four", "five"] {
        send(cluster.node(0), draft(id, anna, text)).await;
    }
    let begins = async |node: usize| {
        let page = cluster.node(node).history(bert, id, Page::Newest, 10).await.unwrap();
        (page.purged_up_to.0, page.entries.len())
    };
    let stored = async {
        while cluster.store.head(id).await != Ok(Sequence(5))
            || [begins(0).await, begins(1).await] != [(0, 5); 2]
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, stored).await.expect("in the tables, and at hand on both nodes");
    while cluster.store.purge_below(id, Sequence(3), 10).await.unwrap() {}

    // One lists it for somebody.
    let rows = cluster.node(0).chat_list(bert).await.unwrap();
    let counts = cluster.node(0).chat_counts(bert, &rows).await.unwrap();
    assert_eq!((counts[0].unread, begins(0).await), (2, (3, 2)), "what is gone is not unread");
    // A device comes to the other.
    let _device = Person::at(&cluster.trees[1], bert).await;
    let found_out = async {
        while begins(1).await != (3, 2) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, found_out).await.expect("where the log begins");
}

/// Typing, positions and presence reach members on every node, whoever owns the shard.
#[actix::test]
async fn signals_cross_nodes() {
    let cluster = Cluster::start(3, 0);
    let users: Vec<UserId> = cluster.trees.iter().map(|_| UserId::generate()).collect();
    let id = conversation(&cluster.store, &users).await;
    let mut people = Vec::new();
    for (tree, user) in cluster.trees.iter().zip(&users) {
        people.push(Person::at(tree, *user).await);
    }
    // Each writes once: from now on every node follows.
    for (at, user) in users.iter().enumerate() {
        send(cluster.node(at), draft(id, *user, "here")).await;
    }
    for at in 0..3 {
        let other = (at + 1) % 3;
        let watch = SubscribePresence { user_ids: vec![users[other]] };
        people[at].says(ClientFrame::SubscribePresence(watch));
        let is_online = |frame| match frame {
            ServerFrame::UserOnline(it) if it.status == PresenceStatus::Online => Some(it.user_id),
            _ => None,
        };
        assert_eq!(people[at].hears(is_online).await, users[other]);
        people[other].says(ClientFrame::SetPresence(SetPresence { status: PresenceStatus::Away }));
        let is_away = |frame| match frame {
            ServerFrame::UserOnline(it) if it.status == PresenceStatus::Away => Some(it.user_id),
            _ => None,
        };
        assert_eq!(people[at].hears(is_away).await, users[other]);
        people[other]
            .says(ClientFrame::SetPresence(SetPresence { status: PresenceStatus::Online }));

        let state = TypingState::Typing;
        let typing = TypingIndicator { conversation_id: id, state };
        people[at].says(ClientFrame::TypingIndicator(typing));
        // News to read, from every other node.
        let mut seq = Sequence::START;
        for sender in [(at + 2) % 3, other] {
            seq = send(cluster.node(sender), draft(id, users[sender], "read this")).await;
        }
        // A receipt counts up to what its node has heard of.
        people[at].has(seq).await;
        let read = ReadReceipt { conversation_id: id, seq, thread: None };
        people[at].says(ClientFrame::ReadReceipt(read));
        for (hearer, person) in people.iter_mut().enumerate().filter(|(it, _)| *it != at) {
            let types = |frame| match frame {
                ServerFrame::TypingUpdate(it) if it.user_id == users[at] => Some(()),
                _ => None,
            };
            person.hears(types).await;
            let has_read = |frame| match frame {
                ServerFrame::MessageStatus(it) if it.user_id == users[at] => {
                    it.read.filter(|read| *read == seq)
                }
                ServerFrame::MessageStatuses(it) => {
                    let mine = it.statuses.iter().filter(|it| it.user_id == users[at]);
                    mine.filter_map(|it| it.read).find(|read| *read == seq)
                }
                _ => None,
            };
            assert_eq!(person.hears(has_read).await, seq, "{at} to {hearer}");
        }
    }
}

/// What one device does, the others hear of on every node; who is blocked is so on every node.
#[actix::test]
async fn what_is_ones_own_crosses_nodes() {
    let cluster = Cluster::start(3, 0);
    let [anna, bert] = [UserId::generate(), UserId::generate()];
    let id = direct(&cluster.store, anna, bert).await;
    let mut phone = Person::at(&cluster.trees[0], anna).await;
    let mut desk = Person::at(&cluster.trees[1], anna).await;
    let seq = send(cluster.node(2), draft(id, bert, "hello")).await;
    let by = Identity { user_id: anna, device_id: DeviceId::generate() };
    let at = |node: usize| cluster.trees[node].personal.clone();

    let patch = SettingsPatch { presence: Some(Visibility::Nobody), ..SettingsPatch::default() };
    at(2).change_settings(by, patch).await.unwrap();
    for device in [&mut phone, &mut desk] {
        let settings = |frame| match frame {
            ServerFrame::SettingsChanged(it) => Some(it.presence),
            _ => None,
        };
        assert_eq!(device.hears(settings).await, Visibility::Nobody);
    }
    at(0).set_draft(anna, Some(by.device_id), id, "not yet".into(), None).await.unwrap();
    let text = |frame| match frame {
        ServerFrame::DraftChanged(it) => Some(it.text),
        _ => None,
    };
    assert_eq!(desk.hears(text).await, "not yet");
    assert_eq!(at(2).draft(anna, id).await.unwrap().map(|it| it.text), Some("not yet".into()));

    for node in 0..3 {
        log_at(&cluster, node, bert, id).await;
    }
    cluster.node(1).hide(anna, by.device_id, id, seq).await.unwrap();
    let hidden = |frame| match frame {
        ServerFrame::MessageHidden(it) => Some(it.seq),
        _ => None,
    };
    assert_eq!(phone.hears(hidden).await, seq);
    for node in 0..3 {
        let page = cluster.node(node).history(anna, id, Page::Newest, 10).await.unwrap();
        let Event::Message(body) = &page.entries[0].event else { panic!() };
        assert_eq!(body.content, Content::Deleted {}, "at node {node}");
    }
    let page = cluster.node(0).history(bert, id, Page::Newest, 10).await.unwrap();
    let Event::Message(body) = &page.entries[0].event else { panic!() };
    assert_ne!(body.content, Content::Deleted {}, "of the other one nothing is hidden");

    for (on, expected) in [(true, Err(ErrorCode::Forbidden)), (false, Ok(()))] {
        at(0).block(by, bert, on).await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        for node in 0..3 {
            let sent = cluster.node(node).submit(draft(id, bert, "again")).await;
            let sent = sent.map(drop).map_err(|refusal| refusal.code);
            assert_eq!(sent, expected, "at node {node}, blocked: {on}");
        }
    }
}

/// Every node looks at what is due, one sends it, and sending again changes nothing.
#[actix::test]
async fn a_scheduled_message_is_sent_once_by_one_of_several_nodes() {
    let cluster = Cluster::start(3, 0);
    let anna = UserId::generate();
    let store = cluster.store.clone();
    let clock = cluster.trees[0].ports.clock.now_ms();
    let mut conversations = Vec::new();
    for number in 0..6 {
        let id = conversation(&store, &[anna]).await;
        let send_at = clock - 10 - number;
        let message = ScheduledMessage {
            scheduled_id: ScheduledId::generate(),
            conversation_id: id,
            message_id: MessageId::made_at(send_at),
            content: Content::Text { text: "now".into() },
            reply_to: None,
            mentions: Vec::new(),
            send_at,
            created_at: 0,
            state: ScheduledState::Pending,
            failure: None,
        };
        let (scheduled_id, conversation_id) = (message.scheduled_id, id);
        if number == 0 {
            // Sent before a crash, and still said to be due.
            let mut known = draft(id, anna, "now");
            known.message_id = message.message_id;
            send(cluster.node(0), known).await;
        }
        let due = Due { send_at, scheduled_id, user_id: anna, conversation_id };
        store.add_due(due).await.unwrap();
        let fact = Fact::Scheduled(message);
        let write = FactWrite { user_id: anna, stamp: 1, fact, is_gone: false };
        store.write_facts(vec![write]).await.unwrap();
        conversations.push(id);
    }
    for node in 0..3 {
        actix::spawn(crate::scheduling::run(cluster.node(node)));
    }
    let all_sent = async {
        while !store.due(0, i64::MAX, 10).await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, all_sent).await.expect("all is sent in time");
    assert!(cluster.trees[1].personal.scheduled(anna).await.unwrap().is_empty());
    for id in conversations {
        assert_eq!(log_at(&cluster, 1, anna, id).await, 1, "sent once");
    }
}
