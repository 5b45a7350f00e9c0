//! Which conversations' news this node wants, where each stands, and what is still to be asked of
//! whom. Pure.
//!
//! Every conversation of a user with a socket here is in it, and every conversation that runs
//! here. Bridges lose frames without a trace, so what may have been missed is compared with the store:
//! conversations wait in `unsure` until their head was read.

use std::collections::{BTreeMap, VecDeque};

use schema::{ConversationId, Epoch, NodeId, Sequence};

/// An unanswered request is sent again after this time.
const ANSWER_MS: u64 = 1_000;
/// What is followed is said again this often: well before the owner forgets it.
const RENEW_MS: u64 = 30_000;
/// An owner that answers nothing for longer may have said things that did not come.
const SILENT_MS: u64 = 5_000;
/// Conversations named in one request.
const REQUEST_MAX: usize = 1_000;

struct Followed {
    shard: u32,
    /// Who wants it here.
    wanted: u32,
    /// The last number heard of.
    head: Sequence,
    is_unsure: bool,
    /// Since when its owner is asked for its news and does not answer.
    asked_since_ms: Option<u64>,
    /// What was said before the owner's next answer may not have come: to be compared then.
    is_untold: bool,
    /// The owner answered: all that is stored since then is announced here.
    is_told: bool,
    /// Requests before this one were of somebody who gave it up since.
    first_request: u64,
}

/// A request to a shard's owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub request: u64,
    pub shard: u32,
    pub to: NodeId,
    pub conversations: Vec<ConversationId>,
}

struct Asked {
    shard: u32,
    conversations: Vec<ConversationId>,
    again_ms: u64,
}

/// See the module. Times are milliseconds on any monotonic clock.
#[derive(Default)]
pub struct Following {
    by_conversation: BTreeMap<ConversationId, Followed>,
    /// To be asked for at the next [`requests`](Self::requests), by shard.
    unasked: BTreeMap<u32, Vec<ConversationId>>,
    asked: BTreeMap<u64, Asked>,
    /// The newest activation heard of, by shard.
    epochs: BTreeMap<u32, Epoch>,
    last_request: u64,
    renew_at_ms: u64,
    unsure: VecDeque<ConversationId>,
    unfollowed: Vec<(u32, ConversationId)>,
}

impl Following {
    /// One more here wants the conversation, whose head is `head` as far as is known. Those who
    /// wanted it before may lack what that one has already.
    pub fn follow(&mut self, conversation: ConversationId, shard: u32, head: Sequence) {
        let followed = self.by_conversation.entry(conversation).or_insert_with(|| {
            self.unasked.entry(shard).or_default().push(conversation);
            Followed {
                shard,
                wanted: 0,
                head,
                is_unsure: false,
                asked_since_ms: None,
                is_untold: false,
                is_told: false,
                first_request: self.last_request + 1,
            }
        });
        followed.wanted += 1;
        if followed.head < head {
            self.doubt(conversation);
        }
    }

    /// One of those who wanted it does not any more.
    pub fn unfollow(&mut self, conversation: ConversationId) {
        let Some(followed) = self.by_conversation.get_mut(&conversation) else { return };
        followed.wanted = followed.wanted.saturating_sub(1);
        if followed.wanted == 0 {
            self.unfollowed.push((followed.shard, conversation));
            self.by_conversation.remove(&conversation);
        }
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.by_conversation.len()
    }

    #[must_use]
    pub fn contains(&self, conversation: ConversationId) -> bool {
        self.by_conversation.contains_key(&conversation)
    }

    /// The last number heard of.
    #[must_use]
    pub fn head(&self, conversation: ConversationId) -> Option<Sequence> {
        self.by_conversation.get(&conversation).map(|followed| followed.head)
    }

    /// Whether its owner said where it ends since it is wanted here, and since frames were lost or the
    /// owner is another one: `head` is then the end of the log, but for what is on its way.
    #[must_use]
    pub fn is_told(&self, conversation: ConversationId) -> bool {
        self.by_conversation.get(&conversation).is_some_and(|followed| followed.is_told)
    }

    /// Notes a head; true when it is news of a conversation that is wanted here.
    pub fn heard(&mut self, conversation: ConversationId, head: Sequence) -> bool {
        let Some(followed) = self.by_conversation.get_mut(&conversation) else { return false };
        let is_news = followed.head < head;
        followed.head = followed.head.max(head);
        is_news
    }

    /// Those here who want the conversation have it up to `head` only: what was heard since is news.
    pub fn missed(&mut self, conversation: ConversationId, head: Sequence) {
        if let Some(followed) = self.by_conversation.get_mut(&conversation) {
            followed.head = followed.head.min(head);
        }
        self.doubt(conversation);
    }

    /// A shard has another owner: it is asked for everything, and what was said in between is
    /// unsure.
    pub fn owner_changed(&mut self, shard: u32) {
        self.asked.retain(|_, asked| asked.shard != shard);
        let all = self.of_shard(shard);
        all.iter().for_each(|id| self.hear_anew(*id));
        if all.is_empty() {
            self.unasked.remove(&shard);
        } else {
            self.unasked.insert(shard, all);
        }
    }

    fn of_shard(&self, shard: u32) -> Vec<ConversationId> {
        let of_shard = self.by_conversation.iter().filter(|(_, it)| it.shard == shard);
        of_shard.map(|(id, _)| *id).collect()
    }

    /// An activation of the shard serves, here or elsewhere. What those before it stored last, they
    /// may have told others, or nobody; by now the store shows it.
    pub fn serves(&mut self, shard: u32, epoch: Epoch) {
        let last = self.epochs.entry(shard).or_default();
        if *last < epoch {
            *last = epoch;
            self.of_shard(shard).into_iter().for_each(|id| self.doubt(id));
        }
    }

    /// Frames may have been lost: everything is asked for again, and compared with the store.
    pub fn doubt_all(&mut self) {
        self.ask_for_all();
        let all: Vec<ConversationId> = self.by_conversation.keys().copied().collect();
        all.into_iter().for_each(|id| self.hear_anew(id));
    }

    /// What its owner said counts no more.
    fn hear_anew(&mut self, conversation: ConversationId) {
        self.doubt(conversation);
        if let Some(followed) = self.by_conversation.get_mut(&conversation) {
            followed.is_told = false;
        }
    }

    fn doubt(&mut self, conversation: ConversationId) {
        if let Some(followed) = self.by_conversation.get_mut(&conversation)
            && !followed.is_unsure
        {
            followed.is_unsure = true;
            self.unsure.push_back(conversation);
        }
    }

    fn ask_for_all(&mut self) {
        self.asked.clear();
        self.unasked.clear();
        for (conversation, followed) in &self.by_conversation {
            self.unasked.entry(followed.shard).or_default().push(*conversation);
        }
    }

    /// Up to `count` conversations whose head is to be read from the store.
    pub fn take_unsure(&mut self, count: usize) -> Vec<ConversationId> {
        let mut taken = Vec::new();
        while taken.len() < count
            && let Some(conversation) = self.unsure.pop_front()
        {
            if let Some(followed) = self.by_conversation.get_mut(&conversation) {
                followed.is_unsure = false;
                taken.push(conversation);
            }
        }
        taken
    }

    /// Could not be compared: once more, later.
    pub fn still_unsure(&mut self, conversation: ConversationId) {
        self.doubt(conversation);
    }

    /// What is to be said to owners now. `owner`: of a shard, when it is another node.
    pub fn requests(&mut self, now_ms: u64, owner: impl Fn(u32) -> Option<NodeId>) -> Vec<Request> {
        if now_ms >= self.renew_at_ms {
            self.renew_at_ms = now_ms + RENEW_MS;
            self.ask_for_all();
        }
        for (_, asked) in self.asked.extract_if(.., |_, asked| asked.again_ms <= now_ms) {
            self.unasked.entry(asked.shard).or_default().extend(asked.conversations);
        }
        let mut requests = Vec::new();
        let shards: Vec<u32> = self.unasked.keys().copied().collect();
        for shard in shards {
            let Some(to) = owner(shard) else { continue };
            let conversations = self.unasked.remove(&shard).unwrap_or_default();
            let known = |id: &&ConversationId| self.by_conversation.contains_key(*id);
            let wanted: Vec<_> = conversations.iter().filter(known).copied().collect();
            for chunk in wanted.chunks(REQUEST_MAX) {
                self.last_request += 1;
                let (request, conversations) = (self.last_request, chunk.to_vec());
                self.note_asked(chunk, now_ms);
                let again_ms = now_ms + ANSWER_MS;
                let asked = Asked { shard, conversations: conversations.clone(), again_ms };
                self.asked.insert(request, asked);
                requests.push(Request { request, shard, to, conversations });
            }
        }
        requests
    }

    fn note_asked(&mut self, conversations: &[ConversationId], now_ms: u64) {
        for conversation in conversations {
            if let Some(followed) = self.by_conversation.get_mut(conversation) {
                let since_ms = *followed.asked_since_ms.get_or_insert(now_ms);
                followed.is_untold |= now_ms - since_ms >= SILENT_MS;
            }
        }
    }

    /// The owner follows a request.
    pub fn answered(&mut self, request: u64) {
        let Some(asked) = self.asked.remove(&request) else { return };
        for conversation in asked.conversations {
            let Some(followed) = self.by_conversation.get_mut(&conversation) else { continue };
            followed.asked_since_ms = None;
            followed.is_told |= request >= followed.first_request;
            if std::mem::take(&mut followed.is_untold) {
                self.doubt(conversation);
            }
        }
    }

    /// What nobody here wants any more, by shard.
    pub fn take_unfollowed(&mut self) -> BTreeMap<u32, Vec<ConversationId>> {
        let mut by_shard: BTreeMap<u32, Vec<ConversationId>> = BTreeMap::new();
        for (shard, conversation) in std::mem::take(&mut self.unfollowed) {
            if !self.by_conversation.contains_key(&conversation) {
                by_shard.entry(shard).or_default().push(conversation);
            }
        }
        by_shard
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(node: NodeId) -> impl Fn(u32) -> Option<NodeId> {
        move |shard| (shard < 2).then_some(node)
    }

    #[test]
    fn asks_until_answered_and_again_on_the_timer() {
        let (mut following, node) = (Following::default(), NodeId::generate());
        let (first, mine) = (ConversationId::generate(), ConversationId::generate());
        following.follow(first, 1, Sequence(3));
        following.follow(first, 1, Sequence(2));
        following.follow(mine, 7, Sequence(0));
        let asked = following.requests(0, owner(node));
        assert_eq!(asked.len(), 1);
        assert_eq!((asked[0].to, &asked[0].conversations), (node, &vec![first]));
        assert!(following.requests(ANSWER_MS - 1, owner(node)).is_empty());
        let again = following.requests(ANSWER_MS, owner(node));
        assert_eq!(again[0].conversations, [first]);
        following.answered(again[0].request);
        assert!(following.requests(RENEW_MS - 1, owner(node)).is_empty());
        assert_eq!(following.requests(RENEW_MS, owner(node)).len(), 1);
        following.unfollow(first);
        assert!(following.contains(first));
        following.unfollow(first);
        assert_eq!(following.take_unfollowed(), [(1, vec![first])].into());
        assert!(following.requests(RENEW_MS * 2, owner(node)).is_empty());
    }

    #[test]
    fn what_an_owner_said_counts_until_frames_are_lost_or_it_changes() {
        let (mut following, node) = (Following::default(), NodeId::generate());
        let conversation = ConversationId::generate();
        assert!(!following.is_told(conversation), "nobody asked");
        following.follow(conversation, 1, Sequence(3));
        let answers = |following: &mut Following, now_ms| {
            assert!(!following.is_told(conversation));
            let asked = following.requests(now_ms, owner(node));
            assert!(!following.is_told(conversation), "asked and not answered");
            following.answered(asked[0].request);
            assert!(following.is_told(conversation));
        };
        answers(&mut following, 0);
        assert_eq!(following.requests(RENEW_MS, owner(node)).len(), 1);
        assert!(following.is_told(conversation), "asked for once more, to be remembered there");
        following.doubt_all();
        answers(&mut following, RENEW_MS + 1);
        following.owner_changed(1);
        answers(&mut following, RENEW_MS + 2);

        // Given up and wanted again, while the owner answers who gave it up.
        following.doubt_all();
        let asked = following.requests(RENEW_MS + 3, owner(node));
        following.unfollow(conversation);
        assert_eq!(following.take_unfollowed().len(), 1, "the owner forgets it");
        following.follow(conversation, 1, Sequence(3));
        following.answered(asked[0].request);
        answers(&mut following, RENEW_MS + 4);
    }

    #[test]
    fn only_what_is_wanted_and_later_is_news() {
        let (mut following, conversation) = (Following::default(), ConversationId::generate());
        assert!(!following.heard(conversation, Sequence(9)));
        following.follow(conversation, 0, Sequence(3));
        assert!(!following.heard(conversation, Sequence(3)));
        assert!(following.heard(conversation, Sequence(4)));
        assert_eq!(following.head(conversation), Some(Sequence(4)));
    }

    #[test]
    fn each_activation_is_compared_with_once() {
        let mut following = Following::default();
        let (here, other) = (ConversationId::generate(), ConversationId::generate());
        following.follow(here, 0, Sequence(1));
        following.follow(other, 1, Sequence(1));
        following.serves(0, Epoch(2));
        assert_eq!(following.take_unsure(9), [here]);
        following.serves(0, Epoch(2));
        following.serves(0, Epoch(1));
        assert!(following.take_unsure(9).is_empty(), "nothing that was not compared since");
        following.serves(0, Epoch(3));
        assert_eq!(following.take_unsure(9), [here]);
    }

    #[test]
    fn one_who_has_more_makes_the_others_unsure() {
        let (mut following, conversation) = (Following::default(), ConversationId::generate());
        following.follow(conversation, 0, Sequence(3));
        following.follow(conversation, 0, Sequence(2));
        assert!(following.take_unsure(9).is_empty());
        following.follow(conversation, 0, Sequence(5));
        assert_eq!(following.take_unsure(9), [conversation]);
        assert!(following.heard(conversation, Sequence(5)), "news to those who were here before");
    }

    #[test]
    fn what_a_silent_owner_said_is_compared_when_it_answers() {
        let (mut following, node) = (Following::default(), NodeId::generate());
        let conversation = ConversationId::generate();
        following.follow(conversation, 0, Sequence(1));
        let ask = |following: &mut Following, now_ms| {
            let asked = following.requests(now_ms, owner(node));
            asked.first().map(|it| it.request)
        };
        let soon = ask(&mut following, 0).unwrap();
        following.answered(soon);
        assert!(following.take_unsure(9).is_empty());
        let mut last = None;
        for now_ms in (RENEW_MS..=RENEW_MS + SILENT_MS).step_by(1_000) {
            last = ask(&mut following, now_ms).or(last);
        }
        assert!(following.take_unsure(9).is_empty(), "it may be silent for long");
        following.answered(last.unwrap());
        assert_eq!(following.take_unsure(9), [conversation]);
        let again = ask(&mut following, RENEW_MS * 3).unwrap();
        following.answered(again);
        assert!(following.take_unsure(9).is_empty());
    }

    #[test]
    fn what_may_have_been_missed_is_compared_once() {
        let (mut following, node) = (Following::default(), NodeId::generate());
        let (first, second) = (ConversationId::generate(), ConversationId::generate());
        following.follow(first, 0, Sequence(1));
        following.follow(second, 1, Sequence(1));
        following.requests(0, owner(node)).iter().for_each(|it| following.answered(it.request));
        following.owner_changed(0);
        following.doubt_all();
        assert_eq!(following.unsure.len(), 2);
        assert_eq!(following.take_unsure(1), [first]);
        following.still_unsure(first);
        assert_eq!(following.take_unsure(9), [second, first]);
        assert_eq!(following.requests(1, owner(node)).len(), 2);
    }
}
