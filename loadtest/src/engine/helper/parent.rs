//! The side of the process that runs the plan.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use schema::checker::Verdict;
use schema::{ConversationId, Sequence};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::{Counts, Job, Order, PROGRAM, Told};
use crate::client::transport::settings;
use crate::client::{Credentials, Recorder};
use crate::engine::crowd::Setting;
use crate::engine::meter::Meter;

const READY_WAIT: Duration = Duration::from_secs(300);
/// Beyond the time to catch up.
const VERDICT_WAIT: Duration = Duration::from_secs(60);

/// What a helper found in the end.
type Found = (Verdict, Vec<String>, Vec<(u64, Counts)>);

/// A helper at work. Dropping it ends the process.
#[derive(Debug)]
pub struct Helper {
    _child: Child,
    input: tokio::sync::Mutex<ChildStdin>,
    found: tokio::sync::Mutex<Option<JoinHandle<anyhow::Result<Found>>>>,
    pub readers: usize,
}

impl Helper {
    /// Starts one, and waits until all its readers are connected.
    pub async fn start(
        setting: Setting<'_>,
        conversation_id: ConversationId,
        readers: Vec<Credentials>,
        first_number: usize,
    ) -> anyhow::Result<Self> {
        let count = readers.len();
        let connect = settings();
        let job = Job {
            targets: setting.targets.to_vec(),
            trust: connect.trust,
            sources: connect.sources,
            conversation_id,
            readers,
            first_number,
            ack_every: setting.plan.traffic.ack_every.max(1),
            seed: setting.seed,
        };
        let program = match PROGRAM.get() {
            Some(program) => program.clone(),
            None => std::env::current_exe()?,
        };
        let mut child = Command::new(program)
            .arg("helper")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("a helper for more readers")?;
        let mut input = child.stdin.take().context("no way to the helper")?;
        let output = child.stdout.take().context("no way from the helper")?;
        write(&mut input, &job).await?;
        let (ready, is_ready) = oneshot::channel();
        let meter = Arc::clone(setting.meter);
        let found = tokio::spawn(async move {
            let mut lines = BufReader::new(output).lines();
            let mut ready = Some(ready);
            while let Some(line) = lines.next_line().await? {
                match serde_json::from_str(&line).context("what a helper told")? {
                    Told::Ready { connected } => {
                        // Nobody waits any more when that took too long.
                        let _ = ready.take().map(|ready| ready.send(connected));
                    }
                    Told::Recent { delivered, opened, lost, delivered_us } => {
                        meter.add_recent((delivered, opened, lost), &delivered_us);
                    }
                    Told::Verdict { verdict, problems, stages } => {
                        return Ok((*verdict, problems, stages));
                    }
                }
            }
            bail!("a helper ended before its readers were judged")
        });
        let connected = timeout(READY_WAIT, is_ready).await.context("a helper is not ready")?;
        let connected = connected.context("a helper could not connect its readers")?;
        anyhow::ensure!(connected == count, "a helper connected {connected} of {count} readers");
        let (input, found) = (tokio::sync::Mutex::new(input), Some(found));
        Ok(Self { _child: child, input, found: tokio::sync::Mutex::new(found), readers: count })
    }

    /// Tells which stages there are.
    pub async fn tell_stages(&self, spans: Vec<(u64, u64)>) -> anyhow::Result<()> {
        write(&mut *self.input.lock().await, &Order::Stages(spans)).await
    }

    /// Has its readers judged; what they saw is added to the meter, what was wrong to the
    /// recorder.
    pub async fn end(
        &self,
        head: Sequence,
        catch_up: Duration,
        meter: &Meter,
        recorder: &Recorder,
    ) -> anyhow::Result<Option<Verdict>> {
        let order = Order::End { head, catch_up_s: catch_up.as_secs_f64() };
        write(&mut *self.input.lock().await, &order).await?;
        let Some(found) = self.found.lock().await.take() else { return Ok(None) };
        let found = timeout(catch_up + VERDICT_WAIT, found).await;
        let (verdict, problems, stages) = found.context("a helper gives no verdict")???;
        for (stage, (delivered, delivered_us)) in stages.iter().enumerate() {
            meter.add_to_stage(stage, *delivered, delivered_us);
        }
        for problem in problems {
            recorder.problem(problem);
        }
        Ok(Some(verdict))
    }
}

async fn write(input: &mut ChildStdin, what: &impl serde::Serialize) -> anyhow::Result<()> {
    let mut line = serde_json::to_vec(what)?;
    line.push(b'\n');
    input.write_all(&line).await.context("telling a helper")?;
    Ok(input.flush().await?)
}
