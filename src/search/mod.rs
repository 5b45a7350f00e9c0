//! Full text over what one may see.
//!
//! An index finds candidates; whether one may see them is decided by the store at the time asked,
//! so what an index lags behind in is never shown.
//!
//! ```text
//! port.rs        what REST asks, whichever index there is
//! embedded.rs    the index beside the embedded store (src/store/embedded/search)
//! cluster.rs     an OpenSearch beside the store of a cluster: asked, checked, followed, made anew
//! news.rs        which shards grew, told by whoever materialises
//! indexer.rs     follows the logs of this node's shards
//! leaving.rs     takes out what expired and what is kept no longer
//! rebuild.rs     reads whole logs: for a shard without a position, and for `search reindex`
//! opensearch/    the REST of OpenSearch: its address, its documents, its queries, its answers
//! ```

mod cluster;
mod embedded;
mod indexer;
mod leaving;
mod news;
mod opensearch;
mod port;
mod rebuild;

#[cfg(test)]
mod tests;

pub use cluster::ClusterSearch;
pub use opensearch::{OpenSearchConfig, OpenSearchUrlError};
pub use port::{SearchError, SearchHit, SearchIndex, SearchPage, SearchQuery};
pub use rebuild::Rebuilt;
