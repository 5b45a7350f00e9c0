//! Handing one delivery to everyone who listens, without ever waiting for one of them.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};

use actix::Recipient;
use actix::prelude::SendError;
use schema::{ConversationId, Sequence, UserId, metric};

use super::delivery::Delivery;
use super::messages::ToMember;

/// Listeners told in one turn of the worker: it takes a millisecond, and more would hold up whoever
/// else lives on its thread.
const TURN_MAX: usize = 2_048;

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
    under_way: Option<UnderWay>,
}

/// A delivery that some have been handed.
struct UnderWay {
    delivery: Delivery,
    /// The last who was.
    told: Option<UserId>,
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

    /// Begins to hand the delivery to all, after all have been handed the one before it.
    /// [`go_on`](Self::go_on) while it is [under way](Self::is_under_way).
    pub fn deliver(&mut self, delivery: Delivery) {
        self.finish();
        self.under_way = Some(UnderWay { delivery, told: None });
        self.go_on();
    }

    /// Some have not been handed the last delivery.
    #[must_use]
    pub const fn is_under_way(&self) -> bool {
        self.under_way.is_some()
    }

    /// Hands the delivery to the next of those who have not got it. Who has gone is forgotten.
    pub fn go_on(&mut self) {
        let Some(UnderWay { delivery, told }) = &mut self.under_way else { return };
        let from = told.map_or(Unbounded, Excluded);
        let (mut count, mut gone) = (0, Vec::new());
        for (user, listener) in self.by_user.range_mut((from, Unbounded)).take(TURN_MAX) {
            match listener.to.try_send(ToMember::Deliver(delivery.clone())) {
                Ok(()) => {}
                Err(SendError::Full(_)) => {
                    metrics::counter!(metric::MAILBOX_REFUSALS, "kind" => "session").increment(1);
                    (listener.lagging, self.may_lag) = (true, true);
                }
                Err(SendError::Closed(_)) => gone.push(*user),
            }
            *told = Some(*user);
            count += 1;
        }
        if count < TURN_MAX {
            self.under_way = None;
        }
        for user in gone {
            self.remove(user);
        }
    }

    /// Hands the delivery to all who have not got it, at once.
    pub fn finish(&mut self) {
        while self.is_under_way() {
            self.go_on();
        }
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use actix::{Actor, Context, Handler};

    use super::*;
    use crate::committer::tests::entry;
    use crate::conversation::{Batch, DeliveryItem, LogEntry};

    /// Hears for everybody.
    struct Ear(Arc<AtomicUsize>);

    impl Actor for Ear {
        type Context = Context<Self>;

        fn started(&mut self, ctx: &mut Self::Context) {
            ctx.set_mailbox_capacity(100_000);
        }
    }

    impl Handler<ToMember> for Ear {
        type Result = ();

        fn handle(&mut self, _: ToMember, _: &mut Self::Context) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn delivery(seq: u64) -> Delivery {
        let log = Arc::new(LogEntry::new(entry(1, seq, "x")));
        let conversation = log.entry.conversation_id;
        let batch = Batch::new(vec![DeliveryItem { log, origin: None }]).unwrap();
        Delivery { conversation, batch: Arc::new(batch) }
    }

    fn user(number: usize) -> UserId {
        UserId::from_bytes((number as u128).to_be_bytes())
    }

    #[actix::test]
    async fn a_large_audience_is_told_in_turns_each_of_them_once() {
        let heard = Arc::new(AtomicUsize::new(0));
        let heard_so_far = async || {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            heard.load(Ordering::Relaxed)
        };
        let ear = Ear(heard.clone()).start();
        heard_so_far().await;
        let mut listeners = Listeners::default();
        let everyone = 2 * TURN_MAX + 10;
        (0..everyone).for_each(|it| listeners.add(user(it), ear.clone().recipient(), false));
        listeners.deliver(delivery(1));
        assert!(listeners.is_under_way());
        assert_eq!(heard_so_far().await, TURN_MAX);
        // One leaves before its turn, and one comes: it is told where the log ends, and reads.
        listeners.remove(user(everyone - 1));
        listeners.add(user(everyone), ear.clone().recipient(), false);
        listeners.go_on();
        listeners.go_on();
        assert!(!listeners.is_under_way());
        assert_eq!(heard_so_far().await, everyone);
        // The next delivery begins when all have this one.
        listeners.deliver(delivery(2));
        listeners.deliver(delivery(3));
        assert_eq!(heard_so_far().await, 2 * everyone + TURN_MAX);
        listeners.finish();
        assert_eq!(heard_so_far().await, 3 * everyone);
    }
}
