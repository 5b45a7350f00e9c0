//! Fetches one page, with bounds on everything.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, LOCATION};
use url::Url;

use super::guard::{BadUrl, Guard};
use super::page::{self, Preview};

const REDIRECTS_MAX: usize = 3;
const USER_AGENT: &str = concat!("Switchboard-link-preview/", env!("CARGO_PKG_VERSION"));

/// Bounds of one preview, redirects and all.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub time_max: Duration,
    /// More of a page is not read: heads stand first.
    pub bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { time_max: Duration::from_secs(5), bytes_max: 1024 * 1024 }
    }
}

/// Why a page was not fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// It lies where nobody outside may reach.
    Refused,
    /// No answer, or not all of it in time.
    Unanswered,
    /// An answer that is no page.
    NotAPage,
    TooManyRedirects,
    /// A page without a title.
    SaysNothing,
}

impl Failure {
    /// For metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Unanswered => "unanswered",
            Self::NotAPage => "not_a_page",
            Self::TooManyRedirects => "too_many_redirects",
            Self::SaysNothing => "says_nothing",
        }
    }
}

pub(super) type Addresses = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;

/// Looks names up.
pub(super) type LookUp = Arc<dyn Fn(String) -> Addresses + Send + Sync>;

/// The system's way.
pub(super) fn system() -> LookUp {
    Arc::new(|name| {
        Box::pin(async move { Ok(tokio::net::lookup_host((name.as_str(), 0)).await?.collect()) })
    })
}

/// A name is looked up once, and what it is connected to is what was checked.
struct Checked {
    look_up: LookUp,
    guard: Guard,
}

impl Resolve for Checked {
    fn resolve(&self, name: Name) -> Resolving {
        let looked_up = (self.look_up)(name.as_str().to_owned());
        let guard = self.guard.clone();
        Box::pin(async move {
            let addresses = looked_up.await?;
            // One that leads inside among others is a trap, or a network that is not ours to ask.
            if addresses.is_empty() || !addresses.iter().all(|it| guard.permits(it.ip())) {
                return Err(Inside.into());
            }
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// A name that leads to where nobody may ask.
#[derive(Debug, thiserror::Error)]
#[error("the name leads inside")]
struct Inside;

/// See the module.
pub(super) struct Fetcher {
    http: reqwest::Client,
    guard: Guard,
    limits: Limits,
}

impl Fetcher {
    pub fn new(guard: Guard, look_up: LookUp, limits: Limits) -> anyhow::Result<Self> {
        let resolver = Arc::new(Checked { look_up, guard: guard.clone() });
        let http = reqwest::Client::builder()
            .dns_resolver(resolver)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .user_agent(USER_AGENT)
            // No connection outlives its request: the next name is looked up and checked again.
            .pool_max_idle_per_host(0)
            .build()?;
        Ok(Self { http, guard, limits })
    }

    pub fn read_url(&self, text: &str) -> Result<Url, BadUrl> {
        self.guard.read_url(text)
    }

    pub async fn fetch(&self, url: &Url) -> Result<Preview, Failure> {
        let fetched = tokio::time::timeout(self.limits.time_max, self.follow(url.clone())).await;
        let (url, html) = fetched.map_err(|_| Failure::Unanswered)??;
        page::preview(&html, &url).ok_or(Failure::SaysNothing)
    }

    /// The page at the end of some redirects, each checked as the first URL was.
    async fn follow(&self, mut url: Url) -> Result<(Url, String), Failure> {
        for _ in 0..=REDIRECTS_MAX {
            if !self.guard.permits_host(&url) {
                return Err(Failure::Refused);
            }
            let request = self.http.get(url.clone()).header(ACCEPT, "text/html");
            let answer = request.send().await.map_err(|error| failure(&error))?;
            if answer.status().is_redirection() {
                let location = header(answer.headers(), LOCATION).ok_or(Failure::NotAPage)?;
                let next = url.join(location).map_err(|_| Failure::NotAPage)?;
                url = self.guard.read_url(next.as_str()).map_err(|_| Failure::Refused)?;
                continue;
            }
            if !answer.status().is_success() || !is_page(answer.headers()) {
                return Err(Failure::NotAPage);
            }
            return Ok((url, self.body(answer).await?));
        }
        Err(Failure::TooManyRedirects)
    }

    async fn body(&self, mut answer: reqwest::Response) -> Result<String, Failure> {
        let mut body = Vec::new();
        while let Some(part) = answer.chunk().await.map_err(|error| failure(&error))? {
            let room = self.limits.bytes_max - body.len();
            body.extend_from_slice(&part[..part.len().min(room)]);
            if body.len() >= self.limits.bytes_max {
                break;
            }
        }
        Ok(String::from_utf8_lossy(&body).into_owned())
    }
}

fn header(headers: &HeaderMap, name: reqwest::header::HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// HTML as it stands: what is packed was not asked for.
fn is_page(headers: &HeaderMap) -> bool {
    let kind = header(headers, CONTENT_TYPE).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_plain = header(headers, CONTENT_ENCODING).is_none_or(|it| it == "identity");
    matches!(kind.as_str(), "text/html" | "application/xhtml+xml") && is_plain
}

fn failure(error: &reqwest::Error) -> Failure {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        if error.is::<Inside>() {
            return Failure::Refused;
        }
        cause = error.source();
    }
    Failure::Unanswered
}
