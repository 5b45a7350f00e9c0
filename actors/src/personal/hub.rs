//! The room's one object: reads through what it remembers, writes, tells.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use schema::cluster::envelope::NodeFrame;
use schema::record::{ConversationSettings, Fact, FactKind, FactRange, FactWrite};
use schema::wire::ServerFrame;
use schema::{ConversationId, DeviceId, Sequence, UserId};
use tokio::time::Instant;

use super::privacy::{Privacy, Sight};
use super::remembered::Remembered;
use crate::peers::Peers;
use crate::ports::{PersonalStore, RosterStore, StoreError, WallClock};

/// Users whose privacy, and whose hidden messages, are remembered.
const REMEMBERED_MAX: usize = 20_000;
/// Facts of one user's privacy.
const PRIVACY_FACTS_MAX: usize = 2_000;
/// Facts about a user's conversations.
const CONVERSATION_FACTS_MAX: usize = 30_000;
/// Messages that one user may hide, in all.
pub(super) const HIDDEN_IN_ALL_MAX: usize = 20_000;
/// When users were there is written this often.
const SEEN_EVERY: Duration = Duration::from_secs(2);
/// Whom a mention of those who are there found is written this often.
const HERE_EVERY: Duration = Duration::from_millis(500);

/// Hidden messages by conversation.
pub type Hidden = BTreeMap<ConversationId, BTreeSet<Sequence>>;

/// Something changed that belongs to one user.
#[derive(Clone, Debug)]
pub struct News {
    pub user_id: UserId,
    /// The device that did it knows.
    pub by: Option<DeviceId>,
    pub frame: ServerFrame,
    /// Of a block: the direct conversation of the two.
    pub conversation: Option<ConversationId>,
}

/// Where news go on this node: implemented above, where sessions and conversations are known.
pub trait Outlet: Send + Sync + 'static {
    fn tell(&self, news: &News);

    /// What `viewer` may see of `target` may have changed.
    fn look_again(&self, viewer: UserId, target: UserId);
}

/// What a session holds of its user.
#[derive(Clone, Debug, Default)]
pub struct Own {
    pub privacy: Privacy,
    pub conversations: BTreeMap<ConversationId, ConversationSettings>,
    pub hidden: Hidden,
}

/// What to change of how a user holds a conversation.
#[derive(Clone, Copy, Debug, Default)]
pub struct ConversationPatch {
    pub muted_until: Option<Option<i64>>,
    pub archived: Option<bool>,
    pub pinned: Option<bool>,
}

#[derive(Default)]
struct Watching {
    targets: HashMap<UserId, BTreeSet<UserId>>,
    viewers: HashMap<UserId, BTreeSet<UserId>>,
}

/// See the room. Callable from any thread.
pub struct Personal {
    pub(super) store: Arc<dyn PersonalStore>,
    pub(super) roster: Arc<dyn RosterStore>,
    pub(super) clock: Arc<dyn WallClock>,
    peers: Arc<Peers>,
    began: Instant,
    stamp: AtomicI64,
    privacies: Mutex<Remembered<UserId, Arc<Privacy>>>,
    hidden: Mutex<Remembered<UserId, Arc<Hidden>>>,
    watching: Mutex<Watching>,
    seen: Mutex<BTreeMap<UserId, i64>>,
    pub(super) here: Mutex<BTreeSet<(UserId, ConversationId, Sequence)>>,
    outlet: OnceLock<Arc<dyn Outlet>>,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn held(facts: &[Fact]) -> BTreeMap<ConversationId, ConversationSettings> {
    let mut held: BTreeMap<ConversationId, ConversationSettings> = BTreeMap::new();
    for fact in facts {
        if let Fact::MutedUntil(id, _) | Fact::Archived(id) | Fact::Pinned(id) = fact {
            held.entry(*id).or_default().apply(fact);
        }
    }
    held
}

fn hidden(facts: &[Fact]) -> Hidden {
    let mut hidden = Hidden::new();
    for fact in facts {
        if let Fact::Hidden(id, seq) = fact {
            hidden.entry(*id).or_default().insert(*seq);
        }
    }
    hidden
}

impl Personal {
    #[must_use]
    pub fn new(
        store: Arc<dyn PersonalStore>,
        roster: Arc<dyn RosterStore>,
        clock: Arc<dyn WallClock>,
        peers: Arc<Peers>,
    ) -> Self {
        Self {
            store,
            roster,
            clock,
            peers,
            began: Instant::now(),
            stamp: AtomicI64::new(0),
            privacies: Mutex::new(Remembered::new(REMEMBERED_MAX)),
            hidden: Mutex::new(Remembered::new(REMEMBERED_MAX)),
            watching: Mutex::default(),
            seen: Mutex::default(),
            here: Mutex::default(),
            outlet: OnceLock::new(),
        }
    }

    /// Where news go from now on. Called once.
    pub fn open(&self, outlet: Arc<dyn Outlet>) {
        let _ = self.outlet.set(outlet);
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Later than every stamp before; microseconds since 1970 UTC while the clock is right.
    pub(super) fn next_stamp(&self) -> i64 {
        let now = self.clock.now_ms().saturating_mul(1_000);
        let later = |last: i64| Some(now.max(last + 1));
        match self.stamp.fetch_update(Ordering::Relaxed, Ordering::Relaxed, later) {
            Ok(last) | Err(last) => now.max(last + 1),
        }
    }

    /// One user's facts of a range.
    pub(super) async fn facts(
        &self,
        user: UserId,
        range: FactRange,
    ) -> Result<Vec<Fact>, StoreError> {
        let facts = self.store.facts(vec![user], range).await?;
        Ok(facts.into_iter().map(|(_, fact)| fact).collect())
    }

    pub(super) async fn write(
        &self,
        user_id: UserId,
        facts: Vec<(Fact, bool)>,
    ) -> Result<(), StoreError> {
        let stamp = self.next_stamp();
        let write = |(fact, is_gone)| FactWrite { user_id, stamp, fact, is_gone };
        self.store.write_facts(facts.into_iter().map(write).collect()).await
    }

    /// What a user wants others to know, at most half a minute old.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn privacy(&self, user: UserId) -> Result<Arc<Privacy>, StoreError> {
        let found = self.privacies(vec![user]).await?;
        Ok(found.into_values().next().unwrap_or_default())
    }

    /// The same of some users, read now.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn privacies_anew(
        &self,
        users: Vec<UserId>,
    ) -> Result<BTreeMap<UserId, Arc<Privacy>>, StoreError> {
        {
            let mut remembered = lock(&self.privacies);
            users.iter().for_each(|user| remembered.forget(user));
        }
        self.privacies(users).await
    }

    /// Whether what is told between nodes may be lost: alone, a node hears itself.
    #[must_use]
    pub fn may_miss_news(&self) -> bool {
        self.peers.is_clustered()
    }

    async fn privacies(
        &self,
        users: Vec<UserId>,
    ) -> Result<BTreeMap<UserId, Arc<Privacy>>, StoreError> {
        let now_ms = self.now_ms();
        let mut found = BTreeMap::new();
        let mut missing = Vec::new();
        {
            let remembered = lock(&self.privacies);
            for user in users {
                match remembered.get(&user, now_ms) {
                    Some(privacy) => drop(found.insert(user, privacy)),
                    None => missing.push(user),
                }
            }
        }
        if missing.is_empty() {
            return Ok(found);
        }
        let range = FactRange::kinds(FactKind::ReadReceipts, FactKind::Blocked, PRIVACY_FACTS_MAX);
        let mut facts: BTreeMap<UserId, Vec<Fact>> =
            missing.iter().map(|user| (*user, Vec::new())).collect();
        for (user, fact) in self.store.facts(missing, range).await? {
            facts.entry(user).or_default().push(fact);
        }
        let mut remembered = lock(&self.privacies);
        for (user, facts) in facts {
            let privacy = Arc::new(Privacy::of(&facts));
            remembered.put(user, privacy.clone(), now_ms);
            found.insert(user, privacy);
        }
        Ok(found)
    }

    /// What `viewer` may see of each of these.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn sights(
        &self,
        viewer: UserId,
        targets: Vec<UserId>,
    ) -> Result<BTreeMap<UserId, Sight>, StoreError> {
        let mut sights = BTreeMap::new();
        for (target, privacy) in self.privacies(targets).await? {
            let sight = if target == viewer {
                Sight { seen_at: privacy.last_seen, ..Sight::ALL }
            } else {
                let is_contact = privacy.asks_for_contacts(viewer)
                    && self.roster.direct_between(viewer, target).await?.is_some();
                privacy.sight(viewer, is_contact)
            };
            sights.insert(target, sight);
        }
        Ok(sights)
    }

    /// `viewer` wants to know when what it may see of these changes, and of no others.
    pub fn watch(&self, viewer: UserId, targets: BTreeSet<UserId>) {
        let mut watching = lock(&self.watching);
        for target in watching.targets.remove(&viewer).unwrap_or_default() {
            if let Some(viewers) = watching.viewers.get_mut(&target) {
                viewers.remove(&viewer);
                if viewers.is_empty() {
                    watching.viewers.remove(&target);
                }
            }
        }
        for target in &targets {
            watching.viewers.entry(*target).or_default().insert(viewer);
        }
        if !targets.is_empty() {
            watching.targets.insert(viewer, targets);
        }
    }

    /// Messages that a user hid, at most half a minute old.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn hidden(&self, user: UserId) -> Result<Arc<Hidden>, StoreError> {
        let now_ms = self.now_ms();
        let known = lock(&self.hidden).get(&user, now_ms);
        if let Some(known) = known {
            return Ok(known);
        }
        let range = FactRange::kinds(FactKind::Hidden, FactKind::Hidden, HIDDEN_IN_ALL_MAX);
        let hidden = Arc::new(hidden(&self.facts(user, range).await?));
        lock(&self.hidden).put(user, hidden.clone(), now_ms);
        Ok(hidden)
    }

    /// How a user holds conversations, by conversation; those that are not there are held as usual.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn conversations(
        &self,
        user: UserId,
    ) -> Result<BTreeMap<ConversationId, ConversationSettings>, StoreError> {
        let range = FactRange::kinds(
            FactKind::Conversation,
            FactKind::Conversation,
            CONVERSATION_FACTS_MAX,
        );
        Ok(held(&self.facts(user, range).await?))
    }

    /// What a session starts from, read anew.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn own(&self, user: UserId) -> Result<Own, StoreError> {
        let limit = PRIVACY_FACTS_MAX + CONVERSATION_FACTS_MAX + HIDDEN_IN_ALL_MAX;
        let range = FactRange::kinds(FactKind::ReadReceipts, FactKind::Hidden, limit);
        let facts = self.facts(user, range).await?;
        Ok(Own {
            privacy: Privacy::of(&facts),
            conversations: held(&facts),
            hidden: hidden(&facts),
        })
    }

    fn forget(&self, user: UserId) {
        lock(&self.privacies).forget(&user);
        lock(&self.hidden).forget(&user);
    }

    /// Tells the user's devices here and on other nodes, and whom else it concerns.
    pub(super) fn tell(&self, news: News) {
        if self.peers.is_clustered() {
            self.peers.tell_all(&NodeFrame::Personal {
                user_id: news.user_id,
                by: news.by,
                conversation: news.conversation,
                frame: Box::new(news.frame.clone()),
            });
        }
        self.heard(&news);
    }

    /// Here or on another node something changed.
    pub fn heard(&self, news: &News) {
        let user = news.user_id;
        self.forget(user);
        let Some(outlet) = self.outlet.get() else { return };
        outlet.tell(news);
        let viewers: Vec<UserId> = match &news.frame {
            ServerFrame::SettingsChanged(_) => {
                lock(&self.watching).viewers.get(&user).into_iter().flatten().copied().collect()
            }
            ServerFrame::BlockChanged(changed) => vec![changed.user_id],
            _ => Vec::new(),
        };
        for viewer in viewers {
            outlet.look_again(viewer, user);
        }
    }

    /// The user was there just now: written soon.
    pub fn saw(&self, user: UserId) {
        lock(&self.seen).insert(user, self.clock.now_ms());
    }

    /// Writes when users were there.
    pub async fn write_seen(&self) {
        let seen: Vec<(UserId, i64)> = std::mem::take(&mut *lock(&self.seen)).into_iter().collect();
        if seen.is_empty() {
            return;
        }
        if let Err(error) = self.store.note_seen(seen.clone()).await {
            tracing::warn!(%error, "when users were there was not written; tried again");
            let mut waiting = lock(&self.seen);
            // A store that is away for long must not fill memory.
            if waiting.len() < REMEMBERED_MAX {
                for (user, at) in seen {
                    let latest = waiting.entry(user).or_insert(at);
                    *latest = at.max(*latest);
                }
            }
        }
    }

    /// Writes what is due for as long as anybody else holds this.
    pub async fn run(personal: Weak<Self>) {
        let mut seen_at = Instant::now();
        loop {
            tokio::time::sleep(HERE_EVERY).await;
            let Some(personal) = personal.upgrade() else { return };
            personal.write_here().await;
            if seen_at.elapsed() >= SEEN_EVERY {
                seen_at = Instant::now();
                personal.write_seen().await;
            }
        }
    }
}
