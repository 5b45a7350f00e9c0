//! Drafts on their way to a sequencer on another node: one batch at a time, so that they keep their
//! order, asked again until answered. Pure.
//!
//! What is asked again is flagged `retry`: the owner then looks its id up. A draft is not asked
//! again once a later one of its sender is known to be stored, or it would come after that one
//! unseen; it is refused, and its client decides.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use schema::cluster::envelope::{DraftResult, Submitted};
use schema::record::{Draft, Entry};
use schema::wire::Refusal;
use schema::{OwnerToken, Sequence, UserId};

use super::dedupe::Known;
use super::messages::Answer;

/// Drafts of one batch.
const BATCH_MAX: usize = 64;
/// Content of one batch, bytes; a larger draft travels alone.
const BATCH_BYTES_MAX: usize = 48 * 1024;
/// An unanswered batch is asked again after this time, then twice that, up to the maximum.
const ANSWER_MS: u64 = 1_000;
const ANSWER_MS_MAX: u64 = 4_000;
/// Who was asked does not own the shard: whoever does is asked after this time.
const MOVED_MS: u64 = 100;
/// The conversation gives a draft up after this time: nobody waits for it any more.
const GIVEN_UP_MS: u64 = 10_000;

/// A batch to be sent to the owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    pub number: u64,
    pub attempt: u32,
    pub activation: Option<OwnerToken>,
    pub drafts: Vec<Draft>,
}

/// What became of a draft.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Answered(Answer),
    Refused { token: u64, refusal: Refusal },
}

struct Waiting {
    token: u64,
    draft: Arc<Draft>,
    /// It may have been stored: ask as a repeat.
    retry: bool,
    since_ms: u64,
}

struct InFlight {
    number: u64,
    attempt: u32,
    drafts: Vec<(Waiting, bool)>,
    again_ms: u64,
}

/// Times are milliseconds on any monotonic clock.
#[derive(Default)]
pub struct Forwarding {
    waiting: VecDeque<Waiting>,
    in_flight: Option<InFlight>,
    last_number: u64,
    /// Who answered last.
    activation: Option<OwnerToken>,
    /// The last draft of each sender known to be stored, while there are others.
    stored: BTreeMap<UserId, u64>,
}

impl Forwarding {
    /// Takes a draft; `token`s grow.
    pub fn push(&mut self, token: u64, draft: Arc<Draft>, now_ms: u64) {
        let retry = draft.retry;
        self.waiting.push_back(Waiting { token, draft, retry, since_ms: now_ms });
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len() + self.in_flight.as_ref().map_or(0, |it| it.drafts.len())
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// When [`due`](Self::due) is to be called.
    #[must_use]
    pub fn wake_at_ms(&self) -> Option<u64> {
        self.in_flight.as_ref().map(|it| it.again_ms)
    }

    /// The next batch, unless one is on its way.
    pub fn next(&mut self, now_ms: u64) -> Option<Batch> {
        if self.in_flight.is_some() || self.waiting.is_empty() {
            return None;
        }
        let (mut drafts, mut bytes) = (Vec::new(), 0);
        while drafts.len() < BATCH_MAX
            && let Some(next) = self.waiting.front()
        {
            bytes += crate::committer::event_size(&next.draft.event);
            if !drafts.is_empty() && bytes > BATCH_BYTES_MAX {
                break;
            }
            drafts.extend(self.waiting.pop_front().map(|waiting| (waiting, false)));
        }
        self.last_number += 1;
        let again_ms = now_ms + ANSWER_MS;
        self.in_flight = Some(InFlight { number: self.last_number, attempt: 0, drafts, again_ms });
        self.batch()
    }

    fn batch(&self) -> Option<Batch> {
        let in_flight = self.in_flight.as_ref()?;
        let draft = |waiting: &Waiting| Draft {
            retry: waiting.retry || in_flight.attempt > 0,
            ..(*waiting.draft).clone()
        };
        Some(Batch {
            number: in_flight.number,
            attempt: in_flight.attempt,
            activation: self.activation,
            drafts: in_flight.drafts.iter().map(|(waiting, _)| draft(waiting)).collect(),
        })
    }

    /// The batch on its way was not answered in time, or the shard has moved: it is asked again.
    pub fn due(&mut self, now_ms: u64) -> Option<Batch> {
        let in_flight = self.in_flight.as_mut().filter(|it| it.again_ms <= now_ms)?;
        in_flight.attempt += 1;
        let wait_ms = (ANSWER_MS << in_flight.attempt.min(4)).min(ANSWER_MS_MAX);
        in_flight.again_ms = now_ms + wait_ms;
        self.batch()
    }

    /// Another node owns the shard: it is asked for what is on its way, as a batch of its own.
    pub fn owner_changed(&mut self) -> Vec<Outcome> {
        self.activation = None;
        let Some(in_flight) = self.in_flight.take() else { return Vec::new() };
        let open = in_flight.drafts.into_iter().filter(|(_, answered)| !answered);
        self.ask_again(open.map(|(waiting, _)| waiting).collect())
    }

    /// Puts drafts back to the front.
    fn ask_again(&mut self, open: Vec<Waiting>) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        for mut waiting in open.into_iter().rev() {
            let token = waiting.token;
            if self.stored.get(&waiting.draft.sender_id).is_some_and(|later| token < *later) {
                let refusal = Refusal::retry_later("a later one was stored; say whether it is");
                outcomes.push(Outcome::Refused { token, refusal });
            } else {
                waiting.retry = true;
                self.waiting.push_front(waiting);
            }
        }
        outcomes
    }

    /// Stored entries came by the bridge: those of drafts on their way are answered by it.
    pub fn announced(&mut self, entries: &[Entry]) -> Vec<Answer> {
        let Some(in_flight) = &mut self.in_flight else { return Vec::new() };
        let mut answers = Vec::new();
        for entry in entries {
            let is_entry = |(waiting, answered): &&mut (Waiting, bool)| {
                !*answered
                    && waiting.draft.message_id == entry.message_id
                    && waiting.draft.sender_id == entry.sender_id
                    && waiting.draft.event == entry.event
            };
            let Some((waiting, answered)) = in_flight.drafts.iter_mut().find(is_entry) else {
                continue;
            };
            *answered = true;
            let last = self.stored.entry(entry.sender_id).or_default();
            *last = waiting.token.max(*last);
            answers.push(answer(waiting.token, entry.seq, entry.sent_at, false));
        }
        answers
    }

    /// The owner's answer.
    pub fn answered(&mut self, submitted: &Submitted, now_ms: u64) -> Vec<Outcome> {
        let expected = |it: &mut InFlight| it.number == submitted.batch;
        let Some(in_flight) = self.in_flight.take_if(expected) else { return Vec::new() };
        if submitted.results.len() != in_flight.drafts.len() {
            self.in_flight = Some(InFlight { again_ms: now_ms + MOVED_MS, ..in_flight });
            return Vec::new();
        }
        self.activation = submitted.activation;
        let (mut outcomes, mut open) = (Vec::new(), Vec::new());
        for ((waiting, answered), result) in in_flight.drafts.into_iter().zip(&submitted.results) {
            let token = waiting.token;
            match result {
                _ if answered => {}
                DraftResult::Open => open.push(waiting),
                DraftResult::Stored { seq, sent_at, duplicate } => {
                    // One that was stored before it was sent again says nothing about the others.
                    if !duplicate {
                        let last = self.stored.entry(waiting.draft.sender_id).or_default();
                        *last = token.max(*last);
                    }
                    outcomes.push(Outcome::Answered(answer(token, *seq, *sent_at, *duplicate)));
                }
                DraftResult::Refused { code, message, retry_after_ms, seq } => {
                    let mut refusal = Refusal::new(*code, message.clone());
                    (refusal.retry_after_ms, refusal.seq) = (*retry_after_ms, *seq);
                    outcomes.push(Outcome::Refused { token, refusal });
                }
            }
        }
        outcomes.extend(self.ask_again(open));
        if self.is_empty() {
            self.stored.clear();
        }
        outcomes
    }

    /// Forgets drafts that nobody waits for any more.
    pub fn expire(&mut self, now_ms: u64) {
        let is_late = |waiting: &Waiting| waiting.since_ms + GIVEN_UP_MS <= now_ms;
        self.waiting.retain(|waiting| !is_late(waiting));
        self.in_flight.take_if(|it| it.drafts.iter().all(|(waiting, _)| is_late(waiting)));
    }
}

fn answer(token: u64, seq: Sequence, sent_at: i64, duplicate: bool) -> Answer {
    Answer { token, known: Known { seq, sent_at, digest: 0 }, duplicate }
}

#[cfg(test)]
mod tests {
    use schema::record::{Content, Event, MessageBody};
    use schema::{ConversationId, MessageId};

    use super::*;

    fn draft(number: u8) -> Arc<Draft> {
        Arc::new(Draft {
            conversation_id: ConversationId::from_bytes([1; 16]),
            message_id: MessageId::from_bytes([number; 16]),
            sender_id: UserId::from_bytes([7; 16]),
            event: Event::Message(MessageBody::new(Content::Text { text: number.to_string() })),
            retry: false,
        })
    }

    fn entry(number: u8, seq: u64) -> Entry {
        let draft = draft(number);
        Entry {
            conversation_id: draft.conversation_id,
            seq: Sequence(seq),
            message_id: draft.message_id,
            sender_id: draft.sender_id,
            sent_at: 5,
            ordinal: 0,
            event: draft.event.clone(),
        }
    }

    fn submitted(batch: u64, results: Vec<DraftResult>) -> Submitted {
        Submitted {
            conversation_id: ConversationId::from_bytes([1; 16]),
            asker: 1,
            batch,
            activation: Some(OwnerToken::from_bytes([3; 16])),
            results,
        }
    }

    fn stored(seq: u64) -> DraftResult {
        DraftResult::Stored { seq: Sequence(seq), sent_at: 5, duplicate: false }
    }

    fn tokens(outcomes: &[Outcome]) -> Vec<(u64, bool)> {
        let token = |outcome: &Outcome| match outcome {
            Outcome::Answered(answer) => (answer.token, true),
            Outcome::Refused { token, .. } => (*token, false),
        };
        outcomes.iter().map(token).collect()
    }

    fn with(numbers: std::ops::RangeInclusive<u8>) -> Forwarding {
        let mut forwarding = Forwarding::default();
        numbers.for_each(|number| forwarding.push(number.into(), draft(number), 0));
        forwarding
    }

    #[test]
    fn one_batch_at_a_time_in_order() {
        let mut forwarding = with(1..=2);
        let first = forwarding.next(0).unwrap();
        assert_eq!((first.number, first.drafts.len()), (1, 2));
        assert!(first.drafts.iter().all(|draft| !draft.retry));
        forwarding.push(3, draft(3), 0);
        assert_eq!(forwarding.next(0), None);
        let outcomes = forwarding.answered(&submitted(1, vec![stored(1), stored(2)]), 1);
        assert_eq!(tokens(&outcomes), [(1, true), (2, true)]);
        let second = forwarding.next(1).unwrap();
        assert_eq!((second.number, second.drafts.len()), (2, 1));
        assert_eq!(second.activation, Some(OwnerToken::from_bytes([3; 16])));
        assert!(forwarding.answered(&submitted(1, vec![stored(9)]), 1).is_empty(), "an old answer");
    }

    #[test]
    fn silence_and_a_moved_shard_are_asked_again_as_repeats() {
        let mut forwarding = with(1..=1);
        forwarding.next(0);
        assert_eq!(forwarding.due(ANSWER_MS - 1), None);
        let again = forwarding.due(ANSWER_MS).unwrap();
        assert_eq!((again.number, again.attempt, again.drafts[0].retry), (1, 1, true));
        assert!(forwarding.answered(&submitted(1, Vec::new()), 5_000).is_empty());
        assert_eq!(forwarding.wake_at_ms(), Some(5_000 + MOVED_MS));
        assert_eq!(forwarding.due(5_000 + MOVED_MS).unwrap().attempt, 2);
        assert!(forwarding.owner_changed().is_empty());
        let moved = forwarding.next(6_000).unwrap();
        assert_eq!((moved.number, moved.attempt, moved.drafts[0].retry), (2, 0, true));
    }

    #[test]
    fn an_announcement_answers_and_the_answer_after_it_says_nothing_new() {
        let mut forwarding = with(1..=2);
        forwarding.next(0);
        let answers = forwarding.announced(&[entry(9, 1), entry(1, 2)]);
        assert_eq!(answers.len(), 1);
        assert_eq!((answers[0].token, answers[0].known.seq), (1, Sequence(2)));
        let outcomes = forwarding.answered(&submitted(1, vec![stored(2), stored(3)]), 1);
        assert_eq!(tokens(&outcomes), [(2, true)]);
        assert!(forwarding.is_empty());
    }

    #[test]
    fn nothing_is_asked_again_behind_a_later_one_that_is_stored() {
        let mut forwarding = with(1..=3);
        forwarding.next(0);
        forwarding.announced(&[entry(2, 1)]);
        assert_eq!(tokens(&forwarding.owner_changed()), [(1, false)]);
        assert_eq!(forwarding.next(0).unwrap().drafts.len(), 1);
        let mut forwarding = with(1..=3);
        forwarding.next(0);
        let results = vec![DraftResult::Open, stored(1), DraftResult::Open];
        let outcomes = forwarding.answered(&submitted(1, results), 1);
        assert_eq!(tokens(&outcomes), [(2, true), (1, false)]);
        assert_eq!(forwarding.next(0).unwrap().drafts[0].message_id, draft(3).message_id);
    }

    #[test]
    fn large_drafts_travel_alone_and_given_up_ones_not_at_all() {
        let mut forwarding = Forwarding::default();
        let mut large = (*draft(1)).clone();
        let Event::Message(body) = &mut large.event else { panic!() };
        body.content = Content::Text { text: "x".repeat(60_000) };
        forwarding.push(1, Arc::new(large), 0);
        forwarding.push(2, draft(2), 5);
        assert_eq!(forwarding.next(0).unwrap().drafts.len(), 1);
        forwarding.expire(GIVEN_UP_MS);
        assert_eq!(forwarding.next(GIVEN_UP_MS).unwrap().drafts[0].message_id, draft(2).message_id);
    }
}
