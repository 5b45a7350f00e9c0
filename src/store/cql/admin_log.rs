//! What operators did.

use actors::ports::wall_clock::SystemClock;
use actors::ports::{ADMIN_RECORDS_MAX, AdminLog, AdminRecord, PortFuture, WallClock as _};
use uuid::Uuid;

use super::failure::Failure;
use super::rows::small;
use super::store::{Store, answer};

const PERIOD_MS: i64 = 30 * 24 * 60 * 60 * 1000;
/// Periods that one read looks through: two years.
const PERIODS_MAX: i64 = 25;

type Columns = (Uuid, i64, String, String, String);

fn period(at_ms: i64) -> i64 {
    at_ms.div_euclid(PERIOD_MS)
}

/// Milliseconds since 1970 UTC, as a UUID of version 7 begins with them.
fn time_of(id: Uuid) -> i64 {
    i64::try_from(id.as_u128() >> 80).unwrap_or(i64::MAX)
}

impl Store {
    async fn append_admin(&self, record: AdminRecord) -> Result<(), Failure> {
        let AdminRecord { id, at_ms, action, target, from } = record;
        let period = small(u64::try_from(period(time_of(id))).unwrap_or(0));
        let row = (period, id, at_ms, action, target, from);
        self.write(&self.statements().insert_admin, row).await
    }

    async fn recent_admin(
        &self,
        before: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<AdminRecord>, Failure> {
        let limit = limit.min(ADMIN_RECORDS_MAX);
        // The clock of whoever wrote may be ahead of this one.
        let newest = before.map_or_else(|| SystemClock.now_ms() + PERIOD_MS, time_of);
        let before = before.unwrap_or(Uuid::max());
        let mut found = Vec::new();
        for back in 0..PERIODS_MAX {
            if found.len() >= limit {
                break;
            }
            let period = small(u64::try_from(period(newest) - back).unwrap_or(0));
            let left = small((limit - found.len()) as u64);
            let statement = &self.statements().recent_admin;
            let rows = self.rows::<Columns>(statement, (period, before, left)).await?;
            found.extend(rows.into_iter().map(|(id, at_ms, action, target, from)| AdminRecord {
                id,
                at_ms,
                action,
                target,
                from,
            }));
        }
        Ok(found)
    }
}

impl AdminLog for Store {
    fn append(&self, record: AdminRecord) -> PortFuture<()> {
        let store = self.clone();
        Box::pin(async move { answer("admin_log", store.append_admin(record)).await })
    }

    fn recent(&self, before: Option<Uuid>, limit: usize) -> PortFuture<Vec<AdminRecord>> {
        let store = self.clone();
        Box::pin(async move { answer("admin_log", store.recent_admin(before, limit)).await })
    }
}
