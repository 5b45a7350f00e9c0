//! What stands in the index: one document for each message that says something, one for each
//! shard's position. Pure.

use schema::record::{Content, Entry, Event};
use schema::{ConversationId, Sequence};
use serde_json::{Value, json};

use super::config::OpenSearchConfig;

/// Around words that were found. Taken out of what is indexed.
pub(super) const BEGIN: char = '\u{e000}';
pub(super) const END: char = '\u{e001}';

/// One line of a bulk request. Documents have ids of their own and the number of the entry that
/// wrote them as their version, so a repeat, or what comes late, changes nothing.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::search) struct Operation {
    pub id: String,
    pub version: u64,
    pub document: Value,
}

/// Settings, mappings and names of an index. Words are parted as in the embedded index; case and
/// accents do not count.
pub(super) fn index_body(config: &OpenSearchConfig, write_alias: &str) -> Value {
    let apart = [".", "'", "\u{2019}", "_", ":", ","];
    let mappings: Vec<String> = apart.iter().map(|it| format!("{it} => \\u0020")).collect();
    let mut index = json!({
        "number_of_shards": config.shards,
        "refresh_interval": "1s",
    });
    match config.replicas {
        Some(replicas) => index["number_of_replicas"] = json!(replicas),
        None => index["auto_expand_replicas"] = json!("0-1"),
    }
    json!({
        "settings": {
            "index": index,
            "analysis": {
                "char_filter": {"apart": {"type": "mapping", "mappings": mappings}},
                "analyzer": {"words": {
                    "type": "custom",
                    "char_filter": ["apart"],
                    "tokenizer": "standard",
                    "filter": ["lowercase", "asciifolding"],
                }},
            },
        },
        "mappings": {"dynamic": "strict", "properties": {
            "conversation": {"type": "keyword"},
            "sender": {"type": "keyword"},
            "seq": {"type": "long"},
            "sent_at": {"type": "long"},
            "expires_at": {"type": "long"},
            "text": {"type": "text", "analyzer": "words"},
            "shard": {"type": "integer", "index": false},
            "n": {"type": "long", "index": false},
        }},
        "aliases": {write_alias: {}},
    })
}

/// Fields that an index of an earlier version lacks. It gets them, and since positions are named
/// anew with them, all is read into it once more.
pub(super) fn later_fields() -> Value {
    json!({"expires_at": {"type": "long"}})
}

/// How far a shard is in the index.
pub(in crate::search) fn position(shard: u32, n: u64) -> Operation {
    let document = json!({"shard": shard, "n": n});
    // A version is at least one.
    Operation { id: position_id(shard), version: n + 1, document }
}

pub(super) fn position_id(shard: u32) -> String {
    // The second kind of documents: they tell when they expire.
    format!("position:2:{shard}")
}

/// The messages of a conversation up to a number are out of the index.
pub(in crate::search) fn removed(conversation: ConversationId, up_to: Sequence) -> Operation {
    let document = json!({"n": up_to});
    Operation { id: removed_id(conversation), version: up_to.0 + 1, document }
}

pub(in crate::search) fn removed_id(conversation: ConversationId) -> String {
    format!("removed:{conversation}")
}

/// Documents of messages that expired.
pub(super) fn expired(now_ms: i64) -> Value {
    json!({"range": {"expires_at": {"lte": now_ms}}})
}

/// Documents of the messages of a conversation up to a number.
pub(super) fn below(conversation: ConversationId, up_to: Sequence) -> Value {
    json!({"bool": {"filter": [
        {"term": {"conversation": conversation}}, {"range": {"seq": {"lte": up_to}}},
    ]}})
}

fn message_id(conversation: ConversationId, seq: Sequence) -> String {
    format!("{conversation}:{seq}")
}

/// What an entry does to the index. `edited`: the message that it edits, as the store has it now.
pub(in crate::search) fn operation(entry: &Entry, edited: Option<&Entry>) -> Option<Operation> {
    let (seq, message, content) = match &entry.event {
        Event::Message(body) => (entry.seq, Some(entry), &body.content),
        Event::MessageEdited { content, .. } => (edited?.seq, edited, content),
        Event::MessageDeleted { target } => (*target, None, &Content::Deleted {}),
        _ => return None,
    };
    let is_gone = message.is_none_or(|it| {
        matches!(&it.event,
        Event::Message(body) if matches!(body.content, Content::Deleted {}))
    });
    let text = shown_text(content).filter(|_| !is_gone);
    if text.is_none() && matches!(entry.event, Event::Message(_)) && !is_gone {
        // It never said anything that could be found.
        return None;
    }
    let conversation = entry.conversation_id;
    let mut document = json!({"conversation": conversation, "seq": seq});
    // What said something once keeps a document without words: it cannot come back.
    if let (Some(text), Some(message)) = (text, message) {
        document["sender"] = json!(message.sender_id);
        document["sent_at"] = json!(message.sent_at);
        document["text"] = json!(text);
        if let Some(expires_at) = message.expires_at() {
            document["expires_at"] = json!(expires_at);
        }
    }
    let id = message_id(conversation, seq);
    Some(Operation { id, version: entry.seq.0, document })
}

/// The words of a content, as the index has them.
pub(in crate::search) fn shown_text(content: &Content) -> Option<String> {
    let text = match content {
        Content::Text { text } | Content::Media { caption: Some(text), .. } => text,
        _ => return None,
    };
    // As long as before, so that places of words stay what they are.
    Some(text.replace([BEGIN, END], " "))
}

#[cfg(test)]
mod tests {
    use schema::record::MessageBody;
    use schema::{MessageId, UserId};

    use super::*;

    fn entry(seq: u64, event: Event) -> Entry {
        Entry {
            conversation_id: ConversationId::from_bytes([1; 16]),
            seq: Sequence(seq),
            message_id: MessageId::from_bytes([2; 16]),
            sender_id: UserId::from_bytes([3; 16]),
            sent_at: 17,
            ordinal: seq,
            event,
        }
    }

    fn says(content: Content) -> Event {
        Event::Message(MessageBody::new(content))
    }

    fn text(text: &str) -> Content {
        Content::Text { text: text.to_owned() }
    }

    #[test]
    fn messages_edits_and_deletions_write_one_document() {
        let message = entry(4, says(text("hello \u{e000}you")));
        let edited = Event::MessageEdited {
            target: Sequence(4),
            content: text("bye"),
            mentions: Vec::new(),
            expires_at: None,
        };
        let edited = entry(7, edited);
        let deleted = entry(9, Event::MessageDeleted { target: Sequence(4) });
        let scrubbed = entry(4, says(Content::Deleted {}));

        let written = operation(&message, None).unwrap();
        assert_eq!(written.version, 4);
        assert_eq!(written.document["text"], "hello  you");
        let again = operation(&edited, Some(&message)).unwrap();
        assert_eq!((&again.id, again.version), (&written.id, 7));
        assert_eq!(
            (&again.document["text"], &again.document["sent_at"]),
            (&json!("bye"), &json!(17))
        );
        let gone = operation(&deleted, None).unwrap();
        assert_eq!((&gone.id, gone.version), (&written.id, 9));
        assert!(gone.document.get("text").is_none());
        // Read after the deletion, none of them says anything.
        for late in [operation(&scrubbed, None), operation(&edited, Some(&scrubbed))] {
            assert!(late.unwrap().document.get("text").is_none());
        }
    }

    #[test]
    fn what_cannot_be_read_is_not_indexed() {
        let sealed = Content::Encrypted { scheme: "x".into(), body: vec![1, 2] };
        let custom = Content::Custom { kind: "poll".into(), body: "{}".into() };
        for content in [sealed.clone(), custom] {
            assert_eq!(operation(&entry(1, says(content)), None), None);
        }
        // In place of words: they go.
        let edit = Event::MessageEdited {
            target: Sequence(1),
            content: sealed,
            mentions: Vec::new(),
            expires_at: None,
        };
        let operation = operation(&entry(2, edit), Some(&entry(1, says(text("words")))));
        assert!(operation.unwrap().document.get("text").is_none());
    }

    #[test]
    fn a_position_only_grows_by_its_version() {
        let it = position(7, 41);
        assert_eq!((it.id.as_str(), it.version), ("position:2:7", 42));
    }
}
