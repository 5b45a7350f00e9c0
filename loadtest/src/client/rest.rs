//! The REST routes that scenarios use.

use std::time::Duration;

use anyhow::Context as _;
use schema::checker::Row;
use schema::record::ConversationKind;
use schema::rest::{ConversationView, CreateConversationRequest, HistoryPage};
use schema::{ConversationId, Sequence, SequenceRange, UserId};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::target::{Address, Target};
use super::transport;

/// No request takes longer.
const REQUEST_DEADLINE: Duration = Duration::from_secs(30);

/// Speaks REST to one server. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct RestClient {
    http: reqwest::Client,
    target: Target,
}

/// Which way a log is paged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    After(Sequence),
    Before(Sequence),
    Newest,
}

/// A log read in pages: each with the numbers that it was to have.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    pub pages: Vec<(SequenceRange, Vec<Row>)>,
    pub head: Sequence,
}

impl RestClient {
    /// # Errors
    /// When the HTTP client cannot be built.
    pub fn new(target: Target) -> anyhow::Result<Self> {
        let mut http = reqwest::Client::builder().timeout(REQUEST_DEADLINE).no_proxy();
        let listeners = std::iter::once(&target.public).chain(&target.internal);
        if listeners.into_iter().any(|address| Address::read(address).is_tls) {
            let config = transport::tls_config()?;
            http = http.tls_backend_preconfigured((*config).clone());
        }
        Ok(Self { http: http.build()?, target })
    }

    #[must_use]
    pub const fn target(&self) -> &Target {
        &self.target
    }

    /// `POST /v1/conversations`; the caller need not list itself.
    ///
    /// # Errors
    /// With the server's problem.
    pub async fn create_conversation(
        &self,
        token: &str,
        kind: ConversationKind,
        members: Vec<UserId>,
        name: Option<String>,
    ) -> anyhow::Result<ConversationId> {
        let request = CreateConversationRequest { kind, members, name };
        let view: ConversationView =
            self.post_public("/v1/conversations", Some(token), &request).await?;
        Ok(view.conversation_id)
    }

    /// One page, ascending.
    ///
    /// # Errors
    /// With the server's problem.
    pub async fn history_page(
        &self,
        token: &str,
        conversation_id: ConversationId,
        page: Page,
        limit: u64,
    ) -> anyhow::Result<HistoryPage> {
        let path = format!("/v1/conversations/{conversation_id}/messages?limit={limit}");
        let base = Address::read(&self.target.public).url(&path);
        let url = match page {
            Page::After(seq) => format!("{base}&after={seq}"),
            Page::Before(seq) => format!("{base}&before={seq}"),
            Page::Newest => base,
        };
        answer(self.http.get(&url).bearer_auth(token), &url).await
    }

    /// The whole log from the first number on.
    ///
    /// # Errors
    /// With the server's problem, or when a page does not lead on.
    pub async fn read_forward(
        &self,
        token: &str,
        conversation_id: ConversationId,
        limit: u64,
    ) -> anyhow::Result<Reading> {
        let mut reading = Reading::default();
        let mut after = Sequence::START;
        loop {
            let page = self.history_page(token, conversation_id, Page::After(after), limit).await?;
            reading.head = page.head;
            let expected = SequenceRange::above(after, limit, page.head);
            reading.pages.push((expected, page.entries.iter().map(Row::from).collect()));
            // Goes by what should have come: a broken page is the checker's to judge.
            after = expected.last.max(after);
            if after >= page.head {
                return Ok(reading);
            }
        }
    }

    /// The whole log from the newest page back; the pages are given in the order read.
    ///
    /// # Errors
    /// With the server's problem.
    pub async fn read_backward(
        &self,
        token: &str,
        conversation_id: ConversationId,
        limit: u64,
    ) -> anyhow::Result<Reading> {
        let mut reading = Reading::default();
        let mut before = None;
        loop {
            let page = before.map_or(Page::Newest, Page::Before);
            let page = self.history_page(token, conversation_id, page, limit).await?;
            reading.head = page.head;
            let below = before.unwrap_or_else(|| page.head.next());
            let expected = SequenceRange::below(below, limit, Sequence(1));
            reading.pages.push((expected, page.entries.iter().map(Row::from).collect()));
            if expected.first <= Sequence(1) {
                return Ok(reading);
            }
            before = Some(expected.first);
        }
    }

    /// Posts JSON to the public listener.
    ///
    /// # Errors
    /// With the server's problem.
    pub async fn post_public<T: DeserializeOwned>(
        &self,
        path: &str,
        token: Option<&str>,
        body: &impl Serialize,
    ) -> anyhow::Result<T> {
        let url = Address::read(&self.target.public).url(path);
        let mut request = self.http.post(&url).json(body);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        answer(request, &url).await
    }

    /// Posts JSON to the internal listener, as its administrator.
    ///
    /// # Errors
    /// When there is no internal listener or no admin token; with the server's problem.
    pub async fn post_internal<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> anyhow::Result<T> {
        let internal = self.target.internal.as_ref().context("no internal address is given")?;
        let token = self.target.admin_token.as_ref().context("no admin token is given")?;
        let url = Address::read(internal).url(path);
        answer(self.http.post(&url).bearer_auth(token).json(body), &url).await
    }
}

async fn answer<T: DeserializeOwned>(
    request: reqwest::RequestBuilder,
    url: &str,
) -> anyhow::Result<T> {
    let response = request.send().await.with_context(|| url.to_owned())?;
    let status = response.status();
    let body = response.bytes().await.with_context(|| url.to_owned())?;
    let shown = || String::from_utf8_lossy(&body[..body.len().min(500)]).into_owned();
    anyhow::ensure!(status.is_success(), "{url}: {status}: {}", shown());
    serde_json::from_slice(&body).with_context(|| format!("{url}: {}", shown()))
}
