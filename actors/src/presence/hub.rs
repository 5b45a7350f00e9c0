//! The table behind one lock, and what comes of it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use schema::cluster::envelope::NodeFrame;
use schema::wire::{PresenceStatus, UserOnline};
use schema::{NodeId, UserId, metric};
use tokio::time::Instant;

use super::table::{News, Table};
use crate::conversation::{Audience, ToMember};
use crate::peers::Peers;
use crate::personal::Personal;
use crate::ports::WallClock;

/// News are told this often.
const TICK: Duration = Duration::from_millis(250);
/// Single news of one tick; the others wait.
const BUDGET: usize = 5_000;
/// Users named in one frame to another node.
const USERS_MAX: usize = 1_000;
/// That users are there is written this often, should the node end without a word.
const SEEN_EVERY: Duration = Duration::from_secs(300);
/// How long other nodes may take to say whether they have a user.
const ASK_WAIT: Duration = Duration::from_millis(300);

/// Who is there, as this node knows it. Callable from any thread.
pub struct Presence {
    peers: Arc<Peers>,
    audience: Arc<dyn Audience>,
    clock: Arc<dyn WallClock>,
    personal: Arc<Personal>,
    began: Instant,
    table: Mutex<Table>,
}

impl Presence {
    #[must_use]
    pub fn new(
        peers: Arc<Peers>,
        audience: Arc<dyn Audience>,
        clock: Arc<dyn WallClock>,
        personal: Arc<Personal>,
    ) -> Self {
        Self { peers, audience, clock, personal, began: Instant::now(), table: Mutex::default() }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// A user's devices on this node are like this; `Offline`: none is left.
    pub fn set_here(&self, user: UserId, status: PresenceStatus) {
        let (now_ms, wall_ms) = (self.now_ms(), self.clock.now_ms());
        if status == PresenceStatus::Offline {
            self.personal.saw(user);
        }
        self.table().set_here(user, status, now_ms, wall_ms);
    }

    /// `watcher` hears of these users from now on, and of no others. Returns how they are.
    pub fn watch(&self, watcher: UserId, users: BTreeSet<UserId>) -> Vec<UserOnline> {
        self.table().watch(watcher, users)
    }

    pub fn unwatch(&self, watcher: UserId) {
        self.table().unwatch(watcher);
    }

    /// How a user is, on whichever node.
    pub async fn look(&self, user: UserId) -> UserOnline {
        let known = self.table().status(user);
        if known.status != PresenceStatus::Offline || !self.peers.is_clustered() {
            return known;
        }
        self.peers.tell_all(&NodeFrame::WatchPresence { users: vec![user] });
        tokio::time::sleep(ASK_WAIT).await;
        self.table().status(user)
    }

    /// Another node wants to hear of users.
    pub fn on_watch(&self, from: NodeId, users: &[UserId]) {
        let now_ms = self.now_ms();
        let statuses = self.table().on_watch(from, users, now_ms);
        self.tell_node(from, &statuses);
    }

    /// Another node says how users are.
    pub fn on_presence(&self, from: NodeId, statuses: &[UserOnline]) {
        let now_ms = self.now_ms();
        self.table().on_presence(from, statuses, now_ms);
    }

    fn tell_node(&self, to: NodeId, statuses: &[UserOnline]) {
        for statuses in statuses.chunks(USERS_MAX) {
            self.peers.tell(to, &NodeFrame::Presence { statuses: statuses.to_vec() });
        }
    }

    /// Tells what is due.
    pub fn tick(&self) {
        let now_ms = self.now_ms();
        let (news, waiting) = {
            let mut table = self.table();
            (table.tick(now_ms, BUDGET), table.waiting())
        };
        #[expect(clippy::cast_precision_loss, reason = "for display")]
        metrics::gauge!(metric::PRESENCE_WAITING).set(waiting as f64);
        let News { watchers, nodes, ask } = news;
        for (watcher, statuses) in watchers {
            let Some(listener) = self.audience.listener(watcher) else { continue };
            let count = statuses.len() as u64;
            let counter = match listener.try_send(ToMember::Presence(statuses.into())) {
                Ok(()) => metrics::counter!(metric::PRESENCE_TOLD),
                Err(_) => metrics::counter!(metric::SIGNALS_SHED, "signal" => "presence"),
            };
            counter.increment(count);
        }
        for (node, statuses) in nodes {
            self.tell_node(node, &statuses);
        }
        if self.peers.is_clustered() {
            for users in ask.chunks(USERS_MAX) {
                self.peers.tell_all(&NodeFrame::WatchPresence { users: users.to_vec() });
            }
        }
    }

    /// Tells what is due for as long as anybody else holds this.
    pub async fn run(presence: Weak<Self>) {
        let mut written_at = Instant::now();
        loop {
            tokio::time::sleep(TICK).await;
            let Some(presence) = presence.upgrade() else { return };
            presence.tick();
            if written_at.elapsed() >= SEEN_EVERY {
                written_at = Instant::now();
                let present = presence.table().present();
                present.into_iter().for_each(|user| presence.personal.saw(user));
            }
        }
    }
}
