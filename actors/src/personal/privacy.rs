//! What one user may know of another. Pure.

use std::collections::BTreeSet;

use schema::UserId;
use schema::record::{Fact, Settings, Visibility};

/// What a user wants others to know, and whom not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Privacy {
    pub settings: Settings,
    pub blocked: BTreeSet<UserId>,
    /// When the user was there last, as far as it was written.
    pub last_seen: Option<i64>,
}

/// What one user may see of another's presence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sight {
    pub presence: bool,
    pub last_seen: bool,
    /// When the other was there last, as far as it was written and may be seen.
    pub seen_at: Option<i64>,
}

impl Privacy {
    #[must_use]
    pub fn of(facts: &[Fact]) -> Self {
        let mut privacy = Self { settings: Settings::of(facts), ..Self::default() };
        for fact in facts {
            match fact {
                Fact::Blocked(user) => drop(privacy.blocked.insert(*user)),
                Fact::LastSeen(at) => privacy.last_seen = Some(*at),
                _ => {}
            }
        }
        privacy
    }

    /// Whether it must be known if `viewer` is a contact before [`sight`](Self::sight) can tell.
    #[must_use]
    pub fn asks_for_contacts(&self, viewer: UserId) -> bool {
        let Settings { presence, last_seen, .. } = self.settings;
        !self.blocked.contains(&viewer) && [presence, last_seen].contains(&Visibility::Contacts)
    }

    /// What `viewer` may see.
    #[must_use]
    pub fn sight(&self, viewer: UserId, is_contact: bool) -> Sight {
        let is_blocked = self.blocked.contains(&viewer);
        let may = |visibility| match visibility {
            _ if is_blocked => false,
            Visibility::Everyone => true,
            Visibility::Contacts => is_contact,
            Visibility::Nobody => false,
        };
        let last_seen = may(self.settings.last_seen);
        Sight {
            presence: may(self.settings.presence),
            last_seen,
            seen_at: self.last_seen.filter(|_| last_seen),
        }
    }
}

impl Sight {
    pub const ALL: Self = Self { presence: true, last_seen: true, seen_at: None };
    pub const NOTHING: Self = Self { presence: false, last_seen: false, seen_at: None };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_sees_what_is_a_table() {
        use Visibility::{Contacts, Everyone, Nobody};
        let (viewer, blocked) = (UserId::from_bytes([1; 16]), UserId::from_bytes([2; 16]));
        let cases = [
            (Everyone, false, true),
            (Everyone, true, true),
            (Contacts, false, false),
            (Contacts, true, true),
            (Nobody, false, false),
            (Nobody, true, false),
        ];
        for (visibility, is_contact, expected) in cases {
            let facts = [
                Fact::PresenceTo(visibility),
                Fact::LastSeenTo(visibility),
                Fact::LastSeen(7),
                Fact::Blocked(blocked),
            ];
            let privacy = Privacy::of(&facts);
            let sight = privacy.sight(viewer, is_contact);
            assert_eq!((sight.presence, sight.last_seen), (expected, expected), "{visibility:?}");
            assert_eq!(sight.seen_at, expected.then_some(7));
            assert_eq!(privacy.asks_for_contacts(viewer), visibility == Contacts);
            assert_eq!(privacy.sight(blocked, is_contact), Sight::NOTHING);
            assert!(!privacy.asks_for_contacts(blocked));
        }
    }
}
