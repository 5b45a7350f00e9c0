//! Whoever numbers a conversation's drafts, as the conversation sees it.

use actix::Addr;
use actix::prelude::SendError;

use super::actor::Sequencer;
use super::messages::{Append, Open, Stop};
use super::remote::RemoteSequencer;

/// A sequencer here, or the stand-in for one on another node.
#[derive(Clone, Debug)]
pub enum SequencerHandle {
    Here(Addr<Sequencer>),
    Elsewhere(Addr<RemoteSequencer>),
}

impl SequencerHandle {
    #[must_use]
    pub const fn is_here(&self) -> bool {
        matches!(self, Self::Here(_))
    }

    #[must_use]
    pub fn connected(&self) -> bool {
        match self {
            Self::Here(sequencer) => sequencer.connected(),
            Self::Elsewhere(sequencer) => sequencer.connected(),
        }
    }

    /// # Errors
    /// When its mailbox is full or it has ended.
    pub fn open(&self, open: Open) -> Result<(), SendError<Open>> {
        match self {
            Self::Here(sequencer) => sequencer.try_send(open),
            Self::Elsewhere(sequencer) => sequencer.try_send(open),
        }
    }

    /// # Errors
    /// When its mailbox is full or it has ended.
    pub fn append(&self, append: Append) -> Result<(), SendError<Append>> {
        match self {
            Self::Here(sequencer) => sequencer.try_send(append),
            Self::Elsewhere(sequencer) => sequencer.try_send(append),
        }
    }

    /// Ends it, or not, as it sees fit.
    pub fn stop(&self, stop: Stop) {
        // One that is gone or busy need not be told.
        let _ = match self {
            Self::Here(sequencer) => sequencer.try_send(stop),
            Self::Elsewhere(sequencer) => sequencer.try_send(stop),
        };
    }
}
