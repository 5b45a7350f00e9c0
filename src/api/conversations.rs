//! `/v1/conversations`: making, reading and changing them.

use std::collections::{BTreeSet, HashMap};

use actix_web::{HttpResponse, get, patch, post, web};
use actors::node::ConversationDetails;
use actors::ports::{Created, NewConversation};
use schema::record::{
    Conversation, ConversationKind, ConversationPatch, ConversationProfile, Event, Member,
    Membership, Role,
};
use schema::rest::{
    ConversationChange, ConversationView, CreateConversationRequest, MemberView, Problem, UserView,
};
use schema::wire::{ErrorCode, Refusal, validate};
use schema::{ConversationId, Sequence, UserId};
use utoipa_actix_web::service_config::ServiceConfig;

use super::body::Valid;
use super::entries::submit;
use super::identity::Caller;
use super::problem::ApiError;
use super::state::ApiState;
use super::users;

pub(super) fn routes(config: &mut ServiceConfig) {
    config.service(create_conversation).service(get_conversation).service(change_conversation);
}

/// Makes a conversation. A pair of users has one direct conversation: asking again gives it.
#[utoipa::path(tag = "conversations", request_body = CreateConversationRequest, responses(
    (status = 201, body = ConversationView, description = "Made"),
    (status = 200, body = ConversationView, description = "The pair's direct conversation exists"),
    (status = 403, body = Problem, description = "`forbidden`: the other one takes no messages"),
    (status = 422, body = Problem, description = "`invalid_field`: no such user, wrong number"),
))]
#[post("/conversations")]
async fn create_conversation(
    state: web::Data<ApiState>,
    Caller(identity): Caller,
    Valid(body): Valid<CreateConversationRequest>,
) -> Result<HttpResponse, ApiError> {
    let creator = identity.user_id;
    let others: BTreeSet<UserId> =
        body.members.into_iter().filter(|member| *member != creator).collect();
    if body.kind == ConversationKind::Direct && others.len() != 1 {
        return Err(ApiError::field("members", "a direct conversation has exactly one other user"));
    }
    let everyone: Vec<UserId> = others.into_iter().chain([creator]).collect();
    check_all_exist(&state, &everyone).await?;
    if body.kind == ConversationKind::Direct {
        let other = everyone.iter().find(|user| **user != creator).copied();
        let privacy = state.personal.privacy(other.unwrap_or(creator)).await?;
        if privacy.blocked.contains(&creator) {
            let text = "this user takes no messages from you";
            return Err(Refusal::new(ErrorCode::Forbidden, text).into());
        }
    }
    let conversation = NewConversation {
        conversation_id: ConversationId::generate(),
        kind: body.kind,
        name: body.name.filter(|_| body.kind != ConversationKind::Direct),
        created_by: creator,
        created_at: state.clock.now_ms(),
        members: first_members(body.kind, creator, &everyone),
    };
    let memberships = conversation.members.iter().map(|member| Membership {
        user_id: member.user_id,
        role: member.role,
        joined_after: Sequence::START,
        left_at: None,
    });
    let memberships: Vec<Membership> = memberships.collect();
    match state.roster.create(conversation).await? {
        Created::Existing(existing) => {
            let details = state.node.describe(creator, existing.conversation_id).await?;
            Ok(HttpResponse::Ok().json(view(&state, details).await?))
        }
        Created::New(conversation) => {
            state.node.conversation_created(
                conversation.conversation_id,
                conversation.generation,
                &everyone,
            );
            let membership = memberships.iter().find(|it| it.user_id == creator).copied();
            let details = ConversationDetails {
                conversation,
                members: memberships,
                bans: Vec::new(),
                membership,
                head: Sequence::START,
            };
            Ok(HttpResponse::Created().json(view(&state, details).await?))
        }
    }
}

/// A conversation and its current members.
#[utoipa::path(tag = "conversations", params(("id" = ConversationId, Path)), responses(
    (status = 200, body = ConversationView),
    (status = 404, body = Problem, description = "`not_found`: none that you may see"),
))]
#[get("/conversations/{id}")]
async fn get_conversation(
    state: web::Data<ApiState>,
    Caller(identity): Caller,
    id: web::Path<ConversationId>,
) -> Result<web::Json<ConversationView>, ApiError> {
    let details = state.node.describe(identity.user_id, id.into_inner()).await?;
    Ok(web::Json(view(&state, details).await?))
}

/// Changes what a conversation is set to: one numbered entry of its log.
#[utoipa::path(
    tag = "conversations", params(("id" = ConversationId, Path)),
    request_body = ConversationChange,
    responses(
        (status = 200, body = ConversationView),
        (status = 403, body = Problem,
            description = "`forbidden`: owners and admins; of a direct conversation either side \
                           sets when messages disappear"),
        (status = 404, body = Problem, description = "`not_found`: none that you may see"),
        (status = 422, body = Problem, description = "`invalid_field`"),
    )
)]
#[patch("/conversations/{id}")]
async fn change_conversation(
    state: web::Data<ApiState>,
    Caller(identity): Caller,
    id: web::Path<ConversationId>,
    Valid(change): Valid<ConversationChange>,
) -> Result<web::Json<ConversationView>, ApiError> {
    let conversation_id = id.into_inner();
    let change = ConversationPatch::from(change);
    validate::conversation_change(&change)?;
    let event = Event::ConversationChanged(Box::new(change.clone()));
    let submitted = submit(&state, identity.user_id, conversation_id, event).await?;
    let mut details = state.node.describe(identity.user_id, conversation_id).await?;
    // Readers' tables may be a moment behind the log: show at least what was just stored.
    if details.head <= submitted.seq {
        details.head = submitted.seq;
        details.conversation.apply(&change);
    }
    Ok(web::Json(view(&state, details).await?))
}

/// Refuses ids that nobody has.
pub(super) async fn check_all_exist(state: &ApiState, ids: &[UserId]) -> Result<(), ApiError> {
    let found: BTreeSet<UserId> =
        state.users.users(ids.to_vec()).await?.into_iter().map(|user| user.user_id).collect();
    match ids.iter().find(|id| !found.contains(id)) {
        None => Ok(()),
        Some(absent) => Err(ApiError::field("members", format!("there is no user {absent}"))),
    }
}

fn first_members(kind: ConversationKind, creator: UserId, everyone: &[UserId]) -> Vec<Member> {
    everyone
        .iter()
        .map(|user_id| Member {
            user_id: *user_id,
            role: match kind {
                ConversationKind::Direct => Role::Member,
                ConversationKind::Group | ConversationKind::Channel if *user_id == creator => {
                    Role::Owner
                }
                ConversationKind::Group | ConversationKind::Channel => Role::Member,
            },
        })
        .collect()
}

pub(super) async fn view(
    state: &ApiState,
    details: ConversationDetails,
) -> Result<ConversationView, ApiError> {
    let ConversationDetails { conversation, members, head, .. } = details;
    let posting = conversation.posting();
    let current: Vec<Membership> = members.into_iter().filter(Membership::is_current).collect();
    let mut users =
        user_views(state, current.iter().map(|member| member.user_id).collect()).await?;
    let members = current.into_iter().map(|member| MemberView {
        user: users
            .remove(&member.user_id)
            .unwrap_or_else(|| users::view_of_nobody(member.user_id)),
        role: member.role,
    });
    let members = members.collect();
    let Conversation { conversation_id, kind, name, created_by, created_at, generation, .. } =
        conversation;
    let ConversationProfile { description, photo, disappear_after_ms, retention_days, .. } =
        conversation.profile;
    Ok(ConversationView {
        conversation_id,
        kind,
        name,
        description,
        photo,
        disappear_after_ms,
        retention_days,
        posting,
        created_by,
        created_at,
        generation,
        head,
        members,
    })
}

/// Public profiles by id.
pub(super) async fn user_views(
    state: &ApiState,
    ids: Vec<UserId>,
) -> Result<HashMap<UserId, UserView>, ApiError> {
    let users = state.users.users(ids).await?;
    Ok(users.into_iter().map(|user| (user.user_id, users::view(user))).collect())
}
