//! The helper's side.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use schema::Sequence;
use schema::wire::Encoding;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines, Stdin};
use tokio::time::{MissedTickBehavior, interval};

use super::{Counts, Job, Order, Told};
use crate::client::transport::{ConnectSettings, configure};
use crate::client::{
    Device, DeviceOptions, Habits, Observer, Recorder, RestClient, SocketStyle, tls,
};
use crate::engine::meter::{Ear, Hist, Meter};

const CONNECT_WAIT: Duration = Duration::from_secs(120);
const OPENING_MAX: usize = 32;
const TICK: Duration = Duration::from_secs(2);
const TELL_EVERY: Duration = Duration::from_millis(500);
const PAGE_LIMIT: u64 = 200;

/// Reads along until told to end.
///
/// # Errors
/// When its orders are none, or its readers cannot be connected.
pub async fn run() -> anyhow::Result<()> {
    let mut input = BufReader::new(tokio::io::stdin()).lines();
    let line = input.next_line().await?.context("no job")?;
    let job: Job = serde_json::from_str(&line).context("the job")?;
    let trust = job.trust.as_ref().map(tls::client_config).transpose()?;
    configure(ConnectSettings { sources: job.sources.clone(), tls: trust, trust: None });
    let (meter, recorder) = (Arc::new(Meter::new()), Recorder::new());
    let readers = connect(&job, &meter, &recorder).await?;
    tell(&Told::Ready { connected: readers.len() })?;
    let (head, catch_up) = read_along(&mut input, &meter).await?;
    let id = job.conversation_id;
    let end = tokio::time::Instant::now() + catch_up;
    for reader in &readers {
        let wait = end.saturating_duration_since(tokio::time::Instant::now());
        reader.wait_position(id, head, wait).await;
        recorder.record(|history| history.expect_caught_up(reader.client(), id));
    }
    let token = &job.readers.first().context("no reader")?.access_token;
    let rest = RestClient::new(job.targets.first().context("no target")?.clone())?;
    match rest.read_forward(token, id, PAGE_LIMIT).await {
        Ok(log) => recorder.record_log(id, &log),
        Err(error) => recorder.problem(format!("{error:#}")),
    }
    let (verdict, problems) = recorder.judge();
    let stages = meter.stages();
    let stages = stages.iter().map(|stage| (stage.delivered, counts(&stage.delivered_us)));
    tell(&Told::Verdict { verdict: Box::new(verdict), problems, stages: stages.collect() })
}

async fn connect(
    job: &Job,
    meter: &Arc<Meter>,
    recorder: &Recorder,
) -> anyhow::Result<Vec<Device>> {
    let addresses: Arc<[String]> = job.targets.iter().map(|each| each.public.clone()).collect();
    let mut readers: Vec<Device> = Vec::with_capacity(job.readers.len());
    for (index, credentials) in job.readers.iter().enumerate() {
        let number = job.first_number + index;
        let observer: Arc<dyn Observer> = Arc::new(Ear::new(Arc::clone(meter)));
        let options = DeviceOptions {
            label: format!("device {number} of {}", credentials.username),
            address: addresses[number % addresses.len()].clone(),
            credentials: credentials.clone(),
            encoding: Encoding::MessagePack,
            style: SocketStyle::Lean,
            conversations: Vec::new(),
            seed: job.seed.wrapping_add(number as u64),
            habits: Habits {
                tick: TICK,
                ack_every: job.ack_every,
                channels: vec![job.conversation_id],
                others: if addresses.len() > 1 { Arc::clone(&addresses) } else { Arc::new([]) },
                observer: Some(observer),
            },
        };
        readers.push(Device::start(options, recorder.clone()));
        if let Some(earlier) = readers.len().checked_sub(OPENING_MAX) {
            readers[earlier].wait_connected(CONNECT_WAIT).await?;
        }
    }
    for reader in readers.iter().rev().take(OPENING_MAX) {
        reader.wait_connected(CONNECT_WAIT).await?;
    }
    Ok(readers)
}

/// Tells twice a second what happened, until the order to end.
async fn read_along(
    input: &mut Lines<BufReader<Stdin>>,
    meter: &Meter,
) -> anyhow::Result<(Sequence, Duration)> {
    let mut timer = interval(TELL_EVERY);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            line = input.next_line() => {
                let line = line?.context("nobody is there any more")?;
                match serde_json::from_str(&line).context("an order")? {
                    Order::Stages(spans) => meter.set_spans(&spans),
                    Order::End { head, catch_up_s } => {
                        return Ok((head, Duration::from_secs_f64(catch_up_s)));
                    }
                }
            }
            _ = timer.tick() => {
                let recent = meter.take_recent();
                tell(&Told::Recent {
                    delivered: recent.delivered,
                    opened: recent.opened,
                    lost: recent.lost,
                    delivered_us: counts(&recent.delivered_us),
                })?;
            }
        }
    }
}

fn counts(hist: &Hist) -> Counts {
    hist.iter_recorded().map(|step| (step.value_iterated_to(), step.count_at_value())).collect()
}

fn tell(told: &Told) -> anyhow::Result<()> {
    let mut line = serde_json::to_string(told)?;
    line.push('\n');
    let mut output = std::io::stdout().lock();
    output.write_all(line.as_bytes())?;
    Ok(output.flush()?)
}
