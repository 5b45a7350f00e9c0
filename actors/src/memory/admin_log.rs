//! The log of administrative operations.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use uuid::Uuid;

use crate::ports::{ADMIN_RECORDS_MAX, AdminLog, AdminRecord, PortFuture};

/// Clones are the same log.
#[derive(Clone, Default)]
pub struct MemoryAdminLog {
    records: Arc<Mutex<BTreeMap<Uuid, AdminRecord>>>,
}

impl AdminLog for MemoryAdminLog {
    fn append(&self, record: AdminRecord) -> PortFuture<()> {
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        records.entry(record.id).or_insert(record);
        Box::pin(std::future::ready(Ok(())))
    }

    fn recent(&self, before: Option<Uuid>, limit: usize) -> PortFuture<Vec<AdminRecord>> {
        let records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        let below = records.range(..before.unwrap_or(Uuid::max())).rev();
        let found = below.take(limit.min(ADMIN_RECORDS_MAX)).map(|(_, it)| it.clone()).collect();
        Box::pin(std::future::ready(Ok(found)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn keeps_the_contract() {
        let make = async || Arc::new(MemoryAdminLog::default()) as Arc<dyn AdminLog>;
        crate::contract::admin_log::run(make).await;
    }
}
