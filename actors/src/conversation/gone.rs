//! What said its last: messages whose time is over are not shown, whether or not the store still
//! holds them. Pure.

use std::sync::Arc;

use schema::record::{Conversation, Entry, MessageState};

use super::messages::LogEntry;

/// What is gone at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Gone {
    now_ms: i64,
    /// Entries that were sent before are beyond what the conversation keeps.
    kept_since_ms: Option<i64>,
}

impl Gone {
    #[must_use]
    pub fn at(now_ms: i64, conversation: &Conversation, retention_default_days: u32) -> Self {
        let kept_ms = conversation.retention_ms(retention_default_days);
        let kept_since_ms = kept_ms
            .map(|kept_ms| now_ms.saturating_sub(i64::try_from(kept_ms).unwrap_or(i64::MAX)));
        Self { now_ms, kept_since_ms }
    }

    /// Whether what the entry said is gone.
    #[must_use]
    pub fn has(&self, entry: &Entry) -> bool {
        entry.is_expired(self.now_ms)
            || self.kept_since_ms.is_some_and(|since| entry.sent_at < since)
    }

    /// The entry as it may be shown; `None`: as it is.
    #[must_use]
    pub fn shown(&self, entry: &Entry) -> Option<Entry> {
        let is_gone = entry.says_something() && self.has(entry);
        is_gone.then(|| Entry { event: entry.event.scrubbed(), ..entry.clone() })
    }

    /// Takes away what entries of a page said.
    pub fn scrub(&self, page: &mut [Arc<LogEntry>]) {
        for log in page {
            if let Some(shown) = self.shown(&log.entry) {
                *log = Arc::new(LogEntry::new(shown));
            }
        }
    }

    /// Drops what became of messages of a page that are gone: nothing but that they were deleted.
    pub fn drop_states(&self, page: &[Arc<LogEntry>], states: &mut Vec<MessageState>) {
        states.retain(|state| {
            let message = page.iter().find(|log| log.entry.seq == state.seq);
            state.deleted.is_some() || !message.is_some_and(|log| self.has(&log.entry))
        });
    }
}

#[cfg(test)]
mod tests {
    use schema::Sequence;
    use schema::record::{ConversationKind, ConversationProfile, Edited, Event};

    use super::*;
    use crate::committer::tests::entry;

    const NOW_MS: i64 = 1_800_000_000_000;

    fn conversation(retention_days: Option<u32>) -> Conversation {
        Conversation {
            conversation_id: schema::ConversationId::from_bytes([1; 16]),
            kind: ConversationKind::Group,
            name: None,
            profile: ConversationProfile { retention_days, ..ConversationProfile::default() },
            purged_up_to: Sequence::START,
            created_by: schema::UserId::from_bytes([1; 16]),
            created_at: 0,
            generation: 1,
        }
    }

    fn expiring(seq: u64, after_ms: u64) -> Entry {
        let mut entry = entry(1, seq, "secret");
        entry.sent_at = NOW_MS;
        if let Event::Message(body) = &mut entry.event {
            body.expires_after_ms = Some(after_ms);
        }
        entry
    }

    #[test]
    fn what_expired_is_not_shown_from_then_on() {
        let entry = expiring(1, 5_000);
        let gone = |ms| Gone::at(NOW_MS + ms, &conversation(Some(0)), 0);
        assert!(gone(4_999).shown(&entry).is_none());
        let shown = gone(5_000).shown(&entry).unwrap();
        assert!(!shown.says_something());
        assert_eq!(shown.expires_at(), Some(NOW_MS + 5_000), "clients see why");
        assert!(gone(5_000).shown(&shown).is_none(), "once is enough");
    }

    #[test]
    fn what_is_older_than_is_kept_is_not_shown() {
        const DAY_MS: i64 = 86_400_000;
        let old = Entry { sent_at: NOW_MS - 2 * DAY_MS, ..entry(1, 1, "old") };
        for (set, default, is_gone) in [
            (Some(1), 0, true),
            (Some(3), 1, false),
            (Some(0), 1, false),
            (None, 1, true),
            (None, 0, false),
        ] {
            let gone = Gone::at(NOW_MS, &conversation(set), default);
            assert_eq!(gone.has(&old), is_gone, "{set:?} {default}");
        }
    }

    #[test]
    fn nothing_is_told_of_what_became_of_them() {
        let page: Vec<Arc<LogEntry>> =
            [expiring(1, 1_000), expiring(2, 9_000)].map(|it| Arc::new(LogEntry::new(it))).into();
        let edited = |seq| MessageState {
            seq: Sequence(seq),
            edited: Some(Edited {
                seq: Sequence(3),
                at: NOW_MS,
                content: schema::record::Content::Text { text: "secret".into() },
                mentions: Vec::new(),
            }),
            ..MessageState::default()
        };
        let mut states = vec![edited(1), edited(2)];
        Gone::at(NOW_MS + 2_000, &conversation(None), 0).drop_states(&page, &mut states);
        assert_eq!(states, [edited(2)]);
    }
}
