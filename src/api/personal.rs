//! `/v1/users/me/…`: what is the caller's own: settings, conversations, drafts.

use std::collections::BTreeMap;

use actix_web::{get, patch, put, web};
use actors::personal::{ConversationPatch, SettingsPatch};

use schema::record::{Settings, UnsentDraft};
use schema::rest::{
    ConversationSettingsChange, DraftRequest, MyConversation, Problem, SettingsChange,
    ThreadPosition,
};
use schema::{ConversationId, Sequence};
use utoipa_actix_web::service_config::ServiceConfig;

use super::body::Valid;
use super::identity::Caller;
use super::problem::ApiError;
use super::state::ApiState;

pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .service(get_settings)
        .service(change_settings)
        .service(get_my_conversation)
        .service(change_my_conversation)
        .service(set_draft);
}

/// What one set for all conversations.
#[utoipa::path(tag = "own", responses((status = 200, body = Settings)))]
#[get("/users/me/settings")]
async fn get_settings(
    state: web::Data<ApiState>,
    Caller(identity): Caller,
) -> Result<web::Json<Settings>, ApiError> {
    Ok(web::Json(state.personal.settings(identity.user_id).await?))
}

/// Changes what is given of one's settings.
#[utoipa::path(tag = "own", request_body = SettingsChange, responses(
    (status = 200, body = Settings),
    (status = 422, body = Problem, description = "`invalid_field`"),
))]
#[patch("/users/me/settings")]
async fn change_settings(
    state: web::Data<ApiState>,
    Caller(identity): Caller,
    Valid(change): Valid<SettingsChange>,
) -> Result<web::Json<Settings>, ApiError> {
    let SettingsChange { read_receipts, presence, last_seen } = change;
    let patch = SettingsPatch { read_receipts, presence, last_seen };
    Ok(web::Json(state.personal.change_settings(identity, patch).await?))
}

/// All that is one's own of one conversation.
#[utoipa::path(
    tag = "own", params(("id" = ConversationId, Path)),
    responses(
        (status = 200, body = MyConversation),
        (status = 404, body = Problem, description = "`not_found`: none that you may see"),
    )
)]
#[get("/users/me/conversations/{id}")]
async fn get_my_conversation(
    state: web::Data<ApiState>,
    Caller(identity): Caller,
    id: web::Path<ConversationId>,
) -> Result<web::Json<MyConversation>, ApiError> {
    let (user, id) = (identity.user_id, id.into_inner());
    state.node.describe(user, id).await?;
    Ok(web::Json(my_conversation(&state, user, id).await?))
}

/// Mutes, archives or pins a conversation for oneself, or ends that.
#[utoipa::path(
    tag = "own", params(("id" = ConversationId, Path)),
    request_body = ConversationSettingsChange,
    responses(
        (status = 200, body = MyConversation),
        (status = 404, body = Problem, description = "`not_found`: none that you may see"),
        (status = 422, body = Problem, description = "`invalid_field`"),
    )
)]
#[patch("/users/me/conversations/{id}")]
async fn change_my_conversation(
    state: web::Data<ApiState>,
    Caller(identity): Caller,
    id: web::Path<ConversationId>,
    Valid(change): Valid<ConversationSettingsChange>,
) -> Result<web::Json<MyConversation>, ApiError> {
    let id = id.into_inner();
    state.node.describe(identity.user_id, id).await?;
    if change.muted_until.flatten().is_some_and(|until| until < 0) {
        return Err(ApiError::field("muted_until", "milliseconds since 1970 UTC, or null"));
    }
    let ConversationSettingsChange { muted_until, archived, pinned } = change;
    let patch = ConversationPatch { muted_until, archived, pinned };
    state.personal.change_conversation(identity, id, patch).await?;
    Ok(web::Json(my_conversation(&state, identity.user_id, id).await?))
}

async fn my_conversation(
    state: &ApiState,
    user: schema::UserId,
    id: ConversationId,
) -> Result<MyConversation, ApiError> {
    let personal = &state.personal;
    let mut threads: BTreeMap<Sequence, ThreadPosition> = BTreeMap::new();
    let fresh = |thread| ThreadPosition { thread, read: Sequence::START, following: None };
    for (thread, read) in personal.thread_positions(user, id).await? {
        threads.entry(thread).or_insert_with(|| fresh(thread)).read = read;
    }
    for (thread, followed) in personal.thread_follows(user, id).await? {
        threads.entry(thread).or_insert_with(|| fresh(thread)).following = Some(followed.on);
    }
    let hidden = personal.hidden(user).await?;
    Ok(MyConversation {
        conversation_id: id,
        settings: personal.conversation(user, id).await?,
        draft: personal.draft(user, id).await?,
        hidden: hidden.get(&id).into_iter().flatten().copied().collect(),
        threads: threads.into_values().collect(),
    })
}

/// Keeps what one has written and not sent; an empty text takes it away.
#[utoipa::path(
    tag = "own", params(("id" = ConversationId, Path)), request_body = DraftRequest,
    responses(
        (status = 200, body = UnsentDraft),
        (status = 404, body = Problem, description = "`not_found`: none that you may see"),
        (status = 422, body = Problem, description = "`invalid_field`: more than 64 KiB"),
    )
)]
#[put("/users/me/conversations/{id}/draft")]
async fn set_draft(
    state: web::Data<ApiState>,
    Caller(identity): Caller,
    id: web::Path<ConversationId>,
    Valid(draft): Valid<DraftRequest>,
) -> Result<web::Json<UnsentDraft>, ApiError> {
    let (user, device, id) = (identity.user_id, Some(identity.device_id), id.into_inner());
    state.node.describe(user, id).await?;
    let DraftRequest { text, reply_to } = draft;
    Ok(web::Json(state.personal.set_draft(user, device, id, text, reply_to).await?))
}
