//! What a sequencer's mailbox takes, and what it tells its conversation.

use std::sync::Arc;

use actix::{Message, Recipient};
use schema::Sequence;
use schema::record::{Draft, Entry};
use schema::wire::Refusal;
use tokio::sync::oneshot;

use super::dedupe::Known;

/// The conversation is there; `opened` is answered once numbers can be given.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Open {
    pub conversation: Recipient<FromSequencer>,
    /// Chosen by the conversation, new for each `Open`.
    pub life: u64,
    pub opened: oneshot::Sender<Opened>,
}

/// Asks for a number. `token` comes back with the answer.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Append {
    pub draft: Arc<Draft>,
    pub token: u64,
    /// It may not be stored, for this reason, unless it was already.
    pub verdict: Option<Refusal>,
}

/// End this sequencer; the next one recovers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Message)]
#[rtype(result = "()")]
pub enum Stop {
    /// Nobody needs it: end if nothing is on its way.
    Idle,
    /// Its committer is gone: end in any case.
    Abandoned,
}

/// News for the conversation. `life` is that of its [`Open`]: news of an older one are void.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub struct FromSequencer {
    pub life: u64,
    pub news: News,
}

/// What a sequencer has to say.
#[derive(Clone, Debug)]
pub enum News {
    /// This draft will not be stored, or not now.
    Refused { token: u64, refusal: Refusal },
    /// This draft's id was stored before.
    Duplicate { token: u64, known: Known },
    /// Stored for good: consecutive entries, and whose drafts they answer.
    Stored { entries: Arc<[Entry]>, answers: Vec<Answer> },
    /// A draft handed to another node was stored; its entry comes by itself.
    Answered(Answer),
    /// The log reaches to here, at least.
    Head(Sequence),
    /// The readers' tables show everything up to here.
    Materialised(Sequence),
    /// This sequencer has ended: look for the next one.
    Ended,
}

/// Where the conversation stands.
#[derive(Clone, Debug)]
pub struct Opened {
    /// Last stored number.
    pub head: Sequence,
    /// The newest stored entries, ascending, consecutive, up to `head`.
    pub recent: Vec<Entry>,
    /// Of those, the ones that the readers' tables may not show yet lie above this.
    pub materialised: Sequence,
}

/// One draft's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    pub token: u64,
    pub known: Known,
    /// The number was given to an earlier copy of the draft.
    pub duplicate: bool,
}
