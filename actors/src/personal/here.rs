//! Who was there for messages that mention everyone who is: noted where a session was handed one,
//! written a moment later for many at once.

use std::collections::{BTreeMap, BTreeSet};

use schema::record::{Fact, FactKind, FactRange, FactWrite};
use schema::wire::Refusal;
use schema::{ConversationId, Sequence, UserId};

use super::changes::unavailable;
use super::hub::{Personal, lock};

/// Read of one user at once; beyond them the lowest conversations count.
const HERE_MAX: usize = 10_000;
/// Notes that wait to be written. Beyond them they are lost, and the mention counts for nothing.
const WAITING_MAX: usize = 200_000;
/// Notes of one write.
const WRITE_MAX: usize = 1_000;

/// Messages that a user was there for.
pub type WasHere = BTreeMap<ConversationId, BTreeSet<Sequence>>;

impl Personal {
    /// The user is there and was handed these messages, which mention everyone who is.
    pub fn note_here(&self, user: UserId, id: ConversationId, messages: &[Sequence]) {
        let mut waiting = lock(&self.here);
        if waiting.len() + messages.len() > WAITING_MAX {
            tracing::warn!("too many mentions of those who are there wait to be written");
            return;
        }
        waiting.extend(messages.iter().map(|seq| (user, id, *seq)));
    }

    /// Writes what was noted.
    pub async fn write_here(&self) {
        let noted: Vec<_> = std::mem::take(&mut *lock(&self.here)).into_iter().collect();
        for part in noted.chunks(WRITE_MAX) {
            let stamp = self.next_stamp();
            let facts = part.iter().map(|(user_id, id, seq)| {
                let fact = Fact::Here(*id, *seq);
                FactWrite { user_id: *user_id, stamp, fact, is_gone: false }
            });
            if let Err(error) = self.store.write_facts(facts.collect()).await {
                tracing::warn!(%error, "who was there was not written; tried again");
                let mut waiting = lock(&self.here);
                if waiting.len() < WAITING_MAX {
                    waiting.extend(part.iter().copied());
                }
            }
        }
    }

    /// The messages that a user was there for and that they had not read when last asked.
    ///
    /// # Errors
    /// `retry_later`.
    pub async fn was_here(&self, user: UserId) -> Result<WasHere, Refusal> {
        let range = FactRange::kinds(FactKind::Here, FactKind::Here, HERE_MAX);
        let facts = self.facts(user, range).await.map_err(|error| unavailable(&error))?;
        let mut here = WasHere::new();
        for fact in facts {
            if let Fact::Here(id, seq) = fact {
                here.entry(id).or_default().insert(seq);
            }
        }
        let first = (user, ConversationId::from_bytes([0; 16]), Sequence::START);
        let waiting = lock(&self.here);
        for (_, id, seq) in waiting.range(first..).take_while(|(whose, ..)| *whose == user) {
            here.entry(*id).or_default().insert(*seq);
        }
        drop(waiting);
        Ok(here)
    }

    /// The user has read these.
    pub async fn forget_here(&self, user: UserId, read: &[(ConversationId, Sequence)]) {
        let facts = read.iter().map(|(id, seq)| (Fact::Here(*id, *seq), true)).collect();
        if let Err(error) = self.write(user, facts).await {
            tracing::debug!(%error, "what was read is forgotten another time");
        }
    }
}
