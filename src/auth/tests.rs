use std::sync::Arc;

use actors::memory::{ManualClock, MemoryStore};
use actors::ports::{Authenticator as _, Identity, TokenRefused, UserStore as _};
use schema::DeviceId;

use super::accounts::{Auth, AuthError, NewAccount};
use super::config::AuthConfig;
use super::verifier::BELIEVED_FOR;
use crate::config::TextDuration;

const PASSWORD: &str = "correct horse battery";

struct Setting {
    auth: Auth,
    store: MemoryStore,
    _data_dir: tempfile::TempDir,
}

fn setting() -> Setting {
    let data_dir = tempfile::tempdir().unwrap();
    let store = MemoryStore::default();
    let clock = Arc::new(ManualClock::at(1_800_000_000_000));
    let auth = Auth::open(&AuthConfig::default(), data_dir.path(), Arc::new(store.clone()), clock);
    Setting { auth: auth.unwrap(), store, _data_dir: data_dir }
}

fn account(username: &str) -> NewAccount {
    NewAccount {
        username: username.to_owned(),
        password: Some(PASSWORD.to_owned().into()),
        display_name: None,
    }
}

#[actix_web::test]
async fn a_revoked_device_is_refused_at_once_though_it_was_believed() {
    let Setting { auth, .. } = &setting();
    let signed_in = auth.register(account("alice"), None).await.unwrap();
    let verify = || auth.verifier().verify(signed_in.access_token.clone());
    assert_eq!(verify().await.unwrap().user_id, signed_in.user_id);
    assert!(auth.revoke_device(signed_in.user_id, signed_in.device_id).await.unwrap());
    assert_eq!(verify().await, Err(TokenRefused::Revoked));
}

#[actix_web::test]
async fn a_revocation_made_elsewhere_is_seen_within_a_minute() {
    tokio::time::pause();
    let Setting { auth, store, .. } = &setting();
    let signed_in = auth.register(account("alice"), None).await.unwrap();
    let verify = || auth.verifier().verify(signed_in.access_token.clone());
    verify().await.unwrap();
    store.revoke_device(signed_in.user_id, signed_in.device_id, 1).await.unwrap();
    verify().await.unwrap();
    tokio::time::advance(BELIEVED_FOR).await;
    assert_eq!(verify().await, Err(TokenRefused::Revoked));
}

#[actix_web::test]
async fn a_token_of_a_device_that_is_not_the_users_is_refused() {
    let Setting { auth, .. } = &setting();
    let alice = auth.register(account("alice"), None).await.unwrap();
    let bob = auth.register(account("bob"), None).await.unwrap();
    let ttl = TextDuration::from_secs(60);
    for device_id in [bob.device_id, DeviceId::generate()] {
        let token = auth.mint(Identity { user_id: alice.user_id, device_id }, ttl);
        assert_eq!(auth.verifier().verify(token).await, Err(TokenRefused::Revoked));
    }
}

#[actix_web::test]
async fn ones_own_device_is_not_anothers_to_revoke() {
    let Setting { auth, .. } = &setting();
    let alice = auth.register(account("alice"), None).await.unwrap();
    let bob = auth.register(account("bob"), None).await.unwrap();
    assert!(!auth.revoke_device(bob.user_id, alice.device_id).await.unwrap());
    auth.verifier().verify(alice.access_token).await.unwrap();
}

#[actix_web::test]
async fn of_many_that_present_a_refresh_token_one_gets_tokens() {
    let setting = Arc::new(setting());
    let signed_in = setting.auth.register(account("alice"), None).await.unwrap();
    let presenters: Vec<_> = (0..8)
        .map(|_| {
            let (setting, token) = (Arc::clone(&setting), signed_in.refresh_token.clone());
            actix_rt::spawn(async move { setting.auth.refresh(&token).await })
        })
        .collect();
    let mut rotated = 0;
    for presenter in presenters {
        match presenter.await.unwrap() {
            Ok(_) => rotated += 1,
            Err(AuthError::RefreshTokenReused { .. } | AuthError::Token(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(rotated, 1);
    assert!(setting.auth.verifier().verify(signed_in.access_token).await.is_err());
}

#[actix_web::test]
async fn passwords_can_be_replaced() {
    let Setting { auth, .. } = &setting();
    let alice = auth.create_account(account("alice")).await.unwrap();
    let next = "another fine battery".to_owned();
    auth.set_password(alice.user_id, "alice", next.clone().into()).await.unwrap();
    let login = |password: &str| auth.login("alice".into(), password.to_owned().into(), None);
    assert!(matches!(login(PASSWORD).await, Err(AuthError::BadCredentials)));
    login(&next).await.unwrap();
}

#[test]
fn the_same_data_directory_means_the_same_key_and_admin_token() {
    let data_dir = tempfile::tempdir().unwrap();
    let open = || {
        let (store, clock) = (Arc::new(MemoryStore::default()), Arc::new(ManualClock::at(0)));
        Auth::open(&AuthConfig::default(), data_dir.path(), store, clock).unwrap()
    };
    let (first, second) = (open(), open());
    let admin_token = std::fs::read_to_string(data_dir.path().join("admin_token")).unwrap();
    for auth in [&first, &second] {
        assert!(auth.is_admin_token(admin_token.trim()));
        assert!(!auth.is_admin_token(""));
        assert!(!auth.is_admin_token(&admin_token));
    }
}
