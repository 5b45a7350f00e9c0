//! When all is over: the log is read by REST, on every node, and everybody must have it.

use std::time::Duration;

use anyhow::Context as _;
use futures_util::{StreamExt as _, stream};
use schema::Sequence;
use schema::checker::Verdict;
use schema::wire::Encoding;
use tokio::time::{Instant, sleep};

use super::crowd::{Crowd, Setting, Talk, device};
use super::world::World;
use crate::client::{Device, RestClient, SocketStyle};

/// A healed cluster may still refuse a request for a moment.
const READ_WAIT: Duration = Duration::from_secs(60);
const READ_AGAIN: Duration = Duration::from_millis(500);
const READING_MAX: usize = 8;
/// Odd on purpose: pages end in the middle of everything.
const PAGE_LIMITS: (u64, u64) = (200, 97);
/// Further behind than that a device is told to fetch what it wants to see itself.
const BEHIND_MAX: Sequence = Sequence(5_000);
/// For a late reader, however long the others took.
const LATE_WAIT_MIN: Duration = Duration::from_secs(10);

/// Reads all logs and waits until every device has everything; who has not is the checker's to
/// find. Returns the verdicts of other processes.
///
/// # Errors
/// When a log cannot be read.
pub async fn read_back(
    setting: Setting<'_>,
    world: &World,
    crowd: &Crowd,
) -> anyhow::Result<Vec<Verdict>> {
    let nodes: Vec<RestClient> =
        world.targets.iter().cloned().map(RestClient::new).collect::<Result<_, _>>()?;
    let end = Instant::now() + Duration::from_secs_f64(setting.plan.timing.catch_up_s);
    let mut reading = stream::iter(crowd.talks.iter().enumerate())
        .map(|(number, talk)| read_talk(setting, &nodes, number, talk, end))
        .buffer_unordered(READING_MAX);
    let mut verdicts = Vec::new();
    while let Some(read) = reading.next().await {
        verdicts.extend(read?);
    }
    Ok(verdicts)
}

async fn read_talk(
    setting: Setting<'_>,
    nodes: &[RestClient],
    number: usize,
    talk: &Talk,
    end: Instant,
) -> anyhow::Result<Vec<Verdict>> {
    let (recorder, id) = (setting.recorder, talk.conversation_id);
    let token = &talk.reader.access_token;
    let first = number % nodes.len();
    let log = insist(|| nodes[first].read_forward(token, id, PAGE_LIMITS.0)).await;
    let log = log.with_context(|| format!("reading {id}"))?;
    recorder.record_log(id, &log);
    // Where there is one node, the way back is read of the first conversations only.
    for (node, rest) in nodes.iter().enumerate().filter(|_| nodes.len() > 1 || number < 4) {
        let back = insist(|| rest.read_backward(token, id, PAGE_LIMITS.1)).await;
        let back = back.with_context(|| format!("reading {id} back on node {node}"))?;
        let label = format!("{id} by REST on node {node}");
        let by_rest = recorder.add_client(&label, talk.reader.user_id);
        recorder.record_reading(by_rest, id, &back);
    }
    for (index, late) in talk.late.iter().enumerate().filter(|_| log.head <= BEHIND_MAX) {
        let mut options = device(setting, late.clone(), number + index + 1);
        options.label = format!("late reader {index} of {id}");
        options.conversations = vec![id];
        // The ordinary client and the readable encoding have their say too.
        (options.encoding, options.style) = (Encoding::Json, SocketStyle::Standard);
        let late = Device::start(options, recorder.clone());
        let wait = end.saturating_duration_since(Instant::now()).max(LATE_WAIT_MIN);
        late.wait_position(id, log.head, wait).await;
        recorder.record(|history| history.expect_caught_up(late.client(), id));
    }
    for person in &talk.people {
        let wait = end.saturating_duration_since(Instant::now());
        person.device.wait_position(id, log.head, wait).await;
        recorder.record(|history| history.expect_caught_up(person.device.client(), id));
    }
    let mut verdicts = Vec::new();
    for helper in &talk.helpers {
        let wait = end.saturating_duration_since(Instant::now()).max(LATE_WAIT_MIN);
        verdicts.extend(helper.end(log.head, wait, setting.meter, recorder).await?);
    }
    Ok(verdicts)
}

async fn insist<T, F: Future<Output = anyhow::Result<T>>>(
    mut attempt: impl FnMut() -> F,
) -> anyhow::Result<T> {
    let end = Instant::now() + READ_WAIT;
    loop {
        match attempt().await {
            Err(_) if Instant::now() < end => sleep(READ_AGAIN).await,
            outcome => return outcome,
        }
    }
}
