//! Sockets on a session's own thread: it hands them frames without a mailbox between.
//!
//! A connection offers its socket before it attaches. A session on the same thread finds the offer
//! and takes it; one on another thread does not, and uses the mailbox for everything.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use schema::ConnectionId;
use schema::wire::ServerFrame;

use crate::conversation::Batch;
use crate::ports::WallClock;

/// A socket as a session on its thread sees it.
pub trait LocalSocket {
    /// Frames may be handed over: the socket is greeted, and nothing in its mailbox is to go first.
    fn is_open(&self) -> bool;
    /// Something was put in its mailbox.
    fn note_queued(&self);
    /// Live entries, less the first `skip` and those that `reader`, this socket, sent.
    fn deliver(
        self: Rc<Self>,
        batch: &Batch,
        skip: usize,
        reader: ConnectionId,
        clock: &dyn WallClock,
    );
    fn frame(self: Rc<Self>, frame: &ServerFrame);
}

thread_local! {
    static OFFERED: RefCell<HashMap<ConnectionId, Rc<dyn LocalSocket>>> = RefCell::default();
}

/// Until it is taken or withdrawn.
pub fn offer(connection: ConnectionId, socket: Rc<dyn LocalSocket>) {
    OFFERED.with_borrow_mut(|offered| offered.insert(connection, socket));
}

/// Takes the offer back, if it was not taken.
pub fn withdraw(connection: ConnectionId) {
    drop(take(connection));
}

pub(super) fn take(connection: ConnectionId) -> Option<Rc<dyn LocalSocket>> {
    // A thread that ends has nothing to offer any more.
    OFFERED.try_with(|offered| offered.borrow_mut().remove(&connection)).ok().flatten()
}
