//! The index beside the embedded store.

use super::port::{SearchFuture, SearchIndex, SearchQuery};
use crate::store::embedded::Store;

impl SearchIndex for Store {
    fn search(&self, query: SearchQuery) -> SearchFuture {
        let store = self.clone();
        Box::pin(async move { Ok(Self::search(&store, query).await?) })
    }
}
