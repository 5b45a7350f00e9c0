//! Conversations, their members, and the pairs of direct ones.

use actors::ports::{Applied, Created, NewConversation, PortFuture, RosterStore};
use schema::record::{
    Ban, Conversation, ConversationKind, ConversationOverview, ConversationProfile, Member,
    MemberPosition, Membership, PositionAdvance,
};
use schema::{ConversationId, DeviceId, Sequence, UserId};
use uuid::Uuid;

use super::failure::Failure;
use super::materialise::{CREATED, Plan};
use super::rows::{kind, kind_text, membership, role, role_text};
use super::store::{Store, all, answer};

type ConversationColumns = (Option<String>, Option<String>, Option<Uuid>, Option<i64>);
type PairColumns =
    (Option<Uuid>, Option<String>, Option<Uuid>, Option<i64>, Option<String>, Option<String>);

/// The two users of a direct conversation, the lower first; `None` for other kinds.
fn pair_of(new: &NewConversation) -> Result<Option<(Member, Member)>, Failure> {
    match (new.kind, &new.members[..]) {
        (ConversationKind::Direct, [one, other]) if one.user_id < other.user_id => {
            Ok(Some((*one, *other)))
        }
        (ConversationKind::Direct, [one, other]) if one.user_id > other.user_id => {
            Ok(Some((*other, *one)))
        }
        (ConversationKind::Direct, _) => {
            Err(Failure::damaged("a direct conversation has exactly two members"))
        }
        _ => Ok(None),
    }
}

impl Store {
    pub(super) async fn read_conversation(
        &self,
        id: ConversationId,
    ) -> Result<Option<Conversation>, Failure> {
        let statement = &self.statements().conversation;
        let row = self.row::<ConversationColumns>(statement, (id.0,));
        let (settings, purged) = (self.read_settings(id), self.read_purged(id));
        let (row, settings, purged_up_to) = tokio::try_join!(row, settings, purged)?;
        // A row without a kind has only been renamed.
        let Some((Some(kind_text), name, created_by, created_at)) = row else { return Ok(None) };
        let (Some(created_by), Some(created_at)) = (created_by, created_at) else {
            return Err(Failure::damaged("a conversation's row is not whole"));
        };
        Ok(Some(Conversation {
            conversation_id: id,
            kind: kind(&kind_text)?,
            name,
            profile: settings,
            purged_up_to,
            created_by: UserId(created_by),
            created_at,
            generation: self.facts().generation,
        }))
    }

    async fn read_members(&self, id: ConversationId) -> Result<Vec<Membership>, Failure> {
        type Columns = (Uuid, Option<String>, Option<i64>, Option<i64>);
        let rows = self.rows::<Columns>(&self.statements().members, (id.0,)).await?;
        let mut members = Vec::with_capacity(rows.len());
        for (user, role, added, removed) in rows {
            members.extend(membership(UserId(user), role.as_deref(), added, removed)?);
        }
        // The database sorts ids by their version first.
        members.sort_unstable_by_key(|member| member.user_id);
        Ok(members)
    }

    async fn read_membership(
        &self,
        id: ConversationId,
        user: UserId,
    ) -> Result<Option<Membership>, Failure> {
        type Columns = (Option<String>, Option<i64>, Option<i64>);
        let row = self.row::<Columns>(&self.statements().member, (id.0, user.0)).await?;
        let Some((role, added, removed)) = row else { return Ok(None) };
        membership(user, role.as_deref(), added, removed)
    }

    async fn create_conversation(&self, new: NewConversation) -> Result<Created, Failure> {
        let Some((low, high)) = pair_of(&new)? else {
            return match self.read_conversation(new.conversation_id).await? {
                Some(existing) => Ok(Created::Existing(existing)),
                None => Ok(Created::New(self.write_conversation(&new).await?)),
            };
        };
        let is_new = self.reserve_pair(&new, low, high).await? == Applied::Yes;
        if is_new {
            return Ok(Created::New(self.write_conversation(&new).await?));
        }
        let existing = self.conversation_of_pair(low.user_id, high.user_id).await?;
        let row = self.read_conversation(existing.conversation_id).await?;
        // Whoever reserved the pair has not come further, perhaps never will.
        match row {
            Some(row) => Ok(Created::Existing(row)),
            None => Ok(Created::Existing(self.write_conversation(&existing).await?)),
        }
    }

    pub(super) async fn reserve_pair(
        &self,
        new: &NewConversation,
        low: Member,
        high: Member,
    ) -> Result<Applied, Failure> {
        let row = (
            low.user_id.0,
            high.user_id.0,
            new.conversation_id.0,
            new.name.as_deref(),
            new.created_by.0,
            new.created_at,
            role_text(low.role),
            role_text(high.role),
        );
        self.conditional(&self.statements().reserve_pair, row).await
    }

    /// The conversation that a pair has, as its creator wanted it.
    async fn conversation_of_pair(
        &self,
        low: UserId,
        high: UserId,
    ) -> Result<NewConversation, Failure> {
        let row = self.row::<PairColumns>(&self.statements().pair, (low.0, high.0)).await?;
        let Some((Some(id), name, Some(created_by), Some(created_at), Some(one), Some(other))) =
            row
        else {
            return Err(Failure::damaged("the row of a pair is not whole"));
        };
        let member = |user_id, text: &str| Ok::<_, Failure>(Member { user_id, role: role(text)? });
        Ok(NewConversation {
            conversation_id: ConversationId(id),
            kind: ConversationKind::Direct,
            name,
            created_by: UserId(created_by),
            created_at,
            members: vec![member(low, &one)?, member(high, &other)?],
        })
    }

    /// Writes members first and the conversation's own row last: it exists once that is there.
    /// Every row is older than any commit, so a repeat never undoes one.
    pub(super) async fn write_conversation(
        &self,
        new: &NewConversation,
    ) -> Result<Conversation, Failure> {
        let id = new.conversation_id;
        let mut plan = Plan::default();
        for member in &new.members {
            plan.add_member(id, *member, Sequence::START, CREATED);
        }
        let peers = match (new.kind, &new.members[..]) {
            (ConversationKind::Direct, [one, other]) => {
                vec![(one.user_id, other.user_id), (other.user_id, one.user_id)]
            }
            _ => Vec::new(),
        };
        self.write_peers(id, &peers, CREATED).await?;
        self.carry_out(plan).await?;
        let conversation = Conversation {
            conversation_id: id,
            kind: new.kind,
            name: new.name.clone(),
            profile: ConversationProfile::default(),
            purged_up_to: Sequence::START,
            created_by: new.created_by,
            created_at: new.created_at,
            generation: self.facts().generation,
        };
        self.write_conversation_row(&conversation, CREATED).await?;
        Ok(conversation)
    }

    /// Notes for each user who the other one of a direct conversation is.
    pub(super) async fn write_peers(
        &self,
        id: ConversationId,
        peers: &[(UserId, UserId)],
        timestamp: i64,
    ) -> Result<(), Failure> {
        let statement = &self.statements().insert_peer;
        let rows = peers.iter().map(|(user, peer)| (user.0, id.0, peer.0, timestamp));
        all(rows.map(|row| self.write(statement, row)).collect()).await?;
        Ok(())
    }

    pub(super) async fn write_conversation_row(
        &self,
        row: &Conversation,
        timestamp: i64,
    ) -> Result<(), Failure> {
        let columns = (
            row.conversation_id.0,
            kind_text(row.kind),
            row.name.as_deref(),
            row.created_by.0,
            row.created_at,
            timestamp,
        );
        self.write(&self.statements().insert_conversation, columns).await
    }
}

impl RosterStore for Store {
    fn create(&self, new: NewConversation) -> PortFuture<Created> {
        let store = self.clone();
        Box::pin(async move { answer("create_conversation", store.create_conversation(new)).await })
    }

    fn conversation(&self, id: ConversationId) -> PortFuture<Option<Conversation>> {
        let store = self.clone();
        Box::pin(async move { answer("conversation", store.read_conversation(id)).await })
    }

    fn direct_between(&self, one: UserId, other: UserId) -> PortFuture<Option<ConversationId>> {
        let store = self.clone();
        Box::pin(async move {
            let pair = (one.min(other).0, one.max(other).0);
            let row = store.row::<(Option<Uuid>,)>(&store.statements().conversation_of_pair, pair);
            let row = answer("direct_between", row).await?;
            Ok(row.and_then(|(id,)| id).map(ConversationId))
        })
    }

    fn members(&self, id: ConversationId) -> PortFuture<Vec<Membership>> {
        let store = self.clone();
        Box::pin(async move { answer("members", store.read_members(id)).await })
    }

    fn membership(&self, id: ConversationId, user: UserId) -> PortFuture<Option<Membership>> {
        let store = self.clone();
        Box::pin(async move { answer("membership", store.read_membership(id, user)).await })
    }

    fn bans(&self, id: ConversationId) -> PortFuture<Vec<Ban>> {
        let store = self.clone();
        Box::pin(async move { answer("bans", store.read_bans(id)).await })
    }

    fn conversations_of(
        &self,
        user: UserId,
        device: Option<DeviceId>,
    ) -> PortFuture<Vec<ConversationOverview>> {
        let store = self.clone();
        Box::pin(async move { answer("conversations_of", store.chat_list(user, device)).await })
    }

    fn positions_of(&self, id: ConversationId) -> PortFuture<Vec<MemberPosition>> {
        let store = self.clone();
        Box::pin(async move { answer("positions_of", store.positions_of_conversation(id)).await })
    }

    fn advance_positions(&self, advances: Vec<PositionAdvance>) -> PortFuture<()> {
        let store = self.clone();
        Box::pin(async move {
            answer("advance_positions", async { store.write_positions(&advances).await }).await
        })
    }

    fn advance_positions_at_leisure(&self, advances: Vec<PositionAdvance>) -> PortFuture<()> {
        self.write_at_leisure(advances)
    }
}
