//! Tells senders in turn when a message is due, by a thread of its own: timers of the runtime are
//! no finer than a millisecond.

use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant;

use super::tally::Tally;

/// How often, from when until when.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    pub begin: Instant,
    pub end: Instant,
    /// A second, of all senders together.
    pub rate: f64,
    /// That each message is to reach.
    pub readers: u64,
}

/// Runs until the end.
pub fn start(pace: Pace, senders: Vec<UnboundedSender<u64>>, tally: Tally) -> JoinHandle<()> {
    thread::spawn(move || {
        for number in 0_u64.. {
            let due = pace.begin + Duration::from_secs_f64(number as f64 / pace.rate);
            if due >= pace.end || senders.is_empty() {
                return;
            }
            let wait = due.saturating_duration_since(Instant::now());
            if !wait.is_zero() {
                thread::sleep(wait);
            }
            let due_us = tally.us(due);
            tally.due(due_us, pace.readers);
            // One that has failed has said so.
            let _ = senders[(number % senders.len() as u64) as usize].send(due_us);
        }
    })
}
