//! What clients sent, in order, and what they were told of it.

use std::collections::HashMap;

use super::history::ClientKey;
use super::row::Digest;
use crate::{ConversationId, MessageId, Sequence, UserId};

/// One message, however often it was transmitted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    pub client: ClientKey,
    pub sender_id: UserId,
    pub conversation_id: ConversationId,
    pub message_id: MessageId,
    /// `None` when only its acknowledgement was recorded.
    pub digest: Option<Digest>,
    /// The client's socket, counted from 1, of the first transmission.
    pub socket: u32,
    pub transmissions: u32,
    /// The largest number this client had been told here before the first transmission.
    pub floor: Sequence,
    pub acked: Option<Sequence>,
    /// Where it is in the settled part of the log.
    pub settled_at: Option<Sequence>,
}

/// All sends in the order of their first transmission.
#[derive(Clone, Debug, Default)]
pub(super) struct SendBook {
    sends: Vec<Sent>,
    /// Only looked up, never iterated: its order must not show.
    index: HashMap<(UserId, ConversationId, MessageId), usize>,
    told: HashMap<(ClientKey, ConversationId), Sequence>,
    pub retries: u64,
    pub duplicate_acks: u64,
}

/// Who speaks: the client, its user, and which of its sockets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Speaker {
    pub client: ClientKey,
    pub user_id: UserId,
    pub socket: u32,
}

impl SendBook {
    pub fn send(
        &mut self,
        speaker: Speaker,
        conversation_id: ConversationId,
        message_id: MessageId,
        digest: Digest,
    ) {
        let sent = self.entry(speaker, conversation_id, message_id);
        sent.digest.get_or_insert(digest);
        sent.transmissions += 1;
        if sent.transmissions > 1 {
            self.retries += 1;
        }
    }

    /// Notes an acknowledgement; returns the number told before, when it was another one.
    pub fn ack(
        &mut self,
        speaker: Speaker,
        conversation_id: ConversationId,
        message_id: MessageId,
        seq: Sequence,
        duplicate: bool,
    ) -> Option<Sequence> {
        self.duplicate_acks += u64::from(duplicate);
        let told = self.told.entry((speaker.client, conversation_id)).or_default();
        *told = seq.max(*told);
        let sent = self.entry(speaker, conversation_id, message_id);
        let before = *sent.acked.get_or_insert(seq);
        (before != seq).then_some(before)
    }

    pub fn knows(
        &self,
        sender_id: UserId,
        conversation_id: ConversationId,
        message_id: MessageId,
    ) -> bool {
        self.index.contains_key(&(sender_id, conversation_id, message_id))
    }

    /// Where a known message was found among what is settled; `None` when nobody sent it.
    pub fn settled_at(
        &mut self,
        sender_id: UserId,
        conversation_id: ConversationId,
        message_id: MessageId,
    ) -> Option<&mut Option<Sequence>> {
        let index = *self.index.get(&(sender_id, conversation_id, message_id))?;
        Some(&mut self.sends[index].settled_at)
    }

    /// Takes out, in order, those for which nothing is to be remembered any more.
    pub fn take_if(&mut self, mut is_over: impl FnMut(&Sent) -> bool) -> Vec<Sent> {
        let (gone, kept) =
            std::mem::take(&mut self.sends).into_iter().partition(|sent| is_over(sent));
        self.sends = kept;
        let gone: Vec<Sent> = gone;
        for sent in &gone {
            self.index.remove(&(sent.sender_id, sent.conversation_id, sent.message_id));
        }
        for (place, sent) in self.sends.iter().enumerate() {
            self.index.insert((sent.sender_id, sent.conversation_id, sent.message_id), place);
        }
        gone
    }

    pub fn iter(&self) -> impl Iterator<Item = &Sent> {
        self.sends.iter()
    }

    fn entry(
        &mut self,
        speaker: Speaker,
        conversation_id: ConversationId,
        message_id: MessageId,
    ) -> &mut Sent {
        let Speaker { client, user_id, socket } = speaker;
        let index =
            *self.index.entry((user_id, conversation_id, message_id)).or_insert_with(|| {
                self.sends.push(Sent {
                    client,
                    sender_id: user_id,
                    conversation_id,
                    message_id,
                    digest: None,
                    socket,
                    transmissions: 0,
                    floor: self.told.get(&(client, conversation_id)).copied().unwrap_or_default(),
                    acked: None,
                    settled_at: None,
                });
                self.sends.len() - 1
            });
        &mut self.sends[index]
    }
}
