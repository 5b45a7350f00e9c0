//! Carries out what [`super::core`] decides.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use actix::ActorFutureExt as _;
use actix::{
    Actor, ActorContext as _, AsyncContext as _, Context, Handler, Recipient, WrapFuture as _,
};
use rand::RngExt as _;
use schema::record::{Entry, Event};
use schema::{ConversationId, OwnerToken, Sequence, metric};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::batch::BatchLimits;
use super::core::{CommitterCore, Effect, EndReason};
use super::messages::{
    Budget, Budgets, Enqueue, FromCommitter, Register, Registered, Retire, StoredEntries,
    Unregister, WhenMaterialised,
};
use super::ownership::Ownership;
use crate::monitor::trace::{self, Station};
use crate::monitor::{DeathNotice, handled};
use crate::peers::Peers;
use crate::ports::{CommitRing, MessageStore};

/// An idle owner looks whether it still is one this often.
const LOOK: Duration = Duration::from_secs(3);

/// What a committer works with.
#[derive(Clone)]
pub struct CommitterContext {
    pub ring: Arc<dyn CommitRing>,
    pub messages: Arc<dyn MessageStore>,
    pub peers: Arc<Peers>,
    pub limits: BatchLimits,
    pub ownership: Arc<Ownership>,
    pub budgets: Arc<Budgets>,
}

/// One activation of one shard.
pub struct Committer {
    shard: u32,
    context: CommitterContext,
    core: CommitterCore,
    budget: Arc<Budget>,
    sequencers: HashMap<ConversationId, Recipient<FromCommitter>>,
    /// Sequencers that came before the shard was replayed.
    early: Vec<Register>,
    /// Who waits, and for which commit.
    materialise_waiters: Vec<(u64, oneshot::Sender<()>)>,
    /// Where the logs end that the replay went through, until it is done.
    replayed: BTreeMap<ConversationId, Sequence>,
    is_serving: bool,
    retiring: Option<oneshot::Sender<()>>,
    started_at: Instant,
    depth: metrics::Gauge,
    _notice: DeathNotice,
}

impl Committer {
    #[must_use]
    pub fn new(shard: u32, context: CommitterContext, notice: DeathNotice) -> Self {
        let owner = OwnerToken::generate();
        let core = CommitterCore::new(shard, owner, context.ring.shape(), context.limits);
        let budget = context.budgets.open();
        Self {
            shard,
            context,
            core,
            budget,
            sequencers: HashMap::new(),
            early: Vec::new(),
            materialise_waiters: Vec::new(),
            replayed: BTreeMap::new(),
            is_serving: false,
            retiring: None,
            started_at: Instant::now(),
            depth: metrics::gauge!(metric::RING_DEPTH, "shard" => shard.to_string()),
            _notice: notice,
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.started_at.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn carry_out(&mut self, effects: Vec<Effect>, ctx: &mut Context<Self>) {
        for effect in effects {
            self.carry_out_one(effect, ctx);
        }
        self.finish_if_quiet(ctx);
    }

    fn carry_out_one(&mut self, effect: Effect, ctx: &mut Context<Self>) {
        let ring = &self.context.ring;
        match effect {
            Effect::ReadGuard => {
                let answer = ring.guard(self.shard);
                self.await_then(answer, ctx, |core, answer, now_ms| core.on_guard(answer, now_ms));
            }
            Effect::ReadSlot(n) => {
                let answer = ring.slot(self.shard, n);
                self.await_then(answer, ctx, |core, answer, now_ms| core.on_slot(answer, now_ms));
            }
            Effect::Create => {
                let answer = ring.create(self.shard, self.core.owner());
                self.await_then(answer, ctx, |core, answer, _| core.on_claim(&answer));
            }
            Effect::TakeOver(seen) => {
                let answer = ring.take_over(self.shard, seen, self.core.owner());
                self.await_then(answer, ctx, |core, answer, _| core.on_claim(&answer));
            }
            Effect::Commit(commit) => {
                let (answer, begun, shard) = (ring.commit(commit), Instant::now(), self.shard);
                self.await_then(answer, ctx, move |core, answer, now_ms| {
                    crate::observe!(metric::COMMIT_SECONDS, begun.elapsed());
                    if let Err(error) = &answer {
                        metrics::counter!(metric::COMMITS_UNKNOWN).increment(1);
                        tracing::warn!(shard, %error, "outcome of a commit unknown; reading it back");
                    }
                    core.on_committed(&answer, now_ms)
                });
            }
            Effect::Materialise(commits) => {
                let answer = self.context.messages.materialise(commits);
                self.await_then(answer, ctx, |core, answer, _| {
                    if let Err(error) = &answer {
                        tracing::warn!(%error, "commits could not be materialised; trying again");
                    }
                    core.on_materialised(answer.is_ok())
                });
            }
            Effect::Wake { ms_min, ms_max } => {
                let ms = rand::rng().random_range(ms_min..=ms_max);
                ctx.run_later(Duration::from_millis(ms), |actor, ctx| {
                    let effects = actor.core.on_wake();
                    actor.carry_out(effects, ctx);
                });
            }
            Effect::Gather => {
                // Back after a turn of this thread: all that its mailboxes and sockets hold now.
                let turn = tokio::task::yield_now().into_actor(self);
                ctx.spawn(turn.map(|(), actor, ctx| {
                    let effects = actor.core.on_gathered();
                    actor.carry_out(effects, ctx);
                }));
            }
            Effect::WakeToMaterialise { ms } => {
                ctx.run_later(Duration::from_millis(ms), |actor, ctx| {
                    let effects = actor.core.on_materialise_due();
                    actor.carry_out(effects, ctx);
                });
            }
            Effect::Ready(epoch) => self.ready(epoch),
            Effect::Stored { entries, .. } => self.stored(&entries),
            Effect::Materialised { .. } => self.materialised(),
            Effect::Ended(reason) => self.ended(reason, ctx),
        }
    }

    /// Waits for a port's answer without holding the mailbox up.
    fn await_then<T: 'static>(
        &self,
        answer: impl Future<Output = T> + 'static,
        ctx: &mut Context<Self>,
        decide: impl FnOnce(&mut CommitterCore, T, u64) -> Vec<Effect> + 'static,
    ) {
        ctx.spawn(answer.into_actor(self).map(move |answer, actor, ctx| {
            let now_ms = actor.now_ms();
            let effects = decide(&mut actor.core, answer, now_ms);
            actor.carry_out(effects, ctx);
        }));
    }

    fn ready(&mut self, epoch: schema::Epoch) {
        tracing::info!(shard = self.shard, epoch = epoch.0, "shard claimed and replayed");
        metrics::counter!(metric::SHARD_TAKE_OVERS).increment(1);
        self.context.ownership.ready(self.shard, self.core.owner(), epoch);
        for register in std::mem::take(&mut self.early) {
            self.register(register);
        }
        self.is_serving = true;
        self.materialised();
        let heads: Vec<_> = std::mem::take(&mut self.replayed).into_iter().collect();
        self.context.peers.replayed(self.shard, epoch, &heads);
    }

    fn register(&mut self, register: Register) {
        let entries = self.core.entries_of(register.conversation);
        let registered =
            Registered { owner: self.core.owner(), entries, budget: self.budget.clone() };
        if register.sequencer.try_send(FromCommitter::Registered(registered)).is_ok() {
            self.sequencers.insert(register.conversation, register.sequencer);
        }
    }

    /// Stored first; only now the sequencers hear of it, each of its own entries.
    fn stored(&mut self, entries: &Arc<[Entry]>) {
        crate::count!(metric::COMMITS, 1);
        #[expect(clippy::cast_precision_loss, reason = "a commit holds few entries")]
        let count = entries.len() as f64;
        crate::observe!(metric::COMMIT_ENTRIES, count);
        for entry in entries.iter().take_while(|_| trace::is_any()) {
            trace::leave(entry.message_id, Station::Commit);
        }
        let groups = by_conversation(entries);
        // Before the senders hear of it: on other nodes the entry then comes ahead of the answer.
        self.context.peers.announce(self.shard, self.core.epoch(), &groups);
        for (conversation, group) in groups {
            for entry in group.iter() {
                self.budget.release(event_size(&entry.event));
            }
            self.tell(conversation, FromCommitter::Stored(StoredEntries { entries: group }));
        }
        self.gauge_depth();
    }

    fn materialised(&mut self) {
        self.gauge_depth();
        let heads = self.core.take_materialised_heads();
        if !self.is_serving {
            // Those who wait asked for all of the replay, whatever its depth.
            return self.replayed.extend(heads);
        }
        for (conversation, seq) in heads {
            self.tell(conversation, FromCommitter::Materialised(seq));
        }
        let done = self.core.done();
        for (_, waiter) in self.materialise_waiters.extract_if(.., |(n, _)| *n <= done) {
            let _ = waiter.send(());
        }
    }

    fn gauge_depth(&self) {
        #[expect(clippy::cast_precision_loss, reason = "the ring has few slots")]
        self.depth.set(self.core.ring_depth() as f64);
    }

    /// A sequencer that does not take its news would acknowledge nothing: it is cut off, and the
    /// next one recovers from the committer and the store.
    fn tell(&mut self, conversation: ConversationId, news: FromCommitter) {
        let Some(sequencer) = self.sequencers.get(&conversation) else { return };
        if sequencer.try_send(news).is_err() {
            self.sequencers.remove(&conversation);
        }
    }

    fn ended(&mut self, reason: EndReason, ctx: &mut Context<Self>) {
        match reason {
            EndReason::Fenced => {
                metrics::counter!(metric::SHARDS_FENCED).increment(1);
                self.context.ownership.fenced(self.shard);
            }
            EndReason::Broken => metrics::counter!(metric::SHARDS_BROKEN).increment(1),
            EndReason::GaveUp | EndReason::NotClaimed => {}
        }
        tracing::error!(shard = self.shard, ?reason, "shard activation ended");
        let early = self.early.drain(..).map(|register| register.sequencer);
        for sequencer in self.sequencers.drain().map(|(_, sequencer)| sequencer).chain(early) {
            let _ = sequencer.try_send(FromCommitter::Ended);
        }
        ctx.stop();
    }

    /// Without traffic nothing else tells an owner that it was replaced.
    fn look(&mut self, ctx: &mut Context<Self>) {
        if self.core.is_quiet() {
            let guard = self.context.ring.guard(self.shard);
            self.await_then(guard, ctx, |core, guard, _| match guard {
                Ok(guard) => core.on_look(guard),
                Err(_) => Vec::new(),
            });
        }
    }

    fn finish_if_quiet(&mut self, ctx: &mut Context<Self>) {
        if self.retiring.is_none() || !self.core.is_quiet() {
            return;
        }
        let done = self.retiring.take();
        let released = self.context.ring.release(self.shard, self.core.owner(), self.core.done());
        ctx.wait(released.into_actor(self).map(|result, _, ctx: &mut Context<Self>| {
            if let Err(error) = result {
                tracing::warn!(%error, "release not confirmed; the next owner takes over");
            }
            drop(done);
            ctx.stop();
        }));
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        self.context.ownership.ended(self.shard, self.core.owner());
        self.context.peers.released(self.shard);
    }
}

/// About what an event weighs on its way to the store, bytes.
#[must_use]
pub(crate) fn event_size(event: &Event) -> usize {
    100 + event.size()
}

/// Splits a commit by conversation, keeping each one's order and the order of first appearance.
fn by_conversation(entries: &Arc<[Entry]>) -> Vec<(ConversationId, Arc<[Entry]>)> {
    let first = entries.first().map(|entry| entry.conversation_id);
    if entries.iter().all(|entry| Some(entry.conversation_id) == first) {
        return first.map(|conversation| (conversation, entries.clone())).into_iter().collect();
    }
    let mut index: HashMap<ConversationId, usize> = HashMap::new();
    let mut groups: Vec<(ConversationId, Vec<Entry>)> = Vec::new();
    for entry in entries.iter() {
        let at = *index.entry(entry.conversation_id).or_insert_with(|| {
            groups.push((entry.conversation_id, Vec::new()));
            groups.len() - 1
        });
        groups[at].1.push(entry.clone());
    }
    groups.into_iter().map(|(conversation, group)| (conversation, group.into())).collect()
}

impl Actor for Committer {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(Budget::ENTRIES_MAX * 2);
        if self.context.peers.is_clustered() {
            ctx.run_interval(LOOK, Self::look);
        }
        let effects = self.core.start();
        self.carry_out(effects, ctx);
    }
}

impl Handler<Enqueue> for Committer {
    type Result = ();

    fn handle(&mut self, message: Enqueue, ctx: &mut Self::Context) {
        handled();
        if self.retiring.is_some() {
            // Nothing new is taken: what is left out here and what follows it is asked of the next
            // owner, once this sequencer ends.
            return self.budget.release(event_size(&message.entry.event));
        }
        let effects = self.core.enqueue(message.entry);
        self.carry_out(effects, ctx);
    }
}

crate::answer_probes!(Committer);

impl Handler<Register> for Committer {
    type Result = ();

    fn handle(&mut self, message: Register, _: &mut Self::Context) {
        if self.core.is_ready() {
            self.register(message);
        } else {
            self.early.push(message);
        }
    }
}

impl Handler<Unregister> for Committer {
    type Result = ();

    fn handle(&mut self, message: Unregister, _: &mut Self::Context) {
        if self.sequencers.get(&message.conversation) == Some(&message.sequencer) {
            self.sequencers.remove(&message.conversation);
        }
    }
}

impl Handler<WhenMaterialised> for Committer {
    type Result = ();

    fn handle(&mut self, message: WhenMaterialised, ctx: &mut Self::Context) {
        // While the shard is claimed its depth is not known yet: answered once it is replayed.
        if self.core.is_ready() && self.core.ring_depth() == 0 {
            let _ = message.done.send(());
            return;
        }
        self.materialise_waiters.push((self.core.head(), message.done));
        let effects = self.core.on_materialise_due();
        self.carry_out(effects, ctx);
    }
}

impl Handler<Retire> for Committer {
    type Result = ();

    fn handle(&mut self, message: Retire, ctx: &mut Self::Context) {
        self.retiring = Some(message.done);
        let effects = self.core.on_materialise_due();
        self.carry_out(effects, ctx);
    }
}
