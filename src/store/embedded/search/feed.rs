//! Which logs have grown since they were indexed.

use std::collections::BTreeSet;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actors::ports::StoreError;
use schema::metric;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// More are not noted one by one: all are compared then.
const NOTED_MAX: usize = 50_000;

#[derive(Default)]
struct State {
    grown: BTreeSet<i64>,
    /// When the first of them grew.
    since: Option<Instant>,
    /// The same of those that are being indexed.
    taken_since: Option<Instant>,
    is_unsure: bool,
    is_closed: bool,
    /// Who wait for the index to be made anew.
    anew: Vec<Answer>,
}

/// Gets the number of entries that an index was made of.
pub(super) type Answer = oneshot::Sender<Result<u64, StoreError>>;

/// Written by the store's writer, read by the index. Lives in memory: on start all logs are compared.
pub(in super::super) struct Feed {
    state: Mutex<State>,
    news: Condvar,
}

/// What to index next.
pub(super) enum Next {
    Logs(BTreeSet<i64>),
    /// Compare all.
    All,
    /// Make the index anew.
    Anew(Vec<Answer>),
    Nothing,
    Closed,
}

impl Default for Feed {
    fn default() -> Self {
        let state = State { is_unsure: true, ..State::default() };
        Self { state: Mutex::new(state), news: Condvar::new() }
    }
}

impl Feed {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// These conversations, by their numbers in the store, have new entries.
    pub fn grown(&self, numbers: impl Iterator<Item = i64>) {
        let mut state = self.state();
        state.grown.extend(numbers);
        state.since = state.since.or_else(|| Some(Instant::now()));
        if state.grown.len() > NOTED_MAX {
            state.grown.clear();
            state.is_unsure = true;
        }
    }

    /// The index is to be made anew; what the answer waits for is bounded by the logs alone.
    pub fn anew(&self) -> oneshot::Receiver<Result<u64, StoreError>> {
        let (answer, waiting) = oneshot::channel();
        let mut state = self.state();
        if !state.is_closed {
            state.anew.push(answer);
        }
        self.news.notify_all();
        waiting
    }

    pub fn close(&self) {
        let mut state = self.state();
        state.is_closed = true;
        state.anew.clear();
        drop(state);
        self.news.notify_all();
    }

    /// Takes what there is after at most `wait`.
    pub(super) fn next(&self, wait: Duration) -> Next {
        let state = self.state();
        let timed = self
            .news
            .wait_timeout_while(state, wait, |state| !state.is_closed && state.anew.is_empty());
        let (mut state, _) = timed.unwrap_or_else(PoisonError::into_inner);
        if state.is_closed {
            return Next::Closed;
        }
        if !state.anew.is_empty() {
            return Next::Anew(std::mem::take(&mut state.anew));
        }
        #[expect(clippy::cast_precision_loss, reason = "for display")]
        metrics::gauge!(metric::SEARCH_WAITING).set(state.grown.len() as f64);
        let lag = state.since.map_or(0.0, |since| since.elapsed().as_secs_f64());
        metrics::gauge!(metric::SEARCH_LAG_SECONDS).set(lag);
        state.taken_since = state.since.take();
        if std::mem::take(&mut state.is_unsure) {
            return Next::All;
        }
        let grown = std::mem::take(&mut state.grown);
        if grown.is_empty() { Next::Nothing } else { Next::Logs(grown) }
    }

    /// Could not be indexed now: compared again.
    pub(super) fn failed(&self) {
        let mut state = self.state();
        state.is_unsure = true;
        state.since = state.taken_since.take().or(state.since);
    }
}
