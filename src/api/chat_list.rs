//! `/v1/users/{id}/conversations`: one's own chat list, newest first.

use actix_web::{get, web};
use actors::node::{ChatRow, Counts};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use schema::record::{ConversationSettings, UnsentDraft};
use schema::rest::{ChatList, ChatListItem, Problem, UserView};
use schema::wire::{LogFrame, Refusal};
use schema::{ConversationId, UserId};
use serde::Deserialize;
use utoipa_actix_web::service_config::ServiceConfig;

use super::conversations::user_views;
use super::identity::Caller;
use super::problem::ApiError;
use super::state::ApiState;
use super::users;

const LIMIT_DEFAULT: usize = 50;
const LIMIT_MAX: usize = 200;

pub(super) fn routes(config: &mut ServiceConfig) {
    config.service(list_conversations);
}

#[derive(Deserialize, utoipa::IntoParams)]
struct Paging {
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// At most 200; default 50.
    limit: Option<usize>,
    /// Those alone that one archived, or that one did not.
    archived: Option<bool>,
}

/// Where a page ended: when its last conversation last had a message, and which it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Cursor {
    active_at: i64,
    conversation_id: ConversationId,
}

impl Cursor {
    fn of(row: &ChatRow) -> Self {
        let overview = &row.overview;
        let created_at = overview.conversation.created_at;
        Self {
            active_at: overview.last_sent_at.unwrap_or(created_at),
            conversation_id: overview.conversation.conversation_id,
        }
    }

    fn encode(self) -> String {
        let mut bytes = [0_u8; 24];
        bytes[..8].copy_from_slice(&self.active_at.to_be_bytes());
        bytes[8..].copy_from_slice(self.conversation_id.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn decode(text: &str) -> Result<Self, ApiError> {
        let wrong = || ApiError::field("cursor", "is not one that this server gave");
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| wrong())?;
        let (active_at, id) = bytes.split_at_checked(8).ok_or_else(wrong)?;
        Ok(Self {
            active_at: i64::from_be_bytes(active_at.try_into().map_err(|_| wrong())?),
            conversation_id: ConversationId::from_bytes(id.try_into().map_err(|_| wrong())?),
        })
    }
}

/// One's own conversations with unread counts, newest first. `me` is allowed as the id.
#[utoipa::path(
    tag = "conversations",
    params(("id" = String, Path, description = "One's own id, or `me`"), Paging),
    responses(
        (status = 200, body = ChatList),
        (status = 404, body = Problem, description = "`not_found`: not your list"),
    )
)]
#[get("/users/{id}/conversations")]
async fn list_conversations(
    state: web::Data<ApiState>,
    Caller(identity): Caller,
    id: web::Path<String>,
    paging: web::Query<Paging>,
) -> Result<web::Json<ChatList>, ApiError> {
    let user = identity.user_id;
    if *id != "me" && id.parse() != Ok(user) {
        return Err(Refusal::not_found().into());
    }
    let limit = paging.limit.unwrap_or(LIMIT_DEFAULT).clamp(1, LIMIT_MAX);
    let after = paging.cursor.as_deref().map(Cursor::decode).transpose()?;
    let held = state.personal.conversations(user).await?;
    let settings_of = |row: &ChatRow| {
        held.get(&row.overview.conversation.conversation_id).copied().unwrap_or_default()
    };
    let mut rows = state.node.chat_list(user).await?;
    rows.retain(|row| paging.archived.is_none_or(|wanted| settings_of(row).archived == wanted));
    let (page, next_cursor) = page_of(rows, after, limit);
    let counts = state.node.chat_counts(user, &page).await?;
    let ids = page.iter().map(|row| row.overview.conversation.conversation_id);
    let drafts = state.personal.drafts(user, ids.collect()).await?;
    let peers = page.iter().filter_map(|row| row.overview.peer).collect();
    let mut peers = user_views(&state, peers).await?;
    let own = counts.into_iter().zip(drafts);
    let conversations = page.into_iter().zip(own).map(|(row, (counts, draft))| {
        let settings = settings_of(&row);
        let peer = row
            .overview
            .peer
            .map(|peer: UserId| peers.remove(&peer).unwrap_or_else(|| users::view_of_nobody(peer)));
        item(row, peer, Own { counts, settings, draft })
    });
    Ok(web::Json(ChatList { conversations: conversations.collect(), next_cursor }))
}

/// At most `limit` rows below `after`, and the cursor of the last one if more follow.
fn page_of(
    mut rows: Vec<ChatRow>,
    after: Option<Cursor>,
    limit: usize,
) -> (Vec<ChatRow>, Option<String>) {
    rows.sort_by_key(|row| std::cmp::Reverse(Cursor::of(row)));
    rows.retain(|row| after.is_none_or(|after| Cursor::of(row) < after));
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| more).map(|row| Cursor::of(row).encode());
    (rows, next)
}

/// What is the caller's own of a row.
struct Own {
    counts: Counts,
    settings: ConversationSettings,
    draft: Option<UnsentDraft>,
}

fn item(row: ChatRow, peer: Option<UserView>, own: Own) -> ChatListItem {
    let ChatRow { overview, last, .. } = row;
    ChatListItem {
        conversation_id: overview.conversation.conversation_id,
        kind: overview.conversation.kind,
        name: overview.conversation.name,
        photo: overview.conversation.profile.photo,
        peer,
        generation: overview.conversation.generation,
        head: overview.head,
        read: overview.read,
        unread: own.counts.unread,
        mentions: own.counts.mentions,
        settings: own.settings,
        draft: own.draft,
        last: last.as_ref().map(LogFrame::from),
        role: overview.membership.role,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use schema::Sequence;
    use schema::record::{
        Conversation, ConversationKind, ConversationOverview, ConversationProfile, Membership, Role,
    };

    use super::*;

    fn row(number: u8, last_sent_at: Option<i64>, created_at: i64) -> ChatRow {
        let user_id = UserId::from_bytes([9; 16]);
        let conversation = Conversation {
            conversation_id: ConversationId::from_bytes([number; 16]),
            kind: ConversationKind::Group,
            name: None,
            profile: ConversationProfile::default(),
            purged_up_to: Sequence::START,
            created_by: user_id,
            created_at,
            generation: 1,
        };
        let membership =
            Membership { user_id, role: Role::Member, joined_after: Sequence(4), left_at: None };
        let overview = ConversationOverview {
            conversation,
            membership,
            head: Sequence(10),
            last_sent_at,
            read: Sequence(number.into()),
            delivered: Sequence::START,
            peer: None,
        };
        ChatRow { overview, last: None, memory: None, here: BTreeSet::new() }
    }

    fn numbers(rows: &[ChatRow]) -> Vec<u8> {
        rows.iter().map(|row| row.overview.conversation.conversation_id.as_bytes()[0]).collect()
    }

    #[test]
    fn pages_follow_each_other_without_repeats() {
        let rows =
            vec![row(1, Some(10), 0), row(2, Some(30), 0), row(3, None, 20), row(4, Some(30), 0)];
        let (first, cursor) = page_of(rows.clone(), None, 3);
        assert_eq!(numbers(&first), [4, 2, 3]);
        let after = Cursor::decode(&cursor.unwrap()).unwrap();
        let (second, cursor) = page_of(rows.clone(), Some(after), 3);
        assert_eq!(numbers(&second), [1]);
        assert_eq!(cursor, None);
        assert_eq!(page_of(rows, None, 4).1, None);
    }

    #[test]
    fn what_one_may_see_above_what_was_read_is_unread() {
        assert_eq!(row(2, None, 0).seen(), Sequence(4), "since one came");
        assert_eq!(row(7, None, 0).seen(), Sequence(7));
    }

    #[test]
    fn foreign_cursors_are_refused() {
        for text in ["", "!!!", "AAAA", &URL_SAFE_NO_PAD.encode([0_u8; 25])] {
            assert!(Cursor::decode(text).is_err(), "{text:?}");
        }
    }
}
