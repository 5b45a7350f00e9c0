//! `/v1/search`: full text over what one may see.

use actix_web::{get, web};
use schema::record::Entry;
use schema::rest::{Problem, SearchHit, SearchResults};
use schema::wire::{ErrorCode, LogFrame, Refusal};
use schema::{ConversationId, UserId};
use serde::Deserialize;
use utoipa_actix_web::service_config::ServiceConfig;

use super::identity::Caller;
use super::problem::ApiError;
use super::state::ApiState;
use crate::search::SearchQuery;

const LIMIT_DEFAULT: u32 = 20;
const LIMIT_MAX: u32 = 100;
/// Nobody pages further: better words find better.
const OFFSET_MAX: u32 = 1_000;
/// Times that the index is asked again because of what one hid.
const ROUNDS_MAX: u32 = 50;
const TEXT_CHARACTERS_MAX: usize = 256;

pub(super) fn routes(config: &mut ServiceConfig) {
    config.service(search);
}

#[derive(Deserialize, utoipa::IntoParams)]
struct Search {
    /// Words; all must be there, the last may be the beginning of one.
    q: String,
    /// In this conversation alone.
    conversation_id: Option<ConversationId>,
    /// Sent by this user.
    from: Option<UserId>,
    /// Sent at or after, milliseconds since 1970 UTC.
    since: Option<i64>,
    /// Sent at or before, milliseconds since 1970 UTC.
    until: Option<i64>,
    /// At most 100; default 20.
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Finds messages, best first, in whatever conversations one is or was in.
#[utoipa::path(
    tag = "messages", params(Search),
    responses(
        (status = 200, body = SearchResults),
        (status = 404, body = Problem, description = "`not_found`: this server has no search"),
        (status = 422, body = Problem, description = "`invalid_field`"),
        (status = 503, body = Problem, description = "`retry_later`: the index does not answer"),
    )
)]
#[get("/search")]
async fn search(
    state: web::Data<ApiState>,
    Caller(identity): Caller,
    asked: web::Query<Search>,
) -> Result<web::Json<SearchResults>, ApiError> {
    let Some(index) = &state.search else {
        return Err(Refusal::new(ErrorCode::NotFound, "this server has no search").into());
    };
    let asked = asked.into_inner();
    if asked.q.chars().count() > TEXT_CHARACTERS_MAX {
        return Err(ApiError::field("q", format!("at most {TEXT_CHARACTERS_MAX} characters")));
    }
    let limit = asked.limit.unwrap_or(LIMIT_DEFAULT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(ApiError::field("limit", format!("must be 1 to {LIMIT_MAX}")));
    }
    let offset = match asked.cursor.as_deref().map(str::parse) {
        None => 0,
        Some(Ok(offset)) if offset <= OFFSET_MAX => offset,
        Some(_) => return Err(ApiError::field("cursor", "not one that this server gave")),
    };
    let hidden = state.personal.hidden(identity.user_id).await?;
    let is_hidden = |entry: &Entry| {
        hidden.get(&entry.conversation_id).is_some_and(|it| it.contains(&entry.seq))
    };
    let mut query = SearchQuery {
        reader: identity.user_id,
        text: asked.q,
        conversation: asked.conversation_id,
        from: asked.from,
        since: asked.since,
        until: asked.until,
        now_ms: state.clock.now_ms(),
        offset,
        limit,
    };
    let (mut hits, mut next) = (Vec::new(), None);
    // In place of what one hid the next ones are shown.
    for _ in 0..ROUNDS_MAX {
        let page = index.search(query.clone()).await?;
        let shown = page.hits.into_iter().filter(|hit| !is_hidden(&hit.entry));
        hits.extend(shown.map(|hit| SearchHit {
            entry: LogFrame::from(&hit.entry),
            highlights: hit.highlights,
        }));
        next = page.next.filter(|next| *next <= OFFSET_MAX);
        let missing = limit.saturating_sub(u32::try_from(hits.len()).unwrap_or(u32::MAX));
        match next {
            Some(offset) if missing > 0 => (query.offset, query.limit) = (offset, missing),
            _ => break,
        }
    }
    let next_cursor = next.map(|next| next.to_string());
    Ok(web::Json(SearchResults { hits, next_cursor }))
}
