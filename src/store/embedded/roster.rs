//! Conversations, their members, and the pairs of direct ones.

use actors::ports::{Created, NewConversation, PortFuture, RosterStore};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};
use schema::record::{
    Ban, Conversation, ConversationKind, ConversationOverview, ConversationPatch, Member,
    MemberPosition, Membership, PositionAdvance, ProfileLog, Role,
};
use schema::{ConversationId, DeviceId, Sequence, UserId};

use super::bans::bans;
use super::chat_list::chat_list;
use super::failure::Failure;
use super::job::WriteRows;
use super::positions::{positions_of, write_positions};
use super::queue::Lane;
use super::rows::{id, sequence, to_column, unknown_text};
use super::store::Store;

const fn role_text(role: Role) -> &'static str {
    match role {
        Role::Owner => "owner",
        Role::Admin => "admin",
        Role::Member => "member",
    }
}

fn role(row: &Row<'_>, index: usize) -> rusqlite::Result<Role> {
    match row.get_ref(index)?.as_str()? {
        "owner" => Ok(Role::Owner),
        "admin" => Ok(Role::Admin),
        "member" => Ok(Role::Member),
        other => Err(unknown_text(index, other)),
    }
}

const fn kind_text(kind: ConversationKind) -> &'static str {
    match kind {
        ConversationKind::Direct => "direct",
        ConversationKind::Group => "group",
        ConversationKind::Channel => "channel",
    }
}

fn kind(row: &Row<'_>, index: usize) -> rusqlite::Result<ConversationKind> {
    match row.get_ref(index)?.as_str()? {
        "direct" => Ok(ConversationKind::Direct),
        "group" => Ok(ConversationKind::Group),
        "channel" => Ok(ConversationKind::Channel),
        other => Err(unknown_text(index, other)),
    }
}

/// The columns of [`conversation_row`], of `conversations c`.
pub(super) const CONVERSATION_COLUMNS: &str =
    "c.conversation_id, c.kind, c.name, c.created_by, c.created_at, c.settings,
     coalesce((SELECT l.purged_up_to FROM conversation_heads l
               WHERE l.conversation_id = c.conversation_id), 0)";

/// A conversation from the seven of [`CONVERSATION_COLUMNS`].
pub(super) fn conversation_row(row: &Row<'_>, generation: u32) -> rusqlite::Result<Conversation> {
    Ok(Conversation {
        conversation_id: id(row, 0, ConversationId::from_bytes)?,
        kind: kind(row, 1)?,
        name: row.get(2)?,
        profile: settings(row, 5)?.profile(),
        purged_up_to: sequence(row, 6)?,
        created_by: id(row, 3, UserId::from_bytes)?,
        created_at: row.get(4)?,
        generation,
    })
}

fn settings(row: &Row<'_>, index: usize) -> rusqlite::Result<ProfileLog> {
    let Some(packed) = row.get_ref(index)?.as_blob_or_null()? else {
        return Ok(ProfileLog::default());
    };
    rmp_serde::from_slice(packed).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(index, Type::Blob, Box::new(error))
    })
}

/// Notes what entry `at` changes beside the name.
pub(super) fn change_settings(
    connection: &Connection,
    conversation: ConversationId,
    at: Sequence,
    change: &ConversationPatch,
) -> Result<(), Failure> {
    let sql = "SELECT settings FROM conversations WHERE conversation_id = ?1";
    let noted = connection
        .prepare_cached(sql)?
        .query_row([conversation.as_bytes()], |row| settings(row, 0))
        .optional()?;
    let Some(mut noted) = noted else { return Ok(()) };
    if !noted.note(at, change) {
        return Ok(());
    }
    let packed = rmp_serde::to_vec_named(&noted)
        .map_err(|error| Failure::Damaged(format!("settings cannot be packed: {error}")))?;
    let sql = "UPDATE conversations SET settings = ?2 WHERE conversation_id = ?1";
    connection.prepare_cached(sql)?.execute(params![conversation.as_bytes(), packed])?;
    Ok(())
}

/// A place from three columns that begin at `index`: role, latest addition, latest removal.
pub(super) fn membership_row(
    row: &Row<'_>,
    index: usize,
    user_id: UserId,
) -> rusqlite::Result<Membership> {
    let added_at = sequence(row, index + 1)?;
    let removed_at: i64 = row.get(index + 2)?;
    let left_at = u64::try_from(removed_at).ok().map(Sequence).filter(|left| *left >= added_at);
    Ok(Membership { user_id, role: role(row, index)?, joined_after: added_at.back(1), left_at })
}

pub(super) fn conversation(
    connection: &Connection,
    id: ConversationId,
    generation: u32,
) -> Result<Option<Conversation>, Failure> {
    let sql =
        format!("SELECT {CONVERSATION_COLUMNS} FROM conversations c WHERE c.conversation_id = ?1");
    let found = connection
        .prepare_cached(&sql)?
        .query_row([id.as_bytes()], |row| conversation_row(row, generation));
    Ok(found.optional()?)
}

fn members(connection: &Connection, id_: ConversationId) -> Result<Vec<Membership>, Failure> {
    let sql = "SELECT user_id, role, added_seq, removed_seq FROM memberships
               WHERE conversation_id = ?1 AND added_seq >= 0 ORDER BY user_id";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([id_.as_bytes()], |row| {
        membership_row(row, 1, id(row, 0, UserId::from_bytes)?)
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn membership(
    connection: &Connection,
    id: ConversationId,
    user: UserId,
) -> Result<Option<Membership>, Failure> {
    let sql = "SELECT role, added_seq, removed_seq FROM memberships
               WHERE conversation_id = ?1 AND user_id = ?2 AND added_seq >= 0";
    let found = connection
        .prepare_cached(sql)?
        .query_row([id.as_bytes(), user.as_bytes()], |row| membership_row(row, 0, user));
    Ok(found.optional()?)
}

/// Notes an addition at entry `at`, zero for a first member.
pub(super) fn add_member(
    connection: &Connection,
    conversation: ConversationId,
    member: Member,
    at: Sequence,
) -> Result<(), Failure> {
    let sql = "INSERT INTO memberships (conversation_id, user_id, role, added_seq, removed_seq)
               VALUES (?1, ?2, ?3, ?4, -1)
               ON CONFLICT DO UPDATE
               SET role = iif(role_seq > excluded.added_seq, role, excluded.role),
                   added_seq = excluded.added_seq
               WHERE excluded.added_seq > memberships.added_seq";
    connection.prepare_cached(sql)?.execute(params![
        conversation.as_bytes(),
        member.user_id.as_bytes(),
        role_text(member.role),
        to_column(at.0)
    ])?;
    Ok(())
}

/// Notes another role of a member, given by entry `at`.
pub(super) fn change_role(
    connection: &Connection,
    conversation: ConversationId,
    member: Member,
    at: Sequence,
) -> Result<(), Failure> {
    let sql = "INSERT INTO memberships
                   (conversation_id, user_id, role, added_seq, removed_seq, role_seq)
               VALUES (?1, ?2, ?3, -1, -1, ?4)
               ON CONFLICT DO UPDATE SET role = excluded.role, role_seq = excluded.role_seq
               WHERE excluded.role_seq > max(memberships.role_seq, memberships.added_seq)";
    connection.prepare_cached(sql)?.execute(params![
        conversation.as_bytes(),
        member.user_id.as_bytes(),
        role_text(member.role),
        to_column(at.0)
    ])?;
    Ok(())
}

/// Notes a removal at entry `at`, also of someone whose addition is not here yet.
pub(super) fn remove_member(
    connection: &Connection,
    conversation: ConversationId,
    user: UserId,
    at: Sequence,
) -> Result<(), Failure> {
    let sql = "INSERT INTO memberships (conversation_id, user_id, role, added_seq, removed_seq)
               VALUES (?1, ?2, 'member', -1, ?3)
               ON CONFLICT DO UPDATE SET removed_seq = excluded.removed_seq
               WHERE excluded.removed_seq > memberships.removed_seq";
    let row = params![conversation.as_bytes(), user.as_bytes(), to_column(at.0)];
    connection.prepare_cached(sql)?.execute(row)?;
    Ok(())
}

/// The two users of a direct conversation, the lower first; `None` for other kinds.
fn pair_of(new: &NewConversation) -> Result<Option<(UserId, UserId)>, Failure> {
    match (new.kind, &new.members[..]) {
        (ConversationKind::Direct, [one, other]) if one.user_id != other.user_id => {
            let (one, other) = (one.user_id, other.user_id);
            Ok(Some((one.min(other), one.max(other))))
        }
        (ConversationKind::Direct, _) => {
            Err(Failure::damaged("a direct conversation has exactly two members"))
        }
        _ => Ok(None),
    }
}

/// The conversation that a pair has.
fn conversation_of_pair(
    connection: &Connection,
    (low, high): (UserId, UserId),
) -> Result<Option<ConversationId>, Failure> {
    let sql = "SELECT conversation_id FROM direct_pairs
               WHERE low_user_id = ?1 AND high_user_id = ?2";
    let found = connection
        .prepare_cached(sql)?
        .query_row([low.as_bytes(), high.as_bytes()], |row| id(row, 0, ConversationId::from_bytes));
    Ok(found.optional()?)
}

fn write_pair(
    connection: &Connection,
    (low, high): (UserId, UserId),
    conversation: ConversationId,
) -> Result<(), Failure> {
    let sql = "INSERT INTO direct_pairs (low_user_id, high_user_id, conversation_id)
               VALUES (?1, ?2, ?3)";
    let row = params![low.as_bytes(), high.as_bytes(), conversation.as_bytes()];
    connection.prepare_cached(sql)?.execute(row)?;
    Ok(())
}

fn create(
    connection: &Connection,
    new: &NewConversation,
    generation: u32,
) -> Result<Created, Failure> {
    let id = new.conversation_id;
    let pair = pair_of(new)?;
    let existing = match pair {
        Some(pair) => conversation_of_pair(connection, pair)?,
        None => None,
    };
    if let Some(existing) = conversation(connection, existing.unwrap_or(id), generation)? {
        return Ok(Created::Existing(existing));
    }
    if let Some(pair) = pair {
        write_pair(connection, pair, id)?;
    }
    let sql = "INSERT INTO conversations
                   (conversation_id, kind, name, named_seq, created_by, created_at)
               VALUES (?1, ?2, ?3, 0, ?4, ?5)";
    connection.prepare_cached(sql)?.execute(params![
        id.as_bytes(),
        kind_text(new.kind),
        new.name,
        new.created_by.as_bytes(),
        new.created_at
    ])?;
    for member in &new.members {
        add_member(connection, id, *member, Sequence::START)?;
    }
    conversation(connection, id, generation)?
        .map(Created::New)
        .ok_or_else(|| Failure::damaged("a conversation that was made is not there"))
}

impl Store {
    fn write_advances(&self, lane: Lane, advances: Vec<PositionAdvance>) -> PortFuture<()> {
        let count = advances.len();
        let job = WriteRows::job("advance_positions", count, move |connection, rows| {
            write_positions(connection, &advances[rows])
        });
        Box::pin(self.submit(lane, job))
    }
}

impl RosterStore for Store {
    fn create(&self, new: NewConversation) -> PortFuture<Created> {
        let generation = self.facts().generation;
        let work = move |connection: &Connection| create(connection, &new, generation);
        Box::pin(self.write("create_conversation", work))
    }

    fn conversation(&self, id: ConversationId) -> PortFuture<Option<Conversation>> {
        let generation = self.facts().generation;
        let work = move |connection: &Connection| conversation(connection, id, generation);
        Box::pin(self.read("conversation", work))
    }

    fn direct_between(&self, one: UserId, other: UserId) -> PortFuture<Option<ConversationId>> {
        let pair = (one.min(other), one.max(other));
        let work = move |connection: &Connection| conversation_of_pair(connection, pair);
        Box::pin(self.read("direct_between", work))
    }

    fn members(&self, id: ConversationId) -> PortFuture<Vec<Membership>> {
        Box::pin(self.read("members", move |connection| members(connection, id)))
    }

    fn membership(&self, id: ConversationId, user: UserId) -> PortFuture<Option<Membership>> {
        Box::pin(self.read("membership", move |connection| membership(connection, id, user)))
    }

    fn bans(&self, id: ConversationId) -> PortFuture<Vec<Ban>> {
        Box::pin(self.read("bans", move |connection| bans(connection, id)))
    }

    fn conversations_of(
        &self,
        user: UserId,
        device: Option<DeviceId>,
    ) -> PortFuture<Vec<ConversationOverview>> {
        let generation = self.facts().generation;
        let work = move |connection: &Connection| chat_list(connection, user, device, generation);
        Box::pin(self.read("conversations_of", work))
    }

    fn positions_of(&self, id: ConversationId) -> PortFuture<Vec<MemberPosition>> {
        Box::pin(self.read("positions_of", move |connection| positions_of(connection, id)))
    }

    fn advance_positions(&self, advances: Vec<PositionAdvance>) -> PortFuture<()> {
        self.write_advances(Lane::Background, advances)
    }

    fn advance_positions_at_leisure(&self, advances: Vec<PositionAdvance>) -> PortFuture<()> {
        self.write_advances(Lane::Leisure, advances)
    }
}
