//! Counts and latencies, of all devices together, as they happen.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use hdrhistogram::Histogram;
use schema::record::Content;
use schema::wire::ErrorFrame;
use tokio::time::Instant;

use crate::client::{Observer, SocketError};

/// Microseconds: later ones count as ten minutes.
const LATENCY_US_MAX: u64 = 600_000_000;
/// A message acknowledged this long after its stage's end still counts as in time.
const GRACE_US: u64 = 1_000_000;
/// Of what went wrong, quoted.
const QUOTED_MAX: usize = 5;

pub type Hist = Histogram<u64>;

/// Three digits, up to ten minutes.
#[must_use]
pub fn new_hist() -> Hist {
    #[expect(clippy::expect_used, reason = "constant bounds that are known to be sound")]
    Histogram::new_with_bounds(1, LATENCY_US_MAX, 3).expect("the bounds are sound")
}

/// What happened since the last look.
#[derive(Debug)]
pub struct Recent {
    pub due: u64,
    pub accepted: u64,
    pub delivered: u64,
    pub refused: u64,
    pub opened: u64,
    pub lost: u64,
    pub accepted_us: Hist,
    pub delivered_us: Hist,
}

/// What belongs to one stage, by when its messages were due.
#[derive(Clone, Debug)]
pub struct StageMeter {
    pub begin_us: u64,
    pub end_us: u64,
    pub due: u64,
    pub accepted: u64,
    pub accepted_in_time: u64,
    pub delivered: u64,
    pub accepted_us: Hist,
    pub delivered_us: Hist,
}

/// Totals of the run.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    pub due: u64,
    pub accepted: u64,
    pub given_up: u64,
    pub refused: u64,
    pub opened: u64,
    pub lost: u64,
    /// Sockets of those who were away or asleep on purpose.
    pub let_go: u64,
    pub longest_silence_us: u64,
    last_accepted_us: u64,
    /// The first refusals and losses, in words.
    pub quoted: Vec<String>,
}

/// Delivery before anyone fell asleep, and while some sleep.
#[derive(Clone, Debug)]
pub struct Asleep {
    pub before_us: Hist,
    pub while_us: Hist,
    /// From and until; messages due in one of these go into `while_us`.
    pub spans: Vec<(u64, u64)>,
}

#[derive(Debug)]
struct Inner {
    recent: Recent,
    stages: Vec<StageMeter>,
    totals: Totals,
    asleep: Asleep,
}

/// Shared by everybody who has something to tell.
#[derive(Debug)]
pub struct Meter {
    epoch: Instant,
    epoch_us: u64,
    inner: Mutex<Inner>,
    presence_told: AtomicU64,
}

impl Recent {
    fn new() -> Self {
        let (accepted_us, delivered_us) = (new_hist(), new_hist());
        let (due, accepted, delivered, refused, opened, lost) = (0, 0, 0, 0, 0, 0);
        Self { due, accepted, delivered, refused, opened, lost, accepted_us, delivered_us }
    }
}

impl Meter {
    /// Its clock begins now.
    #[must_use]
    pub fn new() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let asleep = Asleep { before_us: new_hist(), while_us: new_hist(), spans: Vec::new() };
        let inner =
            Inner { recent: Recent::new(), stages: Vec::new(), totals: Totals::default(), asleep };
        let (epoch, epoch_us) = (Instant::now(), now.as_micros() as u64);
        Self { epoch, epoch_us, inner: Mutex::new(inner), presence_told: AtomicU64::new(0) }
    }

    /// Somebody was told how another is.
    pub fn note_presence(&self) {
        self.presence_told.fetch_add(1, Ordering::Relaxed);
    }

    #[must_use]
    pub fn presence_told(&self) -> u64 {
        self.presence_told.load(Ordering::Relaxed)
    }

    /// Microseconds since 1970, by a clock that never jumps.
    #[must_use]
    pub fn now_us(&self) -> u64 {
        self.at_us(Instant::now())
    }

    #[must_use]
    pub fn at_us(&self, at: Instant) -> u64 {
        self.epoch_us + at.saturating_duration_since(self.epoch).as_micros() as u64
    }

    /// Stages begin at `begin_us`, one after the other.
    pub fn set_stages(&self, begin_us: u64, seconds: impl IntoIterator<Item = f64>) {
        let mut begin_us = begin_us;
        let stages = seconds.into_iter().map(|seconds| {
            let end_us = begin_us + (seconds * 1e6) as u64;
            let stage = StageMeter {
                begin_us,
                end_us,
                due: 0,
                accepted: 0,
                accepted_in_time: 0,
                delivered: 0,
                accepted_us: new_hist(),
                delivered_us: new_hist(),
            };
            begin_us = end_us;
            stage
        });
        self.lock().stages = stages.collect();
    }

    /// The same stages as another process has: from and until.
    pub fn set_spans(&self, spans: &[(u64, u64)]) {
        let Some((first, _)) = spans.first() else { return };
        self.set_stages(*first, spans.iter().map(|(from, until)| (until - from) as f64 / 1e6));
    }

    /// From and until of each stage.
    #[must_use]
    pub fn spans(&self) -> Vec<(u64, u64)> {
        self.lock().stages.iter().map(|stage| (stage.begin_us, stage.end_us)).collect()
    }

    /// What another process has seen since it last told: deliveries, sockets opened and lost.
    pub fn add_recent(&self, counts: (u64, u64, u64), delivered_us: &[(u64, u64)]) {
        let (delivered, opened, lost) = counts;
        let mut inner = self.lock();
        inner.recent.delivered += delivered;
        (inner.recent.opened, inner.recent.lost) =
            (inner.recent.opened + opened, inner.recent.lost + lost);
        (inner.totals.opened, inner.totals.lost) =
            (inner.totals.opened + opened, inner.totals.lost + lost);
        for (value, count) in delivered_us {
            inner.recent.delivered_us.saturating_record_n(*value, *count);
        }
    }

    /// What another process has seen of a stage, all in all.
    pub fn add_to_stage(&self, stage: usize, delivered: u64, delivered_us: &[(u64, u64)]) {
        let mut inner = self.lock();
        let Some(stage) = inner.stages.get_mut(stage) else { return };
        stage.delivered += delivered;
        for (value, count) in delivered_us {
            stage.delivered_us.saturating_record_n(*value, *count);
        }
    }

    /// Some sleep from now on, for so long.
    pub fn note_sleep(&self, span: (u64, u64)) {
        self.lock().asleep.spans.push(span);
    }

    /// A message is due.
    pub fn due(&self, due_us: u64) {
        let mut inner = self.lock();
        inner.recent.due += 1;
        inner.totals.due += 1;
        if let Some(stage) = stage_of(&mut inner.stages, due_us) {
            stage.due += 1;
        }
    }

    /// What happened since the last call.
    #[must_use]
    pub fn take_recent(&self) -> Recent {
        std::mem::replace(&mut self.lock().recent, Recent::new())
    }

    #[must_use]
    pub fn stages(&self) -> Vec<StageMeter> {
        self.lock().stages.clone()
    }

    #[must_use]
    pub fn totals(&self) -> Totals {
        self.lock().totals.clone()
    }

    #[must_use]
    pub fn asleep(&self) -> Asleep {
        self.lock().asleep.clone()
    }

    fn accepted(&self, content: &Content) {
        let now_us = self.now_us();
        let Some(due_us) = due_of(content) else { return };
        let took_us = now_us.saturating_sub(due_us).max(1);
        let mut inner = self.lock();
        inner.recent.accepted += 1;
        inner.recent.accepted_us.saturating_record(took_us);
        inner.totals.accepted += 1;
        let first = inner.stages.first().map_or(u64::MAX, |stage| stage.begin_us);
        let last = inner.stages.last().map_or(0, |stage| stage.end_us);
        if (first..last).contains(&now_us) {
            let since = inner.totals.last_accepted_us.max(first);
            let silence_us = now_us.saturating_sub(since);
            inner.totals.longest_silence_us = inner.totals.longest_silence_us.max(silence_us);
            inner.totals.last_accepted_us = now_us;
        }
        if let Some(stage) = stage_of(&mut inner.stages, due_us) {
            stage.accepted += 1;
            stage.accepted_in_time += u64::from(now_us <= stage.end_us + GRACE_US);
            stage.accepted_us.saturating_record(took_us);
        }
    }

    fn delivered(&self, content: &Content, is_excused: bool) {
        let now_us = self.now_us();
        let Some(due_us) = due_of(content) else { return };
        let took_us = now_us.saturating_sub(due_us).max(1);
        let mut inner = self.lock();
        inner.recent.delivered += 1;
        if let Some(stage) = stage_of(&mut inner.stages, due_us) {
            stage.delivered += 1;
            if !is_excused {
                stage.delivered_us.saturating_record(took_us);
            }
        }
        if is_excused {
            return;
        }
        inner.recent.delivered_us.saturating_record(took_us);
        let Inner { asleep, stages, .. } = &mut *inner;
        if asleep.spans.iter().any(|(from, until)| (*from..*until).contains(&due_us)) {
            asleep.while_us.saturating_record(took_us);
        } else if asleep.spans.is_empty() && stage_of(stages, due_us).is_some() {
            asleep.before_us.saturating_record(took_us);
        }
    }

    fn quote(inner: &mut Inner, what: String) {
        if inner.totals.quoted.len() < QUOTED_MAX && !inner.totals.quoted.contains(&what) {
            inner.totals.quoted.push(what);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Meter {
    fn default() -> Self {
        Self::new()
    }
}

fn stage_of(stages: &mut [StageMeter], due_us: u64) -> Option<&mut StageMeter> {
    stages.iter_mut().find(|stage| (stage.begin_us..stage.end_us).contains(&due_us))
}

/// A text that tells when it was due, and its number, then padding.
#[must_use]
pub fn text_of(due_us: u64, number: u64, bytes: usize) -> String {
    let mut text = format!("{due_us:016x}");
    if bytes >= 32 {
        text.push_str(&format!("{number:016x}"));
    }
    text.extend(std::iter::repeat_n('.', bytes.saturating_sub(text.len())));
    text
}

fn due_of(content: &Content) -> Option<u64> {
    let Content::Text { text } = content else { return None };
    u64::from_str_radix(text.get(..16)?, 16).ok()
}

/// One device's way to the meter.
#[derive(Debug)]
pub struct Ear {
    meter: Arc<Meter>,
    /// Away or asleep on purpose: what reaches it late says nothing about the server.
    is_excused: AtomicBool,
}

impl Ear {
    #[must_use]
    pub fn new(meter: Arc<Meter>) -> Self {
        Self { meter, is_excused: AtomicBool::new(false) }
    }

    pub fn excuse(&self, is_excused: bool) {
        self.is_excused.store(is_excused, Ordering::Relaxed);
    }
}

impl Observer for Ear {
    fn accepted(&self, content: &Content) {
        self.meter.accepted(content);
    }

    fn delivered(&self, content: &Content) {
        self.meter.delivered(content, self.is_excused.load(Ordering::Relaxed));
    }

    fn refused(&self, error: &ErrorFrame) {
        let mut inner = self.meter.lock();
        inner.recent.refused += 1;
        inner.totals.refused += 1;
        inner.totals.given_up += u64::from(!error.temporary);
        Meter::quote(&mut inner, format!("refused: {}: {}", error.code, error.message));
    }

    fn opened(&self) {
        let mut inner = self.meter.lock();
        inner.recent.opened += 1;
        inner.totals.opened += 1;
    }

    fn lost(&self, error: &SocketError) {
        let mut inner = self.meter.lock();
        if self.is_excused.load(Ordering::Relaxed) {
            inner.totals.let_go += 1;
            return;
        }
        inner.recent.lost += 1;
        inner.totals.lost += 1;
        Meter::quote(&mut inner, error.to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(due_us: u64) -> Content {
        Content::Text { text: text_of(due_us, 3, 40) }
    }

    #[test]
    fn texts_tell_when_they_were_due() {
        for bytes in [16, 31, 32, 100] {
            let text = text_of(0xabc, 7, bytes);
            assert_eq!(text.len(), bytes);
            assert_eq!(due_of(&Content::Text { text }), Some(0xabc));
        }
        assert_eq!(due_of(&Content::Text { text: "short".to_owned() }), None);
    }

    #[test]
    fn latency_counts_from_the_due_time_in_the_stage_that_it_was_due_in() {
        let meter = Arc::new(Meter::new());
        let ear = Ear::new(Arc::clone(&meter));
        let now_us = meter.now_us();
        meter.set_stages(now_us - 3_000_000, [2.0, 2.0]);
        for (due_us, times) in [(now_us - 2_500_000, 1), (now_us - 500_000, 2)] {
            for _ in 0..times {
                meter.due(due_us);
                ear.accepted(&content(due_us));
                ear.delivered(&content(due_us));
            }
        }
        let [first, second] = &meter.stages()[..] else { panic!() };
        assert_eq!((first.due, first.accepted, first.delivered), (1, 1, 1));
        assert_eq!((second.due, second.accepted, second.accepted_in_time), (2, 2, 2));
        // The first one's stage ended a second ago, and no moment more.
        assert_eq!(first.accepted_in_time, u64::from(meter.now_us() <= now_us));
        assert!((2_490_000..2_600_000).contains(&first.delivered_us.max()));
        assert!((490_000..600_000).contains(&second.accepted_us.max()));
        let recent = meter.take_recent();
        assert_eq!((recent.due, recent.accepted, recent.delivered), (3, 3, 3));
        assert_eq!(meter.take_recent().due, 0);
    }

    #[test]
    fn who_is_away_on_purpose_spoils_no_figure() {
        let meter = Arc::new(Meter::new());
        let (awake, sleeper) = (Ear::new(Arc::clone(&meter)), Ear::new(Arc::clone(&meter)));
        let now_us = meter.now_us();
        meter.set_stages(now_us - 1_000_000, [10.0]);
        sleeper.excuse(true);
        sleeper.delivered(&content(now_us - 900_000));
        sleeper.lost(&SocketError::Ended);
        assert_eq!((meter.totals().lost, meter.totals().let_go), (0, 1));
        awake.delivered(&content(now_us - 10_000));
        meter.note_sleep((now_us, now_us + 1_000));
        awake.delivered(&content(now_us));
        let stage = meter.stages().remove(0);
        assert_eq!((stage.delivered, stage.delivered_us.len()), (3, 2));
        assert!(stage.delivered_us.max() < 500_000);
        let asleep = meter.asleep();
        assert_eq!((asleep.before_us.len(), asleep.while_us.len()), (1, 1));
        assert_eq!(meter.totals().lost, 0);
    }
}
