//! Users, conversations and sockets of the fake server, and its lies.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use schema::record::{ConversationKind, Member, Role};
use schema::rest::{ConversationView, CreateConversationRequest, HistoryPage};
use schema::wire::log_frame::MembersChanged;
use schema::wire::{
    Accepted, ClientFrame, ConversationState, Hello, History, Limits, LogFrame, NewMessage, Pong,
    SendMessage, ServerFrame, Welcome,
};
use schema::{ConnectionId, ConversationId, DeviceId, MessageId, NodeId, Sequence, UserId};
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedSender;

use super::journal::{Journal, Record};

/// What the server does wrong, to every tenth message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    None,
    /// Acknowledges without storing; the number goes to the next one.
    Lose,
    /// Forgets what it stored before, so that a retry is stored again.
    ForgetIds,
    /// Stores another text than was sent.
    ChangeText,
    /// Leaves one reader out.
    DropDelivery,
    /// Delivers to one reader twice.
    RepeatDelivery,
    /// Delivers to one reader after the next one.
    SwapDeliveries,
    /// Acknowledges what is only in its memory: a kill loses it.
    StoreLater,
}

type Out = UnboundedSender<ServerFrame>;

#[derive(Default)]
struct Conversation {
    members: Vec<UserId>,
    log: Vec<LogFrame>,
}

pub struct State {
    lie: Lie,
    user_of_token: HashMap<String, (UserId, DeviceId)>,
    conversations: BTreeMap<ConversationId, Conversation>,
    sockets: BTreeMap<DeviceId, (UserId, Out)>,
    sent: u64,
    /// A delivery kept back by [`Lie::SwapDeliveries`].
    kept_back: Option<(DeviceId, ServerFrame)>,
    journal: Option<Journal>,
}

impl State {
    pub fn new(lie: Lie) -> Self {
        Self {
            lie,
            user_of_token: HashMap::new(),
            conversations: BTreeMap::new(),
            sockets: BTreeMap::new(),
            sent: 0,
            kept_back: None,
            journal: None,
        }
    }

    /// Takes up what `file` holds and goes on writing to it.
    pub fn open(lie: Lie, file: &Path) -> Self {
        let mut state = Self::new(lie);
        for record in Journal::read(file) {
            state.apply(record);
        }
        state.journal = Some(Journal::open(file, lie == Lie::StoreLater));
        state
    }

    fn apply(&mut self, record: Record) {
        match record {
            Record::User { token, user_id, device_id } => {
                self.user_of_token.insert(token, (user_id, device_id));
            }
            Record::Conversation { id, members } => {
                self.conversations.insert(id, Conversation { members, log: Vec::new() });
            }
            Record::Entry(entry) => {
                let id = entry.conversation_id();
                self.conversations.get_mut(&id).unwrap().log.push(entry);
            }
        }
    }

    /// Writes down and applies.
    fn store(&mut self, record: Record) {
        if let Some(journal) = &mut self.journal {
            journal.append(&record);
        }
        self.apply(record);
    }

    pub fn new_user(&mut self) -> Value {
        let (user_id, device_id) = (UserId::generate(), DeviceId::generate());
        let token = format!("token of {device_id}");
        self.store(Record::User { token: token.clone(), user_id, device_id });
        json!({"user_id": user_id, "device_id": device_id, "username": user_id.to_string(),
               "access_token": token})
    }

    pub fn new_conversation(
        &mut self,
        token: &str,
        request: &CreateConversationRequest,
    ) -> ConversationView {
        let (owner, _) = self.user_of_token[token];
        let conversation_id = ConversationId::generate();
        let mut members = request.members.clone();
        members.push(owner);
        // Groups begin with an entry about their members, so that not all numbers are messages.
        let added = members.iter().map(|user_id| Member { user_id: *user_id, role: Role::Member });
        let first = LogFrame::MembersChanged(MembersChanged {
            conversation_id,
            seq: Sequence(1),
            message_id: MessageId::generate(),
            sender_id: owner,
            sent_at: 0,
            added: added.collect(),
            removed: Vec::new(),
            changed: Vec::new(),
            banned: Vec::new(),
            unbanned: Vec::new(),
            invite_id: None,
        });
        self.store(Record::Conversation { id: conversation_id, members });
        let is_group = request.kind == ConversationKind::Group;
        if is_group {
            self.store(Record::Entry(first));
        }
        let head = Sequence(u64::from(is_group));
        ConversationView {
            conversation_id,
            kind: request.kind,
            name: request.name.clone(),
            description: None,
            photo: None,
            disappear_after_ms: None,
            retention_days: None,
            posting: schema::record::Posting::Everyone,
            created_by: owner,
            created_at: 0,
            generation: 1,
            head,
            members: Vec::new(),
        }
    }

    pub fn page(&self, path: &str) -> HistoryPage {
        let id: ConversationId = path.split('/').nth(3).unwrap().parse().unwrap();
        let query = |name: &str| -> Option<u64> {
            let (_, rest) = path.split_once(&format!("{name}="))?;
            rest.split('&').next()?.parse().ok()
        };
        self.entries(id, query("after"), query("before"), query("limit").unwrap_or(50))
    }

    fn entries(
        &self,
        id: ConversationId,
        after: Option<u64>,
        before: Option<u64>,
        limit: u64,
    ) -> HistoryPage {
        let log = &self.conversations[&id].log;
        let head = log.len() as u64;
        let (first, last) = match (after, before) {
            (Some(after), _) => (after, (after + limit).min(head)),
            (None, before) => {
                let end = before.map_or(head, |before| before - 1);
                (end.saturating_sub(limit), end)
            }
        };
        let entries = log[first as usize..last as usize].to_vec();
        HistoryPage {
            entries,
            head: Sequence(head),
            states: Vec::new(),
            purged_up_to: Sequence::START,
        }
    }

    pub fn hello(&mut self, hello: &Hello, out: &Out) -> DeviceId {
        let (user_id, device_id) = self.user_of_token[&hello.token];
        self.sockets.insert(device_id, (user_id, out.clone()));
        let mine = self.conversations.iter().filter(|(_, each)| each.members.contains(&user_id));
        let state = |(id, each): (&ConversationId, &Conversation)| ConversationState {
            conversation_id: *id,
            generation: 1,
            head: Sequence(each.log.len() as u64),
            delivered: Sequence::START,
            read: Sequence::START,
            muted_until: None,
            archived: false,
            pinned: false,
        };
        let _ = out.send(ServerFrame::Welcome(Welcome {
            user_id,
            device_id,
            connection_id: ConnectionId::generate(),
            node: NodeId::generate(),
            server_time: 0,
            heartbeat_ms: 25_000,
            limits: Limits {
                frame_bytes_max: 131_072,
                text_bytes_max: 65_536,
                history_page_max: 200,
                sends_per_second: 1_000,
                sends_burst: 1_000,
            },
            conversations: mine.map(state).collect(),
        }));
        for position in hello.positions.iter().flatten() {
            let log = &self.conversations[&position.conversation_id].log;
            // After a lost tail, clients may have more than the log.
            for entry in log.iter().skip(position.seq.0 as usize) {
                let _ = out.send(entry.clone().into());
            }
        }
        device_id
    }

    pub fn on_frame(&mut self, device: DeviceId, frame: ClientFrame, out: &Out) {
        match frame {
            ClientFrame::SendMessage(message) => self.on_send(device, message, out),
            ClientFrame::Ping(_) => {
                let _ = out.send(ServerFrame::Pong(Pong { server_time: 0, heads: None }));
            }
            ClientFrame::FetchHistory(fetch) => {
                let (after, before) = (fetch.after.map(|seq| seq.0), fetch.before.map(|seq| seq.0));
                let limit = fetch.limit.unwrap_or(50);
                let HistoryPage { entries, head, states, purged_up_to } =
                    self.entries(fetch.conversation_id, after, before, limit);
                let (reference, conversation_id) = (fetch.reference, fetch.conversation_id);
                let history =
                    History { reference, conversation_id, entries, head, states, purged_up_to };
                let _ = out.send(ServerFrame::History(history));
            }
            _ => {}
        }
    }

    fn on_send(&mut self, device: DeviceId, message: SendMessage, out: &Out) {
        self.sent += 1;
        let lie = if self.sent.is_multiple_of(10) { self.lie } else { Lie::None };
        let id = message.conversation_id;
        let (sender_id, _) = self.sockets[&device];
        let conversation = &self.conversations[&id];
        let known = conversation.log.iter().find(|entry| entry.message_id() == message.message_id);
        let known = known.map(LogFrame::seq).filter(|_| self.lie != Lie::ForgetIds);
        let seq = known.unwrap_or(Sequence(conversation.log.len() as u64 + 1));
        let (reference, message_id) = (message.reference, message.message_id);
        let entry = stored(message, seq, sender_id, lie);
        if known.is_none() && lie != Lie::Lose {
            self.store(Record::Entry(entry.clone()));
        }
        let _ = out.send(ServerFrame::Accepted(Accepted {
            reference,
            message_id,
            conversation_id: id,
            seq,
            sent_at: 0,
            duplicate: known.is_some(),
        }));
        if known.is_none() && lie != Lie::Lose {
            self.fan_out(device, id, &entry, lie);
        }
    }

    fn fan_out(&mut self, from: DeviceId, id: ConversationId, entry: &LogFrame, lie: Lie) {
        let members = &self.conversations[&id].members;
        let mut is_first = true;
        for (device, (user_id, out)) in &self.sockets {
            if *device == from || !members.contains(user_id) {
                continue;
            }
            let frame = ServerFrame::from(entry.clone());
            let lie = if std::mem::take(&mut is_first) { lie } else { Lie::None };
            let late = match lie {
                Lie::DropDelivery => continue,
                Lie::SwapDeliveries => {
                    self.kept_back = Some((*device, frame));
                    continue;
                }
                Lie::RepeatDelivery => Some((*device, frame.clone())),
                _ => self.kept_back.take_if(|(kept_for, _)| kept_for == device),
            };
            let _ = out.send(frame);
            if let Some((_, late)) = late {
                let _ = out.send(late);
            }
        }
    }
}

fn stored(message: SendMessage, seq: Sequence, sender_id: UserId, lie: Lie) -> LogFrame {
    let mut content = message.content;
    if lie == Lie::ChangeText {
        content = schema::record::Content::Text { text: "something else".to_owned() };
    }
    LogFrame::NewMessage(NewMessage {
        conversation_id: message.conversation_id,
        seq,
        message_id: message.message_id,
        sender_id,
        sent_at: 0,
        content,
        reply_to: message.reply_to,
        thread: None,
        mentions: Vec::new(),
        mention_all: None,
        forwarded: false,
        expires_at: None,
    })
}
