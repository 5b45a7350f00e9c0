//! The port that REST asks.

use std::pin::Pin;

use actors::ports::StoreError;

pub use crate::store::embedded::{SearchHit, SearchPage, SearchQuery};

/// Why nothing could be found now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SearchError {
    /// The same search may succeed later.
    #[error("the search index does not answer; try again later")]
    Unavailable { retry_after_ms: u64 },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What an index answers with, in time.
pub type SearchFuture = Pin<Box<dyn Future<Output = Result<SearchPage, SearchError>> + Send>>;

/// Finds messages, best first.
///
/// Guarantees: every hit is one that the reader may see now, with its present text. A message may
/// not be found for a moment after it was stored.
pub trait SearchIndex: Send + Sync + 'static {
    fn search(&self, query: SearchQuery) -> SearchFuture;
}
