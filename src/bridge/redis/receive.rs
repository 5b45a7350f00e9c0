//! From the connection to the inbox: the reader only moves bytes, the dispatcher hands them on.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use actors::ports::Inbox;
use bytes::Bytes;
use redis::{PushInfo, PushKind, Value};
use schema::metric;
use tokio::time::Instant;

use super::packet::Packet;
use super::queue::Bounds;
use super::shared::{Received, Shared};

/// Frames handed on before others get a turn on the thread.
const BATCH: Bounds = Bounds { items: 64, bytes: usize::MAX };

/// What the connection of `session` pushes. Called by the task that reads the socket: never waits.
pub(super) fn on_push(shared: &Shared, session: u64, push: PushInfo) {
    if !shared.is_current(session) {
        return;
    }
    match push.kind {
        PushKind::Message | PushKind::SMessage => on_message(shared, push.data),
        PushKind::Disconnection => shared.lost("a connection to Redis ended"),
        // Not asked for by anyone here: the channel's slot moved to another server.
        PushKind::Unsubscribe | PushKind::SUnsubscribe => shared.broken.notify_one(),
        _ => {}
    }
}

fn on_message(shared: &Shared, data: Vec<Value>) {
    let Some(Value::BulkString(payload)) = data.into_iter().nth(1) else { return };
    match Packet::parse(Bytes::from(payload)) {
        Some(Packet::Frame(frame)) => keep(shared, frame),
        Some(Packet::Frames(frames)) => frames.into_iter().for_each(|frame| keep(shared, frame)),
        Some(Packet::Heartbeat(number)) => shared.echo(number),
        None => metrics::counter!(metric::FRAMES_MALFORMED).increment(1),
    }
}

fn keep(shared: &Shared, frame: Bytes) {
    let size = frame.len();
    if shared.incoming.put(Received { frame, at: Instant::now() }, size).is_err() {
        shared.be_unsure();
    }
}

/// Hands frames to the inbox, for as long as the bridge lives.
pub(super) async fn dispatch(shared: Arc<Shared>) {
    let inbox = inbox(&shared).await;
    let mut frames = Vec::new();
    loop {
        if shared.take_unsure() {
            metrics::counter!(metric::BRIDGE_UNSURE).increment(1);
            inbox.unsure();
        }
        shared.incoming.take(BATCH, &mut frames);
        let Some(oldest) = frames.first() else {
            shared.incoming.changed().await;
            continue;
        };
        shared.lagged(oldest.at.elapsed());
        metrics::counter!(metric::BRIDGE_FRAMES_RECEIVED).increment(frames.len() as u64);
        if hand_on(inbox.as_ref(), &mut frames).is_err() {
            tracing::error!("the inbox panicked; what came with that frame is lost");
            shared.be_unsure();
        }
        tokio::task::yield_now().await;
    }
}

/// A panic in the inbox must not end the dispatcher: nobody would hear of anything again.
fn hand_on(inbox: &dyn Inbox, frames: &mut Vec<Received>) -> std::thread::Result<()> {
    catch_unwind(AssertUnwindSafe(|| {
        for received in frames.drain(..) {
            inbox.receive(received.frame);
        }
    }))
}

/// The inbox, once it is there.
pub(super) async fn inbox(shared: &Shared) -> Arc<dyn Inbox> {
    loop {
        let is_set = shared.inbox_is_set.notified();
        if let Some(inbox) = shared.inbox.get() {
            return inbox.clone();
        }
        is_set.await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use redis::ToRedisArgs as _;
    use schema::NodeId;

    use super::super::BridgeLimits;
    use super::*;

    const KEPT: usize = 100;

    #[derive(Debug, PartialEq, Eq)]
    enum Told {
        Frame(Bytes),
        Unsure,
    }

    #[derive(Default)]
    struct Recorder(Mutex<Vec<Told>>);

    impl Inbox for Recorder {
        fn receive(&self, frame: Bytes) {
            self.0.lock().unwrap().push(Told::Frame(frame));
        }

        fn unsure(&self) {
            self.0.lock().unwrap().push(Told::Unsure);
        }
    }

    impl Recorder {
        fn take(&self) -> Vec<Told> {
            std::mem::take(&mut self.0.lock().unwrap())
        }
    }

    fn shared() -> (Arc<Shared>, u64) {
        let incoming = Bounds { items: KEPT, bytes: 1000 };
        let limits = BridgeLimits { incoming, ..BridgeLimits::default() };
        let shared = Arc::new(Shared::new(NodeId::generate(), limits));
        let session = shared.begin_session();
        (shared, session)
    }

    fn pushed(kind: PushKind, payload: &Packet) -> PushInfo {
        let payload = payload.to_redis_args().remove(0);
        PushInfo { kind, data: vec![Value::Nil, Value::BulkString(payload)] }
    }

    fn frame() -> PushInfo {
        pushed(PushKind::Message, &Packet::Frame(Bytes::from_static(b"f")))
    }

    async fn a_while() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }

    /// Dispatching to a recorder.
    fn dispatching(shared: &Arc<Shared>) -> Arc<Recorder> {
        let recorder = Arc::<Recorder>::default();
        assert!(shared.inbox.set(recorder.clone()).is_ok());
        tokio::spawn(dispatch(shared.clone()));
        recorder
    }

    #[tokio::test(start_paused = true)]
    async fn a_stalled_dispatcher_keeps_little_and_the_inbox_is_told() {
        let (shared, session) = shared();
        for _ in 0..10_000 {
            on_push(&shared, session, frame());
        }
        let recorder = dispatching(&shared);
        a_while().await;
        let told = recorder.take();
        assert_eq!(told.iter().filter(|it| **it == Told::Unsure).count(), 1);
        assert_eq!(told.len(), KEPT + 1);
        on_push(&shared, session, frame());
        a_while().await;
        assert_eq!(recorder.take(), [Told::Frame(Bytes::from_static(b"f"))]);
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_are_bounded_too() {
        let (shared, session) = shared();
        let large = Packet::Frame(Bytes::from(vec![7; 400]));
        for _ in 0..5 {
            on_push(&shared, session, pushed(PushKind::SMessage, &large));
        }
        let recorder = dispatching(&shared);
        a_while().await;
        assert_eq!(recorder.take().len(), 2 + 1);
    }

    #[tokio::test(start_paused = true)]
    async fn frames_that_waited_for_more_than_a_second_make_unsure() {
        let (shared, session) = shared();
        on_push(&shared, session, frame());
        tokio::time::sleep(Duration::from_millis(1100)).await;
        let recorder = dispatching(&shared);
        a_while().await;
        assert_eq!(recorder.take(), [Told::Frame(Bytes::from_static(b"f")), Told::Unsure]);
    }

    #[tokio::test(start_paused = true)]
    async fn up_from_the_first_echo_and_down_from_a_disconnection() {
        let (shared, session) = shared();
        let recorder = dispatching(&shared);
        let beat = || pushed(PushKind::Message, &Packet::Heartbeat(shared.beat().unwrap()));
        on_push(&shared, session, beat());
        a_while().await;
        assert!(shared.is_up());
        assert_eq!(recorder.take(), [Told::Unsure]);
        let (late, gone) = (beat(), PushInfo { kind: PushKind::Disconnection, data: Vec::new() });
        on_push(&shared, session, gone);
        assert!(!shared.is_up());
        on_push(&shared, session, late);
        assert!(!shared.is_up(), "it was sent before the disconnection");
        on_push(&shared, session, beat());
        a_while().await;
        assert!(shared.is_up());
        assert_eq!(recorder.take(), [Told::Unsure]);
    }

    #[tokio::test(start_paused = true)]
    async fn older_connections_are_not_heard() {
        let (shared, session) = shared();
        let recorder = dispatching(&shared);
        shared.end_session();
        on_push(&shared, session, frame());
        let newer = shared.begin_session();
        on_push(&shared, session, frame());
        a_while().await;
        assert_eq!(recorder.take(), []);
        on_push(&shared, newer, frame());
        a_while().await;
        assert_eq!(recorder.take().len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn strange_pushes_are_nothing() {
        let (shared, session) = shared();
        let recorder = dispatching(&shared);
        for data in [vec![], vec![Value::Nil], vec![Value::Nil, Value::Int(3)]] {
            on_push(&shared, session, PushInfo { kind: PushKind::Message, data });
        }
        let data = vec![Value::Nil, Value::BulkString(vec![99, 1])];
        on_push(&shared, session, PushInfo { kind: PushKind::SMessage, data });
        on_push(&shared, session, PushInfo { kind: PushKind::Invalidate, data: vec![] });
        a_while().await;
        assert_eq!(recorder.take(), []);
    }

    #[tokio::test(start_paused = true)]
    async fn a_channel_that_was_taken_away_ends_the_session() {
        let (shared, session) = shared();
        on_push(&shared, session, PushInfo { kind: PushKind::SUnsubscribe, data: vec![] });
        shared.broken.notified().await;
    }
}
