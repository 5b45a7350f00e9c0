//! Conversations, members, pairs and positions.

use std::collections::{BTreeMap, BTreeSet};

use schema::record::{
    Ban, Conversation, ConversationKind, ConversationOverview, ConversationPatch,
    ConversationProfile, Entry, Member, MemberPosition, Membership, PositionAdvance, ProfileLog,
    Role,
};
use schema::{ConversationId, DeviceId, Sequence, UserId};

use super::store::{MemoryStore, Tables, answer, found};
use crate::ports::{Created, NewConversation, PortFuture, RosterStore, StoreError};

#[derive(Default)]
pub(super) struct Roster {
    conversations: BTreeMap<ConversationId, ConversationRow>,
    places: BTreeMap<(ConversationId, UserId), Place>,
    /// Where each user is or was.
    conversations_of: BTreeMap<UserId, BTreeSet<ConversationId>>,
    pairs: BTreeMap<(UserId, UserId), ConversationId>,
    read: BTreeMap<(UserId, ConversationId), Sequence>,
    delivered: BTreeMap<(DeviceId, ConversationId), Sequence>,
    positions: BTreeMap<(ConversationId, UserId), MemberPosition>,
    /// The last word on each user: a ban, or its end.
    bans: BTreeMap<(ConversationId, UserId), (Ban, bool)>,
    settings: BTreeMap<ConversationId, ProfileLog>,
}

struct ConversationRow {
    conversation: Conversation,
    /// The entry that named it last.
    named_at: Sequence,
}

/// The latest addition and the latest removal of a user decide, in whatever order they come.
#[derive(Clone, Copy, Default)]
struct Place {
    /// Zero for a first member.
    added: Option<(Sequence, Role)>,
    removed: Option<Sequence>,
    /// The last change of the role alone.
    role_changed: Option<(Sequence, Role)>,
}

impl Place {
    /// `None` for a user of whom only a removal is known.
    fn membership(self, user_id: UserId) -> Option<Membership> {
        let (added_at, role) = self.added?;
        let changed = self.role_changed.filter(|(at, _)| *at > added_at);
        let role = changed.map_or(role, |(_, role)| role);
        let left_at = self.removed.filter(|&removed_at| removed_at >= added_at);
        Some(Membership { user_id, role, joined_after: added_at.back(1), left_at })
    }
}

impl Roster {
    pub fn members_changed(&mut self, entry: &Entry, added: &[Member], removed: &[UserId]) {
        for member in added {
            self.add(entry.conversation_id, *member, entry.seq);
        }
        for &user in removed {
            let place = self.places.entry((entry.conversation_id, user)).or_default();
            place.removed = place.removed.max(Some(entry.seq));
        }
    }

    pub fn roles_changed(&mut self, entry: &Entry, members: &[Member]) {
        for member in members {
            let key = (entry.conversation_id, member.user_id);
            let place = self.places.entry(key).or_default();
            if place.role_changed.is_none_or(|(at, _)| at < entry.seq) {
                place.role_changed = Some((entry.seq, member.role));
            }
        }
    }

    pub fn bans_changed(&mut self, entry: &Entry, users: &[UserId], is_banned: bool) {
        for &user_id in users {
            let (seq, banned_by, banned_at) = (entry.seq, entry.sender_id, entry.sent_at);
            let said = (Ban { user_id, seq, banned_by, banned_at }, is_banned);
            let last = self.bans.entry((entry.conversation_id, user_id)).or_insert(said);
            if last.0.seq < seq {
                *last = said;
            }
        }
    }

    pub fn changed(&mut self, entry: &Entry, change: &ConversationPatch) {
        self.settings.entry(entry.conversation_id).or_default().note(entry.seq, change);
        let Some(name) = &change.name else { return };
        if let Some(row) = self.conversations.get_mut(&entry.conversation_id)
            && row.named_at < entry.seq
        {
            row.named_at = entry.seq;
            row.conversation.name = Some(name.clone());
        }
    }

    fn add(&mut self, conversation: ConversationId, member: Member, at: Sequence) {
        self.conversations_of.entry(member.user_id).or_default().insert(conversation);
        let place = self.places.entry((conversation, member.user_id)).or_default();
        if place.added.is_none_or(|(added_at, _)| added_at < at) {
            place.added = Some((at, member.role));
        }
    }

    fn create(&mut self, new: NewConversation) -> Result<Created, StoreError> {
        let pair = pair_of(&new)?;
        let existing = pair.and_then(|pair| self.pairs.get(&pair)).copied();
        if let Some(row) = self.conversations.get(&existing.unwrap_or(new.conversation_id)) {
            return Ok(Created::Existing(row.conversation.clone()));
        }
        if let Some(pair) = pair {
            self.pairs.insert(pair, new.conversation_id);
        }
        for member in &new.members {
            self.add(new.conversation_id, *member, Sequence::START);
        }
        let conversation = Conversation {
            conversation_id: new.conversation_id,
            kind: new.kind,
            name: new.name,
            profile: ConversationProfile::default(),
            purged_up_to: Sequence::START,
            created_by: new.created_by,
            created_at: new.created_at,
            generation: 1,
        };
        let row = ConversationRow { conversation: conversation.clone(), named_at: Sequence::START };
        self.conversations.insert(new.conversation_id, row);
        Ok(Created::New(conversation))
    }

    fn members(&self, id: ConversationId) -> impl Iterator<Item = Membership> {
        let everyone = (id, UserId(uuid::Uuid::nil()))..=(id, UserId(uuid::Uuid::max()));
        self.places.range(everyone).filter_map(|((_, user), place)| place.membership(*user))
    }

    fn membership(&self, id: ConversationId, user: UserId) -> Option<Membership> {
        self.places.get(&(id, user))?.membership(user)
    }

    fn advance(&mut self, advance: PositionAdvance) {
        let PositionAdvance { user_id, conversation_id, delivered, read, is_private } = advance;
        if let Some(seq) = read {
            let row = self.read.entry((user_id, conversation_id)).or_default();
            *row = seq.max(*row);
        }
        if let Some((device, seq)) = delivered {
            let row = self.delivered.entry((device, conversation_id)).or_default();
            *row = seq.max(*row);
        }
        if is_private {
            return;
        }
        let none = Sequence::START;
        let position = self.positions.entry((conversation_id, user_id)).or_insert(MemberPosition {
            user_id,
            delivered: none,
            read: none,
        });
        position.read = position.read.max(read.unwrap_or(none));
        position.delivered = position.delivered.max(delivered.map_or(none, |(_, seq)| seq));
    }
}

/// The two users of a direct conversation, the lower first.
///
/// # Errors
/// `Damaged` for a direct conversation that is not of exactly two users.
fn pair_of(new: &NewConversation) -> Result<Option<(UserId, UserId)>, StoreError> {
    match (new.kind, &new.members[..]) {
        (ConversationKind::Direct, [one, other]) if one.user_id != other.user_id => {
            let (one, other) = (one.user_id, other.user_id);
            Ok(Some((one.min(other), one.max(other))))
        }
        (ConversationKind::Direct, _) => {
            Err(StoreError::Damaged("a direct conversation has exactly two members".to_owned()))
        }
        _ => Ok(None),
    }
}

impl Tables {
    fn conversation(&self, id: ConversationId) -> Option<Conversation> {
        let mut conversation = self.roster.conversations.get(&id)?.conversation.clone();
        let settings = self.roster.settings.get(&id);
        conversation.profile = settings.map(ProfileLog::profile).unwrap_or_default();
        conversation.purged_up_to = self.messages.purged_up_to(id);
        Some(conversation)
    }

    fn overview(
        &self,
        id: ConversationId,
        user: UserId,
        device: Option<DeviceId>,
    ) -> Option<ConversationOverview> {
        let roster = &self.roster;
        let membership = roster.membership(id, user).filter(Membership::is_current)?;
        let conversation = self.conversation(id)?;
        let peer = (conversation.kind == ConversationKind::Direct)
            .then(|| roster.members(id).map(|member| member.user_id).find(|&peer| peer != user))
            .flatten();
        let last = self.messages.last(id);
        let delivered = device.and_then(|device| roster.delivered.get(&(device, id)));
        Some(ConversationOverview {
            conversation,
            membership,
            head: last.map_or(Sequence::START, |entry| entry.seq),
            last_sent_at: last.map(|entry| entry.sent_at),
            read: roster.read.get(&(user, id)).copied().unwrap_or_default(),
            delivered: delivered.copied().unwrap_or_default(),
            peer,
        })
    }
}

impl RosterStore for MemoryStore {
    fn create(&self, conversation: NewConversation) -> PortFuture<Created> {
        answer(self.tables().roster.create(conversation))
    }

    fn conversation(&self, id: ConversationId) -> PortFuture<Option<Conversation>> {
        found(self.tables().conversation(id))
    }

    fn direct_between(&self, one: UserId, other: UserId) -> PortFuture<Option<ConversationId>> {
        let pair = (one.min(other), one.max(other));
        found(self.tables().roster.pairs.get(&pair).copied())
    }

    fn members(&self, id: ConversationId) -> PortFuture<Vec<Membership>> {
        found(self.tables().roster.members(id).collect())
    }

    fn membership(&self, id: ConversationId, user: UserId) -> PortFuture<Option<Membership>> {
        found(self.tables().roster.membership(id, user))
    }

    fn bans(&self, id: ConversationId) -> PortFuture<Vec<Ban>> {
        let everyone = (id, UserId(uuid::Uuid::nil()))..=(id, UserId(uuid::Uuid::max()));
        let tables = self.tables();
        let bans = tables.roster.bans.range(everyone).map(|(_, said)| *said);
        found(bans.filter(|(_, is_banned)| *is_banned).map(|(ban, _)| ban).collect())
    }

    fn positions_of(&self, id: ConversationId) -> PortFuture<Vec<MemberPosition>> {
        let everyone = (id, UserId(uuid::Uuid::nil()))..=(id, UserId(uuid::Uuid::max()));
        found(self.tables().roster.positions.range(everyone).map(|(_, it)| *it).collect())
    }

    fn conversations_of(
        &self,
        user: UserId,
        device: Option<DeviceId>,
    ) -> PortFuture<Vec<ConversationOverview>> {
        let tables = self.tables();
        let ids = tables.roster.conversations_of.get(&user).into_iter().flatten();
        found(ids.filter_map(|&id| tables.overview(id, user, device)).collect())
    }

    fn advance_positions(&self, advances: Vec<PositionAdvance>) -> PortFuture<()> {
        let mut tables = self.tables();
        for advance in advances {
            tables.roster.advance(advance);
        }
        found(())
    }
}
