//! The open loop: messages are due at fixed times, whatever became of the ones before.
//!
//! A thread of its own keeps the time, because timers of the runtime are no finer than a
//! millisecond. A device that cannot take a message yet keeps nobody else waiting: its messages
//! queue up here and count from when they were due.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use tokio::time::Instant;

use super::{Pace, draft};
use crate::client::Draft;
use crate::engine::crowd::Person;
use crate::engine::meter::Meter;

/// A message that cannot be handed over is tried again this often.
const TRY_AGAIN: Duration = Duration::from_millis(2);
/// After the last due time, for devices that are still away.
const HAND_OVER_MAX: Duration = Duration::from_secs(60);

/// Sends until `pace` ends, then until everything is handed over, or `is_over`. Blocks: for a
/// thread of its own. Returns how many messages could not be handed over.
pub fn run_open(
    senders: &[Arc<Person>],
    pace: Pace,
    begin: Instant,
    text_bytes: usize,
    meter: &Meter,
    is_over: &AtomicBool,
) -> usize {
    let mut waiting: Vec<VecDeque<Draft>> = senders.iter().map(|_| VecDeque::new()).collect();
    let mut count_waiting = 0;
    for (number, due_s) in pace.enumerate() {
        let due = begin + Duration::from_secs_f64(due_s);
        loop {
            if is_over.load(Ordering::Relaxed) {
                return count_waiting;
            }
            let now = Instant::now();
            if now >= due {
                break;
            }
            if count_waiting > 0 {
                hand_over(senders, &mut waiting, &mut count_waiting);
                thread::sleep((due - now).min(TRY_AGAIN));
            } else {
                // Not longer at once: the end may come early.
                thread::sleep((due - now).min(Duration::from_millis(100)));
            }
        }
        let (turn, due_us) = (number % senders.len(), meter.at_us(due));
        let message = draft(&senders[turn], due_us, number as u64, text_bytes);
        meter.due(due_us);
        // Order matters: never past one that waits.
        let refused = if waiting[turn].is_empty() {
            senders[turn].device.try_submit(message).err()
        } else {
            Some(message)
        };
        if let Some(message) = refused {
            waiting[turn].push_back(message);
            count_waiting += 1;
        }
    }
    let end = Instant::now() + HAND_OVER_MAX;
    while count_waiting > 0 && Instant::now() < end && !is_over.load(Ordering::Relaxed) {
        hand_over(senders, &mut waiting, &mut count_waiting);
        thread::sleep(TRY_AGAIN);
    }
    count_waiting
}

fn hand_over(senders: &[Arc<Person>], waiting: &mut [VecDeque<Draft>], count_waiting: &mut usize) {
    for (person, queue) in senders.iter().zip(waiting) {
        while let Some(message) = queue.pop_front() {
            if let Err(message) = person.device.try_submit(message) {
                queue.push_front(message);
                break;
            }
            *count_waiting -= 1;
        }
    }
}
