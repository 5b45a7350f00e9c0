//! Changes of messages: each a numbered entry of the log.

use actix_web::{HttpResponse, delete, get, patch, put, web};
use actors::node::Page;
use schema::record::{Content, Event};
use schema::rest::{EditHistory, EditMessageRequest, Problem, SentMessage};
use schema::wire::{DeleteScope, LogFrame, Refusal, validate};
use schema::{ConversationId, Sequence, UserId};
use serde::Deserialize;
use utoipa_actix_web::service_config::ServiceConfig;

use super::body::Valid;
use super::entries::{Sent, submit, submit_as};
use super::identity::Caller;
use super::problem::ApiError;
use super::state::ApiState;

pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .service(edit_message)
        .service(delete_message)
        .service(get_edits)
        .service(react)
        .service(take_reaction_back)
        .service(pin)
        .service(unpin);
}

type MessagePath = web::Path<(ConversationId, u64)>;
type ReactionPath = web::Path<(ConversationId, u64, String)>;

/// Says something else in place of an own message.
#[utoipa::path(
    tag = "messages",
    params(("id" = ConversationId, Path), ("seq" = u64, Path)),
    request_body = EditMessageRequest,
    responses(
        (status = 200, body = SentMessage, description = "The edit's number"),
        (status = 403, body = Problem, description = "`forbidden`: who wrote it edits it"),
        (status = 404, body = Problem, description = "`not_found`: none that you may see"),
        (status = 422, body = Problem, description = "`invalid_content`, `invalid_field`"),
    )
)]
#[patch("/conversations/{id}/messages/{seq}")]
async fn edit_message(
    state: web::Data<ApiState>,
    Caller(identity): Caller,
    path: MessagePath,
    Valid(body): Valid<EditMessageRequest>,
) -> Sent {
    let (id, seq) = path.into_inner();
    validate::content(&body.content)?;
    let event = Event::MessageEdited {
        target: Sequence(seq),
        content: body.content,
        mentions: body.mentions.unwrap_or_default(),
        expires_at: None,
    };
    submit_as(&state, identity.user_id, id, event, body.message_id).await
}

#[derive(Deserialize, utoipa::IntoParams)]
struct Scope {
    /// `everyone` (default), or `me`: for oneself alone.
    #[param(inline)]
    scope: Option<DeleteScope>,
}

/// Takes a message away for everyone, or for oneself alone; its number stays.
#[utoipa::path(
    tag = "messages",
    params(("id" = ConversationId, Path), ("seq" = u64, Path), Scope),
    responses(
        (status = 200, body = SentMessage, description = "The deletion's number"),
        (status = 204, description = "Deleted for oneself"),
        (status = 403, body = Problem,
            description = "`forbidden`: who wrote it, owners and admins delete"),
        (status = 404, body = Problem, description = "`not_found`: none that you may see"),
    )
)]
#[delete("/conversations/{id}/messages/{seq}")]
async fn delete_message(
    state: web::Data<ApiState>,
    Caller(identity): Caller,
    path: MessagePath,
    scope: web::Query<Scope>,
) -> Result<HttpResponse, ApiError> {
    let (id, seq) = path.into_inner();
    let target = Sequence(seq);
    if scope.scope == Some(DeleteScope::Me) {
        state.node.hide(identity, id, target).await?;
        return Ok(HttpResponse::NoContent().finish());
    }
    let event = Event::MessageDeleted { target };
    let sent = submit(&state, identity.user_id, id, event).await?;
    Ok(HttpResponse::Ok().json(sent.into_inner()))
}

/// What a message said, oldest first: itself and its edits.
#[utoipa::path(
    tag = "messages",
    params(("id" = ConversationId, Path), ("seq" = u64, Path)),
    responses(
        (status = 200, body = EditHistory),
        (status = 404, body = Problem, description = "`not_found`: none that you may see"),
    )
)]
#[get("/conversations/{id}/messages/{seq}/edits")]
async fn get_edits(
    state: web::Data<ApiState>,
    Caller(identity): Caller,
    path: MessagePath,
) -> Result<web::Json<EditHistory>, ApiError> {
    let (id, seq) = path.into_inner();
    let before = Page::Before(Sequence(seq).forward(1));
    let page = state.node.history(identity.user_id, id, before, 1).await?;
    let message = page.entries.into_iter().find(|entry| entry.seq == Sequence(seq));
    let message = message.ok_or_else(Refusal::not_found)?;
    if let Event::Message(body) = &message.event
        && body.content == (Content::Deleted {})
    {
        // Gone for everyone, or for who asks: neither are its edits there.
        return Ok(web::Json(EditHistory { versions: vec![LogFrame::from(&message)] }));
    }
    let mut changes = state.node.changes(id, Sequence(seq)).await?;
    changes.sort_unstable_by_key(|entry| entry.seq);
    let edits = changes
        .iter()
        .filter(|it| it.seq <= page.head && matches!(it.event, Event::MessageEdited { .. }));
    let versions = std::iter::once(&message).chain(edits).map(LogFrame::from).collect();
    Ok(web::Json(EditHistory { versions }))
}

/// Puts an emoji under a message.
#[utoipa::path(
    tag = "messages",
    params(("id" = ConversationId, Path), ("seq" = u64, Path), ("emoji" = String, Path)),
    responses(
        (status = 200, body = SentMessage, description = "The reaction's number"),
        (status = 404, body = Problem, description = "`not_found`: none that you may see"),
        (status = 422, body = Problem, description = "`invalid_field`"),
    )
)]
#[put("/conversations/{id}/messages/{seq}/reactions/{emoji}")]
async fn react(state: web::Data<ApiState>, Caller(identity): Caller, path: ReactionPath) -> Sent {
    change_reaction(&state, identity.user_id, path, true).await
}

/// Takes an emoji back.
#[utoipa::path(
    tag = "messages",
    params(("id" = ConversationId, Path), ("seq" = u64, Path), ("emoji" = String, Path)),
    responses(
        (status = 200, body = SentMessage, description = "The entry's number"),
        (status = 404, body = Problem, description = "`not_found`: none that you may see"),
        (status = 422, body = Problem, description = "`invalid_field`"),
    )
)]
#[delete("/conversations/{id}/messages/{seq}/reactions/{emoji}")]
async fn take_reaction_back(
    state: web::Data<ApiState>,
    Caller(identity): Caller,
    path: ReactionPath,
) -> Sent {
    change_reaction(&state, identity.user_id, path, false).await
}

async fn change_reaction(state: &ApiState, by: UserId, path: ReactionPath, on: bool) -> Sent {
    let (id, seq, emoji) = path.into_inner();
    validate::emoji(&emoji)?;
    submit(state, by, id, Event::ReactionChanged { target: Sequence(seq), emoji, on }).await
}

/// Holds a message up for all to see.
#[utoipa::path(
    tag = "messages",
    params(("id" = ConversationId, Path), ("seq" = u64, Path)),
    responses(
        (status = 200, body = SentMessage, description = "The entry's number"),
        (status = 403, body = Problem, description = "`forbidden`: owners and admins pin"),
        (status = 404, body = Problem, description = "`not_found`: none that you may see"),
    )
)]
#[put("/conversations/{id}/messages/{seq}/pin")]
async fn pin(state: web::Data<ApiState>, Caller(identity): Caller, path: MessagePath) -> Sent {
    change_pin(&state, identity.user_id, path, true).await
}

/// Holds a message up no more.
#[utoipa::path(
    tag = "messages",
    params(("id" = ConversationId, Path), ("seq" = u64, Path)),
    responses(
        (status = 200, body = SentMessage, description = "The entry's number"),
        (status = 403, body = Problem, description = "`forbidden`: owners and admins pin"),
        (status = 404, body = Problem, description = "`not_found`: none that you may see"),
    )
)]
#[delete("/conversations/{id}/messages/{seq}/pin")]
async fn unpin(state: web::Data<ApiState>, Caller(identity): Caller, path: MessagePath) -> Sent {
    change_pin(&state, identity.user_id, path, false).await
}

async fn change_pin(state: &ApiState, by: UserId, path: MessagePath, on: bool) -> Sent {
    let (id, seq) = path.into_inner();
    submit(state, by, id, Event::PinChanged { target: Sequence(seq), on }).await
}
