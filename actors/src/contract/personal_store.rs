//! What [`PersonalStore`] promises.

use std::sync::Arc;

use schema::record::{Due, Fact, FactKind, FactRange, FactWrite, UnsentDraft};
use schema::{ConversationId, ScheduledId, Sequence, UserId};

use super::sample::{NOW_MS, users};
use crate::ports::PersonalStore;

/// Runs every check; each makes users of its own.
pub async fn run(make: impl AsyncFn() -> Arc<dyn PersonalStore>) {
    facts_are_found_by_range(make().await).await;
    the_higher_stamp_counts_in_whatever_order(make().await).await;
    what_is_taken_away_is_gone_and_may_come_back(make().await).await;
    sightings_only_grow(make().await).await;
    due_messages_are_found_by_time(make().await).await;
}

const fn write(user_id: UserId, stamp: i64, fact: Fact) -> FactWrite {
    FactWrite { user_id, stamp, fact, is_gone: false }
}

const fn erase(user_id: UserId, stamp: i64, fact: Fact) -> FactWrite {
    FactWrite { user_id, stamp, fact, is_gone: true }
}

fn draft(id: ConversationId, text: &str) -> Fact {
    Fact::Draft(id, UnsentDraft { text: text.into(), reply_to: None, updated_at: 1 })
}

async fn facts(store: &Arc<dyn PersonalStore>, user: UserId, range: FactRange) -> Vec<Fact> {
    let found = store.facts(vec![user], range).await.expect("facts answers");
    found.into_iter().map(|(_, fact)| fact).collect()
}

fn all() -> FactRange {
    FactRange::kinds(FactKind::ReadReceipts, FactKind::Scheduled, 1_000)
}

pub async fn facts_are_found_by_range(store: Arc<dyn PersonalStore>) {
    let [anna, bert, cleo] = users();
    let (one, two) = (ConversationId::generate(), ConversationId::generate());
    let written = vec![
        write(anna, 5, Fact::ReadReceipts(false)),
        write(anna, 6, Fact::Blocked(bert)),
        write(anna, 7, Fact::Archived(one)),
        write(anna, 8, Fact::MutedUntil(one, 99)),
        write(anna, 9, draft(one, "Grüße")),
        write(anna, 10, Fact::Hidden(one, Sequence(300))),
        write(anna, 11, Fact::Hidden(one, Sequence(2))),
        write(anna, 12, Fact::Hidden(two, Sequence(1))),
        write(bert, 13, Fact::ReadReceipts(true)),
    ];
    store.write_facts(written).await.expect("write_facts answers");
    let hidden = FactRange::about(FactKind::Hidden, one.as_bytes(), 10);
    let wanted = [Fact::Hidden(one, Sequence(2)), Fact::Hidden(one, Sequence(300))];
    assert_eq!(facts(&store, anna, hidden.clone()).await, wanted, "of one, ascending");
    let limited = FactRange { limit: 1, ..hidden };
    assert_eq!(facts(&store, anna, limited).await, wanted[..1], "at most so many");
    let privacy = FactRange::kinds(FactKind::ReadReceipts, FactKind::Blocked, 10);
    let found = store.facts(vec![bert, cleo, anna], privacy).await.expect("facts answers");
    let wanted = [
        (bert, Fact::ReadReceipts(true)),
        (anna, Fact::ReadReceipts(false)),
        (anna, Fact::Blocked(bert)),
    ];
    assert_eq!(found, wanted, "by user as they were named");
    assert_eq!(facts(&store, anna, all()).await.len(), 8);
}

pub async fn the_higher_stamp_counts_in_whatever_order(store: Arc<dyn PersonalStore>) {
    let [anna] = users();
    let id = ConversationId::generate();
    let stamps = [(30, "thirty"), (10, "ten"), (40, "forty"), (20, "twenty")];
    for (stamp, text) in stamps {
        store.write_facts(vec![write(anna, stamp, draft(id, text))]).await.expect("answers");
    }
    assert_eq!(facts(&store, anna, all()).await, [draft(id, "forty")]);
}

pub async fn what_is_taken_away_is_gone_and_may_come_back(store: Arc<dyn PersonalStore>) {
    let [anna] = users();
    let id = ConversationId::generate();
    store.write_facts(vec![write(anna, 10, draft(id, "ten"))]).await.expect("answers");
    store.write_facts(vec![erase(anna, 20, draft(id, ""))]).await.expect("answers");
    assert!(facts(&store, anna, all()).await.is_empty());
    store.write_facts(vec![write(anna, 15, draft(id, "late"))]).await.expect("answers");
    assert!(facts(&store, anna, all()).await.is_empty(), "an older write brought it back");
    store.write_facts(vec![write(anna, 30, draft(id, "thirty"))]).await.expect("answers");
    store.write_facts(vec![erase(anna, 25, draft(id, ""))]).await.expect("answers");
    assert_eq!(facts(&store, anna, all()).await, [draft(id, "thirty")]);
}

pub async fn sightings_only_grow(store: Arc<dyn PersonalStore>) {
    let [anna, bert] = users();
    store.note_seen(vec![(anna, NOW_MS), (bert, 7)]).await.expect("note_seen answers");
    store.note_seen(vec![(anna, NOW_MS - 1), (bert, 9)]).await.expect("note_seen answers");
    assert_eq!(facts(&store, anna, all()).await, [Fact::LastSeen(NOW_MS)]);
    assert_eq!(facts(&store, bert, all()).await, [Fact::LastSeen(9)]);
}

pub async fn due_messages_are_found_by_time(store: Arc<dyn PersonalStore>) {
    const DAY_MS: i64 = 86_400_000;
    let [anna] = users();
    let due = |at| Due {
        send_at: at,
        scheduled_id: ScheduledId::generate(),
        user_id: anna,
        conversation_id: ConversationId::generate(),
    };
    // A time of its own: other checks may share the store.
    let now = NOW_MS + i64::from(anna.as_bytes()[15]) * 100 * DAY_MS;
    let wanted = [due(now - 2 * DAY_MS), due(now - 5), due(now), due(now + 1), due(now + DAY_MS)];
    for due in wanted.iter().rev() {
        store.add_due(*due).await.expect("add_due answers");
        store.add_due(*due).await.expect("add_due answers");
    }
    let found = store.due(now - 3 * DAY_MS, now, 10).await.expect("due answers");
    assert_eq!(found, wanted[..3]);
    let found = store.due(now - 3 * DAY_MS, now, 2).await.expect("due answers");
    assert_eq!(found, wanted[..2], "at most so many");
    store.remove_due(wanted[1]).await.expect("remove_due answers");
    let found = store.due(now - DAY_MS, now + DAY_MS, 10).await.expect("due answers");
    assert_eq!(found, wanted[2..]);
}
