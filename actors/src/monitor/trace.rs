//! The stations of a sampled message, for whoever wants to see where its time went.
//!
//! Nothing travels with messages inside a node: what is sampled is known by its id, in one table of
//! the process. While nothing is sampled a station costs one look at a number; while tracing is
//! off, the same. Between nodes the context goes along in frames ([`TraceOf`]).

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use schema::MessageId;
use schema::cluster::trace::{TraceContext, TraceOf};
use tokio::time::Instant;

/// Messages traced at once; more are not sampled.
const TRACED_MAX: usize = 4_096;
/// What takes longer is not followed to its end.
const KEPT: Duration = Duration::from_secs(30);
/// Hand-overs to sockets that are told of one message on one node.
const DELIVERIES_MAX: u32 = 8;

/// Where a message can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Station {
    /// A socket's frame, until it is answered.
    Send,
    /// The conversation: checked, then waiting for its number to be stored.
    Conversation,
    /// On its way to the node that owns the shard, and the answer back.
    Forward,
    /// The sequencer: waiting for its turn, then numbered.
    Sequence,
    /// The committer: packed and stored.
    Commit,
    /// Handed to the bridge for the nodes that follow.
    Announce,
    /// Came from another node.
    Receive,
    /// Handed to the sessions of this node.
    FanOut,
    /// Handed to a socket.
    Deliver,
}

const STATIONS: usize = 9;

impl Station {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Send => "message.send",
            Self::Conversation => "message.conversation",
            Self::Forward => "message.forward",
            Self::Sequence => "message.sequence",
            Self::Commit => "message.commit",
            Self::Announce => "message.announce",
            Self::Receive => "message.receive",
            Self::FanOut => "message.fan_out",
            Self::Deliver => "message.deliver",
        }
    }

    /// What it is part of, the nearest first; after these, what came from elsewhere.
    const fn parents(self) -> &'static [Self] {
        match self {
            Self::Send | Self::Receive => &[],
            Self::Conversation => &[Self::Send, Self::Receive],
            Self::Forward | Self::Sequence => &[Self::Conversation],
            Self::Commit => &[Self::Sequence, Self::Conversation],
            Self::Announce => &[Self::Commit],
            Self::FanOut => &[Self::Commit, Self::Receive, Self::Conversation],
            Self::Deliver => &[Self::FanOut],
        }
    }
}

/// A station that was left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    pub context: TraceContext,
    pub parent: Option<[u8; 8]>,
    pub name: &'static str,
    pub started: SystemTime,
    pub ended: SystemTime,
}

/// Takes spans; must not wait.
pub trait SpanSink: Send + Sync + 'static {
    fn take(&self, span: Span);
}

struct Tracing {
    sink: Arc<dyn SpanSink>,
    /// Of the messages of sockets, so many of `u64::MAX`.
    threshold: u64,
}

static TRACING: OnceLock<Tracing> = OnceLock::new();
/// Messages in the table.
static TRACED: AtomicUsize = AtomicUsize::new(0);
static TABLE: OnceLock<Mutex<HashMap<MessageId, Traced>>> = OnceLock::new();

#[derive(Clone, Copy)]
struct Visit {
    span_id: [u8; 8],
    started: SystemTime,
    is_open: bool,
}

struct Traced {
    trace_id: [u8; 16],
    /// The request that all of this is part of.
    outer: Option<[u8; 8]>,
    /// Where it was on the node that sent it here.
    received: Option<[u8; 8]>,
    visits: [Option<Visit>; STATIONS],
    deliveries: u32,
    since: Instant,
}

impl Traced {
    fn parent(&self, station: Station) -> Option<[u8; 8]> {
        match station {
            Station::Receive => return self.received,
            // Here it began, also when its entry came back from another node before the answer.
            Station::Send => return self.outer,
            _ => {}
        }
        let visits = station.parents().iter().filter_map(|parent| self.visits[*parent as usize]);
        visits.map(|visit| visit.span_id).next().or(self.outer).or(self.received)
    }
}

/// Tells whom spans go to, once a process. Of messages that come by sockets,
/// `ratio` is sampled; what others have sampled is followed in any case.
pub fn install(sink: Arc<dyn SpanSink>, ratio: f64) {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "a share of all numbers, clamped"
    )]
    let threshold = (ratio.clamp(0.0, 1.0) * u64::MAX as f64) as u64;
    let _ = TRACING.set(Tracing { sink, threshold });
}

fn table() -> MutexGuard<'static, HashMap<MessageId, Traced>> {
    TABLE.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner)
}

/// Something is traced now.
#[inline]
#[must_use]
pub fn is_any() -> bool {
    TRACED.load(Ordering::Relaxed) > 0
}

/// A message came by a socket: perhaps it is sampled.
pub fn begin(message: MessageId) {
    let Some(tracing) = TRACING.get() else { return };
    if tracing.threshold > 0 && rand::random::<u64>() <= tracing.threshold {
        follow(message, rand::random(), None);
        enter(message, Station::Send);
    }
}

/// A message came by a request that is traced.
pub fn adopt(of: &TraceOf) {
    if TRACING.get().is_some() {
        follow(of.message_id, of.context.trace_id, Some(of.context.span_id));
    }
}

/// Messages came from another node, where they are traced.
pub fn received(traces: &[TraceOf]) {
    if TRACING.get().is_none() {
        return;
    }
    for of in traces {
        follow(of.message_id, of.context.trace_id, None);
        if let Some(traced) = table().get_mut(&of.message_id) {
            traced.received = Some(of.context.span_id);
        }
        enter(of.message_id, Station::Receive);
        leave(of.message_id, Station::Receive);
    }
}

fn follow(message: MessageId, trace_id: [u8; 16], outer: Option<[u8; 8]>) {
    let mut table = table();
    if table.len() >= TRACED_MAX {
        table.retain(|_, traced| traced.since.elapsed() < KEPT);
        if table.len() >= TRACED_MAX {
            TRACED.store(table.len(), Ordering::Relaxed);
            return;
        }
    }
    // A node may get back what it sent away: what it knows itself stays.
    table.entry(message).or_insert_with(|| Traced {
        trace_id,
        outer,
        received: None,
        visits: [None; STATIONS],
        deliveries: 0,
        since: Instant::now(),
    });
    TRACED.store(table.len(), Ordering::Relaxed);
}

/// The message is here now.
#[inline]
pub fn enter(message: MessageId, station: Station) {
    if is_any() {
        enter_traced(message, station);
    }
}

fn enter_traced(message: MessageId, station: Station) {
    if let Some(traced) = table().get_mut(&message) {
        let visit = &mut traced.visits[station as usize];
        if visit.is_none() {
            let (span_id, started) = (rand::random(), SystemTime::now());
            *visit = Some(Visit { span_id, started, is_open: true });
        }
    }
}

/// The message is not here any more. Without effect where it was not.
#[inline]
pub fn leave(message: MessageId, station: Station) {
    if is_any() {
        leave_traced(message, station);
    }
}

fn leave_traced(message: MessageId, station: Station) {
    let mut table = table();
    let Some(traced) = table.get_mut(&message) else { return };
    let parent = traced.parent(station);
    let Some(visit) = &mut traced.visits[station as usize] else { return };
    if !std::mem::take(&mut visit.is_open) {
        return;
    }
    let context = TraceContext { trace_id: traced.trace_id, span_id: visit.span_id };
    let (started, ended) = (visit.started, SystemTime::now());
    drop(table);
    tell(Span { context, parent, name: station.name(), started, ended });
}

/// The message was handed to one socket.
#[inline]
pub fn delivered(message: MessageId) {
    if is_any() {
        delivered_traced(message);
    }
}

fn delivered_traced(message: MessageId) {
    let mut table = table();
    let Some(traced) = table.get_mut(&message) else { return };
    let parent = traced.parent(Station::Deliver);
    let Some(visit) = traced.visits[Station::FanOut as usize] else { return };
    if traced.deliveries >= DELIVERIES_MAX {
        return;
    }
    traced.deliveries += 1;
    let context = TraceContext { trace_id: traced.trace_id, span_id: rand::random() };
    drop(table);
    let (started, ended) = (visit.started, SystemTime::now());
    tell(Span { context, parent, name: Station::Deliver.name(), started, ended });
}

/// Of these messages, the traces to go along to another node, as part of `station`.
#[must_use]
pub fn contexts(messages: impl Iterator<Item = MessageId>, station: Station) -> Vec<TraceOf> {
    if !is_any() {
        return Vec::new();
    }
    let table = table();
    let context = |message_id| {
        let traced = table.get(&message_id)?;
        let here = traced.visits[station as usize].map(|visit| visit.span_id);
        let span_id = here.or_else(|| traced.parent(station))?;
        Some(TraceOf { message_id, context: TraceContext { trace_id: traced.trace_id, span_id } })
    };
    messages.filter_map(context).collect()
}

/// Forgets what is old. Called once in a while.
pub fn expire() {
    if is_any() {
        let mut table = table();
        table.retain(|_, traced| traced.since.elapsed() < KEPT);
        TRACED.store(table.len(), Ordering::Relaxed);
    }
}

fn tell(span: Span) {
    if let Some(tracing) = TRACING.get() {
        tracing.sink.take(span);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Kept(Mutex<Vec<Span>>);

    impl SpanSink for Kept {
        fn take(&self, span: Span) {
            self.0.lock().unwrap().push(span);
        }
    }

    /// One test: the table is the process's.
    #[test]
    fn stations_become_spans_that_hang_together() {
        let message = MessageId::generate();
        enter(message, Station::Send);
        assert!(!is_any() && TRACING.get().is_none(), "off, nothing is noted");

        let kept = Arc::new(Kept::default());
        install(kept.clone(), 1.0);
        begin(message);
        enter(message, Station::Conversation);
        enter(message, Station::Sequence);
        leave(message, Station::Sequence);
        enter(message, Station::Commit);
        leave(message, Station::Commit);
        enter(message, Station::Announce);
        leave(message, Station::Announce);
        let sent = contexts([message, MessageId::generate()].into_iter(), Station::Announce);
        leave(message, Station::Conversation);
        // Its entry comes back from the node that numbered it, before the answer.
        let back = TraceContext { trace_id: [1; 16], span_id: [9; 8] };
        received(&[TraceOf { message_id: message, context: back }]);
        leave(message, Station::Send);
        leave(message, Station::Send);
        let spans = kept.0.lock().unwrap().clone();
        let by_name = |name: &str| spans.iter().find(|it| it.name == name).unwrap();
        assert_eq!(spans.len(), 6, "{spans:#?}");
        let root = by_name("message.send");
        assert_eq!(root.parent, None);
        for (child, parent) in [
            ("message.conversation", "message.send"),
            ("message.sequence", "message.conversation"),
            ("message.commit", "message.sequence"),
            ("message.announce", "message.commit"),
        ] {
            assert_eq!(by_name(child).parent, Some(by_name(parent).context.span_id), "{child}");
            assert_eq!(by_name(child).context.trace_id, root.context.trace_id);
        }
        assert_eq!(sent.len(), 1);
        assert_eq!(sent[0].context, by_name("message.announce").context);

        // Another message, as another node would see it.
        let there = TraceOf { message_id: MessageId::generate(), ..sent[0] };
        received(&[there]);
        enter(there.message_id, Station::FanOut);
        leave(there.message_id, Station::FanOut);
        (0..20).for_each(|_| delivered(there.message_id));
        let spans = kept.0.lock().unwrap().split_off(6);
        let names: Vec<_> = spans.iter().map(|span| span.name).collect();
        assert_eq!(names[..2], ["message.receive", "message.fan_out"]);
        assert_eq!(spans[0].parent, Some(sent[0].context.span_id));
        assert_eq!(spans[1].parent, Some(spans[0].context.span_id));
        assert_eq!(names[2..], ["message.deliver"; 8], "not a span for each of a thousand");
        assert!(spans[2..].iter().all(|span| span.parent == Some(spans[1].context.span_id)));
        assert!(spans.iter().all(|span| span.context.trace_id == root.context.trace_id));
    }
}
