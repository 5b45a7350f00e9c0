use actors::ports::wall_clock::{SystemClock, WallClock as _};
use actors::ports::{NewUser, StoreError, UserStore, UsernameTaken};
use schema::UserId;
use tokio::time::{Duration, Instant, sleep};
use uuid::Uuid;

use super::new_store;
use crate::store::cql::Store;

fn account(username: &str) -> NewUser {
    NewUser {
        user_id: UserId::generate(),
        username: username.to_owned(),
        display_name: username.to_uppercase(),
        password_hash: None,
        created_at: 1_700_000_000_000,
    }
}

/// Leaves a reservation as a call does that ends midway.
async fn reserve(store: &Store, username: &str, user: UserId, age_ms: i64) -> i64 {
    let at = SystemClock.now_ms() - age_ms;
    let row = (username, user.0, at);
    store.conditional(&store.statements().reserve_name, row).await.expect("answers");
    at
}

async fn holder(store: &Store, username: &str) -> Option<UserId> {
    let user = store.user_by_name(username.to_owned()).await.expect("answers");
    user.map(|user| user.user_id)
}

#[tokio::test]
async fn an_abandoned_reservation_is_replaced() {
    let store = new_store().await;
    reserve(&store, "anna", UserId::generate(), 61_000).await;
    assert_eq!(holder(&store, "anna").await, None, "a reservation is no account");
    let anna = account("anna");
    assert_eq!(store.create_users(vec![anna.clone()]).await, Ok(Ok(())));
    assert_eq!(holder(&store, "anna").await, Some(anna.user_id));

    let ben = account("ben");
    reserve(&store, "ben", ben.user_id, 5_000).await;
    assert_eq!(store.create_users(vec![ben.clone()]).await, Ok(Ok(())), "its own, from before");
    assert_eq!(holder(&store, "ben").await, Some(ben.user_id));

    young_reservations_are_waited_for(&store).await;
    calls_that_share_names_do_not_both_lose(&store).await;
    a_large_call_is_all_or_none(&store).await;
}

async fn young_reservations_are_waited_for(store: &Store) {
    let other = UserId::generate();
    let at = reserve(store, "carl", other, 0).await;
    let carl = account("carl");
    let since = Instant::now();
    let refused = store.create_users(vec![account("dora"), carl.clone()]).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "who gets it is not known yet");
    assert!(since.elapsed() > Duration::from_secs(4), "it was waited for");
    assert_eq!(store.create_users(vec![account("dora")]).await, Ok(Ok(())), "dora stayed free");

    let creation = store.create_users(vec![carl.clone()]);
    let release = async {
        sleep(Duration::from_millis(300)).await;
        let row = ("carl", other.0, at);
        store.conditional(&store.statements().release_name, row).await.expect("answers");
    };
    let (created, ()) = tokio::join!(creation, release);
    assert_eq!(created, Ok(Ok(())), "given free while it waited");
    assert_eq!(holder(store, "carl").await, Some(carl.user_id));
}

async fn calls_that_share_names_do_not_both_lose(store: &Store) {
    for round in 0..5 {
        let shared: Vec<_> = (0..12).map(|i| format!("shared-{round}-{i}")).collect();
        let one: Vec<_> = shared.iter().map(|name| account(name)).collect();
        let other: Vec<_> = shared.iter().rev().map(|name| account(name)).collect();
        let (first, second) =
            tokio::join!(store.create_users(one.clone()), store.create_users(other.clone()));
        let winner = match (first, second) {
            (Ok(Ok(())), Ok(Err(UsernameTaken))) => one,
            (Ok(Err(UsernameTaken)), Ok(Ok(()))) => other,
            outcomes => panic!("exactly one must win: {outcomes:?}"),
        };
        for user in winner {
            assert_eq!(holder(store, &user.username).await, Some(user.user_id));
        }
    }
}

async fn a_large_call_is_all_or_none(store: &Store) {
    let run = Uuid::new_v4().simple().to_string();
    let many: Vec<_> = (0..1_000).map(|i| account(&format!("{run}-{i}"))).collect();
    let ids: Vec<_> = many.iter().map(|user| user.user_id).collect();
    let mut with_taken = many.clone();
    with_taken.push(account("anna"));
    assert_eq!(store.create_users(with_taken).await, Ok(Err(UsernameTaken)));
    assert_eq!(store.users(ids.clone()).await.map(|users| users.len()), Ok(0));
    assert_eq!(store.create_users(many).await, Ok(Ok(())), "every name was given free");
    assert_eq!(store.users(ids).await.map(|users| users.len()), Ok(1_000));
}
