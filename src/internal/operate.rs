//! Looking at the node and acting on it. What changes something is logged before it is done.

use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use actors::ports::{ADMIN_RECORDS_MAX, AdminRecord};
use garde::Validate;
use schema::wire::{CloseCode, ErrorCode};
use schema::{DeviceId, NodeId, UserId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::admin::Admin;
use crate::api::body::Valid;
use crate::api::operations::{ConnectionView, MoveError, Operations};
use crate::api::{ApiError, ApiState, username};

/// Users whose sockets one answer lists.
const USERS_MAX: usize = 500;
const LOG_PAGE: usize = 50;
const BUSIEST_DEFAULT: usize = 20;
const BUSIEST_MAX: usize = 200;

pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .route("/v1/nodes", web::get().to(nodes))
        .route("/v1/shards", web::get().to(shards))
        .route("/v1/shards/move", web::post().to(move_shard))
        .route("/v1/actors", web::get().to(actors))
        .route("/v1/mailboxes", web::get().to(mailboxes))
        .route("/v1/conversations/busiest", web::get().to(busiest))
        .route("/v1/connections", web::get().to(connections))
        .route("/v1/connections/close", web::post().to(close))
        .route("/v1/users/sign-out", web::post().to(sign_out))
        .route("/v1/drain", web::post().to(drain))
        .route("/v1/audit-log", web::get().to(audit_log));
}

fn operations(state: &ApiState) -> Result<&dyn Operations, ApiError> {
    state.operations.as_deref().ok_or_else(|| ApiError::new(ErrorCode::NotFound, "no node here"))
}

async fn nodes(_: Admin, state: web::Data<ApiState>) -> Result<HttpResponse, ApiError> {
    let nodes = operations(&state)?.nodes();
    Ok(HttpResponse::Ok().json(serde_json::json!({ "nodes": nodes })))
}

async fn shards(_: Admin, state: web::Data<ApiState>) -> Result<HttpResponse, ApiError> {
    let shards = operations(&state)?.shards();
    Ok(HttpResponse::Ok().json(serde_json::json!({ "shards": shards })))
}

async fn actors(_: Admin, state: web::Data<ApiState>) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(operations(&state)?.actors()))
}

async fn mailboxes(_: Admin, state: web::Data<ApiState>) -> Result<HttpResponse, ApiError> {
    let mailboxes = operations(&state)?.mailboxes();
    Ok(HttpResponse::Ok().json(serde_json::json!({ "mailboxes": mailboxes })))
}

#[derive(Clone, Copy, Debug, Deserialize)]
struct HowMany {
    limit: Option<usize>,
}

async fn busiest(
    _: Admin,
    state: web::Data<ApiState>,
    how_many: web::Query<HowMany>,
) -> Result<HttpResponse, ApiError> {
    let limit = how_many.limit.unwrap_or(BUSIEST_DEFAULT).clamp(1, BUSIEST_MAX);
    let conversations = operations(&state)?.busiest(limit);
    Ok(HttpResponse::Ok().json(serde_json::json!({ "conversations": conversations })))
}

/// `POST /v1/shards/move`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, Validate)]
pub struct MoveShardRequest {
    #[garde(skip)]
    pub shard: u32,
    /// The node that is to own it for as long as it serves; absent: whichever the rules say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(skip)]
    pub to: Option<NodeId>,
}

/// Answered when this node sees the new owner; the others do within half a second. What is sent
/// meanwhile waits.
async fn move_shard(
    _: Admin,
    request: HttpRequest,
    state: web::Data<ApiState>,
    Valid(meant): Valid<MoveShardRequest>,
) -> Result<HttpResponse, ApiError> {
    let MoveShardRequest { shard, to } = meant;
    let target = match to {
        Some(node) => format!("shard {shard} to node {node}"),
        None => format!("shard {shard} to its node by the rules"),
    };
    log(&state, &request, "move_shard", &target).await?;
    let moved = operations(&state)?.move_shard(shard, to).await;
    let moved = moved.map_err(|error| match &error {
        MoveError::NoSuchShard(_) => ApiError::field("shard", error.to_string()),
        MoveError::NoSuchNode | MoveError::Alone => ApiError::field("to", error.to_string()),
        MoveError::Untold(_) => ApiError::new(ErrorCode::RetryLater, error.to_string()),
    })?;
    Ok(HttpResponse::Ok().json(moved))
}

/// Who is meant: a user by id or by name.
#[derive(Clone, Debug, Default, Serialize, Deserialize, Validate)]
#[serde(default)]
pub struct WhoRequest {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[garde(skip)]
    pub user_id: Option<UserId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[garde(inner(length(chars, min = 2, max = 32)))]
    pub username: Option<String>,
    /// One device alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[garde(skip)]
    pub device_id: Option<DeviceId>,
}

impl WhoRequest {
    async fn user(&self, state: &ApiState) -> Result<Option<UserId>, ApiError> {
        let Some(name) = &self.username else { return Ok(self.user_id) };
        let found = state.users.user_by_name(username::fold(name)?).await?;
        let found = found.ok_or_else(|| ApiError::new(ErrorCode::NotFound, "no such user"))?;
        Ok(Some(found.user_id))
    }

    async fn one_user(&self, state: &ApiState) -> Result<UserId, ApiError> {
        let user = self.user(state).await?;
        user.ok_or_else(|| ApiError::field("user_id", "or username must be given"))
    }
}

async fn connections(
    _: Admin,
    state: web::Data<ApiState>,
    who: web::Query<WhoRequest>,
) -> Result<HttpResponse, ApiError> {
    let user = who.user(&state).await?;
    let (connections, users_online) = operations(&state)?.connections(user, USERS_MAX).await;
    let connections: Vec<ConnectionView> = connections;
    let answer = serde_json::json!({"connections": connections, "users_online": users_online});
    Ok(HttpResponse::Ok().json(answer))
}

/// How many sockets were told to close, on this node.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Closed {
    pub closed: usize,
}

/// The device may connect again at once.
async fn close(
    _: Admin,
    request: HttpRequest,
    state: web::Data<ApiState>,
    Valid(who): Valid<WhoRequest>,
) -> Result<HttpResponse, ApiError> {
    let user = who.one_user(&state).await?;
    let (connections, _) = operations(&state)?.connections(Some(user), 1).await;
    let is_meant = |device| who.device_id.is_none_or(|meant| meant == device);
    let mut devices: Vec<DeviceId> =
        connections.iter().map(|it| it.device_id).filter(|device| is_meant(*device)).collect();
    let closed = devices.len();
    devices.dedup();
    log(&state, &request, "close_connections", &target(user, who.device_id)).await?;
    for device in devices {
        state.node.disconnect_device(user, device, CloseCode::Overloaded);
    }
    Ok(HttpResponse::Ok().json(Closed { closed }))
}

/// How many devices were signed out.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct SignedOut {
    pub devices: usize,
}

/// Revokes one device or all of a user: tokens stop working, sockets close, on every node.
async fn sign_out(
    _: Admin,
    request: HttpRequest,
    state: web::Data<ApiState>,
    Valid(who): Valid<WhoRequest>,
) -> Result<HttpResponse, ApiError> {
    let user = who.one_user(&state).await?;
    let mut devices = state.users.devices(user).await?;
    devices.retain(|device| who.device_id.is_none_or(|meant| meant == device.device_id));
    if devices.is_empty() && who.device_id.is_some() {
        return Err(ApiError::new(ErrorCode::NotFound, "no such device that is signed in"));
    }
    log(&state, &request, "sign_out", &target(user, who.device_id)).await?;
    for device in &devices {
        state.auth.revoke_device(user, device.device_id).await?;
        state.node.disconnect_device(user, device.device_id, CloseCode::TokenRevoked);
    }
    Ok(HttpResponse::Ok().json(SignedOut { devices: devices.len() }))
}

/// As SIGTERM: the process ends, and its service manager may start it again.
async fn drain(
    _: Admin,
    request: HttpRequest,
    state: web::Data<ApiState>,
) -> Result<HttpResponse, ApiError> {
    let nodes = operations(&state)?.nodes();
    let this = nodes.iter().find(|node| node.is_this);
    let target = this.map_or_else(String::new, |node| format!("node {}", node.node_id));
    log(&state, &request, "drain", &target).await?;
    state.readiness.ask_to_drain();
    Ok(HttpResponse::Accepted().json(serde_json::json!({ "draining": true })))
}

fn target(user: UserId, device: Option<DeviceId>) -> String {
    match device {
        Some(device) => format!("user {user} device {device}"),
        None => format!("user {user}"),
    }
}

/// An operation that cannot be logged is not done.
async fn log(
    state: &ApiState,
    request: &HttpRequest,
    action: &str,
    target: &str,
) -> Result<(), ApiError> {
    let from = request.peer_addr().map_or_else(String::new, |peer| peer.ip().to_string());
    tracing::info!(action, target, from, "an operator acts");
    let record = AdminRecord {
        id: Uuid::now_v7(),
        at_ms: state.clock.now_ms(),
        action: action.to_owned(),
        target: target.to_owned(),
        from,
    };
    Ok(state.admin_log.append(record).await?)
}

/// One record of `GET /v1/audit-log`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AdminLogRecord {
    pub id: Uuid,
    /// Milliseconds since 1970 UTC.
    pub at: i64,
    pub action: String,
    pub target: String,
    /// The address that asked.
    pub from: String,
}

/// A page of it, newest first.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AdminLogPage {
    pub records: Vec<AdminLogRecord>,
    /// For `before`, when there may be more.
    pub next: Option<Uuid>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
struct Paging {
    before: Option<Uuid>,
    limit: Option<usize>,
}

async fn audit_log(
    _: Admin,
    state: web::Data<ApiState>,
    paging: web::Query<Paging>,
) -> Result<HttpResponse, ApiError> {
    let limit = paging.limit.unwrap_or(LOG_PAGE).clamp(1, ADMIN_RECORDS_MAX);
    let found = state.admin_log.recent(paging.before, limit).await?;
    let next = found.last().filter(|_| found.len() == limit).map(|last| last.id);
    let records = found.into_iter().map(|record| AdminLogRecord {
        id: record.id,
        at: record.at_ms,
        action: record.action,
        target: record.target,
        from: record.from,
    });
    Ok(HttpResponse::Ok().json(AdminLogPage { records: records.collect(), next }))
}
