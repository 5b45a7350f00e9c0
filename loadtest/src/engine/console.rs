//! What people see while a run goes on: one line that changes, or plain lines.

use std::io::IsTerminal as _;
use std::sync::Mutex;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::Instant;

use super::world::Role;
use crate::run_report::Slice;

/// Plain lines come this often.
const PLAIN_EVERY: Duration = Duration::from_secs(5);

/// Where progress goes: the standard error output, so that results can be piped.
#[derive(Debug)]
pub struct Console {
    bar: Option<ProgressBar>,
    is_quiet: bool,
    said_at: Mutex<Option<Instant>>,
    begun: Instant,
}

/// One look at the run.
#[derive(Debug)]
pub struct Status<'a> {
    pub stage: String,
    pub left: Duration,
    pub slice: &'a Slice,
    pub roles: &'a [Role],
}

impl Console {
    /// A changing line on a terminal, else plain lines; nothing when `is_quiet`.
    #[must_use]
    pub fn new(is_quiet: bool) -> Self {
        let bar = (!is_quiet && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::new_spinner();
            // A constant template that is known to be sound.
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
                bar.set_style(style);
            }
            bar
        });
        Self { bar, is_quiet, said_at: Mutex::new(None), begun: Instant::now() }
    }

    /// A line that stays.
    pub fn say(&self, what: &str) {
        if self.is_quiet {
            return;
        }
        let line = format!("{:>7.1} s  {what}", self.begun.elapsed().as_secs_f64());
        match &self.bar {
            Some(bar) => bar.suspend(|| eprintln!("{line}")),
            None => eprintln!("{line}"),
        }
    }

    /// The line that changes.
    pub fn status(&self, status: &Status<'_>) {
        if self.is_quiet {
            return;
        }
        let line = line_of(status);
        if let Some(bar) = &self.bar {
            bar.set_message(line);
            bar.tick();
            return;
        }
        let Ok(mut said_at) = self.said_at.lock() else { return };
        if said_at.is_none_or(|at| at.elapsed() >= PLAIN_EVERY) {
            *said_at = Some(Instant::now());
            drop(said_at);
            self.say(&line);
        }
    }

    /// The changing line is done with.
    pub fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn line_of(status: &Status<'_>) -> String {
    let Status { stage, left, slice, roles } = status;
    let rate = |count: u64| count as f64 / slice.seconds.max(1e-6);
    let milliseconds = |us: u64| us as f64 / 1_000.0;
    let server_cpu: f32 = roles
        .iter()
        .zip(&slice.cpu_percent)
        .filter(|(role, _)| **role == Role::Server)
        .filter_map(|(_, percent)| *percent)
        .fold(0.0, |sum, percent| sum + percent);
    let mut line = format!(
        "{stage}: {:.0} msg/s acknowledged, {:.0} delivered/s, p50 {:.1} ms, p99 {:.1} ms, \
         server CPU {server_cpu:.0} %, {:.0} s left",
        rate(slice.accepted),
        rate(slice.delivered),
        milliseconds(slice.delivered_us.p50_us),
        milliseconds(slice.delivered_us.p99_us),
        left.as_secs_f64(),
    );
    if slice.refused + slice.lost > 0 {
        line.push_str(&format!("; {} refused, {} sockets lost", slice.refused, slice.lost));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_rates_latency_and_what_is_left() {
        let mut slice = Slice { seconds: 0.5, accepted: 50, delivered: 200, ..Slice::default() };
        slice.delivered_us.p99_us = 12_340;
        slice.cpu_percent = vec![Some(40.0), Some(9.0)];
        let mut status = Status {
            stage: "storm".to_owned(),
            left: Duration::from_secs(7),
            slice: &slice,
            roles: &[Role::Server, Role::LoadTester],
        };
        assert_eq!(
            line_of(&status),
            "storm: 100 msg/s acknowledged, 400 delivered/s, p50 0.0 ms, p99 12.3 ms, \
             server CPU 40 %, 7 s left"
        );
        let lossy = Slice { lost: 3, ..slice.clone() };
        status.slice = &lossy;
        assert!(line_of(&status).ends_with("0 refused, 3 sockets lost"));
    }
}
