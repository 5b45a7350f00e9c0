//! Handing one delivery to everyone who listens, without ever waiting for one of them.

use std::collections::BTreeMap;

use actix::Recipient;
use actix::prelude::SendError;
use schema::{ConversationId, Sequence, UserId, metric};

use super::delivery::Delivery;
use super::messages::ToMember;

/// A session that listens.
struct Listener {
    to: Recipient<ToMember>,
    /// Not a member: reads a channel.
    reader: bool,
    /// Its mailbox refused a delivery: tell it the head when there is room again.
    lagging: bool,
}

/// One that lags is spared.
fn signal_to(listener: &Listener, signal: ToMember) -> bool {
    let name = if matches!(signal, ToMember::Typing(_)) { "typing" } else { "status" };
    let is_told = !listener.lagging && listener.to.try_send(signal).is_ok();
    if !is_told {
        metrics::counter!(metric::SIGNALS_SHED, "signal" => name).increment(1);
    }
    is_told
}

/// Who listens, by user.
#[derive(Default)]
pub struct Listeners {
    by_user: BTreeMap<UserId, Listener>,
    /// Some may lag: looking for them is worth while.
    may_lag: bool,
    readers: usize,
}

impl Listeners {
    pub fn add(&mut self, user: UserId, to: Recipient<ToMember>, reader: bool) {
        let before = self.by_user.insert(user, Listener { to, reader, lagging: false });
        self.readers += usize::from(reader);
        self.forget(before.as_ref());
    }

    pub fn remove(&mut self, user: UserId) -> Option<Recipient<ToMember>> {
        let removed = self.by_user.remove(&user);
        self.forget(removed.as_ref());
        removed.map(|listener| listener.to)
    }

    fn forget(&mut self, removed: Option<&Listener>) {
        self.readers -= usize::from(removed.is_some_and(|listener| listener.reader));
    }

    /// Tells one listener something; one whose mailbox is full is told the head later.
    pub fn tell(&mut self, user: UserId, news: ToMember) {
        if let Some(listener) = self.by_user.get_mut(&user) {
            listener.lagging |= matches!(listener.to.try_send(news), Err(SendError::Full(_)));
            self.may_lag |= listener.lagging;
        }
    }

    /// Removes the user's listener if it is this one.
    pub fn remove_if(&mut self, user: UserId, listener: &Recipient<ToMember>) {
        if self.by_user.get(&user).is_some_and(|it| it.to == *listener) {
            self.remove(user);
        }
    }

    #[must_use]
    pub fn count(&self) -> usize {
        self.by_user.len()
    }

    /// Tells one listener what it may as well not hear; false when it does not.
    pub fn signal(&self, user: UserId, signal: ToMember) -> bool {
        let Some(listener) = self.by_user.get(&user) else { return false };
        signal_to(listener, signal)
    }

    /// Tells everyone but `user`; returns how many.
    pub fn signal_others(&self, user: UserId, signal: &ToMember) -> u64 {
        let others = self.by_user.iter().filter(|(id, _)| **id != user);
        others.map(|(_, listener)| u64::from(signal_to(listener, signal.clone()))).sum()
    }

    #[must_use]
    pub const fn has_readers(&self) -> bool {
        self.readers > 0
    }

    /// Hands the delivery to all; those who have gone are forgotten.
    pub fn deliver(&mut self, delivery: &Delivery) {
        let (may_lag, readers) = (&mut self.may_lag, &mut self.readers);
        self.by_user.retain(|_, listener| {
            match listener.to.try_send(ToMember::Deliver(delivery.clone())) {
                Ok(()) => true,
                Err(SendError::Full(_)) => {
                    metrics::counter!(metric::MAILBOX_REFUSALS, "kind" => "session").increment(1);
                    (listener.lagging, *may_lag) = (true, true);
                    true
                }
                Err(SendError::Closed(_)) => {
                    *readers -= usize::from(listener.reader);
                    false
                }
            }
        });
    }

    #[must_use]
    pub const fn any_lagging(&self) -> bool {
        self.may_lag
    }

    /// Tells those who missed something where the log ends; they fetch the rest.
    pub fn nudge(&mut self, conversation: ConversationId, head: Sequence) {
        if !std::mem::take(&mut self.may_lag) {
            return;
        }
        for listener in self.by_user.values_mut().filter(|listener| listener.lagging) {
            listener.lagging = listener.to.try_send(ToMember::Head { conversation, head }).is_err();
            self.may_lag |= listener.lagging;
        }
    }
}
