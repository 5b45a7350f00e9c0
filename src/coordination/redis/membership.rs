//! Tells Redis twice a second that this node lives, and learns who else does.
//!
//! 1. A node writes its entry, which expires after 3 s, and gets everyone's in return; what it
//!    then believes is decided by [`View`].
//! 2. A node that was killed is seen to be gone within 3.5 s by all others.
//! 3. A node that goes says so first ([`Membership::leave`]): the others take over while it
//!    releases. [`Membership::goodbye`] deletes its entry.
//! 4. Nothing here is a proof: two nodes may both believe to own a shard. The fence is in the ring.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use schema::{NodeId, metric};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::directory::RedisDirectory;
use super::heartbeat::{Advertised, Beat, Identity, Member};
use super::pool::{RedisPool, RedisPoolError};
use crate::bridge::redis::{Peers, measured};
use crate::coordination::view::{OwnEntry, View};

const BEAT_EVERY: Duration = Duration::from_millis(500);
/// A heartbeat without an answer by then has failed.
const BEAT_DEADLINE: Duration = Duration::from_secs(1);
/// Cut off after as long without an answered heartbeat.
const CUT_OFF_AFTER: Duration = Duration::from_secs(2);
const LEAVE_DEADLINE: Duration = Duration::from_secs(2);

/// Who is alive, for operators: outlives the membership.
#[derive(Clone)]
pub struct Members(Arc<Shared>);

impl Members {
    /// Everyone alive by the last answer, this node too.
    #[must_use]
    pub fn list(&self) -> Vec<Member> {
        self.0.found.borrow().members.clone()
    }

    /// Node by shard, of shards that operators moved by hand.
    #[must_use]
    pub fn pins(&self) -> BTreeMap<u32, NodeId> {
        self.0.found.borrow().pins.clone()
    }

    /// Gives a shard to a node, whatever the rules say, or back to the rules. It stays so while that
    /// node serves and Redis keeps its data. Answered when this node has seen it; the others see it
    /// within half a second.
    ///
    /// # Errors
    /// [`MembershipError`] when Redis does not take it, or does not show it in time.
    pub async fn pin(&self, shard: u32, to: Option<NodeId>) -> Result<(), MembershipError> {
        let pin = measured("pin", self.0.identity.pin(&self.0.pool, shard, to));
        tokio::time::timeout(BEAT_DEADLINE, pin).await.map_err(|_| MembershipError::Deadline)??;
        self.0.wake.notify_one();
        let mut found = self.0.found.subscribe();
        let seen = found.wait_for(|found| found.pins.get(&shard).copied() == to);
        match tokio::time::timeout(LEAVE_DEADLINE, seen).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(MembershipError::Deadline),
        }
    }
}

/// The others could not be told.
#[derive(Debug, thiserror::Error)]
pub enum MembershipError {
    #[error("Redis did not answer in time")]
    Deadline,
    #[error(transparent)]
    Redis(#[from] RedisPoolError),
}

/// What the heartbeats of one node found.
#[derive(Debug, Default)]
struct Found {
    answered_at: Option<Instant>,
    /// The last answered heartbeat told that this node leaves.
    has_told_leaving: bool,
    is_taken: bool,
    members: Vec<Member>,
    pins: BTreeMap<u32, NodeId>,
}

struct Shared {
    identity: Identity,
    pool: RedisPool,
    directory: Arc<RedisDirectory>,
    peers: watch::Sender<Peers>,
    found: watch::Sender<Found>,
    view: Mutex<View>,
    began: Instant,
    is_leaving: AtomicBool,
    is_over: AtomicBool,
    wake: Notify,
}

/// This node's membership. Dropped without a word, it is over when its entry expires.
pub struct Membership {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Membership {
    /// Begins to tell of `node`, on the current runtime. The directory knows owners once a
    /// heartbeat was answered.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    #[must_use]
    pub fn start(
        pool: RedisPool,
        node: NodeId,
        advertised: Advertised,
        shards: u32,
    ) -> (Arc<RedisDirectory>, Self) {
        let directory = Arc::new(RedisDirectory::default());
        let shared = Arc::new(Shared {
            identity: Identity { node, incarnation: rand::random(), advertised },
            pool,
            directory: directory.clone(),
            peers: watch::Sender::default(),
            found: watch::Sender::default(),
            view: Mutex::new(View::new(node, shards)),
            began: Instant::now(),
            is_leaving: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
            wake: Notify::new(),
        });
        let task = tokio::spawn(keep_alive(shared.clone()));
        (directory, Self { shared, task })
    }

    /// False before the first answered heartbeat, after 2 s without one, and while another process
    /// goes by this node's id.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        let found = self.shared.found.borrow();
        let is_recent = |at: Instant| at.elapsed() < CUT_OFF_AFTER;
        !found.is_taken && found.answered_at.is_some_and(is_recent)
    }

    /// The other nodes, for the bridge.
    #[must_use]
    pub fn peers(&self) -> watch::Receiver<Peers> {
        self.shared.peers.subscribe()
    }

    /// The same, for whoever asks later.
    #[must_use]
    pub fn watch_members(&self) -> Members {
        Members(self.shared.clone())
    }

    /// Everyone alive by the last answer, this node too.
    #[must_use]
    pub fn members(&self) -> Vec<Member> {
        self.shared.found.borrow().members.clone()
    }

    /// Gives up all shards: at once here, and in the eyes of the others within half a second. This
    /// node goes on to be renewed, so that they wait for what it releases.
    ///
    /// # Errors
    /// [`MembershipError::Deadline`] if Redis could not be told within 2 s: the others take over
    /// when the entry expires.
    pub async fn leave(&self) -> Result<(), MembershipError> {
        let shared = &self.shared;
        shared.is_leaving.store(true, Ordering::Release);
        {
            let mut view = shared.view();
            view.leave(shared.began.elapsed());
            shared.show(&view);
        }
        shared.wake.notify_one();
        let mut found = shared.found.subscribe();
        let told = found.wait_for(|found| found.has_told_leaving);
        match tokio::time::timeout(LEAVE_DEADLINE, told).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(MembershipError::Deadline),
        }
    }

    /// Ends the membership: the others see it at once.
    ///
    /// # Errors
    /// [`MembershipError`] when Redis could not be told; the entry then expires.
    pub async fn goodbye(mut self) -> Result<(), MembershipError> {
        // A heartbeat on its way would bring the entry back: its answer is awaited.
        self.shared.is_over.store(true, Ordering::Release);
        self.shared.wake.notify_one();
        let _ = tokio::time::timeout(BEAT_DEADLINE, &mut self.task).await;
        let goodbye = measured("goodbye", self.shared.identity.goodbye(&self.shared.pool));
        let said = tokio::time::timeout(BEAT_DEADLINE, goodbye).await;
        Ok(said.map_err(|_| MembershipError::Deadline)??)
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn keep_alive(shared: Arc<Shared>) {
    while !shared.is_over.load(Ordering::Acquire) {
        let begun_at = Instant::now();
        let is_leaving = shared.is_leaving.load(Ordering::Acquire);
        let beat = measured("heartbeat", shared.identity.beat(&shared.pool, is_leaving));
        match tokio::time::timeout(BEAT_DEADLINE, beat).await {
            Ok(Ok(beat)) => {
                metrics::histogram!(metric::MEMBERSHIP_HEARTBEAT_SECONDS)
                    .record(begun_at.elapsed());
                shared.answered(beat, is_leaving);
            }
            Ok(Err(error)) => shared.failed(&error),
            Err(_) => shared.failed(&MembershipError::Deadline),
        }
        // A little less, at random, so that nodes that began together do not stay in step.
        let next = begun_at + BEAT_EVERY.mul_f64(rand::random_range(0.9..=1.0));
        tokio::select! {
            () = tokio::time::sleep_until(next) => {}
            () = shared.wake.notified() => {}
        }
    }
}

impl Shared {
    fn answered(&self, beat: Beat, has_told_leaving: bool) {
        let was_member = self.found.borrow().answered_at.is_some();
        match beat.answer.own {
            OwnEntry::Renewed => {}
            OwnEntry::Missing if was_member => {
                metrics::counter!(metric::MEMBERSHIP_LOST).increment(1);
                tracing::warn!("this node's membership had expired; it is a member again");
            }
            OwnEntry::Missing => tracing::info!("this node is a member of the cluster"),
            OwnEntry::Taken => {
                tracing::error!(node = %self.identity.node, "another process goes by this node's id");
            }
        }
        let is_taken = {
            let mut view = self.view();
            view.pinned(beat.pins.clone());
            view.answered(self.began.elapsed(), &beat.answer);
            self.show(&view);
            view.is_taken()
        };
        let answered_at = Some(Instant::now());
        let Beat { members, pins, .. } = beat;
        let found = Found { answered_at, has_told_leaving, is_taken, members, pins };
        if self.found.send_replace(found).is_taken != is_taken {
            tracing::info!(is_taken, "whose this node's id is has changed");
        }
    }

    fn failed(&self, error: &dyn std::error::Error) {
        tracing::debug!(%error, "a heartbeat failed");
        let mut view = self.view();
        view.failed(self.began.elapsed());
        self.show(&view);
    }

    /// Passes on what is believed now.
    fn show(&self, view: &View) {
        self.directory.set(view.ownership());
        let others = view.others();
        #[expect(clippy::cast_precision_loss, reason = "there are few nodes")]
        let alive = others.as_ref().map_or(0, |others| others.len() + 1) as f64;
        metrics::gauge!(metric::NODES_ALIVE).set(alive);
        let peers = Peers { others: others.map(Into::into), introduced: view.introduced() };
        self.peers.send_if_modified(|current| {
            if current.others != peers.others {
                tracing::info!(others = ?peers.others, "who is alive has changed");
            }
            let is_changed = *current != peers;
            *current = peers;
            is_changed
        });
    }

    fn view(&self) -> MutexGuard<'_, View> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
