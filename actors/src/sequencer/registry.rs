//! The sequencers that run on this node.

use std::sync::Arc;

use actix::{Actor as _, Addr};
use schema::ConversationId;

use super::actor::{Sequencer, SequencerContext};
use super::handle::SequencerHandle;
use super::messages::Stop;
use super::remote::{FromOwner, RemoteSequencer};
use crate::committer::Committers;
use crate::monitor::{Child, DeathNotice, Incarnation, Quarantined, Registry, Watcher, Workers};
use crate::ports::Owner;

/// Finds whoever numbers a conversation's drafts, or starts it beside its shard's committer.
pub struct Sequencers {
    here: Registry<ConversationId, Sequencer>,
    elsewhere: Registry<ConversationId, RemoteSequencer>,
    context: SequencerContext,
    workers: Workers,
    watcher: Arc<dyn Watcher>,
}

impl Sequencers {
    #[must_use]
    pub fn new(context: SequencerContext, workers: Workers, watcher: Arc<dyn Watcher>) -> Self {
        let (here, elsewhere) = (Registry::default(), Registry::default());
        Self { here, elsewhere, context, workers, watcher }
    }

    #[must_use]
    pub fn committers(&self) -> &Arc<Committers> {
        &self.context.committers
    }

    /// Sequencers here, and stand-ins for those elsewhere.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        (self.here.len(), self.elsewhere.len())
    }

    #[must_use]
    pub fn shard_of(&self, conversation: ConversationId) -> u32 {
        shard_of(conversation, self.context.committers.shards())
    }

    /// Who numbers the conversation's drafts, as this node can tell.
    #[must_use]
    pub fn owner(&self, conversation: ConversationId) -> Owner {
        self.context.owner(self.shard_of(conversation))
    }

    /// # Errors
    /// [`Quarantined`] after too many panics.
    pub fn get_or_start(
        &self,
        conversation: ConversationId,
    ) -> Result<SequencerHandle, Quarantined> {
        match self.owner(conversation) {
            Owner::Here => self.here(conversation).map(SequencerHandle::Here),
            Owner::Elsewhere(_) | Owner::Unknown => {
                self.elsewhere(conversation).map(SequencerHandle::Elsewhere)
            }
        }
    }

    fn here(&self, conversation: ConversationId) -> Result<Addr<Sequencer>, Quarantined> {
        let shard = self.shard_of(conversation);
        self.here.get_or_start(conversation, |incarnation| {
            let (context, watcher) = (self.context.clone(), self.watcher.clone());
            Sequencer::start_in_arbiter(self.workers.of_shard(shard), move |_| {
                let notice = DeathNotice::new(Child::Sequencer(conversation), incarnation, watcher);
                Sequencer::new(conversation, shard, context, notice)
            })
        })
    }

    /// The stand-in for a sequencer on another node.
    ///
    /// # Errors
    /// [`Quarantined`] after too many panics.
    pub fn elsewhere(
        &self,
        conversation: ConversationId,
    ) -> Result<Addr<RemoteSequencer>, Quarantined> {
        let shard = self.shard_of(conversation);
        self.elsewhere.get_or_start(conversation, |incarnation| {
            let (context, watcher) = (self.context.clone(), self.watcher.clone());
            RemoteSequencer::start_in_arbiter(self.workers.of_shard(shard), move |_| {
                let child = Child::RemoteSequencer(conversation);
                let notice = DeathNotice::new(child, incarnation, watcher);
                RemoteSequencer::new(conversation, shard, context, notice)
            })
        })
    }

    /// The stand-in, if it runs.
    #[must_use]
    pub fn running_elsewhere(&self, conversation: ConversationId) -> Option<Addr<RemoteSequencer>> {
        self.elsewhere.get(&conversation)
    }

    /// Some that run here.
    #[must_use]
    pub fn sample(&self, count: usize) -> Vec<Addr<Sequencer>> {
        self.here.sample(count)
    }

    /// Some of the stand-ins.
    #[must_use]
    pub fn sample_elsewhere(&self, count: usize) -> Vec<Addr<RemoteSequencer>> {
        self.elsewhere.sample(count)
    }

    /// Ends all sequencers of a shard whose committer is gone.
    pub fn abandon(&self, shard: u32) {
        for (conversation, sequencer) in self.here.all() {
            if self.shard_of(conversation) == shard {
                let _ = sequencer.try_send(Stop::Abandoned);
            }
        }
    }

    /// Tells all stand-ins of a shard that its owner may be another one.
    pub fn owner_changed(&self, shard: u32) {
        for (conversation, sequencer) in self.elsewhere.all() {
            if self.shard_of(conversation) == shard {
                // One too busy to hear it looks for itself before it asks the next time.
                let _ = sequencer.try_send(FromOwner::OwnerChanged);
            }
        }
    }

    pub fn forget(&self, conversation: ConversationId, incarnation: Incarnation) {
        self.here.forget(&conversation, incarnation);
    }

    pub fn forget_elsewhere(&self, conversation: ConversationId, incarnation: Incarnation) {
        self.elsewhere.forget(&conversation, incarnation);
    }

    /// Notes a panic; returns how long the sequencer stays down.
    pub fn panicked(&self, conversation: ConversationId) -> std::time::Duration {
        self.here.panicked(conversation, tokio::time::Instant::now())
    }

    /// Notes a panic of a stand-in; returns how long it stays down.
    pub fn panicked_elsewhere(&self, conversation: ConversationId) -> std::time::Duration {
        self.elsewhere.panicked(conversation, tokio::time::Instant::now())
    }
}

/// The shard of a conversation: the same on every node and in every build.
///
/// Mixes the id by the finaliser of SplitMix64 (Steele, Lea, Flood 2014), since the first bytes of
/// a UUIDv7 are a clock.
#[must_use]
pub fn shard_of(conversation: ConversationId, shards: u32) -> u32 {
    let bytes = conversation.as_bytes();
    let mut halves = [0_u64; 2];
    for (half, chunk) in halves.iter_mut().zip(bytes.chunks_exact(8)) {
        *half = chunk.iter().fold(0, |sum, byte| (sum << 8) | u64::from(*byte));
    }
    let mut mixed = halves[0] ^ halves[1].rotate_left(32);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    u32::try_from(mixed % u64::from(shards.max(1))).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_even_and_never_change() {
        let mut counts = [0_u32; 8];
        for _ in 0..8_000 {
            counts[shard_of(ConversationId::generate(), 8) as usize] += 1;
        }
        assert!(counts.iter().all(|count| (800..1_200).contains(count)), "{counts:?}");
        assert_eq!(shard_of(ConversationId::from_bytes([7; 16]), 64), PINNED);
    }

    /// A change of this value would send every stored conversation to another shard.
    const PINNED: u32 = 0;
}
