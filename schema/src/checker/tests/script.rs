//! A history as a list of steps, so that it can be changed before it is judged.

use crate::checker::{ClientKey, Digest, History, PositionKind, Row};
use crate::{ConversationId, MessageId, Sequence, SequenceRange, UserId};

/// One recorded fact. `client` counts the script's clients from 0.
#[derive(Clone, Debug)]
pub enum Step {
    Client {
        user_id: UserId,
    },
    SocketOpen {
        client: usize,
    },
    Start {
        client: usize,
        conversation_id: ConversationId,
        after: Sequence,
    },
    Send {
        client: usize,
        conversation_id: ConversationId,
        message_id: MessageId,
        digest: Digest,
    },
    Ack {
        client: usize,
        conversation_id: ConversationId,
        message_id: MessageId,
        seq: Sequence,
        duplicate: bool,
    },
    Deliver {
        client: usize,
        row: Row,
    },
    Page {
        client: usize,
        conversation_id: ConversationId,
        expected: SequenceRange,
        rows: Vec<Row>,
    },
    Position {
        client: usize,
        conversation_id: ConversationId,
        kind: PositionKind,
        seq: Sequence,
    },
    Head {
        conversation_id: ConversationId,
        head: Sequence,
    },
    Log {
        row: Row,
    },
    CaughtUp {
        client: usize,
        conversation_id: ConversationId,
    },
    KnownSenders {
        conversation_id: ConversationId,
    },
}

pub fn play(steps: &[Step]) -> History {
    let mut history = History::new();
    let mut clients: Vec<ClientKey> = Vec::new();
    for step in steps {
        play_one(&mut history, &mut clients, step.clone());
    }
    history
}

/// The same, with the senders known from the start and everything settled again and again, as in a
/// run of hours.
pub fn play_settling(steps: &[Step], every: usize) -> History {
    let is_known = |step: &&Step| matches!(step, Step::KnownSenders { .. });
    let (known, others): (Vec<&Step>, Vec<&Step>) = steps.iter().partition(is_known);
    let mut history = History::new();
    let mut clients: Vec<ClientKey> = Vec::new();
    for (number, step) in known.into_iter().chain(others).enumerate() {
        play_one(&mut history, &mut clients, step.clone());
        if number % every == 0 {
            history.settle();
        }
    }
    history
}

fn play_one(history: &mut History, clients: &mut Vec<ClientKey>, step: Step) {
    match step {
        Step::Client { user_id } => {
            clients.push(history.add_client(format!("client {}", clients.len()), user_id));
        }
        Step::SocketOpen { client } => history.record_socket_open(clients[client]),
        Step::Start { client, conversation_id, after } => {
            history.record_start(clients[client], conversation_id, after);
        }
        Step::Send { client, conversation_id, message_id, digest } => {
            history.record_send(clients[client], conversation_id, message_id, digest);
        }
        Step::Ack { client, conversation_id, message_id, seq, duplicate } => {
            history.record_ack(clients[client], conversation_id, message_id, seq, duplicate);
        }
        Step::Deliver { client, row } => history.record_delivery(clients[client], row),
        Step::Page { client, conversation_id, expected, rows } => {
            history.record_history_page(clients[client], conversation_id, expected, rows);
        }
        Step::Position { client, conversation_id, kind, seq } => {
            history.record_position(clients[client], conversation_id, kind, seq);
        }
        Step::Head { conversation_id, head } => history.record_head(conversation_id, head),
        Step::Log { row } => history.record_log_row(row),
        Step::CaughtUp { client, conversation_id } => {
            history.expect_caught_up(clients[client], conversation_id);
        }
        Step::KnownSenders { conversation_id } => history.expect_known_senders(conversation_id),
    }
}
