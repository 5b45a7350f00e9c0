//! Links that let others in. Their tokens are kept as hashes alone and are never logged.

use actix_web::{HttpResponse, delete, get, post, web};
use actors::node::ConversationDetails;
use actors::ports::INVITES_MAX;
use schema::record::{ConversationKind, Event, Invite, InviteUse, NewInvite};
use schema::rest::{
    ConversationView, CreateInviteRequest, CreatedInvite, InviteList, InvitePreview, InviteView,
    Problem,
};
use schema::wire::{ErrorCode, Refusal};
use schema::{ConversationId, InviteId, UserId, metric};
use utoipa_actix_web::service_config::ServiceConfig;

use super::bans::manager_view;
use super::body::Valid;
use super::conversations::view;
use super::entries::submit;
use super::identity::Caller;
use super::problem::ApiError;
use super::state::ApiState;
use crate::auth::opaque_token;

const EXPIRES_IN_MS_DEFAULT: u64 = 7 * 24 * 60 * 60 * 1_000;
/// Bytes of a token: longer texts are none.
const TOKEN_BYTES_MAX: usize = 128;

pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .service(create_invite)
        .service(list_invites)
        .service(revoke_invite)
        .service(preview_invite)
        .service(use_invite);
}

/// Makes a link that lets its holder become a member. Its token is told this once.
#[utoipa::path(
    tag = "conversations", params(("id" = ConversationId, Path)),
    request_body = CreateInviteRequest,
    responses(
        (status = 201, body = CreatedInvite),
        (status = 403, body = Problem, description = "`forbidden`: owners and admins"),
        (status = 404, body = Problem, description = "`not_found`: none that you may see"),
        (status = 422, body = Problem, description = "`invalid_field`, also: too many invites"),
    )
)]
#[post("/conversations/{id}/invites")]
async fn create_invite(
    state: web::Data<ApiState>,
    Caller(identity): Caller,
    id: web::Path<ConversationId>,
    Valid(body): Valid<CreateInviteRequest>,
) -> Result<HttpResponse, ApiError> {
    let conversation_id = id.into_inner();
    let details = manager_view(&state, identity.user_id, conversation_id).await?;
    check_kind(&details)?;
    let now_ms = state.clock.now_ms();
    if state.invites.invites(conversation_id, now_ms).await?.len() >= INVITES_MAX {
        return Err(ApiError::field("invites", format!("at most {INVITES_MAX} at once")));
    }
    let expires_in_ms = body.expires_in_ms.unwrap_or(EXPIRES_IN_MS_DEFAULT);
    let invite = Invite {
        invite_id: InviteId::generate(),
        conversation_id,
        created_by: identity.user_id,
        created_at: now_ms,
        expires_at: now_ms.saturating_add(i64::try_from(expires_in_ms).unwrap_or(i64::MAX)),
        uses_max: body.uses_max,
        uses: 0,
        is_revoked: false,
    };
    let token = opaque_token::generate(opaque_token::INVITE);
    state.invites.add_invite(NewInvite { hash: opaque_token::hash(&token), invite }).await?;
    // Behind a number sign: browsers send it to nobody.
    let url_path = format!("/#/invite/{token}");
    Ok(HttpResponse::Created().json(CreatedInvite { invite: view_of(&invite), token, url_path }))
}

/// Links that still let somebody in, oldest first.
#[utoipa::path(
    tag = "conversations", params(("id" = ConversationId, Path)),
    responses(
        (status = 200, body = InviteList),
        (status = 403, body = Problem, description = "`forbidden`: owners and admins"),
        (status = 404, body = Problem, description = "`not_found`: none that you may see"),
    )
)]
#[get("/conversations/{id}/invites")]
async fn list_invites(
    state: web::Data<ApiState>,
    Caller(identity): Caller,
    id: web::Path<ConversationId>,
) -> Result<web::Json<InviteList>, ApiError> {
    let id = id.into_inner();
    manager_view(&state, identity.user_id, id).await?;
    let now_ms = state.clock.now_ms();
    let invites = state.invites.invites(id, now_ms).await?;
    let open = invites.iter().filter(|invite| invite.is_open(now_ms)).map(view_of);
    Ok(web::Json(InviteList { invites: open.collect() }))
}

/// Ends a link.
#[utoipa::path(
    tag = "conversations",
    params(("id" = ConversationId, Path), ("invite" = InviteId, Path)),
    responses(
        (status = 204, description = "It lets nobody in any more"),
        (status = 403, body = Problem, description = "`forbidden`: owners and admins"),
        (status = 404, body = Problem, description = "`not_found`: none that you may see"),
    )
)]
#[delete("/conversations/{id}/invites/{invite}")]
async fn revoke_invite(
    state: web::Data<ApiState>,
    Caller(identity): Caller,
    path: web::Path<(ConversationId, InviteId)>,
) -> Result<HttpResponse, ApiError> {
    let (id, invite) = path.into_inner();
    manager_view(&state, identity.user_id, id).await?;
    if !state.invites.revoke_invite(id, invite).await? {
        return Err(Refusal::not_found().into());
    }
    Ok(HttpResponse::NoContent().finish())
}

/// Where a link leads. One that expired, was used up, was ended or never was looks the same.
#[utoipa::path(
    tag = "conversations", params(("token" = String, Path)),
    responses(
        (status = 200, body = InvitePreview),
        (status = 404, body = Problem, description = "`not_found`: it lets nobody in"),
    )
)]
#[get("/invites/{token}")]
async fn preview_invite(
    state: web::Data<ApiState>,
    Caller(identity): Caller,
    token: web::Path<String>,
) -> Result<web::Json<InvitePreview>, ApiError> {
    let (invite, _) = open_invite(&state, &token.into_inner(), true).await?;
    let id = invite.conversation_id;
    let record = state.roster.conversation(id).await?.ok_or_else(Refusal::not_found)?;
    check_not_banned(&state, id, identity.user_id).await?;
    let members = state.roster.members(id).await?;
    let mut current = members.iter().filter(|place| place.is_current());
    let is_member = current.clone().any(|place| place.user_id == identity.user_id);
    let member_count = current.by_ref().count() as u64;
    Ok(web::Json(InvitePreview {
        conversation_id: id,
        kind: record.kind,
        name: record.name,
        description: record.profile.description,
        photo: record.profile.photo,
        member_count,
        is_member,
    }))
}

/// Becomes a member by a link: a numbered entry of the log. A member stays one, and uses nothing up.
#[utoipa::path(
    tag = "conversations", params(("token" = String, Path)),
    responses(
        (status = 200, body = ConversationView),
        (status = 404, body = Problem, description = "`not_found`: it lets nobody in"),
        (status = 422, body = Problem, description = "`invalid_field`: there is no room"),
    )
)]
#[post("/invites/{token}/join")]
async fn use_invite(
    state: web::Data<ApiState>,
    Caller(identity): Caller,
    token: web::Path<String>,
) -> Result<web::Json<ConversationView>, ApiError> {
    let user = identity.user_id;
    let (invite, hash) = open_invite(&state, &token.into_inner(), false).await?;
    let id = invite.conversation_id;
    check_not_banned(&state, id, user).await?;
    let place = state.roster.membership(id, user).await?;
    if !place.is_some_and(|place| place.is_current()) {
        let used = state.invites.use_invite(hash, user, state.clock.now_ms()).await?;
        let outcome = if used == InviteUse::Granted { "granted" } else { "refused" };
        metrics::counter!(metric::INVITES_USED, "outcome" => outcome).increment(1);
        if used == InviteUse::Refused {
            return Err(Refusal::not_found().into());
        }
        let event = Event::Joined { invite_id: invite.invite_id };
        submit(&state, user, id, event).await?;
    }
    let details = state.node.describe(user, id).await?;
    Ok(web::Json(view(&state, details).await?))
}

/// The invite of a token, while it lets somebody in. `counts`: whether it may be used up: who came by
/// it before comes again.
async fn open_invite(
    state: &ApiState,
    token: &str,
    counts: bool,
) -> Result<(Invite, [u8; 32]), ApiError> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err(Refusal::not_found().into());
    }
    let hash = opaque_token::hash(token);
    let invite = state.invites.invite(hash).await?.ok_or_else(Refusal::not_found)?;
    let counted = Invite { uses: if counts { invite.uses } else { 0 }, ..invite };
    if counted.is_open(state.clock.now_ms()) {
        return Ok((invite, hash));
    }
    Err(Refusal::not_found().into())
}

async fn check_not_banned(
    state: &ApiState,
    id: ConversationId,
    user: UserId,
) -> Result<(), ApiError> {
    let bans = state.roster.bans(id).await?;
    if bans.iter().any(|ban| ban.user_id == user) {
        return Err(Refusal::not_found().into());
    }
    Ok(())
}

fn check_kind(details: &ConversationDetails) -> Result<(), ApiError> {
    if details.conversation.kind == ConversationKind::Direct {
        let text = "a direct conversation has its two members";
        return Err(Refusal::new(ErrorCode::Forbidden, text).into());
    }
    Ok(())
}

fn view_of(invite: &Invite) -> InviteView {
    InviteView {
        invite_id: invite.invite_id,
        created_by: invite.created_by,
        created_at: invite.created_at,
        expires_at: invite.expires_at,
        uses_max: invite.uses_max,
        uses: invite.uses,
    }
}
