//! Somebody who looks on while devices work.

use std::fmt::Debug;

use schema::record::Content;
use schema::wire::ErrorFrame;

use super::socket_error::SocketError;

/// Told at once, from within a device's task: must not wait.
pub trait Observer: Debug + Send + Sync {
    /// An own message is stored.
    fn accepted(&self, content: &Content);
    /// Somebody's message arrived, for the first time or again.
    fn delivered(&self, content: &Content);
    /// The server said no; `temporary` ones are tried again.
    fn refused(&self, error: &ErrorFrame);
    /// A socket was welcomed.
    fn opened(&self);
    /// A socket ended, or could not be opened, without its owner having asked for it.
    fn lost(&self, error: &SocketError);
}
