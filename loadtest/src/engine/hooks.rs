//! What reaches beyond this program: commands of one's own.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use tokio::process::Command;
use tokio::time::timeout;

use crate::plan::Event;

const HOOK_MAX: Duration = Duration::from_secs(300);

/// Runs the hook of this name by `sh -c`, and waits for its end. It is told what is wanted by
/// `SWITCHBOARD_EVENT`, `SWITCHBOARD_TURN`, `SWITCHBOARD_NODE` and `SWITCHBOARD_FOR_S`.
///
/// # Errors
/// When there is none, it takes longer than five minutes, or it fails; with what it said.
pub async fn call(
    hooks: &BTreeMap<String, String>,
    name: &str,
    event: &Event,
    turn: usize,
) -> anyhow::Result<()> {
    let command = hooks.get(name).with_context(|| format!("no hook is called {name}"))?;
    let node = event.node.unwrap_or(turn).to_string();
    let running = Command::new("sh")
        .args(["-c", command])
        .env("SWITCHBOARD_EVENT", event.action.name())
        .env("SWITCHBOARD_TURN", turn.to_string())
        .env("SWITCHBOARD_NODE", node)
        .env("SWITCHBOARD_FOR_S", event.for_s.to_string())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = timeout(HOOK_MAX, running).await.context("it took longer than 5 minutes")??;
    anyhow::ensure!(
        output.status.success(),
        "{command:?} ended with {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan;

    #[tokio::test]
    async fn hooks_are_told_what_is_wanted_and_quoted_when_they_fail() {
        let text = "name = \"x\"\nsummary = \"y\"\n[[conversations]]\nkind = \"direct\"\n\
            [[events]]\nat_s = 1.0\naction = \"kill_node\"\nfor_s = 2.5\n[hooks]\n\
            good = 'test \"$SWITCHBOARD_EVENT $SWITCHBOARD_NODE $SWITCHBOARD_FOR_S\" = \"kill_node 4 2.5\"'\n\
            bad = 'echo so what >&2; exit 3'\n";
        let plan = plan::read("x", text, &[]).unwrap();
        let event = &plan.events[0];
        call(&plan.hooks, "good", event, 4).await.unwrap();
        let error = call(&plan.hooks, "bad", event, 0).await.unwrap_err().to_string();
        assert!(error.contains("so what") && error.contains('3'), "{error}");
        assert!(call(&plan.hooks, "none", event, 0).await.is_err());
    }
}
