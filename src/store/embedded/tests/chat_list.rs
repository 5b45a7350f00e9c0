use rusqlite::Connection;

use super::TempDir;
use crate::store::embedded::chat_list::CHAT_LIST;
use crate::store::embedded::failure::Failure;

#[tokio::test]
async fn a_chat_list_looks_everything_up_by_key() {
    let dir = TempDir::new();
    let store = dir.open();
    let plan = store.read("test", |connection: &Connection| {
        let mut statement = connection
            .prepare(&format!("EXPLAIN QUERY PLAN {CHAT_LIST}"))
            .map_err(Failure::from)?;
        let steps = statement.query_map([[1; 16], [2; 16]], |row| row.get::<_, String>(3))?;
        Ok(steps.collect::<Result<Vec<_>, _>>()?)
    });
    let plan = plan.await.unwrap();
    for step in &plan {
        assert!(!step.starts_with("SCAN") && !step.contains("TEMP B-TREE"), "{step} of {plan:#?}");
        assert!(!step.contains("messages"), "a chat list reads no messages: {step}");
    }
    assert!(plan[0].contains("memberships_by_user"), "it begins with the user: {plan:#?}");
}
