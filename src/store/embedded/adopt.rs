//! Taking over from another store what its entries do not say any more, or never did.

use actors::ports::StoreError;
use rusqlite::{Connection, params};
use schema::record::{Ban, ConversationPatch, Member};
use schema::{ConversationId, Sequence};

use super::export::{ExportedInvite, ExportedMembership};
use super::failure::Failure;
use super::messages::{entry_id, head};
use super::rows::to_column;
use super::store::Store;
use super::{bans, invites, materialise, roster};

/// What the removed entries of a log had brought about. Later entries have the last word.
#[derive(Clone, Debug)]
pub struct RemovedPart {
    pub conversation_id: ConversationId,
    /// Entries up to there were removed for good.
    pub up_to: Sequence,
    /// The store's own last word, if all entries were removed: milliseconds since 1970 UTC.
    pub last_sent_at: i64,
    pub settings: ConversationPatch,
    /// With numbers up to `up_to`.
    pub memberships: Vec<(ExportedMembership, schema::record::Role)>,
    /// The same: who is banned.
    pub bans: Vec<Ban>,
}

fn adopt(connection: &Connection, part: &RemovedPart) -> Result<(), Failure> {
    let id = part.conversation_id;
    let number = match head(connection, id)? {
        Some((number, _)) => number,
        None => materialise::new_number(connection, id)?,
    };
    let sql = "UPDATE conversation_heads
               SET last_sent_at = iif(head < ?2, ?3, last_sent_at), head = max(head, ?2),
                   purged_up_to = max(purged_up_to, ?2)
               WHERE number = ?1";
    let row = params![number, to_column(part.up_to.0), part.last_sent_at];
    connection.prepare_cached(sql)?.execute(row)?;
    // Removed while they were copied.
    let removed = params![entry_id(number, 0), entry_id(number, part.up_to.0)];
    let sql = "DELETE FROM messages WHERE entry_id BETWEEN ?1 AND ?2";
    connection.prepare_cached(sql)?.execute(removed)?;
    let sql = "DELETE FROM message_changes WHERE target_id BETWEEN ?1 AND ?2";
    connection.prepare_cached(sql)?.execute(removed)?;
    roster::change_settings(connection, id, part.up_to, &part.settings)?;
    for (place, role) in &part.memberships {
        if let Some(at) = place.added_at.filter(|at| *at <= part.up_to) {
            let member = Member { user_id: place.user_id, role: *role };
            roster::add_member(connection, id, member, at)?;
        }
        if let Some(at) = place.removed_at.filter(|at| *at <= part.up_to) {
            roster::remove_member(connection, id, place.user_id, at)?;
        }
    }
    part.bans.iter().try_for_each(|ban| bans::note(connection, id, ban, true))
}

impl Store {
    /// Notes what removed entries had brought about, and that they were removed.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn adopt_removed(&self, part: RemovedPart) -> Result<(), StoreError> {
        self.write("adopt_removed", move |connection: &Connection| adopt(connection, &part)).await
    }

    /// Takes over an invite of another store, and who came by it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn adopt_invite(&self, invite: ExportedInvite) -> Result<(), StoreError> {
        let work = move |connection: &Connection| invites::adopt(connection, &invite);
        self.write("adopt_invite", work).await
    }
}
