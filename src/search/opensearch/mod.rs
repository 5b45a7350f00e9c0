//! The REST of OpenSearch. Files beside `client.rs` are pure.

mod circuit;
mod client;
mod config;
mod document;
mod query;

pub(super) use client::{Client, Failure};
pub use config::{OpenSearchConfig, OpenSearchUrlError};
pub(super) use document::{Operation, operation, position, removed, removed_id, shown_text};
pub(super) use query::{Candidate, candidates, search_body};
