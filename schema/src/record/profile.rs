//! What a conversation is set to, and changes of it.

use serde::{Deserialize, Serialize};

use super::conversation::{Conversation, ConversationKind};
use crate::{Sequence, nullable};

/// Longest description, bytes.
pub const DESCRIPTION_BYTES_MAX: usize = 2 * 1024;
/// Longest address of a photo, bytes.
pub const PHOTO_BYTES_MAX: usize = 2 * 1024;
/// Messages disappear after a second at the earliest, and after a year at the latest.
pub const DISAPPEAR_AFTER_MS_MIN: u64 = 1_000;
pub const DISAPPEAR_AFTER_MS_MAX: u64 = 365 * DAY_MS;
/// Longest retention that can be set, days: a hundred years.
pub const RETENTION_DAYS_MAX: u32 = 36_525;

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// Which members may post messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Posting {
    Everyone,
    /// Owners and admins.
    Admins,
}

/// What a conversation is set to beside its name; all absent in a new one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConversationProfile {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// An address with `https`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub photo: Option<String>,
    /// What becomes of messages that do not say so themselves; `None`: they stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disappear_after_ms: Option<u64>,
    /// How long what was said is kept; zero: for ever; `None`: the server's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention_days: Option<u32>,
    /// `None`: as the kind of the conversation has it, see [`Conversation::posting`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub posting: Option<Posting>,
}

impl ConversationProfile {
    /// The change that makes a new conversation like this one.
    #[must_use]
    pub fn as_change(&self) -> ConversationPatch {
        ConversationPatch {
            name: None,
            description: self.description.clone().map(Some),
            photo: self.photo.clone().map(Some),
            disappear_after_ms: self.disappear_after_ms.map(Some),
            retention_days: self.retention_days.map(Some),
            posting: self.posting,
        }
    }
}

impl Conversation {
    /// Who may post: in channels owners and admins, elsewhere all members, unless set otherwise.
    #[must_use]
    pub fn posting(&self) -> Posting {
        self.profile.posting.unwrap_or(match self.kind {
            ConversationKind::Channel => Posting::Admins,
            ConversationKind::Direct | ConversationKind::Group => Posting::Everyone,
        })
    }

    /// How long what was said is kept, milliseconds; `None`: for ever.
    #[must_use]
    pub fn retention_ms(&self, default_days: u32) -> Option<u64> {
        match self.profile.retention_days.unwrap_or(default_days) {
            0 => None,
            days => Some(u64::from(days) * DAY_MS),
        }
    }

    /// Takes a change over.
    pub fn apply(&mut self, change: &ConversationPatch) {
        if let Some(name) = &change.name {
            self.name = Some(name.clone());
        }
        self.profile.apply(change);
    }
}

impl ConversationProfile {
    /// Takes a change over, all but the name.
    pub fn apply(&mut self, change: &ConversationPatch) {
        fn take<T: Clone>(field: &mut Option<T>, change: &Option<Option<T>>) {
            if let Some(value) = change {
                field.clone_from(value);
            }
        }
        take(&mut self.description, &change.description);
        take(&mut self.photo, &change.photo);
        take(&mut self.disappear_after_ms, &change.disappear_after_ms);
        take(&mut self.retention_days, &change.retention_days);
        self.posting = change.posting.or(self.posting);
    }
}

/// The fields of a conversation that a change names; the others stay. `Some(None)`, which is `null`
/// on the wire, takes a value away.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ConversationPatch {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, with = "nullable", skip_serializing_if = "Option::is_none")]
    pub description: Option<Option<String>>,
    #[serde(default, with = "nullable", skip_serializing_if = "Option::is_none")]
    pub photo: Option<Option<String>>,
    #[serde(default, with = "nullable", skip_serializing_if = "Option::is_none")]
    pub disappear_after_ms: Option<Option<u64>>,
    #[serde(default, with = "nullable", skip_serializing_if = "Option::is_none")]
    pub retention_days: Option<Option<u32>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub posting: Option<Posting>,
}

impl ConversationPatch {
    /// A change of the name alone.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: Some(name.into()), ..Self::default() }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Nothing but when messages disappear: what either side of a direct conversation may set.
    #[must_use]
    pub fn is_about_disappearing(&self) -> bool {
        self.disappear_after_ms.is_some()
            && Self { disappear_after_ms: None, ..self.clone() }.is_empty()
    }

    /// Bytes of the texts it carries.
    #[must_use]
    pub fn size(&self) -> usize {
        let text = |text: &Option<Option<String>>| text.iter().flatten().map(String::len).sum();
        let name = self.name.as_ref().map_or(0, String::len);
        let (description, photo): (usize, usize) = (text(&self.description), text(&self.photo));
        name + description + photo
    }
}

/// Changes of everything but the name, each with its entry, as far as none later overrules them: what
/// a store keeps that is told of changes in any order and more than once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProfileLog(Vec<(Sequence, ConversationPatch)>);

impl ProfileLog {
    /// Notes a change; false when it is no news.
    pub fn note(&mut self, seq: Sequence, change: &ConversationPatch) -> bool {
        let before = self.clone();
        self.0.retain(|(at, _)| *at != seq);
        self.0.push((seq, ConversationPatch { name: None, ..change.clone() }));
        self.0.sort_unstable_by_key(|(at, _)| *at);
        let mut later = ConversationPatch::default();
        for (_, change) in self.0.iter_mut().rev() {
            change.yield_to(&mut later);
        }
        self.0.retain(|(_, change)| !change.is_empty());
        *self != before
    }

    /// What comes of the changes.
    #[must_use]
    pub fn profile(&self) -> ConversationProfile {
        let mut profile = ConversationProfile::default();
        self.0.iter().for_each(|(_, change)| profile.apply(change));
        profile
    }
}

impl ConversationPatch {
    /// Drops what `later` changes, and makes it name what this changes too.
    fn yield_to(&mut self, later: &mut Self) {
        fn field<T: Clone>(mine: &mut Option<T>, later: &mut Option<T>) {
            match later {
                Some(_) => *mine = None,
                None => later.clone_from(mine),
            }
        }
        field(&mut self.description, &mut later.description);
        field(&mut self.photo, &mut later.photo);
        field(&mut self.disappear_after_ms, &mut later.disappear_after_ms);
        field(&mut self.retention_days, &mut later.retention_days);
        field(&mut self.posting, &mut later.posting);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_tells_null_from_absent() {
        let change: ConversationPatch =
            serde_json::from_str(r#"{"description":null,"disappear_after_ms":5000}"#).unwrap();
        assert_eq!(change.description, Some(None));
        assert_eq!(change.disappear_after_ms, Some(Some(5_000)));
        assert_eq!(change.photo, None);
        let packed = rmp_serde::to_vec_named(&change).unwrap();
        assert_eq!(rmp_serde::from_slice::<ConversationPatch>(&packed).unwrap(), change);
        let mut profile = ConversationProfile {
            description: Some("old".into()),
            photo: Some("https://example.org/a.png".into()),
            ..ConversationProfile::default()
        };
        profile.apply(&change);
        assert_eq!((profile.description, profile.disappear_after_ms), (None, Some(5_000)));
        assert!(profile.photo.is_some(), "what is not named stays");
    }

    #[test]
    fn a_change_of_before_is_understood() {
        let before = rmp_serde::to_vec_named(&serde_json::json!({ "name": "Tea" })).unwrap();
        let change: ConversationPatch = rmp_serde::from_slice(&before).unwrap();
        assert_eq!(change, ConversationPatch::named("Tea"));
    }

    #[test]
    fn changes_come_to_the_same_in_whatever_order_and_however_often() {
        let change = |days, posting| ConversationPatch {
            retention_days: Some(days),
            posting,
            ..ConversationPatch::named("ignored")
        };
        let changes = [
            (Sequence(3), change(Some(3), Some(Posting::Admins))),
            (Sequence(7), change(None, None)),
            (Sequence(5), change(Some(5), None)),
        ];
        let expected = ConversationProfile {
            posting: Some(Posting::Admins),
            ..ConversationProfile::default()
        };
        for turn in 0..changes.len() {
            let mut log = ProfileLog::default();
            let mut turned = changes.clone();
            turned.rotate_left(turn);
            for (seq, change) in turned.iter().chain(&changes) {
                log.note(*seq, change);
            }
            assert_eq!(log.profile(), expected);
            assert!(!log.note(Sequence(3), &changes[0].1), "no news");
            assert_eq!(log.0.len(), 2, "what was overruled is not kept");
        }
    }
}
