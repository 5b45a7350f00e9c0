//! `/v1/conversations/{id}/threads`: replies that belong together.

use actix_web::{HttpResponse, delete, get, put, web};
use actors::node::ThreadSummary;
use actors::ports::Identity;
use schema::rest::{Problem, ThreadList, ThreadPage, ThreadView};
use schema::wire::LogFrame;
use schema::{ConversationId, Sequence};
use serde::Deserialize;
use utoipa_actix_web::service_config::ServiceConfig;

use super::identity::Caller;
use super::messages::Paging;
use super::problem::ApiError;
use super::state::ApiState;

const LIMIT_DEFAULT: usize = 20;
const LIMIT_MAX: usize = 50;

pub(super) fn routes(config: &mut ServiceConfig) {
    config.service(get_threads).service(get_thread).service(follow_thread).service(leave_thread);
}

/// A conversation, and the number of the message that the thread is about.
type ThreadPath = web::Path<(ConversationId, u64)>;

#[derive(Deserialize, utoipa::IntoParams)]
struct Below {
    /// `next_before` of the page before.
    before: Option<u64>,
    /// At most 50; default 20.
    limit: Option<usize>,
}

/// The threads of a conversation: that with the newest first message first.
#[utoipa::path(
    tag = "threads", params(("id" = ConversationId, Path), Below),
    responses(
        (status = 200, body = ThreadList),
        (status = 404, body = Problem, description = "`not_found`: none that you may see"),
        (status = 422, body = Problem, description = "`invalid_field`"),
    )
)]
#[get("/conversations/{id}/threads")]
async fn get_threads(
    state: web::Data<ApiState>,
    Caller(identity): Caller,
    id: web::Path<ConversationId>,
    paging: web::Query<Below>,
) -> Result<web::Json<ThreadList>, ApiError> {
    let limit = paging.limit.unwrap_or(LIMIT_DEFAULT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(ApiError::field("limit", format!("must be 1 to {LIMIT_MAX}")));
    }
    let below = Sequence(paging.before.unwrap_or(i64::MAX.unsigned_abs()));
    let threads = state.node.threads(identity.user_id, id.into_inner(), below, limit).await?;
    let is_full = threads.len() == limit;
    let next_before = threads.last().filter(|_| is_full).map(|it| it.thread);
    let visible = threads.into_iter().filter(|it| it.replies > 0);
    Ok(web::Json(ThreadList { threads: visible.map(view).collect(), next_before }))
}

fn view(summary: ThreadSummary) -> ThreadView {
    let ThreadSummary { thread, root, replies, last_seq, participants, following, read, unread } =
        summary;
    let root = root.as_ref().map(LogFrame::from);
    ThreadView { thread, root, replies, last_seq, participants, following, read, unread }
}

/// A page of a thread's replies: below `before`, above `after`, or the newest.
#[utoipa::path(
    tag = "threads",
    params(("id" = ConversationId, Path), ("seq" = u64, Path), Paging),
    responses(
        (status = 200, body = ThreadPage),
        (status = 404, body = Problem, description = "`not_found`: none that you may see"),
        (status = 422, body = Problem, description = "`invalid_field`"),
    )
)]
#[get("/conversations/{id}/threads/{seq}/messages")]
async fn get_thread(
    state: web::Data<ApiState>,
    Caller(identity): Caller,
    path: ThreadPath,
    paging: web::Query<Paging>,
) -> Result<web::Json<ThreadPage>, ApiError> {
    let (id, root) = path.into_inner();
    let (page, limit) = (paging.page()?, paging.limit()?);
    let root = Sequence(root);
    let read = state.node.thread_page(identity.user_id, id, root, page, limit).await?;
    let entries = read.entries.iter().map(LogFrame::from).collect();
    Ok(web::Json(ThreadPage { entries, states: read.states, read: read.read }))
}

/// Follows a thread: what comes in it from now on counts as unread.
#[utoipa::path(
    tag = "threads", params(("id" = ConversationId, Path), ("seq" = u64, Path)),
    responses(
        (status = 204),
        (status = 404, body = Problem, description = "`not_found`: none that you may see"),
        (status = 422, body = Problem, description = "`invalid_field`: too many"),
    )
)]
#[put("/conversations/{id}/threads/{seq}/follow")]
async fn follow_thread(
    state: web::Data<ApiState>,
    Caller(identity): Caller,
    path: ThreadPath,
) -> Result<HttpResponse, ApiError> {
    change_following(&state, identity, path, true).await
}

/// Follows a thread no more, until one replies in it again.
#[utoipa::path(
    tag = "threads", params(("id" = ConversationId, Path), ("seq" = u64, Path)),
    responses(
        (status = 204),
        (status = 404, body = Problem, description = "`not_found`: none that you may see"),
        (status = 422, body = Problem, description = "`invalid_field`: too many"),
    )
)]
#[delete("/conversations/{id}/threads/{seq}/follow")]
async fn leave_thread(
    state: web::Data<ApiState>,
    Caller(identity): Caller,
    path: ThreadPath,
) -> Result<HttpResponse, ApiError> {
    change_following(&state, identity, path, false).await
}

async fn change_following(
    state: &ApiState,
    who: Identity,
    path: ThreadPath,
    on: bool,
) -> Result<HttpResponse, ApiError> {
    let (id, root) = path.into_inner();
    state.node.follow_thread(who, id, Sequence(root), on).await?;
    Ok(HttpResponse::NoContent().finish())
}
