//! Batches of drafts that other nodes handed over, so that a copy is not worked on twice: it gets
//! the answer of the first. Pure.

use std::collections::HashMap;

use schema::cluster::envelope::{DraftResult, Submit};
use schema::{ConversationId, NodeId, OwnerToken};

/// A batch is remembered this long: far longer than its sender asks.
const KEPT_MS: u64 = 60_000;

/// What to do with a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrived {
    /// Work on it.
    New,
    /// A copy of one that is being worked on, or one that is older than the last: nothing.
    Known,
    /// A copy of one that is done: answer again.
    Done(Vec<DraftResult>),
}

struct Last {
    asker: u64,
    batch: u64,
    activation: Option<OwnerToken>,
    results: Option<Vec<DraftResult>>,
    at_ms: u64,
}

/// The last batch of each node and conversation. Times are milliseconds on any monotonic clock.
#[derive(Default)]
pub struct Batches {
    last: HashMap<(NodeId, ConversationId), Last>,
}

impl Batches {
    /// Notes a batch. `activation`: of the shard here, now; `None`: it is not, or not yet.
    ///
    /// What was decided stays so, also when the shard was claimed again since: a draft that was
    /// refused, asked for once more, would come after a later one that was stored.
    pub fn arrived(
        &mut self,
        from: NodeId,
        submit: &Submit,
        activation: Option<OwnerToken>,
        now_ms: u64,
    ) -> Arrived {
        let number = (submit.asker, submit.batch);
        if let Some(last) = self.last.get(&(from, submit.conversation_id)) {
            let known = (last.asker, last.batch);
            if number < known {
                return Arrived::Known;
            }
            if number == known {
                match &last.results {
                    Some(results) => return Arrived::Done(results.clone()),
                    None if last.activation.is_some() || activation.is_none() => {
                        return Arrived::Known;
                    }
                    // It came before there was an activation to work on it.
                    None => {}
                }
            }
        }
        let (asker, batch) = number;
        let last = Last { asker, batch, activation, results: None, at_ms: now_ms };
        self.last.insert((from, submit.conversation_id), last);
        Arrived::New
    }

    /// Whether the one before it is remembered: then it is not late. Of any other one the drafts may
    /// be known, whoever worked on them.
    #[must_use]
    pub fn follows(&self, from: NodeId, submit: &Submit) -> bool {
        let last = self.last.get(&(from, submit.conversation_id));
        last.is_some_and(|last| last.asker == submit.asker && last.batch < submit.batch)
    }

    /// Notes what became of a batch.
    pub fn done(&mut self, from: NodeId, submit: &Submit, results: &[DraftResult]) {
        if let Some(last) = self.last.get_mut(&(from, submit.conversation_id))
            && (last.asker, last.batch) == (submit.asker, submit.batch)
        {
            last.results = Some(results.to_vec());
        }
    }

    pub fn expire(&mut self, now_ms: u64) {
        self.last.retain(|_, last| last.at_ms + KEPT_MS > now_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_gets_the_answer_of_the_first() {
        let (mut batches, node) = (Batches::default(), NodeId::generate());
        let submit = |asker, batch| Submit {
            conversation_id: ConversationId::from_bytes([1; 16]),
            asker,
            batch,
            attempt: 0,
            activation: None,
            drafts: Vec::new(),
            traces: Vec::new(),
        };
        let activation = Some(OwnerToken::generate());
        let mut arrive =
            |asker, batch, activation| batches.arrived(node, &submit(asker, batch), activation, 0);
        assert_eq!(arrive(1, 1, activation), Arrived::New);
        assert_eq!(arrive(1, 1, activation), Arrived::Known);
        assert_eq!(arrive(1, 2, activation), Arrived::New);
        assert_eq!(arrive(1, 1, activation), Arrived::Known, "older than the last");
        let results = [DraftResult::Open];
        batches.done(node, &submit(1, 1), &results);
        batches.done(node, &submit(1, 2), &results);
        let mut arrive =
            |asker, batch, activation| batches.arrived(node, &submit(asker, batch), activation, 0);
        assert_eq!(arrive(1, 2, activation), Arrived::Done(results.to_vec()));
        let another_life = Some(OwnerToken::generate());
        assert_eq!(
            arrive(1, 2, another_life),
            Arrived::Done(results.to_vec()),
            "decided is decided"
        );
        assert_eq!(arrive(1, 3, None), Arrived::New);
        assert_eq!(arrive(1, 3, None), Arrived::Known);
        assert_eq!(arrive(1, 3, activation), Arrived::New, "nobody could work on it before");
        assert_eq!(arrive(1, 3, another_life), Arrived::Known, "it is worked on");
        assert_eq!(arrive(2, 1, activation), Arrived::New, "another asker");
        assert_eq!(arrive(1, 9, activation), Arrived::Known, "the asker before");
        batches.expire(KEPT_MS);
        assert!(batches.last.is_empty());
    }

    #[test]
    fn a_batch_is_surely_new_only_behind_one_that_is_remembered() {
        let (mut batches, node) = (Batches::default(), NodeId::generate());
        let submit = |asker, batch| Submit {
            conversation_id: ConversationId::from_bytes([1; 16]),
            asker,
            batch,
            attempt: 0,
            activation: None,
            drafts: Vec::new(),
            traces: Vec::new(),
        };
        assert!(!batches.follows(node, &submit(1, 1)), "another owner may have heard of it");
        batches.arrived(node, &submit(1, 1), Some(OwnerToken::generate()), 0);
        assert!(batches.follows(node, &submit(1, 2)));
        assert!(!batches.follows(node, &submit(1, 1)), "late");
        assert!(!batches.follows(node, &submit(2, 1)), "another asker");
        assert!(!batches.follows(NodeId::generate(), &submit(1, 2)), "another node");
    }
}
