//! Users' presence as this node knows it, and who wants to hear of it. Pure; times are
//! milliseconds on any monotonic clock.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use schema::wire::{PresenceStatus, UserOnline};
use schema::{NodeId, UserId};

/// Users that one user may watch.
pub const WATCHED_MAX: usize = 500;
/// A user without a socket counts as offline after this time: reconnecting is not leaving.
pub const GRACE_MS: u64 = 5_000;
/// What is watched is said to the other nodes again this often.
pub const RENEW_MS: u64 = 10_000;
/// What another node said, and its interest, are forgotten after this time.
pub const FORGET_MS: u64 = 25_000;
/// Most last sightings that are remembered.
const SEEN_MAX: usize = 100_000;

/// How a user is on this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Here {
    Present(PresenceStatus),
    /// The last socket went: offline from then on.
    Leaving {
        at_ms: u64,
    },
}

struct Remote {
    node: NodeId,
    status: PresenceStatus,
    until_ms: u64,
}

struct Interest {
    node: NodeId,
    until_ms: u64,
}

/// What there is to tell.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct News {
    /// By watcher.
    pub watchers: BTreeMap<UserId, Vec<UserOnline>>,
    /// By node.
    pub nodes: BTreeMap<NodeId, Vec<UserOnline>>,
    /// To be asked of every other node.
    pub ask: Vec<UserId>,
}

/// See the module.
#[derive(Default)]
pub struct Table {
    here: HashMap<UserId, Here>,
    elsewhere: HashMap<UserId, Vec<Remote>>,
    /// When users without a socket here become offline.
    leaving: VecDeque<(u64, UserId)>,
    /// When a user was here last, milliseconds since 1970 UTC.
    seen: HashMap<UserId, i64>,
    watchers: HashMap<UserId, BTreeSet<UserId>>,
    watched: HashMap<UserId, BTreeSet<UserId>>,
    interests: HashMap<UserId, Vec<Interest>>,
    /// What watchers were told last.
    told: HashMap<UserId, PresenceStatus>,
    /// Users who may have changed, in the order in which they did.
    changed: VecDeque<UserId>,
    is_changed: BTreeSet<UserId>,
    ask: Vec<UserId>,
    renew_at_ms: u64,
    expire_at_ms: u64,
}

impl Table {
    /// The user is like this on this node; `Offline`: the last socket went.
    pub fn set_here(&mut self, user: UserId, status: PresenceStatus, now_ms: u64, wall_ms: i64) {
        if status == PresenceStatus::Offline {
            if self.here.contains_key(&user) {
                let at_ms = now_ms + GRACE_MS;
                self.leaving.push_back((at_ms, user));
                self.here.insert(user, Here::Leaving { at_ms });
                if self.seen.len() >= SEEN_MAX {
                    self.seen.clear();
                }
                self.seen.insert(user, wall_ms);
            }
            return;
        }
        let status = Here::Present(status);
        let before = self.here.insert(user, status);
        self.seen.remove(&user);
        if before != Some(status) {
            self.touch(user);
        }
    }

    /// Users with a socket here.
    #[must_use]
    pub fn present(&self) -> Vec<UserId> {
        let is_here = |(_, here): &(&UserId, &Here)| matches!(here, Here::Present(_));
        self.here.iter().filter(is_here).map(|(user, _)| *user).collect()
    }

    fn touch(&mut self, user: UserId) {
        let is_wanted = self.watchers.contains_key(&user) || self.interests.contains_key(&user);
        if is_wanted && self.is_changed.insert(user) {
            self.changed.push_back(user);
        }
    }

    /// The highest of what is known.
    #[must_use]
    pub fn status(&self, user: UserId) -> UserOnline {
        let here = self.here_with_grace(user);
        let elsewhere = self.elsewhere.get(&user).into_iter().flatten().map(|it| it.status);
        let status = elsewhere.chain(here).max().unwrap_or_default();
        let last_seen = self.seen.get(&user).copied();
        let last_seen = last_seen.filter(|_| status == PresenceStatus::Offline);
        UserOnline { user_id: user, status, last_seen }
    }

    /// Who went a moment ago may be back at once.
    fn here_with_grace(&self, user: UserId) -> Option<PresenceStatus> {
        Some(match self.here.get(&user)? {
            Here::Present(status) => *status,
            Here::Leaving { .. } => PresenceStatus::Online,
        })
    }

    /// What `watcher` wants to hear of, in place of what it wanted before. Returns how they are.
    pub fn watch(&mut self, watcher: UserId, users: BTreeSet<UserId>) -> Vec<UserOnline> {
        self.unwatch(watcher);
        for user in &users {
            let watchers = self.watchers.entry(*user).or_default();
            if watchers.is_empty() {
                self.ask.push(*user);
            }
            watchers.insert(watcher);
        }
        let statuses: Vec<UserOnline> = users.iter().map(|user| self.status(*user)).collect();
        for status in &statuses {
            self.told.entry(status.user_id).or_insert(status.status);
        }
        if !users.is_empty() {
            self.watched.insert(watcher, users);
        }
        statuses
    }

    pub fn unwatch(&mut self, watcher: UserId) {
        for user in self.watched.remove(&watcher).unwrap_or_default() {
            if let Some(watchers) = self.watchers.get_mut(&user) {
                watchers.remove(&watcher);
                if watchers.is_empty() {
                    self.watchers.remove(&user);
                    self.told.remove(&user);
                }
            }
        }
    }

    /// Another node wants to hear of these users. Returns those that are here.
    pub fn on_watch(&mut self, from: NodeId, users: &[UserId], now_ms: u64) -> Vec<UserOnline> {
        let until_ms = now_ms + FORGET_MS;
        let mut here = Vec::new();
        for user in users {
            let interests = self.interests.entry(*user).or_default();
            match interests.iter_mut().find(|it| it.node == from) {
                Some(known) => known.until_ms = until_ms,
                None => interests.push(Interest { node: from, until_ms }),
            }
            if self.here.contains_key(user) || self.seen.contains_key(user) {
                here.push(self.here_status(*user));
            }
        }
        here
    }

    /// How a user is on this node alone.
    fn here_status(&self, user: UserId) -> UserOnline {
        let status = self.here_with_grace(user).unwrap_or_default();
        let last_seen = self.seen.get(&user).copied();
        let last_seen = last_seen.filter(|_| status == PresenceStatus::Offline);
        UserOnline { user_id: user, status, last_seen }
    }

    /// Another node says how users are there.
    pub fn on_presence(&mut self, from: NodeId, statuses: &[UserOnline], now_ms: u64) {
        let until_ms = now_ms + FORGET_MS;
        for UserOnline { user_id, status, last_seen } in statuses.iter().copied() {
            if let Some(seen) = last_seen
                && self.seen.len() < SEEN_MAX
            {
                let latest = self.seen.entry(user_id).or_insert(seen);
                *latest = seen.max(*latest);
            }
            let remotes = self.elsewhere.entry(user_id).or_default();
            remotes.retain(|it| it.node != from);
            if status != PresenceStatus::Offline {
                remotes.push(Remote { node: from, status, until_ms });
            } else if remotes.is_empty() {
                self.elsewhere.remove(&user_id);
            }
            self.touch(user_id);
        }
    }

    /// What is due: at most `budget` single news, the others wait and merge meanwhile.
    pub fn tick(&mut self, now_ms: u64, budget: usize) -> News {
        self.leave(now_ms);
        self.expire(now_ms);
        let mut news = News { ask: std::mem::take(&mut self.ask), ..News::default() };
        if now_ms >= self.renew_at_ms {
            self.renew_at_ms = now_ms + RENEW_MS;
            news.ask = self.watchers.keys().copied().collect();
        }
        let mut spent = 0;
        while spent < budget
            && let Some(user) = self.changed.pop_front()
        {
            self.is_changed.remove(&user);
            spent += self.tell(user, &mut news);
        }
        news
    }

    /// Users whose change waits.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.changed.len()
    }

    fn tell(&mut self, user: UserId, news: &mut News) -> usize {
        let mut count = 1;
        if let Some(watchers) = self.watchers.get(&user) {
            let status = self.status(user);
            if self.told.insert(user, status.status) != Some(status.status) {
                count += watchers.len();
                for watcher in watchers {
                    news.watchers.entry(*watcher).or_default().push(status);
                }
            }
        }
        if let Some(interests) = self.interests.get(&user) {
            let status = self.here_status(user);
            count += interests.len();
            for interest in interests {
                news.nodes.entry(interest.node).or_default().push(status);
            }
        }
        count
    }

    fn leave(&mut self, now_ms: u64) {
        while let Some((at_ms, user)) = self.leaving.front().copied()
            && at_ms <= now_ms
        {
            self.leaving.pop_front();
            // Who came back, or went again later, is not meant.
            if self.here.get(&user) == Some(&Here::Leaving { at_ms }) {
                self.here.remove(&user);
                self.touch(user);
                if !self.is_changed.contains(&user) {
                    // Nobody asked: nothing is kept.
                    self.seen.remove(&user);
                }
            }
        }
    }

    fn expire(&mut self, now_ms: u64) {
        if now_ms < self.expire_at_ms {
            return;
        }
        self.expire_at_ms = now_ms + 1_000;
        self.interests.retain(|_, interests| {
            interests.retain(|it| it.until_ms > now_ms);
            !interests.is_empty()
        });
        let mut gone = Vec::new();
        self.elsewhere.retain(|user, remotes| {
            let before = remotes.len();
            remotes.retain(|it| it.until_ms > now_ms);
            if remotes.len() < before {
                gone.push(*user);
            }
            !remotes.is_empty()
        });
        for user in gone {
            self.touch(user);
        }
    }
}

#[cfg(test)]
mod tests {
    use PresenceStatus::{Away, Offline, Online};

    use super::*;

    fn user(number: u8) -> UserId {
        UserId::from_bytes([number; 16])
    }

    const ANNA: u8 = 1;
    const BERT: u8 = 2;

    fn watch(table: &mut Table, watcher: u8, users: &[u8]) -> Vec<PresenceStatus> {
        let users = users.iter().map(|it| user(*it)).collect();
        table.watch(user(watcher), users).iter().map(|it| it.status).collect()
    }

    fn told(news: &News, watcher: u8) -> Vec<PresenceStatus> {
        let news = news.watchers.get(&user(watcher)).into_iter().flatten();
        news.map(|it| it.status).collect()
    }

    #[test]
    fn a_watcher_hears_each_change_once() {
        let mut table = Table::default();
        assert_eq!(watch(&mut table, ANNA, &[BERT]), [Offline]);
        assert_eq!(table.tick(0, 100).ask, [user(BERT)]);
        table.set_here(user(BERT), Online, 10, 1);
        assert_eq!(told(&table.tick(250, 100), ANNA), [Online]);
        table.set_here(user(BERT), Away, 300, 1);
        table.set_here(user(BERT), Online, 310, 1);
        assert_eq!(told(&table.tick(500, 100), ANNA), [], "merged away");
        table.set_here(user(BERT), Away, 600, 1);
        assert_eq!(told(&table.tick(750, 100), ANNA), [Away]);
        table.unwatch(user(ANNA));
        table.set_here(user(BERT), Online, 800, 1);
        assert_eq!(table.tick(1_000, 100), News::default());
    }

    #[test]
    fn reconnecting_is_not_leaving() {
        let mut table = Table::default();
        table.set_here(user(BERT), Online, 0, 1);
        assert_eq!(watch(&mut table, ANNA, &[BERT]), [Online]);
        table.set_here(user(BERT), Offline, 100, 7_000);
        assert_eq!(told(&table.tick(200, 100), ANNA), []);
        table.set_here(user(BERT), Online, 300, 1);
        assert_eq!(told(&table.tick(100 + GRACE_MS, 100), ANNA), []);
        table.set_here(user(BERT), Offline, 6_000, 9_000);
        let news = table.tick(6_000 + GRACE_MS, 100);
        assert_eq!(told(&news, ANNA), [Offline]);
        assert_eq!(news.watchers[&user(ANNA)][0].last_seen, Some(9_000));
    }

    #[test]
    fn a_storm_is_told_within_the_budget_and_not_lost() {
        let mut table = Table::default();
        let many: Vec<u8> = (10..110).collect();
        watch(&mut table, ANNA, &many);
        for number in &many {
            table.set_here(user(*number), Online, 0, 1);
        }
        let mut heard = 0;
        let mut ticks = 0;
        while table.waiting() > 0 {
            let news = table.tick(ticks * 250, 20);
            let now = told(&news, ANNA).len();
            assert!(now <= 20, "{now} at once");
            heard += now;
            ticks += 1;
        }
        assert_eq!((heard, ticks > 5), (100, true));
    }

    #[test]
    fn nodes_tell_each_other_and_forget_who_falls_silent() {
        let (mut here, mut there) = (Table::default(), Table::default());
        let (this, other) = (NodeId::generate(), NodeId::generate());
        there.set_here(user(BERT), Away, 0, 1);
        watch(&mut here, ANNA, &[BERT]);
        let ask = here.tick(0, 100).ask;
        let answer = there.on_watch(this, &ask, 0);
        here.on_presence(other, &answer, 10);
        assert_eq!(told(&here.tick(250, 100), ANNA), [Away]);
        there.set_here(user(BERT), Online, 300, 1);
        let news = there.tick(500, 100);
        here.on_presence(other, &news.nodes[&this], 510);
        assert_eq!(told(&here.tick(750, 100), ANNA), [Online]);
        // It renews what it watches; a node that died does not answer.
        assert_eq!(here.tick(RENEW_MS, 100).ask, [user(BERT)]);
        assert_eq!(told(&here.tick(511 + FORGET_MS, 100), ANNA), [Offline]);
        assert!(there.tick(FORGET_MS + 2_000, 100).nodes.is_empty());
    }
}
