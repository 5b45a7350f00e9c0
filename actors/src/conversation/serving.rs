//! The state of a conversation that serves: what it knows, and what it tells its listeners.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use schema::record::{ConversationKind, Entry, Event, Role};
use schema::wire::Refusal;
use schema::{ConnectionId, ConversationId, Sequence, SequenceRange, UserId};
use tokio::time::Instant;

use super::busiest::Busiest;
use super::changes::Judging;
use super::delivery::{Delivery, DeliveryItem};
use super::fan_out::Listeners;
use super::load::Loaded;
use super::messages::{Described, Join, Joined, LogEntry, Peeked, ToMember};
use super::outgoing::Outgoing;
use super::pending::Pending;
use super::read::Reads;
use super::recent::Recent;
use super::registry::Audience;
use super::roster::Roster;
use super::statuses::Statuses;
use crate::monitor::trace::{self, Station};
use crate::sequencer::{Opened, SequencerHandle};

/// A reader's claim to have more than is known here.
#[derive(Clone, Copy)]
pub(super) struct Claim {
    pub position: Sequence,
    pub since: Instant,
    /// The store was asked since, and does not show it.
    pub is_doubtful: bool,
    /// When the store was asked last.
    pub looked_at: Option<Instant>,
}

impl Claim {
    pub fn to(position: Sequence) -> Self {
        Self { position, since: Instant::now(), is_doubtful: false, looked_at: None }
    }
}

/// A conversation that serves.
pub(super) struct Serving {
    pub roster: Roster,
    pub sequencer: SequencerHandle,
    pub life: u64,
    pub head: Sequence,
    /// The log reaches to here, at least: what lies between is being read.
    pub known_head: Sequence,
    pub repairing_since: Option<Instant>,
    /// A reader claims to have more than is known here.
    pub claim: Option<Claim>,
    /// Pages that wait for what their readers claim to have.
    pub held_pages: usize,
    pub materialised: Sequence,
    pub recent: Recent,
    pub listeners: Listeners,
    pub outgoing: Outgoing,
    pub outgoing_armed: bool,
    pub pending: Pending,
    pub reads: Reads,
    pub judging: Judging,
    pub statuses: Statuses,
    pub statuses_armed: bool,
    pub blocks_read_at: Instant,
    busiest: Arc<Busiest>,
}

impl Serving {
    pub fn new(loaded: Loaded, busiest: Arc<Busiest>) -> Self {
        let mut serving = Self {
            roster: loaded.roster,
            sequencer: loaded.sequencer,
            life: loaded.life,
            head: Sequence::START,
            known_head: Sequence::START,
            repairing_since: None,
            claim: None,
            held_pages: 0,
            materialised: loaded.opened.materialised,
            recent: Recent::default(),
            listeners: Listeners::default(),
            outgoing: Outgoing::default(),
            outgoing_armed: false,
            pending: Pending::default(),
            reads: Reads::default(),
            judging: Judging::default(),
            statuses: Statuses::default(),
            statuses_armed: false,
            blocks_read_at: Instant::now(),
            busiest,
        };
        serving.take_over_log(&loaded.opened);
        serving
    }

    /// Starts from what the sequencer handed over: nobody listens yet.
    fn take_over_log(&mut self, opened: &Opened) {
        for entry in &opened.recent {
            self.roster.apply(entry);
            self.recent.push(Arc::new(LogEntry::new(entry.clone())), self.materialised);
            self.scrub(entry);
        }
        self.head = opened.head;
    }

    /// Entries are known to be stored that have not come.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        self.head < self.known_head
    }

    pub fn deliver(
        &mut self,
        id: ConversationId,
        entries: &[Entry],
        origins: &[(Sequence, ConnectionId)],
        audience: &dyn Audience,
    ) {
        for entry in entries {
            self.head = entry.seq;
            self.roster.apply(entry);
            let log = Arc::new(LogEntry::new(entry.clone()));
            self.recent.push(log.clone(), self.materialised);
            self.scrub(entry);
            let origin = origins.iter().find(|(seq, _)| *seq == entry.seq).map(|(_, it)| *it);
            self.outgoing.push(DeliveryItem { log, origin });
            match &entry.event {
                Event::MembersChanged { added, removed: gone } => {
                    for member in added {
                        self.welcome(id, member.user_id, audience);
                    }
                    if !gone.is_empty() {
                        self.dismiss(id, gone);
                    }
                }
                Event::Joined { .. } => self.welcome(id, entry.sender_id, audience),
                Event::BansChanged { banned, .. } if !banned.is_empty() => {
                    self.dismiss(id, banned);
                }
                _ => {}
            }
        }
    }

    /// Who is removed hears of it, and of nothing after it.
    fn dismiss(&mut self, id: ConversationId, gone: &[UserId]) {
        self.send_all_out(id);
        for user in gone.iter().filter(|user| !self.roster.is_member(**user)) {
            if let Some(listener) = self.listeners.remove(*user) {
                let _ = listener.try_send(ToMember::Left { conversation: id });
            }
        }
    }

    /// How long what is to go out may wait; `None` when there is nothing, or others are being told
    /// what came before.
    pub fn send_out_in(&self) -> Option<Duration> {
        if self.listeners.is_under_way() {
            return None;
        }
        self.outgoing.wait(self.listeners.count(), Instant::now())
    }

    /// Hands everything to everyone who listens, before something else is said.
    pub fn send_all_out(&mut self, id: ConversationId) {
        self.send_out(id);
        self.listeners.finish();
    }

    /// Begins to hand to those who listen what waited for it.
    pub fn send_out(&mut self, id: ConversationId) {
        let Some(batch) = self.outgoing.take(Instant::now()) else { return };
        self.busiest.note(id, batch.items().len(), self.listeners.count());
        for item in batch.items() {
            trace::enter(item.log.entry.message_id, Station::FanOut);
        }
        let delivery = Delivery { conversation: id, batch: Arc::new(batch) };
        self.listeners.deliver(delivery.clone());
        for item in delivery.batch.items() {
            trace::leave(item.log.entry.message_id, Station::FanOut);
        }
    }

    fn scrub(&mut self, entry: &Entry) {
        if let Event::MessageDeleted { target } = entry.event {
            self.recent.scrub(target);
        }
    }

    /// A new member who is online hears of it before the entry that says so.
    fn welcome(&mut self, id: ConversationId, user: UserId, audience: &dyn Audience) {
        if let Some(listener) = audience.listener(user) {
            self.listeners.add(user, listener, false);
            self.tell_joined(id, user);
        }
    }

    pub fn tell_joined(&mut self, id: ConversationId, user: UserId) {
        if let Some(joined) = self.joined(id, user) {
            self.listeners.tell(user, ToMember::Joined(joined));
        }
    }

    fn joined(&self, id: ConversationId, user: UserId) -> Option<Joined> {
        let visible = self.roster.visible(user, self.head)?;
        Some(Joined {
            conversation: id,
            generation: self.roster.record.generation,
            head: visible.up_to,
            visible_after: visible.after,
            peer: self.peer_of(user),
        })
    }

    /// The other user of a direct conversation.
    fn peer_of(&self, user: UserId) -> Option<UserId> {
        let is_direct = self.roster.record.kind == ConversationKind::Direct;
        let mut others = self.roster.current().filter(|it| it.user_id != user);
        others.next().filter(|_| is_direct).map(|it| it.user_id)
    }

    /// What memory says of the log's end, to one who has read up to `seen`.
    pub fn peek(
        &self,
        reader: UserId,
        seen: Sequence,
        here: &BTreeSet<Sequence>,
    ) -> Option<Peeked> {
        let visible = self.roster.visible(reader, self.head)?;
        let (head, seen) = (visible.up_to, seen.max(visible.after));
        let last = self.recent.get(head).cloned();
        let ordinal = |seq: Sequence| match seq {
            Sequence::START => Some(0),
            seq => self.recent.get(seq).map(|log| log.entry.ordinal),
        };
        let unread = match (ordinal(head), ordinal(seen)) {
            _ if seen >= head => Some(0),
            (Some(head), Some(seen)) => Some(head.saturating_sub(seen)),
            _ => None,
        };
        let above = seen.max(self.materialised);
        let (_, fresh) = self.recent.split(SequenceRange::new(above.next(), head));
        let mentions = fresh.iter().filter(|log| match &log.entry.event {
            Event::Message(body) => {
                let was_here = here.contains(&log.entry.seq);
                body.mentions.iter().any(|it| it.means(reader, was_here))
            }
            _ => false,
        });
        let mentions = mentions.count() as u64;
        Some(Peeked { head, last, unread, materialised: self.materialised, mentions })
    }

    pub fn join(&mut self, id: ConversationId, join: &Join) -> Result<Joined, Refusal> {
        let member = self.roster.is_member(join.user);
        let may_read = member || (join.as_reader && self.roster.may_read_along(join.user));
        let joined = self.joined(id, join.user).filter(|_| may_read);
        let joined = joined.ok_or_else(Refusal::not_found)?;
        self.listeners.add(join.user, join.listener.clone(), !member);
        if join.reply.is_none() {
            self.listeners.tell(join.user, ToMember::Joined(joined));
        }
        Ok(joined)
    }

    pub fn described(&self, reader: UserId) -> Result<Described, Refusal> {
        let membership = self.roster.get(reader).filter(|it| it.is_current()).copied();
        if membership.is_none() && !self.roster.may_read_along(reader) {
            return Err(Refusal::not_found());
        }
        let members = match membership {
            Some(_) => self.roster.current().copied().collect(),
            None => Vec::new(),
        };
        let is_manager = membership.is_some_and(|it| it.role != Role::Member);
        let bans = if is_manager { self.roster.bans().copied().collect() } else { Vec::new() };
        let (record, head) = (self.roster.record.clone(), self.head);
        Ok(Described { record, membership, members, bans, head })
    }
}
