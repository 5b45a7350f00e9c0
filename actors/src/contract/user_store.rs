//! What [`UserStore`] promises of accounts, devices and refresh tokens.

use std::sync::Arc;

use futures_util::future::join_all;
use schema::record::{NewRefreshToken, User};
use schema::{DeviceId, UserId};

use super::sample::NOW_MS;
use crate::ports::{NewDevice, NewUser, Rotation, UserStore, UsernameTaken};

type Store = Arc<dyn UserStore>;

/// How long the suite's refresh tokens live, milliseconds.
const LIFETIME_MS: i64 = 60_000;

/// Runs every check, each on a fresh store.
pub async fn run(make: impl AsyncFn() -> Store) {
    an_empty_store_knows_nobody(make().await).await;
    an_account_is_read_back(make().await).await;
    accounts_are_made_all_or_none(make().await).await;
    names_are_unique_inside_a_call(make().await).await;
    repeating_a_creation_is_harmless(make().await).await;
    concurrent_creations_of_a_name_have_one_winner(make().await).await;
    a_password_can_be_replaced(make().await).await;
    users_are_found_by_id(make().await).await;
    a_profile_changes_what_is_given(make().await).await;
    devices_are_listed_oldest_first(make().await).await;
    a_device_belongs_to_one_user(make().await).await;
    a_revoked_device_stays_revoked(make().await).await;
    revoking_needs_the_right_user(make().await).await;
    a_token_rotates(make().await).await;
    unknown_and_expired_tokens_are_refused(make().await).await;
    reuse_revokes_the_device(make().await).await;
    repeating_a_rotation_is_harmless(make().await).await;
    concurrent_rotations_have_one_winner(make().await).await;
    revoking_spends_the_tokens(make().await).await;
}

fn account(username: &str) -> NewUser {
    NewUser {
        user_id: UserId::generate(),
        username: username.to_owned(),
        display_name: username.to_uppercase(),
        password_hash: Some(format!("$argon2id$of-{username}")),
        created_at: NOW_MS,
    }
}

fn installation(user_id: UserId, created_at: i64) -> NewDevice {
    NewDevice { device_id: DeviceId::generate(), user_id, name: "Phone".to_owned(), created_at }
}

const fn hash(byte: u8) -> [u8; 32] {
    [byte; 32]
}

async fn must_create(store: &Store, users: Vec<NewUser>) {
    let created = store.create_users(users).await.expect("create_users answers");
    assert_eq!(created, Ok(()), "accounts with new names must be made");
}

/// A user with one device and one refresh token, `hash(1)`.
async fn signed_in(store: &Store) -> (UserId, DeviceId) {
    let user = account("anna");
    let user_id = user.user_id;
    must_create(store, vec![user]).await;
    let device = installation(user_id, NOW_MS);
    let device_id = device.device_id;
    store.add_devices(vec![device]).await.expect("add_devices answers");
    give_token(store, user_id, device_id, hash(1)).await;
    (user_id, device_id)
}

async fn give_token(store: &Store, user_id: UserId, device_id: DeviceId, hash: [u8; 32]) {
    let token = NewRefreshToken { hash, user_id, device_id, expires_at: NOW_MS + LIFETIME_MS };
    store.add_refresh_token(token).await.expect("add_refresh_token answers");
}

async fn rotate(store: &Store, hash: [u8; 32], next: [u8; 32], now_ms: i64) -> Rotation {
    let expires_at = now_ms + LIFETIME_MS;
    store.rotate_refresh_token(hash, next, expires_at, now_ms).await.expect("rotation answers")
}

async fn revoked_at(store: &Store, device: DeviceId) -> Option<i64> {
    let device = store.device(device).await.expect("device answers");
    device.expect("the device was added").revoked_at
}

async fn user_by_name(store: &Store, username: &str) -> Option<User> {
    store.user_by_name(username.to_owned()).await.expect("user_by_name answers")
}

pub async fn an_empty_store_knows_nobody(store: Store) {
    assert_eq!(user_by_name(&store, "anna").await, None);
    let credentials = store.credentials("anna".to_owned()).await.expect("credentials answers");
    assert!(credentials.is_none(), "no account, no credentials");
    assert_eq!(store.users(vec![UserId::generate()]).await, Ok(Vec::new()));
    assert_eq!(store.users(Vec::new()).await, Ok(Vec::new()));
    assert_eq!(store.devices(UserId::generate()).await, Ok(Vec::new()));
    assert_eq!(store.device(DeviceId::generate()).await, Ok(None));
}

pub async fn an_account_is_read_back(store: Store) {
    let new = account("anna");
    let expected = User {
        user_id: new.user_id,
        username: "anna".to_owned(),
        display_name: "ANNA".to_owned(),
        status_text: None,
        created_at: NOW_MS,
    };
    let no_password = NewUser { password_hash: None, ..account("bot") };
    must_create(&store, vec![new.clone(), no_password]).await;
    assert_eq!(user_by_name(&store, "anna").await, Some(expected), "what was given, no status");
    let found = store.credentials("anna".to_owned()).await.expect("credentials answers");
    let found = found.expect("the account exists");
    assert_eq!(found.user_id, new.user_id);
    assert!(found.password_hash == new.password_hash, "the hash must come back unchanged");
    let bot = store.credentials("bot".to_owned()).await.expect("credentials answers");
    let bot = bot.expect("the account exists");
    assert!(bot.password_hash.is_none(), "no password was given");
    assert_eq!(user_by_name(&store, "ann").await, None, "names are compared whole");
}

pub async fn accounts_are_made_all_or_none(store: Store) {
    let first = account("anna");
    let first_id = first.user_id;
    must_create(&store, vec![first]).await;
    let batch = vec![account("ben"), account("anna"), account("carl")];
    let ids: Vec<_> = batch.iter().map(|user| user.user_id).collect();
    let refused = store.create_users(batch).await.expect("create_users answers");
    assert_eq!(refused, Err(UsernameTaken), "one taken name refuses the whole call");
    assert_eq!(store.users(ids).await, Ok(Vec::new()), "none of a refused call is made");
    for name in ["ben", "carl"] {
        assert_eq!(user_by_name(&store, name).await, None, "the name {name} must stay free");
    }
    let kept = user_by_name(&store, "anna").await.expect("the first account exists");
    assert_eq!(kept.user_id, first_id, "the first account is untouched");
    must_create(&store, vec![account("ben"), account("carl")]).await;
}

pub async fn names_are_unique_inside_a_call(store: Store) {
    let twice = vec![account("anna"), account("ben"), account("anna")];
    let refused = store.create_users(twice).await.expect("create_users answers");
    assert_eq!(refused, Err(UsernameTaken), "a call must not hold a name twice");
    assert_eq!(user_by_name(&store, "ben").await, None, "none of a refused call is made");
}

pub async fn repeating_a_creation_is_harmless(store: Store) {
    let batch = vec![account("anna"), account("ben")];
    must_create(&store, batch.clone()).await;
    store.set_password_hash(batch[0].user_id, "$newer".to_owned()).await.expect("answers");
    must_create(&store, batch).await;
    let kept = store.credentials("anna".to_owned()).await.expect("answers").expect("exists");
    assert!(kept.password_hash.as_deref() == Some("$newer"), "a repeat must not undo a change");
}

pub async fn concurrent_creations_of_a_name_have_one_winner(store: Store) {
    let attempts: Vec<_> =
        (0..8).map(|i| vec![account("anna"), account(&format!("friend-{i}"))]).collect();
    let answers = join_all(attempts.iter().map(|a| store.create_users(a.clone()))).await;
    let winners: Vec<_> =
        attempts.iter().zip(&answers).filter(|(_, answer)| **answer == Ok(Ok(()))).collect();
    assert_eq!(winners.len(), 1, "exactly one account may have the name");
    let winner = &winners[0].0[0];
    let stored = user_by_name(&store, "anna").await.expect("the winner's account exists");
    assert_eq!(stored.user_id, winner.user_id);
    let everyone: Vec<_> = attempts.iter().flatten().map(|user| user.user_id).collect();
    let made = store.users(everyone).await.expect("users answers");
    assert_eq!(made.len(), 2, "only the winner's accounts are made");
}

pub async fn a_password_can_be_replaced(store: Store) {
    let new = account("anna");
    let user_id = new.user_id;
    must_create(&store, vec![new, account("ben")]).await;
    store.set_password_hash(user_id, "$newer".to_owned()).await.expect("answers");
    let found = store.credentials("anna".to_owned()).await.expect("answers").expect("exists");
    assert!(found.password_hash.as_deref() == Some("$newer"), "reads see the new hash");
    let other = store.credentials("ben".to_owned()).await.expect("answers").expect("exists");
    assert!(other.password_hash.as_deref() == Some("$argon2id$of-ben"), "others are untouched");
}

pub async fn users_are_found_by_id(store: Store) {
    let batch: Vec<_> = (0..300).map(|i| account(&format!("user-{i}"))).collect();
    let ids: Vec<_> = batch.iter().map(|user| user.user_id).collect();
    must_create(&store, batch).await;
    let mut asked = ids.clone();
    asked.push(UserId::generate());
    let mut found: Vec<_> =
        store.users(asked).await.expect("users answers").iter().map(|user| user.user_id).collect();
    found.sort_unstable();
    let mut expected = ids;
    expected.sort_unstable();
    assert_eq!(found, expected, "those that exist, each once");
}

pub async fn a_profile_changes_what_is_given(store: Store) {
    let new = account("anna");
    let user_id = new.user_id;
    must_create(&store, vec![new]).await;
    let text = |text: &str| Some(text.to_owned());
    let steps = [
        (None, None, "ANNA", None),
        (text("Anna"), None, "Anna", None),
        (None, text("at sea"), "Anna", Some("at sea")),
        (text("Anna B"), text("home"), "Anna B", Some("home")),
        (text("Anna C"), None, "Anna C", Some("home")),
        (None, text(""), "Anna C", None),
    ];
    for (display_name, status_text, name, status) in steps {
        let updated = store.update_profile(user_id, display_name, status_text).await;
        let updated = updated.expect("update_profile answers").expect("the user exists");
        assert_eq!(updated.display_name, name);
        assert_eq!(updated.status_text.as_deref(), status, "an empty status text removes it");
        assert_eq!(user_by_name(&store, "anna").await, Some(updated), "reads see the change");
    }
    let nobody = store.update_profile(UserId::generate(), text("x"), None).await;
    assert_eq!(nobody, Ok(None), "no such user");
}

pub async fn devices_are_listed_oldest_first(store: Store) {
    let [anna, ben] = [account("anna"), account("ben")];
    let (anna_id, ben_id) = (anna.user_id, ben.user_id);
    must_create(&store, vec![anna, ben]).await;
    let devices: Vec<_> = [3, 1, 2].map(|age| installation(anna_id, NOW_MS + age)).into();
    let others = installation(ben_id, NOW_MS);
    let mut batch = devices.clone();
    batch.push(others.clone());
    store.add_devices(batch.clone()).await.expect("answers");
    store.add_devices(batch).await.expect("a repeat answers");
    let listed = store.devices(anna_id).await.expect("devices answers");
    let ids: Vec<_> = listed.iter().map(|device| device.device_id).collect();
    let expected = [devices[1].device_id, devices[2].device_id, devices[0].device_id];
    assert_eq!(ids, expected, "the user's own, oldest first, each once");
    let one = store.device(others.device_id).await.expect("answers").expect("it was added");
    assert_eq!((one.user_id, one.name.as_str(), one.created_at), (ben_id, "Phone", NOW_MS));
    assert_eq!(one.revoked_at, None);
}

pub async fn a_device_belongs_to_one_user(store: Store) {
    let (user, device_id) = signed_in(&store).await;
    let stolen = NewDevice { device_id, ..installation(UserId::generate(), NOW_MS) };
    assert!(store.add_devices(vec![stolen]).await.is_err(), "a device must not change its user");
    let kept = store.device(device_id).await.expect("answers").expect("it was added");
    assert_eq!(kept.user_id, user, "the device keeps its user");
}

pub async fn a_revoked_device_stays_revoked(store: Store) {
    let (user, device) = signed_in(&store).await;
    assert_eq!(store.revoke_device(user, device, NOW_MS + 1).await, Ok(true));
    assert_eq!(revoked_at(&store, device).await, Some(NOW_MS + 1));
    assert_eq!(store.devices(user).await, Ok(Vec::new()), "revoked devices are not listed");
    assert_eq!(store.revoke_device(user, device, NOW_MS + 9).await, Ok(true), "a repeat is fine");
    assert_eq!(revoked_at(&store, device).await, Some(NOW_MS + 1), "the first time counts");
    let again = NewDevice { device_id: device, ..installation(user, NOW_MS) };
    store.add_devices(vec![again]).await.expect("answers");
    give_token(&store, user, device, hash(5)).await;
    assert_eq!(rotate(&store, hash(5), hash(6), NOW_MS + 2).await, Rotation::Refused);
    assert_eq!(revoked_at(&store, device).await, Some(NOW_MS + 1), "nothing brings it back");
}

pub async fn revoking_needs_the_right_user(store: Store) {
    let (user, device) = signed_in(&store).await;
    let stranger = UserId::generate();
    assert_eq!(store.revoke_device(stranger, device, NOW_MS).await, Ok(false), "not theirs");
    assert_eq!(store.revoke_device(user, DeviceId::generate(), NOW_MS).await, Ok(false));
    assert_eq!(revoked_at(&store, device).await, None, "a refused call revokes nothing");
    let rotated = rotate(&store, hash(1), hash(2), NOW_MS).await;
    assert!(matches!(rotated, Rotation::Rotated { .. }), "nor does it spend tokens");
}

pub async fn a_token_rotates(store: Store) {
    let (user_id, device_id) = signed_in(&store).await;
    for step in 1..=5 {
        let rotated = rotate(&store, hash(step), hash(step + 1), NOW_MS + i64::from(step)).await;
        assert_eq!(rotated, Rotation::Rotated { user_id, device_id }, "step {step}");
    }
    assert_eq!(revoked_at(&store, device_id).await, None, "rotation revokes nothing");
}

pub async fn unknown_and_expired_tokens_are_refused(store: Store) {
    let (_, device) = signed_in(&store).await;
    assert_eq!(rotate(&store, hash(9), hash(10), NOW_MS).await, Rotation::Refused, "unknown");
    let late = rotate(&store, hash(1), hash(2), NOW_MS + LIFETIME_MS).await;
    assert_eq!(late, Rotation::Refused, "expired");
    let next = rotate(&store, hash(2), hash(3), NOW_MS).await;
    assert_eq!(next, Rotation::Refused, "a refused rotation stores no token");
    assert_eq!(revoked_at(&store, device).await, None, "an expired token is no theft");
    let in_time = rotate(&store, hash(1), hash(2), NOW_MS + LIFETIME_MS - 1).await;
    assert!(matches!(in_time, Rotation::Rotated { .. }), "a refusal spends nothing");
    let next = rotate(&store, hash(2), hash(3), NOW_MS + 2 * LIFETIME_MS - 2).await;
    assert!(matches!(next, Rotation::Rotated { .. }), "the new token has its own expiry");
}

pub async fn reuse_revokes_the_device(store: Store) {
    let (user_id, device_id) = signed_in(&store).await;
    let other = installation(user_id, NOW_MS);
    let other_id = other.device_id;
    store.add_devices(vec![other]).await.expect("answers");
    give_token(&store, user_id, other_id, hash(20)).await;

    rotate(&store, hash(1), hash(2), NOW_MS).await;
    let reused = rotate(&store, hash(1), hash(3), NOW_MS + 5).await;
    assert_eq!(reused, Rotation::Reused { user_id, device_id }, "it had been spent before");
    assert_eq!(revoked_at(&store, device_id).await, Some(NOW_MS + 5), "the device is revoked");
    for token in [1, 2, 3] {
        let refused = rotate(&store, hash(token), hash(30 + token), NOW_MS + 6).await;
        assert_eq!(refused, Rotation::Refused, "token {token} is of a revoked device");
    }
    assert_eq!(revoked_at(&store, other_id).await, None, "other devices stay");
    let rotated = rotate(&store, hash(20), hash(21), NOW_MS).await;
    assert!(matches!(rotated, Rotation::Rotated { .. }), "and keep their tokens");
}

pub async fn repeating_a_rotation_is_harmless(store: Store) {
    let (user_id, device_id) = signed_in(&store).await;
    for _ in 0..2 {
        let rotated = rotate(&store, hash(1), hash(2), NOW_MS).await;
        let same = Rotation::Rotated { user_id, device_id };
        assert_eq!(rotated, same, "the same call again, its next token unspent, is no reuse");
    }
    let rotated = rotate(&store, hash(2), hash(3), NOW_MS).await;
    assert!(matches!(rotated, Rotation::Rotated { .. }), "the next token was stored once");
    let reused = rotate(&store, hash(1), hash(2), NOW_MS).await;
    let expected = Rotation::Reused { user_id, device_id };
    assert_eq!(reused, expected, "once its next token is spent, a repeat is a reuse");
}

pub async fn concurrent_rotations_have_one_winner(store: Store) {
    let (user_id, device_id) = signed_in(&store).await;
    let rotations = (0..8).map(|i| {
        let expires_at = NOW_MS + LIFETIME_MS;
        store.rotate_refresh_token(hash(1), hash(100 + i), expires_at, NOW_MS)
    });
    let answers: Vec<_> =
        join_all(rotations).await.into_iter().map(|a| a.expect("rotation answers")).collect();
    let count = |wanted: Rotation| answers.iter().filter(|answer| **answer == wanted).count();
    assert_eq!(count(Rotation::Rotated { user_id, device_id }), 1, "a token rotates once");
    assert_eq!(count(Rotation::Reused { user_id, device_id }), 1, "the second is a reuse");
    assert_eq!(count(Rotation::Refused), 6, "the rest meets a revoked device");
}

pub async fn revoking_spends_the_tokens(store: Store) {
    let (user, device) = signed_in(&store).await;
    store.revoke_device(user, device, NOW_MS).await.expect("answers");
    let refused = rotate(&store, hash(1), hash(2), NOW_MS).await;
    assert_eq!(refused, Rotation::Refused, "signed out, not stolen");
}
