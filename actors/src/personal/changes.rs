//! What a user's devices ask for: written first, then told to the others.

use std::collections::BTreeMap;

use futures_util::stream;
use futures_util::{StreamExt as _, TryStreamExt as _};
use schema::record::{
    ConversationSettings, Fact, FactKind, FactRange, Settings, UnsentDraft, Visibility,
};
use schema::wire::{
    BlockChanged, ConversationSettingsChanged, DraftChanged, ErrorCode, MessageHidden, Refusal,
    ScheduledChanged, ServerFrame, ThreadFollowed, ThreadRead,
};
use schema::{ConversationId, DeviceId, Sequence, UserId};

use super::hub::{ConversationPatch, HIDDEN_IN_ALL_MAX, News, Personal};
use crate::ports::{Identity, StoreError};

/// Largest draft.
pub const DRAFT_BYTES_MAX: usize = 64 * 1024;
/// Messages of one conversation that a user may hide.
pub const HIDDEN_MAX: usize = 5_000;
/// Users whom one may block.
const BLOCKED_MAX: usize = 1_000;
/// Threads of one conversation whose read positions are told at once.
const THREADS_TOLD_MAX: usize = 1_000;
const READS_AT_ONCE: usize = 16;

/// What a user said of a thread, and where the log of its conversation ended then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Followed {
    pub on: bool,
    pub since: Sequence,
}

/// What to change of a user's settings.
#[derive(Clone, Copy, Debug, Default)]
pub struct SettingsPatch {
    pub read_receipts: Option<bool>,
    pub presence: Option<Visibility>,
    pub last_seen: Option<Visibility>,
}

pub(crate) fn unavailable(error: &StoreError) -> Refusal {
    tracing::warn!(%error, "the store of personal facts did not answer");
    Refusal::retry_later("the store did not answer")
}

fn too_many(text: &'static str) -> Refusal {
    Refusal::new(ErrorCode::InvalidField, text)
}

impl Personal {
    async fn keep(&self, user: UserId, facts: Vec<(Fact, bool)>) -> Result<(), Refusal> {
        self.write(user, facts).await.map_err(|error| unavailable(&error))
    }

    fn tell_devices(&self, user_id: UserId, by: Option<DeviceId>, frame: ServerFrame) {
        self.tell(News { user_id, by, frame, conversation: None });
    }

    /// # Errors
    /// `retry_later`.
    pub async fn settings(&self, user: UserId) -> Result<Settings, Refusal> {
        let range = FactRange::kinds(FactKind::ReadReceipts, FactKind::LastSeenTo, 10);
        let facts = self.facts(user, range).await.map_err(|error| unavailable(&error))?;
        Ok(Settings::of(&facts))
    }

    /// # Errors
    /// `retry_later`.
    pub async fn change_settings(
        &self,
        by: Identity,
        patch: SettingsPatch,
    ) -> Result<Settings, Refusal> {
        let facts: Vec<(Fact, bool)> = [
            patch.read_receipts.map(Fact::ReadReceipts),
            patch.presence.map(Fact::PresenceTo),
            patch.last_seen.map(Fact::LastSeenTo),
        ]
        .into_iter()
        .flatten()
        .map(|fact| (fact, false))
        .collect();
        let is_change = !facts.is_empty();
        self.keep(by.user_id, facts).await?;
        let settings = self.settings(by.user_id).await?;
        if is_change {
            let frame = ServerFrame::SettingsChanged(settings);
            self.tell_devices(by.user_id, Some(by.device_id), frame);
        }
        Ok(settings)
    }

    /// How a user holds one conversation.
    ///
    /// # Errors
    /// `retry_later`.
    pub async fn conversation(
        &self,
        user: UserId,
        id: ConversationId,
    ) -> Result<ConversationSettings, Refusal> {
        let range = FactRange::about(FactKind::Conversation, id.as_bytes(), 10);
        let facts = self.facts(user, range).await.map_err(|error| unavailable(&error))?;
        let mut settings = ConversationSettings::default();
        facts.iter().for_each(|fact| settings.apply(fact));
        Ok(settings)
    }

    /// # Errors
    /// `retry_later`.
    pub async fn change_conversation(
        &self,
        by: Identity,
        id: ConversationId,
        patch: ConversationPatch,
    ) -> Result<ConversationSettings, Refusal> {
        let mut facts = Vec::new();
        if let Some(until) = patch.muted_until {
            facts.push((Fact::MutedUntil(id, until.unwrap_or_default()), until.is_none()));
        }
        if let Some(archived) = patch.archived {
            facts.push((Fact::Archived(id), !archived));
        }
        if let Some(pinned) = patch.pinned {
            facts.push((Fact::Pinned(id), !pinned));
        }
        let is_change = !facts.is_empty();
        self.keep(by.user_id, facts).await?;
        let settings = self.conversation(by.user_id, id).await?;
        if is_change {
            let changed = ConversationSettingsChanged::new(id, settings);
            let frame = ServerFrame::ConversationSettings(changed);
            self.tell_devices(by.user_id, Some(by.device_id), frame);
        }
        Ok(settings)
    }

    /// # Errors
    /// `retry_later`.
    pub async fn draft(
        &self,
        user: UserId,
        id: ConversationId,
    ) -> Result<Option<UnsentDraft>, Refusal> {
        let range = FactRange::about(FactKind::Draft, id.as_bytes(), 1);
        let mut facts = self.facts(user, range).await.map_err(|error| unavailable(&error))?;
        Ok(match facts.pop() {
            Some(Fact::Draft(_, draft)) => Some(draft),
            _ => None,
        })
    }

    /// The drafts of these conversations, in their order.
    ///
    /// # Errors
    /// `retry_later`.
    pub async fn drafts(
        &self,
        user: UserId,
        ids: Vec<ConversationId>,
    ) -> Result<Vec<Option<UnsentDraft>>, Refusal> {
        let read = stream::iter(ids).map(|id| self.draft(user, id));
        read.buffered(READS_AT_ONCE).try_collect().await
    }

    /// Keeps what a user writes; an empty text takes the draft away.
    ///
    /// # Errors
    /// `too_large`, `retry_later`.
    pub async fn set_draft(
        &self,
        user: UserId,
        by: Option<DeviceId>,
        id: ConversationId,
        text: String,
        reply_to: Option<Sequence>,
    ) -> Result<UnsentDraft, Refusal> {
        if text.len() > DRAFT_BYTES_MAX {
            return Err(Refusal::new(ErrorCode::TooLarge, "text: at most 64 KiB"));
        }
        let (is_gone, updated_at) = (text.is_empty(), self.clock.now_ms());
        let reply_to = reply_to.filter(|_| !is_gone);
        let draft = UnsentDraft { text, reply_to, updated_at };
        self.keep(user, vec![(Fact::Draft(id, draft.clone()), is_gone)]).await?;
        let changed =
            DraftChanged { conversation_id: id, text: draft.text.clone(), reply_to, updated_at };
        self.tell_devices(user, by, ServerFrame::DraftChanged(changed));
        Ok(draft)
    }

    /// Hides a message of a conversation from the user alone. Whether it is there, and may be
    /// seen, is the caller's to check.
    ///
    /// # Errors
    /// `invalid_field` when too many are hidden, `retry_later`.
    pub async fn hide(
        &self,
        user: UserId,
        by: Option<DeviceId>,
        id: ConversationId,
        seq: Sequence,
    ) -> Result<(), Refusal> {
        let hidden = self.hidden(user).await.map_err(|error| unavailable(&error))?;
        let here = hidden.get(&id).map_or(0, std::collections::BTreeSet::len);
        let in_all: usize = hidden.values().map(std::collections::BTreeSet::len).sum();
        if here >= HIDDEN_MAX || in_all >= HIDDEN_IN_ALL_MAX {
            return Err(too_many("target: too many messages are deleted for oneself"));
        }
        self.keep(user, vec![(Fact::Hidden(id, seq), false)]).await?;
        let frame = MessageHidden { reference: None, conversation_id: id, seq };
        self.tell_devices(user, by, ServerFrame::MessageHidden(frame));
        Ok(())
    }

    /// # Errors
    /// `retry_later`.
    pub async fn blocked(&self, user: UserId) -> Result<Vec<UserId>, Refusal> {
        let range = FactRange::kinds(FactKind::Blocked, FactKind::Blocked, BLOCKED_MAX);
        let facts = self.facts(user, range).await.map_err(|error| unavailable(&error))?;
        let users = facts.into_iter().filter_map(|fact| match fact {
            Fact::Blocked(user) => Some(user),
            _ => None,
        });
        Ok(users.collect())
    }

    /// Blocks a user, or does no more.
    ///
    /// # Errors
    /// `invalid_field` for oneself and for too many, `retry_later`.
    pub async fn block(&self, by: Identity, user: UserId, blocked: bool) -> Result<(), Refusal> {
        if user == by.user_id {
            return Err(too_many("user: nobody blocks themselves"));
        }
        if blocked && self.blocked(by.user_id).await?.len() >= BLOCKED_MAX {
            return Err(too_many("user: at most 1,000 are blocked"));
        }
        self.keep(by.user_id, vec![(Fact::Blocked(user), !blocked)]).await?;
        let conversation = self.roster.direct_between(by.user_id, user).await;
        self.tell(News {
            user_id: by.user_id,
            by: Some(by.device_id),
            frame: ServerFrame::BlockChanged(BlockChanged { user_id: user, blocked }),
            conversation: conversation.map_err(|error| unavailable(&error))?,
        });
        Ok(())
    }

    /// How far a user has read a thread.
    ///
    /// # Errors
    /// `retry_later`.
    pub async fn thread_positions(
        &self,
        user: UserId,
        id: ConversationId,
    ) -> Result<Vec<(Sequence, Sequence)>, Refusal> {
        let range = FactRange::about(FactKind::ThreadRead, id.as_bytes(), THREADS_TOLD_MAX);
        let facts = self.facts(user, range).await.map_err(|error| unavailable(&error))?;
        let positions = facts.into_iter().filter_map(|fact| match fact {
            Fact::ThreadRead { root, read, .. } => Some((root, read)),
            _ => None,
        });
        Ok(positions.collect())
    }

    /// The user has read a thread up to a number: the highest counts, whoever says it when.
    ///
    /// # Errors
    /// `retry_later`.
    pub async fn read_thread(
        &self,
        user: UserId,
        by: Option<DeviceId>,
        id: ConversationId,
        root: Sequence,
        read: Sequence,
    ) -> Result<(), Refusal> {
        let fact = Fact::ThreadRead { conversation: id, root, read };
        let stamp = i64::try_from(read.0).unwrap_or(i64::MAX);
        let write = schema::record::FactWrite { user_id: user, stamp, fact, is_gone: false };
        let written = self.store.write_facts(vec![write]).await;
        written.map_err(|error| unavailable(&error))?;
        let frame = ThreadRead { conversation_id: id, thread: root, seq: read };
        self.tell_devices(user, by, ServerFrame::ThreadRead(frame));
        Ok(())
    }

    /// Which threads of a conversation a user follows or left by hand, and where its log ended then.
    ///
    /// # Errors
    /// `retry_later`.
    pub async fn thread_follows(
        &self,
        user: UserId,
        id: ConversationId,
    ) -> Result<BTreeMap<Sequence, Followed>, Refusal> {
        let range = FactRange::about(FactKind::ThreadFollowed, id.as_bytes(), THREADS_TOLD_MAX);
        let facts = self.facts(user, range).await.map_err(|error| unavailable(&error))?;
        let follows = facts.into_iter().filter_map(|fact| match fact {
            Fact::ThreadFollowed { root, on, since, .. } => Some((root, Followed { on, since })),
            _ => None,
        });
        Ok(follows.collect())
    }

    /// The user follows a thread of a conversation whose log ends at `since`, or does no more.
    /// Whether it is there, and may be seen, is the caller's to check.
    ///
    /// # Errors
    /// `invalid_field` when too many were followed or left, `retry_later`.
    pub async fn follow_thread(
        &self,
        user: UserId,
        by: Option<DeviceId>,
        id: ConversationId,
        root: Sequence,
        Followed { on, since }: Followed,
    ) -> Result<(), Refusal> {
        let known = self.thread_follows(user, id).await?;
        if known.len() >= THREADS_TOLD_MAX && !known.contains_key(&root) {
            return Err(too_many("thread: too many are followed or left by hand here"));
        }
        let fact = Fact::ThreadFollowed { conversation: id, root, on, since };
        self.keep(user, vec![(fact, false)]).await?;
        let frame = ThreadFollowed { reference: None, conversation_id: id, thread: root, on };
        self.tell_devices(user, by, ServerFrame::ThreadFollowed(frame));
        Ok(())
    }

    /// All of a user's devices hear what became of a scheduled message.
    pub(crate) fn tell_scheduled(&self, user: UserId, changed: ScheduledChanged) {
        self.tell_devices(user, None, ServerFrame::ScheduledChanged(changed));
    }
}
