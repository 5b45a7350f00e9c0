//! REST as the chat client uses it.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, bail};
use reqwest::Method;
use schema::record::ConversationKind;
use schema::rest::{
    ChatList, ChatListItem, ConversationView, CreateConversationRequest, LoginRequest, MyProfile,
    RefreshRequest, SignedIn, UserView,
};
use schema::{ConversationId, UserId};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio_rustls::rustls::ClientConfig;

use crate::api::users::UserList;
use crate::cli::local::{Refused, read_answer};

const ANSWER_MAX: Duration = Duration::from_secs(20);
/// What this client calls its device.
const DEVICE: &str = "terminal";

/// Signed in at a server.
pub(super) struct Rest {
    http: reqwest::Client,
    /// With an `https://` address.
    tls: Option<Arc<ClientConfig>>,
    base: String,
    tokens: Mutex<Tokens>,
    pub(super) me: MyProfile,
    names: Mutex<HashMap<UserId, String>>,
}

#[derive(Clone)]
struct Tokens {
    access: String,
    refresh: Option<String>,
}

impl Rest {
    pub(super) async fn sign_in(
        url: &str,
        ca_file: Option<&Path>,
        route: &str,
        username: &str,
        password: &str,
    ) -> anyhow::Result<Self> {
        let tls = trust(url, ca_file)?;
        let (http, base) = (http(tls.as_ref())?, base(url)?);
        let body = LoginRequest {
            username: username.to_owned(),
            password: password.to_owned(),
            device: Some(DEVICE.to_owned()),
        };
        let answer = http.post(format!("{base}/v1/{route}")).json(&body).send().await;
        let signed_in: SignedIn = read_answer(answer.context(unreachable(&base))?).await?;
        let tokens =
            Tokens { access: signed_in.access_token, refresh: Some(signed_in.refresh_token) };
        Self::begin(http, tls, base, tokens).await
    }

    pub(super) async fn with_token(
        url: &str,
        ca_file: Option<&Path>,
        access: String,
    ) -> anyhow::Result<Self> {
        let tls = trust(url, ca_file)?;
        Self::begin(http(tls.as_ref())?, tls, base(url)?, Tokens { access, refresh: None }).await
    }

    async fn begin(
        http: reqwest::Client,
        tls: Option<Arc<ClientConfig>>,
        base: String,
        tokens: Tokens,
    ) -> anyhow::Result<Self> {
        let request = http.get(format!("{base}/v1/users/me")).bearer_auth(&tokens.access);
        let me: MyProfile = read_answer(request.send().await.context(unreachable(&base))?).await?;
        let names = HashMap::from([(me.user_id, me.username.clone())]);
        Ok(Self { http, tls, base, tokens: Mutex::new(tokens), me, names: Mutex::new(names) })
    }

    pub(super) const fn tls(&self) -> Option<&Arc<ClientConfig>> {
        self.tls.as_ref()
    }

    /// `ws://HOST/ws` of the server.
    pub(super) fn socket_url(&self) -> String {
        format!("{}/ws", self.base.replacen("http", "ws", 1))
    }

    pub(super) fn access_token(&self) -> String {
        self.tokens().access.clone()
    }

    /// Exchanges the refresh token. False when there is none.
    pub(super) async fn refresh(&self) -> anyhow::Result<bool> {
        let Some(refresh_token) = self.tokens().refresh.take() else { return Ok(false) };
        let body = RefreshRequest { refresh_token: refresh_token.clone() };
        let answer =
            self.http.post(format!("{}/v1/token/refresh", self.base)).json(&body).send().await;
        let Ok(answer) = answer else {
            // Not known to be used: keep it for the next attempt.
            self.tokens().refresh = Some(refresh_token);
            bail!(unreachable(&self.base));
        };
        let signed_in: SignedIn = read_answer(answer).await?;
        let mut tokens = self.tokens();
        tokens.access = signed_in.access_token;
        tokens.refresh = Some(signed_in.refresh_token);
        Ok(true)
    }

    pub(super) async fn chat_list(&self) -> anyhow::Result<Vec<ChatListItem>> {
        let mut all = Vec::new();
        let mut cursor = None;
        loop {
            let paging: String =
                cursor.map_or_else(String::new, |cursor: String| format!("&cursor={cursor}"));
            let path = format!("/v1/users/me/conversations?limit=200{paging}");
            let page: ChatList = self.get(&path).await?;
            all.extend(page.conversations);
            cursor = page.next_cursor;
            if cursor.is_none() {
                return Ok(all);
            }
        }
    }

    pub(super) async fn conversation(
        &self,
        id: ConversationId,
    ) -> anyhow::Result<ConversationView> {
        self.get(&format!("/v1/conversations/{id}")).await
    }

    pub(super) async fn create(
        &self,
        kind: ConversationKind,
        name: Option<String>,
        members: Vec<UserId>,
    ) -> anyhow::Result<ConversationView> {
        let body = CreateConversationRequest { kind, members, name };
        self.call(Method::POST, "/v1/conversations", Some(&body)).await
    }

    pub(super) async fn find_user(&self, username: &str) -> anyhow::Result<UserView> {
        let is_name = username.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
        if !is_name {
            bail!("there is no user {username}");
        }
        let found: UserList = self.get(&format!("/v1/users?username={username}")).await?;
        found.users.into_iter().next().with_context(|| format!("there is no user {username}"))
    }

    /// What to call a user; the id when nothing better can be had.
    pub(super) async fn name_of(&self, user: UserId) -> String {
        if let Some(name) = self.names().get(&user) {
            return name.clone();
        }
        match self.get::<UserView>(&format!("/v1/users/{user}")).await {
            Ok(view) => {
                self.names().insert(user, view.username.clone());
                view.username
            }
            Err(_) => user.to_string(),
        }
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        self.call(Method::GET, path, None::<&()>).await
    }

    /// Once more with a new token when the old one has expired.
    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> anyhow::Result<T> {
        let first = self.call_once(method.clone(), path, body).await;
        let has_expired = |error: &anyhow::Error| {
            error
                .downcast_ref::<Refused>()
                .is_some_and(|refused| refused.0.code == schema::wire::ErrorCode::TokenExpired)
        };
        match first {
            Err(error) if has_expired(&error) && self.refresh().await? => {
                self.call_once(method, path, body).await
            }
            first => first,
        }
    }

    async fn call_once<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> anyhow::Result<T> {
        let url = format!("{}{path}", self.base);
        let mut request = self.http.request(method, url).bearer_auth(self.access_token());
        if let Some(body) = body {
            request = request.json(body);
        }
        read_answer(request.send().await.with_context(|| unreachable(&self.base))?).await
    }

    fn tokens(&self) -> std::sync::MutexGuard<'_, Tokens> {
        self.tokens.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn names(&self) -> std::sync::MutexGuard<'_, HashMap<UserId, String>> {
        self.names.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn http(tls: Option<&Arc<ClientConfig>>) -> anyhow::Result<reqwest::Client> {
    let builder = reqwest::Client::builder().timeout(ANSWER_MAX);
    Ok(match tls {
        None => builder.build()?,
        Some(tls) => builder.tls_backend_preconfigured(ClientConfig::clone(tls)).build()?,
    })
}

/// What an `https://` address needs; nothing for others.
fn trust(url: &str, ca_file: Option<&Path>) -> anyhow::Result<Option<Arc<ClientConfig>>> {
    url.starts_with("https://").then(|| crate::trust::client_config(ca_file)).transpose()
}

fn base(url: &str) -> anyhow::Result<String> {
    let url = url.trim_end_matches('/');
    if !url.starts_with("http://") && !url.starts_with("https://") {
        bail!("the address must begin with https:// or http://");
    }
    Ok(url.to_owned())
}

fn unreachable(base: &str) -> String {
    format!("no server answers at {base}")
}
