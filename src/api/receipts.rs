//! Who has a message, and who has read it.

use actix_web::{get, web};
use actors::node::Page;
use schema::record::{MemberPosition, Membership};
use schema::rest::{MemberReceipt, Problem, ReceiptState, Receipts};
use schema::wire::Refusal;
use schema::{ConversationId, Sequence, UserId};
use utoipa_actix_web::service_config::ServiceConfig;

use super::identity::Caller;
use super::problem::ApiError;
use super::state::ApiState;

/// Members told one by one.
const LISTED_MAX: usize = 1_000;

pub(super) fn routes(config: &mut ServiceConfig) {
    config.service(get_receipts);
}

/// How many members have a message and have read it, and which.
#[utoipa::path(
    tag = "messages",
    params(("id" = ConversationId, Path), ("seq" = u64, Path)),
    responses(
        (status = 200, body = Receipts),
        (status = 404, body = Problem, description = "`not_found`: none that you may see"),
    )
)]
#[get("/conversations/{id}/messages/{seq}/receipts")]
async fn get_receipts(
    state: web::Data<ApiState>,
    Caller(identity): Caller,
    path: web::Path<(ConversationId, u64)>,
) -> Result<web::Json<Receipts>, ApiError> {
    let (id, seq) = path.into_inner();
    let seq = Sequence(seq);
    let page = state.node.history(identity.user_id, id, Page::Before(seq.forward(1)), 1).await?;
    let message = page.entries.into_iter().find(|entry| entry.seq == seq);
    let message = message.ok_or_else(Refusal::not_found)?;
    let details = state.node.describe(identity.user_id, id).await?;
    let positions = state.roster.positions_of(id).await?;
    let mut receipts = receipts(seq, message.sender_id, &details.members, &positions);
    if !state.personal.privacy(identity.user_id).await?.settings.read_receipts {
        // Who tells nobody what they have read is told of nobody.
        receipts.read = 0;
        for member in &mut receipts.members {
            member.state = member.state.min(ReceiptState::Delivered);
        }
    }
    Ok(web::Json(receipts))
}

/// Both lists are by user id.
fn receipts(
    seq: Sequence,
    author: UserId,
    members: &[Membership],
    positions: &[MemberPosition],
) -> Receipts {
    let state_of = |user: UserId| {
        let position = positions.binary_search_by_key(&user, |it| it.user_id);
        match position.ok().map(|index| positions[index]) {
            Some(position) if position.read >= seq => ReceiptState::Read,
            Some(position) if position.delivered >= seq => ReceiptState::Delivered,
            _ => ReceiptState::Pending,
        }
    };
    let members: Vec<MemberReceipt> = members
        .iter()
        .filter(|it| it.is_current() && it.user_id != author && it.joined_after < seq)
        .map(|it| MemberReceipt { user_id: it.user_id, state: state_of(it.user_id) })
        .collect();
    let count = |wanted| members.iter().filter(|it| it.state >= wanted).count() as u64;
    let (total, delivered, read) =
        (count(ReceiptState::Pending), count(ReceiptState::Delivered), count(ReceiptState::Read));
    let listed = members.into_iter().take(LISTED_MAX).collect();
    Receipts { total, delivered, read, pending: total - delivered, members: listed }
}

#[cfg(test)]
mod tests {
    use schema::record::Role;

    use super::*;

    #[test]
    fn a_summary_counts_those_who_could_see_the_message() {
        let user = |number: u8| UserId::from_bytes([number; 16]);
        let member = |number, joined_after, left_at: Option<u64>| Membership {
            user_id: user(number),
            role: Role::Member,
            joined_after: Sequence(joined_after),
            left_at: left_at.map(Sequence),
        };
        let members = [
            member(1, 0, None),
            member(2, 0, None),
            member(3, 0, None),
            member(4, 0, None),
            member(5, 7, None),
            member(6, 0, Some(9)),
        ];
        let position = |number, delivered, read| MemberPosition {
            user_id: user(number),
            delivered: Sequence(delivered),
            read: Sequence(read),
        };
        let positions = [position(1, 9, 9), position(2, 7, 7), position(3, 8, 2)];
        let found = receipts(Sequence(7), user(1), &members, &positions);
        assert_eq!((found.total, found.delivered, found.read, found.pending), (3, 2, 1, 1));
        let states: Vec<ReceiptState> = found.members.iter().map(|it| it.state).collect();
        assert_eq!(states, [ReceiptState::Read, ReceiptState::Delivered, ReceiptState::Pending]);
    }
}
