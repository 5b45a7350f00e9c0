//! Which conversations' news this node wants, where each stands, and what is still to be asked of
//! whom. Pure.
//!
//! Every conversation of a user with a socket here is in it, and every conversation that runs
//! here. Bridges lose frames without a trace, so what may have been missed is compared with the store:
//! conversations wait in `unsure` until their head was read.

use std::collections::{BTreeMap, HashMap, VecDeque};

use schema::{ConversationId, NodeId, Sequence};

/// An unanswered request is sent again after this time.
const ANSWER_MS: u64 = 1_000;
/// What is followed is said again this often: well before the owner forgets it.
const RENEW_MS: u64 = 30_000;
/// Conversations named in one request.
const REQUEST_MAX: usize = 1_000;

struct Followed {
    shard: u32,
    /// Who wants it here.
    wanted: u32,
    /// The last number heard of.
    head: Sequence,
    is_unsure: bool,
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
    by_conversation: HashMap<ConversationId, Followed>,
    /// To be asked for at the next [`requests`](Self::requests), by shard.
    unasked: BTreeMap<u32, Vec<ConversationId>>,
    asked: BTreeMap<u64, Asked>,
    last_request: u64,
    renew_at_ms: u64,
    unsure: VecDeque<ConversationId>,
    unfollowed: Vec<(u32, ConversationId)>,
}

impl Following {
    /// One more here wants the conversation, whose head is `head` as far as is known.
    pub fn follow(&mut self, conversation: ConversationId, shard: u32, head: Sequence) {
        let followed = self.by_conversation.entry(conversation).or_insert_with(|| {
            self.unasked.entry(shard).or_default().push(conversation);
            Followed { shard, wanted: 0, head, is_unsure: false }
        });
        followed.wanted += 1;
        followed.head = followed.head.max(head);
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
        let of_shard = self.by_conversation.iter().filter(|(_, it)| it.shard == shard);
        let all: Vec<ConversationId> = of_shard.map(|(id, _)| *id).collect();
        all.iter().for_each(|id| self.doubt(*id));
        if all.is_empty() {
            self.unasked.remove(&shard);
        } else {
            self.unasked.insert(shard, all);
        }
    }

    /// Frames may have been lost: everything is asked for again, and compared with the store.
    pub fn doubt_all(&mut self) {
        self.ask_for_all();
        let all: Vec<ConversationId> = self.by_conversation.keys().copied().collect();
        all.into_iter().for_each(|id| self.doubt(id));
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
                let again_ms = now_ms + ANSWER_MS;
                let asked = Asked { shard, conversations: conversations.clone(), again_ms };
                self.asked.insert(request, asked);
                requests.push(Request { request, shard, to, conversations });
            }
        }
        requests
    }

    /// The owner follows a request.
    pub fn answered(&mut self, request: u64) {
        self.asked.remove(&request);
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
    fn only_what_is_wanted_and_later_is_news() {
        let (mut following, conversation) = (Following::default(), ConversationId::generate());
        assert!(!following.heard(conversation, Sequence(9)));
        following.follow(conversation, 0, Sequence(3));
        assert!(!following.heard(conversation, Sequence(3)));
        assert!(following.heard(conversation, Sequence(4)));
        assert_eq!(following.head(conversation), Some(Sequence(4)));
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
