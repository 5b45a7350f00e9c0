//! How far users have read and what devices have.
//!
//! A position is its own timestamp: of two writes the higher position wins, whichever comes first
//! and however often. Nothing is read before.

use std::collections::BTreeMap;

use schema::record::PositionAdvance;
use schema::{ConversationId, DeviceId, Sequence, UserId};
use uuid::Uuid;

use super::failure::Failure;
use super::materialise::split;
use super::rows::{sequence, to_column};
use super::store::{Store, all};

/// Owner, conversation, position and, as timestamp, the position.
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
        for advance in advances {
            if let Some(seq) = advance.read {
                raise(&mut read, advance.user_id.0, advance.conversation_id, seq);
            }
            if let Some((device, seq)) = advance.delivered {
                raise(&mut delivered, device.0, advance.conversation_id, seq);
            }
        }
        let statements = self.statements();
        let read = batches(read).into_iter().map(|rows| (&statements.insert_read, rows));
        let delivered =
            batches(delivered).into_iter().map(|rows| (&statements.insert_delivered, rows));
        let writes = read
            .chain(delivered)
            .map(|(statement, rows)| async move { self.write_batch(statement, &rows).await });
        all(writes.collect()).await?;
        Ok(())
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
