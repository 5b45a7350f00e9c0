//! What became of a message: the changes that later entries made to it. Pure.
//!
//! The rules are those that every client follows, so that whoever replays a log from whatever
//! position ends in the state that the server serves:
//! - of edits, and of deletions, the one with the highest number counts;
//! - a deletion ends a message: what it said, its edits, reactions and pin are gone for good,
//!   whatever is said later;
//! - of one user's changes of one emoji, and of changes of the pin, the last counts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::entry::{Content, Entry, Event};
use crate::{Sequence, UserId};

/// Users of one emoji that are named; the others are counted.
pub const NAMED_MAX: usize = 100;

/// What a message says now.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Edited {
    /// The entry that said so last.
    pub seq: Sequence,
    /// Milliseconds since 1970 UTC.
    pub at: i64,
    pub content: Content,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mentions: Vec<UserId>,
}

/// A message was deleted for everyone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Removed {
    pub seq: Sequence,
    /// Milliseconds since 1970 UTC.
    pub at: i64,
    pub by: UserId,
}

/// One emoji under a message.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Reaction {
    pub emoji: String,
    pub count: u64,
    /// The first of them, at most [`NAMED_MAX`].
    pub user_ids: Vec<UserId>,
}

/// A message as later entries changed it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MessageState {
    /// The message.
    pub seq: Sequence,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited: Option<Edited>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted: Option<Removed>,
    /// In the order in which each emoji first came.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reactions: Vec<Reaction>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pinned: bool,
}

/// Gathers the changes of one message, in whatever order they come.
#[derive(Clone, Debug, Default)]
struct Changes {
    edited: Option<Edited>,
    deleted: Option<Removed>,
    /// The last word of each user on each emoji.
    reactions: BTreeMap<(String, UserId), (Sequence, bool)>,
    pinned: (Sequence, bool),
}

impl Changes {
    fn apply(&mut self, entry: &Entry) {
        let seq = entry.seq;
        match &entry.event {
            Event::MessageEdited { content, mentions, .. }
                if self.edited.as_ref().is_none_or(|it| it.seq < seq) =>
            {
                let (content, mentions) = (content.clone(), mentions.clone());
                self.edited = Some(Edited { seq, at: entry.sent_at, content, mentions });
            }
            Event::MessageDeleted { .. } if self.deleted.is_none_or(|it| it.seq < seq) => {
                self.deleted = Some(Removed { seq, at: entry.sent_at, by: entry.sender_id });
            }
            Event::ReactionChanged { emoji, on, .. } => {
                let key = (emoji.clone(), entry.sender_id);
                let last = self.reactions.entry(key).or_default();
                if last.0 < seq {
                    *last = (seq, *on);
                }
            }
            Event::PinChanged { on, .. } if self.pinned.0 < seq => self.pinned = (seq, *on),
            _ => {}
        }
    }

    fn state(self, seq: Sequence) -> Option<MessageState> {
        if let Some(deleted) = self.deleted {
            return Some(MessageState { seq, deleted: Some(deleted), ..MessageState::default() });
        }
        let mut by_emoji: BTreeMap<String, Vec<(Sequence, UserId)>> = BTreeMap::new();
        for ((emoji, user), (at, on)) in self.reactions {
            if on {
                by_emoji.entry(emoji).or_default().push((at, user));
            }
        }
        let mut reactions: Vec<(Sequence, Reaction)> = by_emoji
            .into_iter()
            .map(|(emoji, mut users)| {
                users.sort_unstable();
                let count = users.len() as u64;
                let first = users.first().map_or(Sequence::START, |it| it.0);
                let user_ids = users.into_iter().take(NAMED_MAX).map(|it| it.1).collect();
                (first, Reaction { emoji, count, user_ids })
            })
            .collect();
        reactions.sort_by_key(|it| it.0);
        let reactions = reactions.into_iter().map(|it| it.1).collect();
        let state = MessageState {
            seq,
            edited: self.edited,
            deleted: None,
            reactions,
            pinned: self.pinned.1,
        };
        (state != MessageState { seq, ..MessageState::default() }).then_some(state)
    }
}

/// Changes of one message with the same slot overrule each other: the highest number counts.
/// `None` for an entry that changes no message.
#[must_use]
pub fn slot(entry: &Entry) -> Option<String> {
    match &entry.event {
        Event::MessageEdited { .. } => Some(edit_slot(entry.seq)),
        Event::MessageDeleted { .. } => Some(DELETED_SLOT.to_owned()),
        Event::ReactionChanged { emoji, .. } => {
            Some(format!("reaction:{}:{emoji}", entry.sender_id))
        }
        Event::PinChanged { .. } => Some("pin".to_owned()),
        _ => None,
    }
}

/// The slot of the edit that entry `seq` is.
#[must_use]
pub fn edit_slot(seq: Sequence) -> String {
    format!("{EDIT_SLOTS}{:020}", seq.0)
}

/// The slot of a deletion.
pub const DELETED_SLOT: &str = "deleted";
/// What slots of edits begin with; each edit has its own.
pub const EDIT_SLOTS: &str = "edit:";
/// Above every slot of an edit and below all others above them.
pub const EDIT_SLOTS_END: &str = "edit;";

/// The states of the messages that `changes` speak of, by number. Changes may come in any order
/// and more than once.
#[must_use]
pub fn states<'a>(changes: impl IntoIterator<Item = &'a Entry>) -> Vec<MessageState> {
    let mut by_target: BTreeMap<Sequence, Changes> = BTreeMap::new();
    for entry in changes {
        if let Some(target) = entry.event.target() {
            by_target.entry(target).or_default().apply(entry);
        }
    }
    by_target.into_iter().filter_map(|(target, changes)| changes.state(target)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ConversationId, MessageId};

    fn entry(seq: u64, sender: u8, event: Event) -> Entry {
        Entry {
            conversation_id: ConversationId::from_bytes([1; 16]),
            seq: Sequence(seq),
            message_id: MessageId::from_bytes([seq.to_le_bytes()[0]; 16]),
            sender_id: UserId::from_bytes([sender; 16]),
            sent_at: i64::try_from(seq).unwrap(),
            ordinal: 0,
            event,
        }
    }

    fn edit(seq: u64, text: &str) -> Entry {
        let content = Content::Text { text: text.into() };
        let target = Sequence(1);
        let mentions = Vec::new();
        entry(seq, 1, Event::MessageEdited { target, content, mentions, expires_at: None })
    }

    fn react(seq: u64, sender: u8, emoji: &str, on: bool) -> Entry {
        let event = Event::ReactionChanged { target: Sequence(1), emoji: emoji.into(), on };
        entry(seq, sender, event)
    }

    fn delete(seq: u64) -> Entry {
        entry(seq, 1, Event::MessageDeleted { target: Sequence(1) })
    }

    #[test]
    fn the_last_word_counts_in_whatever_order_it_comes() {
        let mut changes = vec![
            edit(2, "two"),
            edit(5, "five"),
            react(3, 7, "+1", true),
            react(4, 8, "+1", true),
            react(6, 7, "+1", false),
            react(7, 7, "eyes", true),
            entry(8, 1, Event::PinChanged { target: Sequence(1), on: true }),
        ];
        let expected = states(&changes);
        let [state] = &expected[..] else { panic!("{expected:?}") };
        assert_eq!(state.edited.as_ref().map(|it| it.seq), Some(Sequence(5)));
        assert!(state.pinned);
        let reactions: Vec<(&str, u64)> =
            state.reactions.iter().map(|it| (it.emoji.as_str(), it.count)).collect();
        assert_eq!(reactions, [("+1", 1), ("eyes", 1)]);
        for turn in 0..changes.len() {
            changes.rotate_left(turn);
            assert_eq!(states(&changes), expected);
            let twice: Vec<Entry> = changes.iter().chain(&changes).cloned().collect();
            assert_eq!(states(&twice), expected);
        }
    }

    #[test]
    fn nothing_comes_back_after_a_deletion() {
        let changes = [edit(2, "two"), delete(3), edit(4, "four"), react(5, 7, "+1", true)];
        let found = states(&changes);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].deleted.map(|it| it.seq), Some(Sequence(3)));
        assert!(found[0].edited.is_none() && found[0].reactions.is_empty());
        let twice = states(&[delete(9), delete(3)]);
        assert_eq!(twice[0].deleted.map(|it| it.seq), Some(Sequence(9)), "the last counts");
    }

    #[test]
    fn what_was_taken_back_leaves_no_state() {
        assert!(states(&[react(3, 7, "+1", true), react(4, 7, "+1", false)]).is_empty());
    }

    #[test]
    fn many_users_of_one_emoji_are_counted() {
        let changes: Vec<Entry> = (1..=200)
            .map(|number| react(number + 1, u8::try_from(number).unwrap(), "+1", true))
            .collect();
        let found = states(&changes);
        assert_eq!((found[0].reactions[0].count, found[0].reactions[0].user_ids.len()), (200, 100));
        assert_eq!(found[0].reactions[0].user_ids[0], UserId::from_bytes([1; 16]));
    }
}
