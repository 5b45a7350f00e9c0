//! The server of a data directory: asked over its internal listener while it runs, opened
//! directly while it does not.

use std::sync::Arc;
use std::time::Duration;

use actors::ports::UserStore;
use actors::ports::wall_clock::SystemClock;
use anyhow::{Context as _, bail};
use schema::rest::Problem;
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::app::ADDRESSES_FILE;
use crate::auth::Auth;
use crate::auth::accounts::ADMIN_TOKEN_FILE;
use crate::auth::secret_file;
use crate::config::{Config, StoreAddress};
use crate::store::cql::{self, CqlConfig};
use crate::store::embedded::{EmbeddedConfig, OpenError, Store};

const ANSWER_MAX: Duration = Duration::from_secs(30);
const ALIVE_MAX: Duration = Duration::from_secs(2);

/// How to reach the data of a data directory.
pub(super) enum Local {
    Running(Internal),
    Stopped(Opened),
}

/// The internal listener of a running server.
pub(super) struct Internal {
    http: reqwest::Client,
    base: String,
    admin_token: SecretString,
}

/// A store that no server has open.
pub(super) struct Opened {
    pub users: Arc<dyn UserStore>,
    pub auth: Auth,
    embedded: Option<Store>,
}

impl Opened {
    /// The embedded store, if that is what it is.
    pub fn embedded(&self) -> Option<&Store> {
        self.embedded.as_ref()
    }

    /// Gives an embedded store's directory free.
    pub fn close(&self) {
        if let Some(store) = &self.embedded {
            store.close();
        }
    }
}

/// What a running server wrote about itself.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Addresses {
    pub public: String,
    pub internal: String,
    pub pid: u32,
}

/// What the server of this data directory wrote when it started; it may have been killed since.
pub(super) fn addresses(config: &Config) -> Option<Addresses> {
    let text = std::fs::read(config.data_dir.join(ADDRESSES_FILE)).ok()?;
    serde_json::from_slice(&text).ok()
}

/// Finds out whether the server runs, and opens the store if not.
pub(super) async fn local(config: &Config) -> anyhow::Result<Local> {
    if let Some(addresses) = addresses(config)
        && let Some(internal) = Internal::reach(config, &addresses).await?
    {
        return Ok(Local::Running(internal));
    }
    let (users, embedded): (Arc<dyn UserStore>, _) = match &config.store {
        StoreAddress::Cql(url) => {
            let store = cql::Store::connect(&CqlConfig::from_url(url.expose())?).await;
            (Arc::new(store.context("the store cannot be opened")?), None)
        }
        StoreAddress::Embedded => match Store::open(EmbeddedConfig::new(&config.data_dir)) {
            Ok(store) => (Arc::new(store.clone()), Some(store)),
            Err(error @ OpenError::InUse { .. }) => {
                bail!("{error}, and its internal listener does not answer")
            }
            Err(error) => return Err(error).context("the store cannot be opened"),
        },
    };
    let clock = Arc::new(SystemClock);
    let auth = Auth::open(&config.auth, &config.data_dir, users.clone(), clock)?;
    Ok(Local::Stopped(Opened { users, auth, embedded }))
}

impl Internal {
    /// `None` when nobody answers there.
    async fn reach(config: &Config, addresses: &Addresses) -> anyhow::Result<Option<Self>> {
        let http = reqwest::Client::builder().timeout(ANSWER_MAX).no_proxy().build()?;
        let base = format!("http://{}", addresses.internal);
        let alive = http.get(format!("{base}/livez")).timeout(ALIVE_MAX).send().await;
        if !alive.is_ok_and(|answer| answer.status().is_success()) {
            return Ok(None);
        }
        let admin_token = match &config.auth.admin_token {
            Some(token) => token.expose().to_owned().into(),
            None => secret_file::read(&config.data_dir.join(ADMIN_TOKEN_FILE))
                .context("the server runs, but its admin token cannot be read")?,
        };
        Ok(Some(Self { http, base, admin_token }))
    }

    /// The node whose internal listener is there, or the one of this data directory.
    pub(super) async fn of(config: &Config, node: Option<&str>) -> anyhow::Result<Self> {
        let addresses = match node {
            Some(node) => {
                let internal = node.trim_start_matches("http://").trim_end_matches('/').to_owned();
                Addresses { public: String::new(), internal, pid: 0 }
            }
            None => addresses(config).unwrap_or_else(|| Addresses {
                public: config.listen.to_string(),
                internal: config.internal_listen.to_string(),
                pid: 0,
            }),
        };
        let reached = Self::reach(config, &addresses).await?;
        reached.with_context(|| format!("no server answers at {}", addresses.internal))
    }

    /// GETs an administrative route.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, String)],
    ) -> anyhow::Result<T> {
        let mut url = reqwest::Url::parse(&format!("{}{path}", self.base))?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let request = self.http.get(url).bearer_auth(self.admin_token.expose_secret());
        read_answer(request.send().await.context("the server does not answer")?).await
    }

    /// POSTs to an administrative route.
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> anyhow::Result<T> {
        self.post_within(ANSWER_MAX, path, body).await
    }

    /// The same for what takes its time.
    pub(super) async fn post_within<T: DeserializeOwned>(
        &self,
        deadline: Duration,
        path: &str,
        body: &impl Serialize,
    ) -> anyhow::Result<T> {
        let request = self.http.post(format!("{}{path}", self.base)).timeout(deadline).json(body);
        let request = request.bearer_auth(self.admin_token.expose_secret());
        read_answer(request.send().await.context("the server does not answer")?).await
    }
}

/// The body of a good answer, or the problem's own words.
pub(super) async fn read_answer<T: DeserializeOwned>(
    answer: reqwest::Response,
) -> anyhow::Result<T> {
    let status = answer.status();
    let body = answer.bytes().await.context("the answer broke off")?;
    if status.is_success() {
        return serde_json::from_slice(&body).context("the answer is not understood");
    }
    match serde_json::from_slice::<Problem>(&body) {
        Ok(problem) => Err(Refused(problem).into()),
        Err(_) => bail!("the server answered {status}"),
    }
}

/// A problem that the server answered.
#[derive(Debug, thiserror::Error)]
#[error("{} ({}, trace {})", .0.detail.as_deref().unwrap_or(&.0.title), .0.code, .0.trace_id)]
pub(super) struct Refused(pub Problem);
