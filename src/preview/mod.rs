//! Previews of links: what a page says of itself, fetched so that nobody reaches what only this
//! machine can reach.
//!
//! ```text
//! guard.rs    which addresses and URLs may be asked (pure)
//! fetch.rs    one page, with bounds on time, size, redirects
//! page.rs     what its head says (pure, without recursion)
//! cache.rs    answers of the last while, bounded
//! ```

mod cache;
mod config;
mod fetch;
mod guard;
mod page;

#[cfg(test)]
mod tests;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use schema::metric;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use cache::Cache;
pub use config::LinkPreviewConfig;
use fetch::{Fetcher, Limits};
pub use guard::BadUrl;
pub use page::Preview;

/// Pages that are fetched at once.
const AT_ONCE: usize = 16;
/// How long a request waits for its turn.
const TURN_MAX: Duration = Duration::from_secs(5);

/// Why there is no preview.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PreviewError {
    #[error("{0}")]
    BadUrl(#[from] BadUrl),
    /// Nobody may tell from outside whether it was refused, was silent, or had nothing to say.
    #[error("there is no preview of this")]
    Nothing,
    #[error("too many previews are being made")]
    Overloaded,
}

/// Fetches previews, some at once, and remembers them for a while.
pub struct LinkPreviews {
    fetcher: Fetcher,
    cache: Mutex<Cache>,
    turns: Semaphore,
}

impl LinkPreviews {
    /// `None` when they are off.
    ///
    /// # Errors
    /// When an HTTP client cannot be made.
    pub fn new(config: &LinkPreviewConfig) -> anyhow::Result<Option<Self>> {
        if !config.enabled {
            return Ok(None);
        }
        let guard = guard::Guard::with(config.allowed_networks.clone());
        let fetcher = Fetcher::new(guard, fetch::system(), Limits::default())?;
        Ok(Some(Self::with(fetcher, config)))
    }

    fn with(fetcher: Fetcher, config: &LinkPreviewConfig) -> Self {
        let cache = Mutex::new(Cache::new(config.cache_ttl.0));
        Self { fetcher, cache, turns: Semaphore::new(AT_ONCE) }
    }

    /// What the page at a URL says of itself.
    ///
    /// # Errors
    /// See [`PreviewError`].
    pub async fn preview(&self, url: &str) -> Result<Preview, PreviewError> {
        let url = self.fetcher.read_url(url)?;
        if let Some(known) = self.cache().get(&url, Instant::now()) {
            return known.ok_or(PreviewError::Nothing);
        }
        let turn = timeout(TURN_MAX, self.turns.acquire()).await;
        let _turn = turn.map_err(|_| PreviewError::Overloaded)?;
        // Whoever had the turn before may have asked for the same.
        if let Some(known) = self.cache().get(&url, Instant::now()) {
            return known.ok_or(PreviewError::Nothing);
        }
        let fetched = self.fetcher.fetch(&url).await;
        let outcome = match &fetched {
            Ok(_) => "made",
            Err(failure) => failure.name(),
        };
        metrics::counter!(metric::LINK_PREVIEWS, "outcome" => outcome).increment(1);
        let preview = fetched.ok();
        self.cache().put(url, preview.clone(), Instant::now());
        preview.ok_or(PreviewError::Nothing)
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
