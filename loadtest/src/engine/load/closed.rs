//! The closed loop: a sender has so many messages on their way, and waits for one of them before
//! the next.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::draft;
use crate::engine::crowd::Person;
use crate::engine::meter::Meter;
use crate::plan::Traffic;

/// For what is still unanswered at the end.
const ANSWER_WAIT: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// One sender, until `is_over`, then until all is answered.
///
/// # Errors
/// When its device ends, or an answer never comes.
pub async fn run_closed(
    person: Arc<Person>,
    traffic: Traffic,
    seed: u64,
    meter: Arc<Meter>,
    is_over: Arc<AtomicBool>,
) -> anyhow::Result<()> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut on_their_way = FuturesUnordered::new();
    let (mut number, mut next) = (seed << 32, Instant::now());
    while !is_over.load(Ordering::Relaxed) {
        let is_due = Instant::now() >= next;
        if is_due && on_their_way.len() < traffic.in_flight {
            number += 1;
            let due_us = meter.now_us();
            let message = draft(&person, due_us, number, traffic.text_bytes);
            meter.due(due_us);
            on_their_way.push(person.device.submit(message, None).await?);
            let (from, to) = traffic.pause_ms;
            if to > 0 {
                next = Instant::now() + Duration::from_millis(random.random_range(from..=to));
            }
            continue;
        }
        let look = Instant::now() + LOOK_EVERY;
        tokio::select! {
            // A refusal for good is a problem that the device reports itself.
            Some(answer) = on_their_way.next() => drop(answer.context("the device has ended")?),
            () = sleep_until(if is_due { look } else { next.min(look) }) => {}
        }
    }
    let deadline = Instant::now() + ANSWER_WAIT;
    while let Some(answer) =
        timeout_at(deadline, on_their_way.next()).await.context("no answer within 120 s")?
    {
        drop(answer.context("the device has ended")?);
    }
    Ok(())
}
