//! Facts of users, and due messages.

use actors::ports::{PersonalStore, PortFuture};
use schema::record::{Due, Fact, FactRange, FactWrite};
use schema::{ConversationId, ScheduledId, UserId};
use uuid::Uuid;

use super::failure::Failure;
use super::store::{Store, all, answer};

const DAY_MS: i64 = 86_400_000;
/// Longest stretch of time that is looked through for due messages, in days.
const DAYS_MAX: i64 = 40;

fn pack(fact: &Fact) -> Result<Vec<u8>, Failure> {
    rmp_serde::to_vec_named(fact)
        .map_err(|error| Failure::Damaged(format!("a fact cannot be packed: {error}")))
}

pub(super) fn unpack(fact: &[u8]) -> Result<Fact, Failure> {
    rmp_serde::from_slice(fact)
        .map_err(|error| Failure::Damaged(format!("a fact cannot be read: {error}")))
}

fn day(at_ms: i64) -> i32 {
    i32::try_from(at_ms.div_euclid(DAY_MS)).unwrap_or(i32::MAX)
}

impl Store {
    async fn write_fact(&self, write: &FactWrite) -> Result<(), Failure> {
        let (user, key) = (write.user_id.0, write.fact.key());
        if write.is_gone {
            return self.write(&self.statements().delete_fact, (write.stamp, user, key)).await;
        }
        let row = (user, key, pack(&write.fact)?, write.stamp);
        self.write(&self.statements().insert_fact, row).await
    }

    pub(super) async fn write_all_facts(&self, writes: &[FactWrite]) -> Result<(), Failure> {
        all(writes.iter().map(|write| self.write_fact(write)).collect()).await?;
        Ok(())
    }

    async fn facts_of(
        &self,
        user: UserId,
        range: &FactRange,
    ) -> Result<Vec<(UserId, Fact)>, Failure> {
        let limit = i32::try_from(range.limit).unwrap_or(i32::MAX);
        let key = (user.0, range.from.as_slice(), range.to.as_slice(), limit);
        let rows = self.rows::<(Vec<u8>,)>(&self.statements().facts, key).await?;
        let facts = rows.into_iter().map(|(fact,)| Ok((user, unpack(&fact)?)));
        facts.collect()
    }

    async fn read_due(&self, from_ms: i64, to_ms: i64, limit: usize) -> Result<Vec<Due>, Failure> {
        let (first, last) = (from_ms.max(to_ms - DAYS_MAX * DAY_MS), to_ms);
        let mut found = Vec::new();
        for day in day(first)..=day(last) {
            let left = i32::try_from(limit - found.len()).unwrap_or(i32::MAX);
            if left == 0 {
                break;
            }
            let key = (day, first, last, left);
            let rows = self.rows::<(i64, Uuid, Uuid, Uuid)>(&self.statements().due, key).await?;
            found.extend(rows.into_iter().map(|(send_at, scheduled, user, conversation)| Due {
                send_at,
                scheduled_id: ScheduledId(scheduled),
                user_id: UserId(user),
                conversation_id: ConversationId(conversation),
            }));
        }
        Ok(found)
    }

    pub(super) async fn write_due(&self, due: Due) -> Result<(), Failure> {
        let Due { send_at, scheduled_id, user_id, conversation_id } = due;
        let row = (day(send_at), send_at, scheduled_id.0, user_id.0, conversation_id.0);
        self.write(&self.statements().insert_due, row).await
    }
}

impl PersonalStore for Store {
    fn write_facts(&self, writes: Vec<FactWrite>) -> PortFuture<()> {
        let store = self.clone();
        Box::pin(async move {
            answer("write_facts", async { store.write_all_facts(&writes).await }).await
        })
    }

    fn note_seen(&self, seen: Vec<(UserId, i64)>) -> PortFuture<()> {
        let write = |(user_id, at)| FactWrite {
            user_id,
            stamp: at,
            fact: Fact::LastSeen(at),
            is_gone: false,
        };
        let (store, writes) = (self.clone(), seen.into_iter().map(write).collect::<Vec<_>>());
        Box::pin(async move {
            answer("note_seen", async { store.write_all_facts(&writes).await }).await
        })
    }

    fn facts(&self, users: Vec<UserId>, range: FactRange) -> PortFuture<Vec<(UserId, Fact)>> {
        let store = self.clone();
        Box::pin(async move {
            let reads = users.iter().map(|user| store.facts_of(*user, &range));
            let facts = answer("facts", all(reads.collect())).await?;
            Ok(facts.into_iter().flatten().collect())
        })
    }

    fn add_due(&self, due: Due) -> PortFuture<()> {
        let store = self.clone();
        Box::pin(async move { answer("add_due", store.write_due(due)).await })
    }

    fn remove_due(&self, due: Due) -> PortFuture<()> {
        let store = self.clone();
        Box::pin(async move {
            let key = (day(due.send_at), due.send_at, due.scheduled_id.0);
            answer("remove_due", store.write(&store.statements().delete_due, key)).await
        })
    }

    fn due(&self, from_ms: i64, to_ms: i64, limit: usize) -> PortFuture<Vec<Due>> {
        let store = self.clone();
        Box::pin(async move { answer("due", store.read_due(from_ms, to_ms, limit)).await })
    }
}
