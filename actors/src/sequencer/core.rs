//! Numbers for one conversation: allocate the next, repeat an old one, or refuse. Pure.

use schema::record::{Draft, Entry, Event};
use schema::{ConversationId, MessageId, Sequence, UserId};

use super::dedupe::{Dedupe, Known, digest};

/// What is to be done with a draft.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Numbered: hand it to the committer, acknowledge once it is stored.
    Append(Entry),
    /// Had this number before and is stored.
    Duplicate(Known),
    /// Had this number before and is not stored yet: acknowledge when it is.
    Pending(Known),
    /// The id has this number, with other content.
    Reused(Known),
    /// Memory cannot tell: look the id up in the durable index, then call
    /// [`SequencerCore::after_lookup`]. If that says so again, it is to be asked again later.
    LookUp,
}

/// What the durable index said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    Absent,
    /// The stored entry under this id.
    Stored(Box<Entry>),
}

/// The allocator and memory of one conversation on its shard's owner.
#[derive(Debug)]
pub struct SequencerCore {
    conversation: ConversationId,
    /// Last number given out.
    allocated: Sequence,
    /// Messages up to there.
    messages: u64,
    /// Last number stored.
    stored: Sequence,
    /// Last number in the readers' tables.
    materialised: Sequence,
    dedupe: Dedupe,
    /// See [`SequencerCore::look_up_all`].
    looks_up_all: bool,
}

/// What a sequencer starts from.
#[derive(Clone, Debug)]
pub struct Recovered {
    /// The last materialised number, read after `pending`.
    pub head: Sequence,
    /// The newest materialised entries, ascending and consecutive up to `head`.
    pub recent: Vec<Entry>,
    /// What the committer holds: stored or waiting, in order; read before the store.
    pub pending: Vec<(Entry, bool)>,
}

impl SequencerCore {
    #[must_use]
    pub fn recover(conversation: ConversationId, recovered: &Recovered) -> Self {
        let oldest = recovered.recent.first();
        let floor = oldest.map_or(recovered.head, |entry| entry.seq.back(1));
        // With every entry in memory, an unknown id is new whatever its clock says.
        let covered_since_ms = match oldest {
            None if recovered.head == Sequence::START => None,
            None => Some(i64::MAX - super::dedupe::CLOCK_LEEWAY_MS),
            Some(_) if floor == Sequence::START => None,
            Some(entry) => Some(entry.sent_at),
        };
        let mut core = Self {
            conversation,
            allocated: recovered.head,
            messages: recovered.recent.last().map_or(0, |entry| entry.ordinal),
            stored: recovered.head,
            materialised: recovered.head,
            dedupe: Dedupe::new(covered_since_ms),
            looks_up_all: false,
        };
        for entry in &recovered.recent {
            core.dedupe.remember(entry, digest(&entry.event), recovered.head);
        }
        for (entry, stored) in &recovered.pending {
            if entry.seq > core.allocated {
                (core.allocated, core.messages) = (entry.seq, entry.ordinal);
            }
            if *stored && entry.seq > core.stored {
                core.stored = entry.seq;
            }
            // A number that the store shows and that was not stored here when memory was read: the
            // entry was stored since, then the store knows its id; or another owner gave the number
            // to another entry, then this one never will be stored.
            if *stored || entry.seq > recovered.head {
                core.dedupe.remember(entry, digest(&entry.event), recovered.head);
            }
        }
        core
    }

    /// Last stored number.
    #[must_use]
    pub const fn head(&self) -> Sequence {
        self.stored
    }

    /// Nothing is on its way: forgetting this core loses nothing.
    #[must_use]
    pub const fn is_settled(&self) -> bool {
        self.allocated.0 == self.stored.0 && self.stored.0 <= self.materialised.0
    }

    /// Whether every id is looked up that memory does not know, whatever its time says: for a while
    /// after recovery. What was stored before may come once more, late and not marked as a repeat,
    /// when a device was quicker to say it again by another node; then clocks that are wrong would
    /// prove it new.
    pub const fn look_up_all(&mut self, yes: bool) {
        self.looks_up_all = yes;
    }

    /// True when the durable index must be read before this draft is decided on.
    #[must_use]
    pub fn needs_look_up(&self, draft: &Draft) -> bool {
        self.dedupe.get(draft.sender_id, draft.message_id).is_none() && !self.proves_new(draft)
    }

    fn proves_new(&self, draft: &Draft) -> bool {
        let retry = draft.retry || self.looks_up_all;
        self.dedupe.proves_new(draft.sender_id, draft.message_id, retry)
    }

    /// Decides on a draft. `now_ms`: calendar time, for display.
    pub fn submit(&mut self, draft: &Draft, now_ms: i64) -> Decision {
        match self.dedupe.get(draft.sender_id, draft.message_id) {
            Some(known) => self.repeat(known, digest(&draft.event)),
            None if self.proves_new(draft) => Decision::Append(self.allocate(draft, now_ms)),
            None => Decision::LookUp,
        }
    }

    /// Decides again once the durable index was read.
    pub fn after_lookup(&mut self, draft: &Draft, found: &Found, now_ms: i64) -> Decision {
        // A copy of the draft may have been numbered while the index was read.
        if let Some(known) = self.dedupe.get(draft.sender_id, draft.message_id) {
            return self.repeat(known, digest(&draft.event));
        }
        match found {
            Found::Absent => Decision::Append(self.allocate(draft, now_ms)),
            // Stored for good, even where this activation has not stored that far: then another
            // one has taken the shard over.
            Found::Stored(entry) => repeat_of(entry, digest(&draft.event)),
        }
    }

    /// What there is to say to a draft that may not be stored, if it is a repeat; `None`: it is not.
    /// `found`: what the durable index said, if it had to be read.
    #[must_use]
    pub fn recall(&self, draft: &Draft, found: Option<&Found>) -> Option<Decision> {
        let digest = digest(&draft.event);
        match (self.dedupe.get(draft.sender_id, draft.message_id), found) {
            (Some(known), _) => Some(self.repeat(known, digest)),
            (None, Some(Found::Stored(entry))) => Some(repeat_of(entry, digest)),
            (None, Some(Found::Absent)) => None,
            (None, None) if self.proves_new(draft) => None,
            (None, None) => Some(Decision::LookUp),
        }
    }

    fn repeat(&self, known: Known, digest: u64) -> Decision {
        let is_stored = known.seq <= self.stored;
        match (known.is_repeated_by(digest), is_stored) {
            (true, true) => Decision::Duplicate(known),
            (true, false) => Decision::Pending(known),
            (false, true) => Decision::Reused(known),
            // Its number may yet come to nothing: too early to say that the id has it.
            (false, false) => Decision::LookUp,
        }
    }

    fn allocate(&mut self, draft: &Draft, now_ms: i64) -> Entry {
        debug_assert_eq!(draft.conversation_id, self.conversation);
        self.allocated = self.allocated.next();
        self.messages += u64::from(matches!(draft.event, Event::Message(_)));
        let entry = Entry {
            conversation_id: self.conversation,
            seq: self.allocated,
            message_id: draft.message_id,
            sender_id: draft.sender_id,
            sent_at: now_ms,
            ordinal: self.messages,
            event: draft.event.clone(),
        };
        self.dedupe.remember(&entry, digest(&entry.event), self.materialised);
        entry
    }

    /// The committer stored everything of this conversation up to `seq`.
    pub fn on_stored(&mut self, seq: Sequence) {
        self.stored = self.stored.max(seq);
    }

    /// The readers' tables show everything of this conversation up to `seq`.
    pub fn on_materialised(&mut self, seq: Sequence) {
        self.materialised = self.materialised.max(seq);
    }

    /// The number an id has, as far as memory goes.
    #[must_use]
    pub fn known(&self, sender: UserId, message: MessageId) -> Option<Known> {
        self.dedupe.get(sender, message)
    }
}

/// Says to a draft with this digest what the stored entry under its id says.
fn repeat_of(entry: &Entry, repeated: u64) -> Decision {
    let digest = digest(&entry.event);
    let known = Known { seq: entry.seq, sent_at: entry.sent_at, digest };
    if known.is_repeated_by(repeated) {
        Decision::Duplicate(known)
    } else {
        Decision::Reused(known)
    }
}

#[cfg(test)]
mod tests {
    use schema::record::{Content, Event, MessageBody};

    use super::*;

    const NOW_MS: i64 = 1_800_000_000_000;

    fn message_id_made_at(unix_ms: i64) -> MessageId {
        let seconds = u64::try_from(unix_ms / 1000).unwrap();
        let stamp = uuid::Timestamp::from_unix(uuid::NoContext, seconds, 0);
        MessageId(uuid::Uuid::new_v7(stamp))
    }

    fn draft(text: &str, made_ms: i64) -> Draft {
        Draft {
            conversation_id: ConversationId::from_bytes([1; 16]),
            message_id: message_id_made_at(made_ms),
            sender_id: UserId::from_bytes([2; 16]),
            event: Event::Message(MessageBody::new(Content::Text { text: text.into() })),
            retry: false,
        }
    }

    fn empty() -> SequencerCore {
        let nothing = Recovered { head: Sequence::START, recent: Vec::new(), pending: Vec::new() };
        SequencerCore::recover(ConversationId::from_bytes([1; 16]), &nothing)
    }

    fn append(core: &mut SequencerCore, draft: &Draft) -> Entry {
        let decision = match core.submit(draft, NOW_MS) {
            Decision::LookUp => core.after_lookup(draft, &Found::Absent, NOW_MS),
            decided => decided,
        };
        match decision {
            Decision::Append(entry) => entry,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn numbers_go_up_by_one_and_a_repeat_gets_its_first_number() {
        let mut core = empty();
        let (first, second) = (draft("one", NOW_MS), draft("two", NOW_MS));
        assert_eq!(append(&mut core, &first).seq, Sequence(1));
        assert_eq!(append(&mut core, &second).seq, Sequence(2));
        assert!(
            matches!(core.submit(&first, NOW_MS), Decision::Pending(known) if known.seq.0 == 1)
        );
        core.on_stored(Sequence(1));
        assert!(
            matches!(core.submit(&first, NOW_MS), Decision::Duplicate(known) if known.seq.0 == 1)
        );
        assert!(matches!(core.submit(&second, NOW_MS), Decision::Pending(_)));
    }

    /// Differences of ordinals count messages, over a recovery too.
    #[test]
    fn messages_are_counted_and_changes_are_not() {
        let mut core = empty();
        let mut entries = vec![append(&mut core, &draft("one", NOW_MS))];
        let pin = Event::PinChanged { target: Sequence(1), on: true };
        entries.push(append(&mut core, &Draft { event: pin.clone(), ..draft("", NOW_MS) }));
        entries.push(append(&mut core, &draft("two", NOW_MS)));
        let ordinals: Vec<u64> = entries.iter().map(|entry| entry.ordinal).collect();
        assert_eq!(ordinals, [1, 1, 2]);
        let recovered = Recovered {
            head: Sequence(2),
            recent: entries[..2].to_vec(),
            pending: vec![(entries[1].clone(), true), (entries[2].clone(), false)],
        };
        let mut core = SequencerCore::recover(entries[0].conversation_id, &recovered);
        let young = NOW_MS + 10 * 60_000;
        assert_eq!(append(&mut core, &draft("three", young)).ordinal, 3);
        assert_eq!(append(&mut core, &Draft { event: pin, ..draft("", young) }).ordinal, 3);
    }

    #[test]
    fn the_same_id_with_other_content_is_refused() {
        let mut core = empty();
        let first = draft("one", NOW_MS);
        append(&mut core, &first);
        let mut other = draft("two", NOW_MS);
        other.message_id = first.message_id;
        assert_eq!(core.submit(&other, NOW_MS), Decision::LookUp);
        core.on_stored(Sequence(1));
        assert!(matches!(core.submit(&other, NOW_MS), Decision::Reused(known) if known.seq.0 == 1));
    }

    #[test]
    fn what_may_not_be_stored_is_answered_if_it_was_stored() {
        let mut core = empty();
        let (first, other) = (draft("one", NOW_MS), draft("two", NOW_MS));
        assert_eq!(core.recall(&first, None), None, "memory has all");
        let entry = append(&mut core, &first);
        assert!(matches!(core.recall(&first, None), Some(Decision::Pending(_))));
        core.on_stored(Sequence(1));
        assert!(matches!(core.recall(&first, None), Some(Decision::Duplicate(_))));
        assert_eq!(core.recall(&other, None), None);
        assert_eq!(append(&mut core, &draft("three", NOW_MS)).seq, Sequence(2), "none was spent");
        let head = Sequence(7);
        let recovered = Recovered { head, recent: Vec::new(), pending: Vec::new() };
        let core = SequencerCore::recover(entry.conversation_id, &recovered);
        assert_eq!(core.recall(&first, None), Some(Decision::LookUp));
        assert_eq!(core.recall(&first, Some(&Found::Absent)), None);
        let found = Found::Stored(Box::new(entry));
        assert!(matches!(core.recall(&first, Some(&found)), Some(Decision::Duplicate(_))));
    }

    /// What it said is gone from the store, so that nothing is left to compare with.
    #[test]
    fn a_repeat_of_what_was_deleted_gets_its_first_number() {
        let mut core = empty();
        let first = draft("one", NOW_MS);
        let mut stored = append(&mut core, &first);
        stored.event = Event::Message(MessageBody::new(Content::Deleted {}));
        let head = Sequence(1);
        let recovered = Recovered { head, recent: vec![stored.clone()], pending: Vec::new() };
        let mut recent = SequencerCore::recover(stored.conversation_id, &recovered);
        assert!(
            matches!(recent.submit(&first, NOW_MS), Decision::Duplicate(known) if known.seq == head)
        );
        let found = Found::Stored(Box::new(stored));
        let decision = empty().after_lookup(&first, &found, NOW_MS);
        assert!(matches!(decision, Decision::Duplicate(known) if known.seq == head));
    }

    #[test]
    fn a_recovered_core_goes_on_after_what_waits_and_reads_the_index_when_unsure() {
        let mut core = empty();
        let entries: Vec<Entry> =
            (0..3).map(|_| append(&mut core, &draft("old", NOW_MS - 60_000))).collect();
        let recovered = Recovered {
            head: Sequence(2),
            recent: vec![entries[1].clone()],
            pending: vec![(entries[2].clone(), false)],
        };
        let mut core = SequencerCore::recover(entries[0].conversation_id, &recovered);
        let old = draft("maybe stored", NOW_MS);
        assert_eq!(core.submit(&old, NOW_MS), Decision::LookUp);
        let young = draft("surely new", NOW_MS + 10 * 60_000);
        assert_eq!(append(&mut core, &young).seq, Sequence(4));
        let retried = Draft { retry: true, ..draft("said again", NOW_MS + 10 * 60_000) };
        assert_eq!(core.submit(&retried, NOW_MS), Decision::LookUp);
        assert!(matches!(
            core.after_lookup(&old, &Found::Absent, NOW_MS),
            Decision::Append(entry) if entry.seq == Sequence(5)
        ));
    }

    /// It was stored by the activation before, sent again by another node, and its device's clock
    /// is fast.
    #[test]
    fn a_late_copy_with_a_wrong_clock_is_looked_up_after_recovery() {
        let stored = append(&mut empty(), &draft("old", NOW_MS));
        let head = Sequence(2);
        let recent = vec![Entry { seq: head, ..stored.clone() }];
        let recovered = Recovered { head, recent, pending: Vec::new() };
        let mut core = SequencerCore::recover(stored.conversation_id, &recovered);
        let late = draft("stored as number 1", NOW_MS + 10 * 60_000);
        core.look_up_all(true);
        assert!(core.needs_look_up(&late));
        assert_eq!(core.submit(&late, NOW_MS), Decision::LookUp);
        core.look_up_all(false);
        assert!(!core.needs_look_up(&late));
        assert!(matches!(core.submit(&late, NOW_MS), Decision::Append(_)));
    }

    #[test]
    fn an_unloaded_middle_is_always_looked_up() {
        let recovered = Recovered { head: Sequence(7), recent: Vec::new(), pending: Vec::new() };
        let mut core = SequencerCore::recover(ConversationId::from_bytes([1; 16]), &recovered);
        assert_eq!(core.submit(&draft("x", NOW_MS * 2), NOW_MS), Decision::LookUp);
    }

    #[test]
    fn a_flood_is_forgotten_in_generations_only_behind_what_is_materialised() {
        let mut core = empty();
        let first = draft("first", NOW_MS);
        append(&mut core, &first);
        for _ in 0..9_000 {
            append(&mut core, &draft("more", NOW_MS));
        }
        core.on_stored(Sequence(9_001));
        assert!(core.known(first.sender_id, first.message_id).is_some());
        core.on_materialised(Sequence(9_001));
        for _ in 0..9_000 {
            append(&mut core, &draft("surely new", NOW_MS + 10 * 60_000));
        }
        assert!(core.known(first.sender_id, first.message_id).is_none());
        assert_eq!(core.submit(&first, NOW_MS), Decision::LookUp);
    }
}
