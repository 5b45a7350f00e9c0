//! What one socket's actor, its transport and the watchdog share. All live on one thread.
//!
//! The actor puts complete WebSocket frames in; the transport takes them out as the peer reads.
//! Bytes are counted: beyond the budget the peer is too slow and is let go.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::rc::Rc;
use std::task::Waker;

use bytes::Bytes;
use schema::wire::{CloseCode, Encoding, ServerFrame, framing};
use schema::{ConnectionId, metric};

use super::flush::{self, Outlet, Written};
use super::latency;
use crate::conversation::Batch;
use crate::monitor::trace;
use crate::ports::WallClock;
use crate::session::local::LocalSocket;

/// Bytes that may wait for one peer. What is added when less waits is taken whole.
pub const OUTBOX_BYTES_MAX: usize = 256 * 1024;
/// Frames and bytes of one write call.
const WRITE_FRAMES_MAX: usize = 64;
const WRITE_BYTES_MAX: usize = 64 * 1024;
/// Below this a waiting page counts as written.
const LOW_WATER_BYTES: usize = 64 * 1024;

/// Called once the outbox has drained, until it returns true.
type OnDrained = Box<dyn FnMut() -> bool>;

/// Shared by reference count, never across threads.
#[derive(Default)]
pub struct Link {
    outbox: RefCell<VecDeque<Bytes>>,
    outbox_bytes: Cell<usize>,
    drained: RefCell<Vec<OnDrained>>,
    is_orphaned: RefCell<Option<Box<dyn Fn() -> bool>>>,
    closing: Cell<Option<CloseCode>>,
    /// The peer said goodbye, or the socket failed.
    ended: Cell<bool>,
    /// The client said hello; its token is being checked.
    said_hello: Cell<bool>,
    greeted: Cell<bool>,
    /// Set by whoever needs the transport to look at the outbox.
    waker: RefCell<Option<Waker>>,
    /// The watchdog's seconds when the peer was last heard.
    heard_at: Cell<u32>,
    /// The watchdog's seconds when the peer stopped taking bytes; `None` while it takes them.
    blocked_since: Cell<Option<u32>>,
    /// The watchdog's seconds when goodbye was said.
    closed_at: Cell<Option<u32>>,
    /// The socket is to be dropped at once.
    aborted: Cell<bool>,
    is_json: Cell<bool>,
    /// It is among those that are written next.
    pub(super) is_noted: Cell<bool>,
    outlet: RefCell<Option<Rc<dyn Outlet>>>,
    /// What a session on this thread put in the actor's mailbox that was not taken out yet.
    queued: Cell<u32>,
}

impl Link {
    pub fn set_encoding(&self, encoding: Encoding) {
        self.is_json.set(encoding == Encoding::Json);
    }

    fn encoding(&self) -> Encoding {
        if self.is_json.get() { Encoding::Json } else { Encoding::MessagePack }
    }

    /// The actor took something out of its mailbox.
    pub fn note_taken(&self) {
        self.queued.set(self.queued.get().saturating_sub(1));
    }

    /// Queues a frame.
    pub fn send_frame(&self, frame: &ServerFrame) {
        self.send(framing::encoded(self.encoding(), frame));
    }

    /// Queues live entries, less the first `skip` and those that `reader`, this socket, sent.
    pub fn put(&self, batch: &Batch, skip: usize, reader: ConnectionId, clock: &dyn WallClock) {
        let count = batch.frames(self.encoding(), reader, skip, |frames| self.send(frames));
        crate::count!(metric::DELIVERIES, count as u64);
        let others = batch.items().iter().skip(skip).filter(|it| it.origin != Some(reader));
        others.for_each(|item| trace::delivered(item.log.entry.message_id));
        if let (Some(item), true) = (batch.items().last(), count > 0) {
            latency::sample(clock, item.log.entry.sent_at);
        }
    }

    /// Queues complete WebSocket frames. A peer that does not read is let go.
    pub fn send(&self, frame: Bytes) {
        if self.closing.get().is_some() {
            return;
        }
        if self.outbox_bytes.get() > OUTBOX_BYTES_MAX {
            metrics::counter!(metric::OUTBOX_REFUSALS).increment(1);
            metrics::counter!(metric::SLOW_CONSUMERS).increment(1);
            self.drop_outbox();
            return self.close(CloseCode::SlowConsumer);
        }
        self.outbox_bytes.set(self.outbox_bytes.get() + frame.len());
        self.outbox.borrow_mut().push_back(frame);
    }

    /// Queues bytes that are no frame: the answer to the upgrade request.
    pub fn send_raw(&self, bytes: Bytes) {
        self.push_last(bytes);
    }

    /// Says goodbye after what is queued; only the first goodbye counts.
    pub fn close(&self, code: CloseCode) {
        if self.closing.get().is_none() {
            self.push_last(framing::close(code));
            self.closing.set(Some(code));
        }
        self.wake();
    }

    /// Answers the peer's own goodbye with its code (RFC 6455 section 5.5.1).
    pub fn close_echo(&self, code: u16) {
        if self.closing.get().is_none() {
            // 1005 stands for "no code" and is never sent.
            let code = if code == 1005 { 1000 } else { code };
            self.push_last(framing::close_with(code, ""));
        }
        self.ended.set(true);
        self.wake();
    }

    fn push_last(&self, frame: Bytes) {
        self.outbox_bytes.set(self.outbox_bytes.get() + frame.len());
        self.outbox.borrow_mut().push_back(frame);
    }

    fn drop_outbox(&self) {
        // The first frame may be half written: it must be finished or never be followed.
        self.outbox.borrow_mut().truncate(1);
        self.outbox_bytes.set(self.outbox.borrow().iter().map(Bytes::len).sum());
        self.drained.borrow_mut().clear();
    }

    /// Calls back when little is left to write: at once when that is so.
    /// While it returns false it is called again, at each write and by the watchdog.
    pub fn when_drained(&self, then: impl FnMut() -> bool + 'static) {
        self.drained.borrow_mut().push(Box::new(then));
        self.call_drained();
    }

    /// Calls those who wait for an empty outbox, if it is.
    pub fn call_drained(&self) {
        if self.outbox_bytes.get() > LOW_WATER_BYTES || self.drained.borrow().is_empty() {
            return;
        }
        let mut waiting = std::mem::take(&mut *self.drained.borrow_mut());
        waiting.retain_mut(|then| !then());
        self.drained.borrow_mut().append(&mut waiting);
    }

    /// Tells the watchdog how to see that nobody serves this socket any more.
    pub fn set_orphaned(&self, is_orphaned: impl Fn() -> bool + 'static) {
        *self.is_orphaned.borrow_mut() = Some(Box::new(is_orphaned));
    }

    #[must_use]
    pub fn is_orphaned(&self) -> bool {
        self.is_orphaned.borrow().as_ref().is_some_and(|check| check())
    }

    /// Where output goes; `None` once the socket has ended.
    pub fn set_outlet(&self, outlet: Option<Rc<dyn Outlet>>) {
        *self.outlet.borrow_mut() = outlet;
    }

    /// Writes until nothing is left or the peer takes no more, in few calls.
    pub fn write_out(&self) -> Written {
        let outlet = self.outlet.borrow().clone();
        // Of a socket that has ended.
        let Some(outlet) = outlet else { return Written::All };
        loop {
            let write = self.with_front(|frames| outlet.write(frames));
            match write {
                None => match outlet.flush() {
                    Ok(()) => {
                        self.blocked_since.set(None);
                        return Written::All;
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        return Written::Blocked;
                    }
                    Err(error) => return Written::Failed(error),
                },
                Some(Ok(count)) => {
                    crate::count!(metric::SOCKET_WRITES, 1);
                    crate::count!(metric::DELIVERY_BYTES, count as u64);
                    self.written(count);
                }
                Some(Err(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Written::Blocked;
                }
                Some(Err(error)) => return Written::Failed(error),
            }
        }
    }

    /// The frames to write now, without taking them; `None` when there are none.
    fn with_front<T>(&self, write: impl FnOnce(&[IoSlice<'_>]) -> T) -> Option<T> {
        let outbox = self.outbox.borrow();
        if let (Some(only), 1) = (outbox.front(), outbox.len()) {
            return Some(write(&[IoSlice::new(only)]));
        }
        let mut bytes = 0;
        let frames = outbox.iter().take(WRITE_FRAMES_MAX).take_while(|frame| {
            let fits = bytes < WRITE_BYTES_MAX;
            bytes += frame.len();
            fits
        });
        let slices: Vec<IoSlice<'_>> = frames.map(|frame| IoSlice::new(frame)).collect();
        (!slices.is_empty()).then(|| write(&slices))
    }

    /// Bytes that wait for the peer.
    #[must_use]
    pub const fn outbox_bytes(&self) -> usize {
        self.outbox_bytes.get()
    }

    /// `count` bytes at the front have left.
    fn written(&self, mut count: usize) {
        self.blocked_since.set(None);
        self.outbox_bytes.set(self.outbox_bytes.get().saturating_sub(count));
        let mut outbox = self.outbox.borrow_mut();
        while count > 0
            && let Some(front) = outbox.front_mut()
        {
            if front.len() > count {
                bytes::Buf::advance(front, count);
                break;
            }
            count -= front.len();
            outbox.pop_front();
        }
        if outbox.is_empty() {
            // Memory is held only while something is under way.
            *outbox = VecDeque::new();
        }
        drop(outbox);
        self.call_drained();
    }

    #[must_use]
    pub fn has_output(&self) -> bool {
        self.outbox_bytes.get() > 0
    }

    #[must_use]
    pub fn closing(&self) -> Option<CloseCode> {
        self.closing.get()
    }

    /// No more is read from the peer, and the socket ends once the outbox is written.
    #[must_use]
    pub fn is_ending(&self) -> bool {
        self.closing.get().is_some() || self.ended.get()
    }

    pub fn set_ended(&self) {
        self.ended.set(true);
    }

    pub fn set_said_hello(&self) {
        self.said_hello.set(true);
    }

    #[must_use]
    pub fn has_said_hello(&self) -> bool {
        self.said_hello.get()
    }

    pub fn set_greeted(&self) {
        self.greeted.set(true);
    }

    #[must_use]
    pub fn is_greeted(&self) -> bool {
        self.greeted.get()
    }

    /// The peer was heard.
    pub fn heard(&self, now_s: u32) {
        self.heard_at.set(now_s);
    }

    #[must_use]
    pub fn heard_at(&self) -> u32 {
        self.heard_at.get()
    }

    /// The peer takes no bytes just now.
    pub fn blocked(&self, now_s: u32) {
        if self.blocked_since.get().is_none() {
            self.blocked_since.set(Some(now_s));
        }
    }

    /// Since when the peer takes no bytes, if it does not.
    #[must_use]
    pub fn blocked_since(&self) -> Option<u32> {
        self.blocked_since.get()
    }

    /// Since when goodbye is being said; the first call notes it.
    #[must_use]
    pub fn closing_since(&self, now_s: u32) -> Option<u32> {
        if !self.is_ending() {
            return None;
        }
        let since = self.closed_at.get().unwrap_or(now_s);
        self.closed_at.set(Some(since));
        Some(since)
    }

    /// Drops the socket at once, whatever waits.
    pub fn abort(&self) {
        self.aborted.set(true);
        self.wake();
    }

    #[must_use]
    pub fn is_aborted(&self) -> bool {
        self.aborted.get()
    }

    /// The transport's task, to be woken when there is something new for it.
    pub fn set_waker(&self, waker: &Waker) {
        let mut held = self.waker.borrow_mut();
        if held.as_ref().is_none_or(|held| !held.will_wake(waker)) {
            *held = Some(waker.clone());
        }
    }

    pub fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }

    /// Starts the clock of the watchdog.
    pub fn start(&self, now_s: u32) {
        self.heard_at.set(now_s);
    }
}

impl LocalSocket for Link {
    fn is_open(&self) -> bool {
        self.greeted.get() && self.queued.get() == 0
    }

    fn note_queued(&self) {
        self.queued.set(self.queued.get() + 1);
    }

    fn deliver(
        self: Rc<Self>,
        batch: &Batch,
        skip: usize,
        reader: ConnectionId,
        clock: &dyn WallClock,
    ) {
        self.put(batch, skip, reader, clock);
        flush::note(self);
    }

    fn frame(self: Rc<Self>, frame: &ServerFrame) {
        self.send_frame(frame);
        flush::note(self);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(length: usize) -> Bytes {
        Bytes::from(vec![7; length])
    }

    #[test]
    fn a_peer_that_does_not_read_is_let_go_with_little_memory_held() {
        let link = Link::default();
        for _ in 0..20 {
            link.send(frame(32 * 1024));
        }
        assert_eq!(link.closing(), Some(CloseCode::SlowConsumer));
        assert!(link.outbox_bytes.get() < 40 * 1024);
        assert_eq!(link.outbox.borrow().len(), 2);
    }

    #[test]
    fn frames_leave_in_order_and_in_parts() {
        let link = Link::default();
        link.send(frame(10));
        link.send(frame(5));
        let lengths =
            link.with_front(|slices| slices.iter().map(|slice| slice.len()).collect::<Vec<_>>());
        assert_eq!(lengths, Some(vec![10, 5]));
        link.written(12);
        assert_eq!(link.with_front(|slices| slices[0].len()), Some(3));
        link.written(3);
        assert!(!link.has_output());
        assert_eq!(link.outbox.borrow().capacity(), 0);
    }

    #[test]
    fn a_page_counts_as_written_when_little_is_left() {
        let (link, called) = (Link::default(), Rc::new(Cell::new(false)));
        link.send(frame(100 * 1024));
        let seen = called.clone();
        link.when_drained(move || {
            seen.set(true);
            true
        });
        assert!(!called.get());
        link.written(60 * 1024);
        assert!(called.get());
    }
}
