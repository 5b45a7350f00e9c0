//! How far users have read and what devices have.
//!
//! A position is its own timestamp: of two writes the higher position wins, whichever comes first
//! and however often. Nothing is read before.

use std::collections::BTreeMap;

use schema::record::{MemberPosition, PositionAdvance};
use schema::{ConversationId, DeviceId, Sequence, UserId};
use uuid::Uuid;

use super::failure::Failure;
use super::materialise::split;
use super::rows::{sequence, to_column};
use super::store::{Store, all};

/// Partition, clustering, position and, as timestamp, the position. A user is kept under
/// conversations as a conversation is under users.
type Row = (Uuid, Uuid, i64, i64);

const ROW_BYTES: usize = 64;

/// The highest position of each conversation, by owner.
type Highest = BTreeMap<Uuid, BTreeMap<ConversationId, Sequence>>;

fn raise(positions: &mut Highest, owner: Uuid, id: ConversationId, seq: Sequence) {
    let highest = positions.entry(owner).or_default().entry(id).or_default();
    *highest = (*highest).max(seq);
}

/// Rows by partition. Zero is what everyone has anyway.
fn batches(positions: Highest) -> Vec<Vec<Row>> {
    let partitions = positions.into_iter().map(|(owner, positions)| {
        let raised = positions.into_iter().filter(|(_, seq)| *seq > Sequence::START);
        raised.map(|(id, seq)| (owner, id.0, to_column(seq.0), to_column(seq.0))).collect()
    });
    partitions.flat_map(|rows: Vec<Row>| split(rows, |_| ROW_BYTES)).collect()
}

impl Store {
    pub(super) async fn write_positions(
        &self,
        advances: &[PositionAdvance],
    ) -> Result<(), Failure> {
        let (mut read, mut delivered) = (Highest::new(), Highest::new());
        let (mut members_read, mut members_have) = (Highest::new(), Highest::new());
        for advance in advances {
            let (user, id) = (advance.user_id, advance.conversation_id);
            if let Some(seq) = advance.read {
                raise(&mut read, user.0, id, seq);
                if !advance.is_private {
                    raise(&mut members_read, id.0, ConversationId(user.0), seq);
                }
            }
            if let Some((device, seq)) = advance.delivered {
                raise(&mut delivered, device.0, id, seq);
                // An import writes these apart.
                if !user.0.is_nil() && !advance.is_private {
                    raise(&mut members_have, id.0, ConversationId(user.0), seq);
                }
            }
        }
        let statements = self.statements();
        let of_conversation = batches(members_read)
            .into_iter()
            .map(|rows| (&statements.insert_read_of_conversation, rows))
            .chain(
                batches(members_have)
                    .into_iter()
                    .map(|rows| (&statements.insert_delivered_of_conversation, rows)),
            );
        let read = batches(read).into_iter().map(|rows| (&statements.insert_read, rows));
        let delivered =
            batches(delivered).into_iter().map(|rows| (&statements.insert_delivered, rows));
        let writes = read
            .chain(delivered)
            .chain(of_conversation)
            .map(|(statement, rows)| async move { self.write_batch(statement, &rows).await });
        all(writes.collect()).await?;
        Ok(())
    }

    /// Notes what members have, when it is not known on which device.
    pub(super) async fn write_delivered_of_members(
        &self,
        positions: impl Iterator<Item = (ConversationId, MemberPosition)>,
    ) -> Result<(), Failure> {
        let mut members_have = Highest::new();
        for (id, position) in positions {
            let user = ConversationId(position.user_id.0);
            raise(&mut members_have, id.0, user, position.delivered);
        }
        let statement = &self.statements().insert_delivered_of_conversation;
        let writes = batches(members_have);
        let writes =
            writes.into_iter().map(|rows| async move { self.write_batch(statement, &rows).await });
        all(writes.collect()).await?;
        Ok(())
    }

    /// How far everyone in a conversation is, by user id.
    pub(super) async fn positions_of_conversation(
        &self,
        id: ConversationId,
    ) -> Result<Vec<MemberPosition>, Failure> {
        type Columns = (Uuid, Option<i64>, Option<i64>);
        let statement = &self.statements().positions_of_conversation;
        let mut found = Vec::new();
        for (user, delivered, read) in self.rows::<Columns>(statement, (id.0,)).await? {
            found.push(MemberPosition {
                user_id: UserId(user),
                delivered: sequence(delivered.unwrap_or(0))?,
                read: sequence(read.unwrap_or(0))?,
            });
        }
        // The database sorts ids by their version first.
        found.sort_unstable_by_key(|it| it.user_id);
        Ok(found)
    }

    pub(super) async fn positions_of_user(
        &self,
        user: UserId,
    ) -> Result<BTreeMap<ConversationId, Sequence>, Failure> {
        positions(self.rows(&self.statements().read_positions, (user.0,)).await?)
    }

    pub(super) async fn positions_of_device(
        &self,
        device: DeviceId,
    ) -> Result<BTreeMap<ConversationId, Sequence>, Failure> {
        positions(self.rows(&self.statements().delivered_positions, (device.0,)).await?)
    }
}

fn positions(
    rows: Vec<(Uuid, Option<i64>)>,
) -> Result<BTreeMap<ConversationId, Sequence>, Failure> {
    let known = rows.into_iter().filter_map(|(id, seq)| Some((ConversationId(id), seq?)));
    known.map(|(id, seq)| Ok((id, sequence(seq)?))).collect()
}
