//! A user's chat list: one partition says where the user is, point reads say the rest.

use std::collections::BTreeMap;

use schema::record::{Conversation, ConversationOverview, Membership};
use schema::{ConversationId, DeviceId, Sequence, UserId};
use uuid::Uuid;

use super::failure::Failure;
use super::rows::membership;
use super::store::{Store, all};

/// One row of `conversations_by_user`.
struct Place {
    id: ConversationId,
    membership: Membership,
    peer: Option<UserId>,
}

type PlaceColumns = (Uuid, Option<String>, Option<i64>, Option<i64>, Option<Uuid>);

impl Store {
    pub(super) async fn chat_list(
        &self,
        user: UserId,
        device: Option<DeviceId>,
    ) -> Result<Vec<ConversationOverview>, Failure> {
        let delivered = async {
            match device {
                Some(device) => self.positions_of_device(device).await,
                None => Ok(BTreeMap::new()),
            }
        };
        let (places, read, delivered) =
            tokio::try_join!(self.places(user), self.positions_of_user(user), delivered)?;
        let reads = places.iter().map(|place| self.conversation_and_head(place.id));
        let rows = all(reads.collect()).await?;
        let at = |positions: &BTreeMap<_, Sequence>, id| {
            positions.get(&id).copied().unwrap_or(Sequence::START)
        };
        let list = places.into_iter().zip(rows).filter_map(|(place, (conversation, head))| {
            Some(ConversationOverview {
                conversation: conversation?,
                membership: place.membership,
                head: head.map_or(Sequence::START, |(head, _)| head),
                last_sent_at: head.map(|(_, sent_at)| sent_at),
                read: at(&read, place.id),
                delivered: at(&delivered, place.id),
                peer: place.peer,
            })
        });
        Ok(list.collect())
    }

    async fn conversation_and_head(
        &self,
        id: ConversationId,
    ) -> Result<(Option<Conversation>, Option<(Sequence, i64)>), Failure> {
        tokio::try_join!(self.read_conversation(id), self.read_head(id))
    }

    /// Where the user is now, by conversation id.
    async fn places(&self, user: UserId) -> Result<Vec<Place>, Failure> {
        let statement = &self.statements().conversations_by_user;
        let rows = self.rows::<PlaceColumns>(statement, (user.0,)).await?;
        let mut places = Vec::with_capacity(rows.len());
        for (id, role, added, removed, peer) in rows {
            let membership = membership(user, role.as_deref(), added, removed)?;
            if let Some(membership) = membership.filter(Membership::is_current) {
                let (id, peer) = (ConversationId(id), peer.map(UserId));
                places.push(Place { id, membership, peer });
            }
        }
        // The database sorts ids by their version first.
        places.sort_unstable_by_key(|place| place.id);
        Ok(places)
    }
}
