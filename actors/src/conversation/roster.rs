//! Who is in a conversation, what each may do and see. Pure.

use std::collections::BTreeMap;

use schema::record::{
    Conversation, ConversationKind, Draft, Entry, Event, Member, Membership, MessageBody, Role,
};
use schema::wire::{ErrorCode, Refusal, validate};
use schema::{Sequence, UserId};

/// Most members of a direct or group conversation or channel.
pub const MEMBERS_MAX: usize = 10_000;

/// The members of one conversation, past and present.
#[derive(Clone, Debug)]
pub struct Roster {
    pub record: Conversation,
    members: BTreeMap<UserId, Membership>,
}

/// Numbers above `after` up to `up_to` may be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visible {
    pub after: Sequence,
    pub up_to: Sequence,
}

impl Roster {
    #[must_use]
    pub fn new(record: Conversation, members: Vec<Membership>) -> Self {
        let members = members.into_iter().map(|member| (member.user_id, member)).collect();
        Self { record, members }
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
                after: member.joined_after,
                up_to: member.left_at.map_or(head, |left| left.min(head)),
            }),
            None if self.record.kind == ConversationKind::Channel => {
                Some(Visible { after: Sequence::START, up_to: head })
            }
            None => None,
        }
    }

    /// Applies an entry of the log. Doing it again changes nothing, so a roster read from the
    /// store may be ahead of the entries applied to it.
    pub fn apply(&mut self, entry: &Entry) {
        match &entry.event {
            Event::Message(_) => {}
            Event::MembersChanged { added, removed } => {
                removed.iter().for_each(|user| self.remove(*user, entry.seq));
                added.iter().for_each(|member| self.add(*member, entry.seq));
            }
            Event::ConversationChanged { name } => self.record.name.clone_from(name),
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

    /// Checks that the sender may do this now, in a log that ends at `head`.
    ///
    /// # Errors
    /// `not_found` to all but members; `forbidden`, `invalid_field`, `invalid_content`.
    pub fn check(&self, draft: &Draft, head: Sequence) -> Result<(), Refusal> {
        let sender = self
            .get(draft.sender_id)
            .filter(|member| member.is_current())
            .ok_or_else(Refusal::not_found)?;
        if draft.message_id.unix_ms().is_none() {
            let text = "message_id must be a UUIDv7";
            return Err(Refusal::new(ErrorCode::InvalidField, text));
        }
        match &draft.event {
            Event::Message(body) => self.check_message(body, head),
            Event::MembersChanged { added, removed } => self.check_members(sender, added, removed),
            Event::ConversationChanged { .. } => self.check_manager(sender),
        }
    }

    fn check_message(&self, body: &MessageBody, head: Sequence) -> Result<(), Refusal> {
        validate::message(body)?;
        for (field, target) in [("reply_to", body.reply_to), ("thread", body.thread)] {
            if target.is_some_and(|target| target == Sequence::START || target > head) {
                let text = format!("{field}: there is no entry with this number");
                return Err(Refusal::new(ErrorCode::InvalidField, text));
            }
        }
        if body.mentions.iter().any(|user| !self.is_member(*user)) {
            let text = "mentions: not a member of this conversation";
            return Err(Refusal::new(ErrorCode::InvalidField, text));
        }
        Ok(())
    }

    fn check_manager(&self, sender: &Membership) -> Result<(), Refusal> {
        if self.record.kind == ConversationKind::Direct {
            let text = "a direct conversation has its two members and no name";
            return Err(Refusal::new(ErrorCode::Forbidden, text));
        }
        if sender.role == Role::Member {
            return Err(Refusal::new(ErrorCode::Forbidden, "only owners and admins may do this"));
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
            return Ok(());
        }
        self.check_manager(sender)?;
        let outranks = |role: Role| sender.role == Role::Owner || role == Role::Member;
        let reaches_up = added.iter().any(|member| !outranks(member.role))
            || removed.iter().any(|user| {
                self.get(*user).is_some_and(|it| it.user_id != sender.user_id && !outranks(it.role))
            });
        if reaches_up {
            let text = "admins may add and remove members only";
            return Err(Refusal::new(ErrorCode::Forbidden, text));
        }
        if added.iter().any(|member| self.is_member(member.user_id)) {
            let text = "members: already a member";
            return Err(Refusal::new(ErrorCode::InvalidField, text));
        }
        if removed.iter().any(|user| !self.is_member(*user)) {
            let text = "members: not a member";
            return Err(Refusal::new(ErrorCode::InvalidField, text));
        }
        if self.current().count() + added.len() > MEMBERS_MAX {
            let text = format!("members: at most {MEMBERS_MAX}");
            return Err(Refusal::new(ErrorCode::InvalidField, text));
        }
        Ok(())
    }
}
