//! Who is in a conversation, what each may do and see. Pure.

use std::collections::{BTreeMap, BTreeSet};

use schema::record::{
    Ban, Content, Conversation, ConversationKind, ConversationPatch, Draft, Entry, Event, Member,
    Membership, MessageBody, Posting, Role,
};
use schema::wire::{ErrorCode, Refusal, validate};
use schema::{Sequence, UserId};

/// Most members of a direct or group conversation or channel.
pub const MEMBERS_MAX: usize = 10_000;
/// In groups and channels of more members than this only owners and admins mention all of them.
pub const MENTIONABLE_BY_ALL_MAX: usize = 50;
/// Most users that one conversation bans.
pub const BANS_MAX: usize = 10_000;
/// Most users that one entry bans, and that one entry lets in again.
const BANS_CHANGED_MAX: usize = 100;

/// The members of one conversation, past and present.
#[derive(Clone, Debug)]
pub struct Roster {
    pub record: Conversation,
    /// Members of a direct conversation whom the other one blocks.
    pub blocked: BTreeSet<UserId>,
    members: BTreeMap<UserId, Membership>,
    bans: BTreeMap<UserId, Ban>,
}

/// Numbers above `after` up to `up_to` may be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visible {
    pub after: Sequence,
    pub up_to: Sequence,
}

impl Roster {
    #[must_use]
    pub fn new(record: Conversation, members: Vec<Membership>, bans: Vec<Ban>) -> Self {
        let members = members.into_iter().map(|member| (member.user_id, member)).collect();
        let bans = bans.into_iter().map(|ban| (ban.user_id, ban)).collect();
        Self { record, blocked: BTreeSet::new(), members, bans }
    }

    /// Banned users by id.
    pub fn bans(&self) -> impl Iterator<Item = &Ban> {
        self.bans.values()
    }

    #[must_use]
    pub fn is_banned(&self, user: UserId) -> bool {
        self.bans.contains_key(&user)
    }

    /// Current members by user id.
    pub fn current(&self) -> impl Iterator<Item = &Membership> {
        self.members.values().filter(|member| member.is_current())
    }

    #[must_use]
    pub fn get(&self, user: UserId) -> Option<&Membership> {
        self.members.get(&user)
    }

    #[must_use]
    pub fn is_member(&self, user: UserId) -> bool {
        self.get(user).is_some_and(Membership::is_current)
    }

    /// What `user` may see of a log that ends at `head`; `None`: nothing, not even that it exists.
    #[must_use]
    pub fn visible(&self, user: UserId, head: Sequence) -> Option<Visible> {
        match self.get(user) {
            Some(member) => Some(Visible {
                after: member.joined_after.max(self.record.purged_up_to),
                up_to: member.left_at.map_or(head, |left| left.min(head)),
            }),
            None if self.may_read_along(user) => {
                Some(Visible { after: self.record.purged_up_to, up_to: head })
            }
            None => None,
        }
    }

    /// Channels are open to all, but not to those who were removed or banned.
    #[must_use]
    pub fn may_read_along(&self, user: UserId) -> bool {
        self.record.kind == ConversationKind::Channel
            && self.get(user).is_none()
            && !self.is_banned(user)
    }

    /// Applies an entry of the log. Doing it again changes nothing, so a roster read from the
    /// store may be ahead of the entries applied to it.
    pub fn apply(&mut self, entry: &Entry) {
        match &entry.event {
            Event::MembersChanged { added, removed } => {
                removed.iter().for_each(|user| self.remove(*user, entry.seq));
                added.iter().for_each(|member| self.add(*member, entry.seq));
            }
            Event::RolesChanged { members } => {
                for member in members {
                    if let Some(place) = self.members.get_mut(&member.user_id) {
                        place.role = member.role;
                    }
                }
            }
            Event::ConversationChanged(change) => self.record.apply(change),
            Event::BansChanged { banned, unbanned } => {
                for user in banned {
                    self.remove(*user, entry.seq);
                    self.ban(*user, entry);
                }
                for user in unbanned {
                    self.bans.remove(user);
                }
            }
            Event::Joined { .. } => {
                let member = Member { user_id: entry.sender_id, role: Role::Member };
                self.add(member, entry.seq);
            }
            Event::Message(_)
            | Event::MessageEdited { .. }
            | Event::MessageDeleted { .. }
            | Event::ReactionChanged { .. }
            | Event::PinChanged { .. } => {}
        }
    }

    fn add(&mut self, member: Member, seq: Sequence) {
        let joined = Membership {
            user_id: member.user_id,
            role: member.role,
            joined_after: seq.back(1),
            left_at: None,
        };
        let place = self.members.entry(member.user_id).or_insert(joined);
        if place.left_at.is_some_and(|left| left < seq) {
            *place = joined;
        }
    }

    fn remove(&mut self, user: UserId, seq: Sequence) {
        if let Some(place) = self.members.get_mut(&user)
            && place.left_at.is_none()
            && place.joined_after < seq
        {
            place.left_at = Some(seq);
        }
    }

    fn ban(&mut self, user_id: UserId, entry: &Entry) {
        let Entry { seq, sender_id: banned_by, sent_at: banned_at, .. } = *entry;
        self.bans.insert(user_id, Ban { user_id, seq, banned_by, banned_at });
    }

    /// What the server adds to a draft that was checked: when what it says is gone.
    pub fn complete(&self, draft: &mut Draft, target: Option<&Entry>) {
        match &mut draft.event {
            Event::Message(body) => {
                body.expires_after_ms =
                    body.expires_after_ms.or(self.record.profile.disappear_after_ms);
            }
            Event::MessageEdited { expires_at, .. } => {
                *expires_at = target.and_then(Entry::expires_at);
            }
            _ => {}
        }
    }

    /// Checks that the sender may do this now, in a log that ends at `head`.
    ///
    /// # Errors
    /// `not_found` to all but members; `forbidden`, `invalid_field`, `invalid_content`.
    pub fn check(&self, draft: &Draft, head: Sequence) -> Result<(), Refusal> {
        if let Event::Joined { .. } = draft.event {
            return self.check_joining(draft.sender_id);
        }
        let sender = self
            .get(draft.sender_id)
            .filter(|member| member.is_current())
            .ok_or_else(Refusal::not_found)?;
        if self.blocked.contains(&draft.sender_id) {
            return Err(forbidden("this conversation takes no messages from you"));
        }
        if draft.message_id.unix_ms().is_none() {
            let text = "message_id must be a UUIDv7";
            return Err(Refusal::new(ErrorCode::InvalidField, text));
        }
        match &draft.event {
            Event::Message(body) => self.check_message(sender, body, head),
            Event::BansChanged { banned, unbanned } => self.check_bans(sender, banned, unbanned),
            Event::Joined { .. } => Err(Refusal::not_found()),
            Event::MembersChanged { added, removed } => self.check_members(sender, added, removed),
            Event::ConversationChanged(change) => self.check_settings(sender, change),
            Event::RolesChanged { members } => self.check_roles(sender, members),
            Event::MessageEdited { target, content, mentions, .. } => {
                check_target(*target, head)?;
                validate::content(content)?;
                self.check_mentions(sender, mentions)
            }
            Event::ReactionChanged { target, emoji, .. } => {
                check_target(*target, head)?;
                validate::emoji(emoji)
            }
            Event::MessageDeleted { target } => check_target(*target, head),
            Event::PinChanged { target, .. } => {
                check_target(*target, head)?;
                if self.record.kind == ConversationKind::Direct {
                    return Ok(());
                }
                self.check_manager(sender)
            }
        }
    }

    /// Checks that a member may change this message in this way, once [`check`](Self::check) has
    /// nothing against it.
    ///
    /// # Errors
    /// `not_found` when the sender may not see it, `invalid_field`, `forbidden`.
    pub fn check_change(&self, draft: &Draft, target: &Entry) -> Result<(), Refusal> {
        let sender = self.get(draft.sender_id).ok_or_else(Refusal::not_found)?;
        if target.seq <= sender.joined_after {
            return Err(Refusal::not_found());
        }
        let Event::Message(body) = &target.event else {
            let text = "target: the entry is not a message";
            return Err(Refusal::new(ErrorCode::InvalidField, text));
        };
        let is_author = target.sender_id == draft.sender_id;
        match &draft.event {
            Event::MessageDeleted { .. } => {
                let is_manager =
                    sender.role != Role::Member && self.record.kind != ConversationKind::Direct;
                let text = "only who wrote a message, owners and admins may delete it";
                if is_author || is_manager { Ok(()) } else { Err(forbidden(text)) }
            }
            _ if body.content == (Content::Deleted {}) => {
                let text = "target: the message was deleted";
                Err(Refusal::new(ErrorCode::InvalidField, text))
            }
            Event::MessageEdited { .. } if !is_author => {
                Err(forbidden("only who wrote a message may edit it"))
            }
            _ => Ok(()),
        }
    }

    /// Owners give any role to anybody, but the last of them stays one.
    fn check_roles(&self, sender: &Membership, members: &[Member]) -> Result<(), Refusal> {
        self.check_manager(sender)?;
        if sender.role != Role::Owner {
            return Err(forbidden("only owners may change roles"));
        }
        if members.is_empty() || members.iter().any(|member| !self.is_member(member.user_id)) {
            let text = "members: not a member";
            return Err(Refusal::new(ErrorCode::InvalidField, text));
        }
        let new_role =
            |user: UserId| members.iter().find(|it| it.user_id == user).map(|it| it.role);
        let keeps_owner =
            self.current().any(|it| new_role(it.user_id).unwrap_or(it.role) == Role::Owner);
        if !keeps_owner {
            let text = "members: one owner must stay";
            return Err(Refusal::new(ErrorCode::InvalidField, text));
        }
        Ok(())
    }

    fn check_message(
        &self,
        sender: &Membership,
        body: &MessageBody,
        head: Sequence,
    ) -> Result<(), Refusal> {
        validate::message(body)?;
        if sender.role == Role::Member && self.record.posting() == Posting::Admins {
            return Err(forbidden("only owners and admins may post here"));
        }
        for (field, target) in [("reply_to", body.reply_to), ("thread", body.thread)] {
            if target.is_some_and(|target| target == Sequence::START || target > head) {
                let text = format!("{field}: there is no entry with this number");
                return Err(Refusal::new(ErrorCode::InvalidField, text));
            }
        }
        self.check_mentions(sender, &body.mentions)
    }

    fn check_mentions(&self, sender: &Membership, mentions: &[UserId]) -> Result<(), Refusal> {
        if mentions.len() > validate::MENTIONS_MAX {
            let text = format!("mentions: at most {} users", validate::MENTIONS_MAX);
            return Err(Refusal::new(ErrorCode::InvalidField, text));
        }
        if mentions.iter().any(|user| !user.is_group() && !self.is_member(*user)) {
            let text = "mentions: not a member of this conversation";
            return Err(Refusal::new(ErrorCode::InvalidField, text));
        }
        let is_wide = || {
            self.record.kind != ConversationKind::Direct
                && self.current().nth(MENTIONABLE_BY_ALL_MAX).is_some()
        };
        if sender.role == Role::Member && mentions.iter().any(|it| it.is_group()) && is_wide() {
            return Err(forbidden("in a large conversation owners and admins mention everyone"));
        }
        Ok(())
    }

    fn check_manager(&self, sender: &Membership) -> Result<(), Refusal> {
        if self.record.kind == ConversationKind::Direct {
            let text = "a direct conversation has its two members and no name";
            return Err(forbidden(text));
        }
        if sender.role == Role::Member {
            return Err(forbidden("only owners and admins may do this"));
        }
        Ok(())
    }

    fn check_members(
        &self,
        sender: &Membership,
        added: &[Member],
        removed: &[UserId],
    ) -> Result<(), Refusal> {
        let leaves = added.is_empty() && removed == [sender.user_id];
        if leaves && self.record.kind != ConversationKind::Direct {
            return self.check_owner_stays(removed);
        }
        self.check_manager(sender)?;
        let reaches_up = added.iter().any(|member| !outranks(sender, member.role))
            || removed.iter().any(|user| self.is_above(sender, *user));
        if reaches_up {
            let text = "admins may add and remove members only";
            return Err(forbidden(text));
        }
        self.check_owner_stays(removed)?;
        if added.iter().any(|member| self.is_banned(member.user_id)) {
            let text = "members: banned; lift the ban first";
            return Err(Refusal::new(ErrorCode::InvalidField, text));
        }
        if added.iter().any(|member| self.is_member(member.user_id)) {
            let text = "members: already a member";
            return Err(Refusal::new(ErrorCode::InvalidField, text));
        }
        if removed.iter().any(|user| !self.is_member(*user)) {
            let text = "members: not a member";
            return Err(Refusal::new(ErrorCode::InvalidField, text));
        }
        self.check_room(added.len())
    }

    fn check_room(&self, added: usize) -> Result<(), Refusal> {
        if self.current().count() + added > MEMBERS_MAX {
            let text = format!("members: at most {MEMBERS_MAX}");
            return Err(Refusal::new(ErrorCode::InvalidField, text));
        }
        Ok(())
    }

    /// Admins do not reach owners and other admins.
    fn is_above(&self, sender: &Membership, user: UserId) -> bool {
        let place = self.get(user).filter(|place| place.is_current());
        place.is_some_and(|it| it.user_id != sender.user_id && !outranks(sender, it.role))
    }

    /// Whoever stays has an owner: the last one gives the role on before going.
    fn check_owner_stays(&self, removed: &[UserId]) -> Result<(), Refusal> {
        let owners_go = removed
            .iter()
            .any(|user| self.get(*user).is_some_and(|place| place.role == Role::Owner));
        let mut staying = self.current().filter(|it| !removed.contains(&it.user_id)).peekable();
        if !owners_go || staying.peek().is_none() || staying.any(|it| it.role == Role::Owner) {
            return Ok(());
        }
        let text = "members: one owner must stay; give somebody the role first";
        Err(Refusal::new(ErrorCode::InvalidField, text))
    }

    fn check_settings(
        &self,
        sender: &Membership,
        change: &ConversationPatch,
    ) -> Result<(), Refusal> {
        validate::conversation_change(change)?;
        if self.record.kind == ConversationKind::Direct && change.is_about_disappearing() {
            return Ok(());
        }
        self.check_manager(sender)
    }

    fn check_bans(
        &self,
        sender: &Membership,
        banned: &[UserId],
        unbanned: &[UserId],
    ) -> Result<(), Refusal> {
        self.check_manager(sender)?;
        let invalid = |text: &'static str| Err(Refusal::new(ErrorCode::InvalidField, text));
        if banned.len() > BANS_CHANGED_MAX || unbanned.len() > BANS_CHANGED_MAX {
            return invalid("bans: too many at once");
        }
        if banned.contains(&sender.user_id) {
            return invalid("bans: nobody bans themselves");
        }
        if banned.iter().any(|user| self.is_above(sender, *user)) {
            return Err(forbidden("admins may ban members only"));
        }
        self.check_owner_stays(banned)?;
        if banned.iter().any(|user| self.is_banned(*user)) {
            return invalid("bans: already banned");
        }
        if unbanned.iter().any(|user| !self.is_banned(*user)) {
            return invalid("bans: not banned");
        }
        if self.bans.len() + banned.len() > BANS_MAX {
            return invalid("bans: too many");
        }
        Ok(())
    }

    /// Whoever was let in by an invite: the invite was checked where it was used.
    fn check_joining(&self, user: UserId) -> Result<(), Refusal> {
        if self.record.kind == ConversationKind::Direct || self.is_banned(user) {
            return Err(Refusal::not_found());
        }
        if self.is_member(user) {
            let text = "members: already a member";
            return Err(Refusal::new(ErrorCode::InvalidField, text));
        }
        self.check_room(1)
    }
}

/// Owners reach everybody, admins members.
fn outranks(sender: &Membership, role: Role) -> bool {
    sender.role == Role::Owner || role == Role::Member
}

fn check_target(target: Sequence, head: Sequence) -> Result<(), Refusal> {
    if target == Sequence::START || target > head {
        let text = "target: there is no entry with this number";
        return Err(Refusal::new(ErrorCode::InvalidField, text));
    }
    Ok(())
}

fn forbidden(text: &'static str) -> Refusal {
    Refusal::new(ErrorCode::Forbidden, text)
}
