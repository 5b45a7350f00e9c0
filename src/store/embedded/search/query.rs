//! Asking the index, for what one user may see.

use std::path::Path;

use actors::ports::StoreError;
use rusqlite::{Connection, Row, ToSql, named_params};
use schema::record::message_state::{DELETED_SLOT, EDIT_SLOTS, EDIT_SLOTS_END};
use schema::record::{Content, Entry, Event};
use schema::{ConversationId, UserId};

use super::attach;
use crate::store::embedded::failure::Failure;
use crate::store::embedded::job::answered;
use crate::store::embedded::rows::{entry, id};
use crate::store::embedded::store::Store;

/// What is looked for, and where.
#[derive(Clone, Debug)]
pub struct SearchQuery {
    pub reader: UserId,
    /// Words as a person types them; all of them must be there, the last may be a beginning.
    pub text: String,
    pub conversation: Option<ConversationId>,
    pub from: Option<UserId>,
    /// Milliseconds since 1970 UTC, both included.
    pub since: Option<i64>,
    pub until: Option<i64>,
    /// What expired by then is left out, milliseconds since 1970 UTC.
    pub now_ms: i64,
    pub offset: u32,
    pub limit: u32,
}

/// A message that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct SearchHit {
    /// With its present text.
    pub entry: Entry,
    /// Where the words stand: begin and end, in UTF-16 code units.
    pub highlights: Vec<(u32, u32)>,
}

/// Messages that were found, best first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SearchPage {
    pub hits: Vec<SearchHit>,
    /// The offset of the next page, if there may be one.
    pub next: Option<u32>,
}

/// Around words that were found; no text has these.
const BEGIN: char = '\u{e000}';
const END: char = '\u{e001}';

/// Deleted entries and what a reader may not see are left out here, whatever the index says; so is,
/// for whoever has left, what was edited since.
const FIND: &str = "
    SELECT h.conversation_id, t.rowid & 0xFFFFFFFF, m.message_id, m.sender_id, m.sent_at, m.event,
           highlight(message_text, 0, :begin, :end)
    FROM message_text t
    JOIN store.messages m ON m.entry_id = t.rowid
    JOIN store.conversation_heads h ON h.number = t.rowid >> 32
    JOIN store.memberships p ON p.conversation_id = h.conversation_id AND p.user_id = :reader
    WHERE message_text MATCH :text
      AND p.added_seq >= 0 AND (t.rowid & 0xFFFFFFFF) >= p.added_seq
      AND (p.removed_seq < p.added_seq OR (t.rowid & 0xFFFFFFFF) <= p.removed_seq)
      AND (:conversation IS NULL OR h.conversation_id = :conversation)
      AND (:from IS NULL OR m.sender_id = :from)
      AND (:since IS NULL OR m.sent_at >= :since)
      AND (:until IS NULL OR m.sent_at <= :until)
      AND NOT EXISTS (SELECT 1 FROM store.message_changes c
                      WHERE c.target_id = t.rowid AND c.slot = :deleted)
      AND NOT (p.removed_seq >= p.added_seq
               AND EXISTS (SELECT 1 FROM store.message_changes c
                           WHERE c.target_id = t.rowid AND c.slot >= :edits AND c.slot < :edits_end
                             AND c.seq > p.removed_seq))
    ORDER BY rank, t.rowid DESC
    LIMIT :limit OFFSET :offset";

/// The words of what people type, and whether the last may be a beginning.
pub fn words(text: &str) -> (Vec<&str>, bool) {
    let words = text.split(|it: char| !it.is_alphanumeric()).filter(|word| !word.is_empty());
    (words.take(16).collect(), text.chars().next_back().is_some_and(char::is_alphanumeric))
}

/// What people type as an expression of FTS5: every word, the last as a beginning.
fn expression(text: &str) -> Option<String> {
    let (words, is_open) = words(text);
    let words: Vec<String> = words.into_iter().map(|word| format!("\"{word}\"")).collect();
    let expression = words.join(" ");
    match (words.is_empty(), is_open) {
        (true, _) => None,
        (false, true) => Some(format!("{expression}*")),
        (false, false) => Some(expression),
    }
}

impl Store {
    /// Makes the index anew from all logs; what is there is searched meanwhile. Returns how many
    /// entries were read.
    ///
    /// # Errors
    /// When the store or the index cannot be read or written.
    pub async fn reindex(&self) -> Result<u64, StoreError> {
        let done = self.feed().anew().await;
        done.unwrap_or_else(|_| Err(StoreError::Unavailable("the store is closed".to_owned())))
    }

    /// Finds messages that the reader may see, best first.
    ///
    /// # Errors
    /// When the index does not answer.
    pub async fn search(&self, query: SearchQuery) -> Result<SearchPage, StoreError> {
        let Some(text) = expression(&query.text) else { return Ok(SearchPage::default()) };
        let search = self.index();
        let store = search.store().to_owned();
        let queued = search
            .readers()
            .read("search", move |connection| find(connection, &store, &query, &text));
        answered(queued?).await
    }
}

fn find(
    connection: &Connection,
    store: &Path,
    query: &SearchQuery,
    text: &str,
) -> Result<SearchPage, Failure> {
    attach(connection, store)?;
    let conversation = query.conversation.map(|it| *it.as_bytes());
    let from = query.from.map(|it| *it.as_bytes());
    let values: &[(&str, &dyn ToSql)] = named_params! {
        ":begin": BEGIN.to_string(),
        ":end": END.to_string(),
        ":reader": query.reader.as_bytes(),
        ":text": text,
        ":deleted": DELETED_SLOT,
        ":edits": EDIT_SLOTS,
        ":edits_end": EDIT_SLOTS_END,
        ":conversation": conversation,
        ":from": from,
        ":since": query.since,
        ":until": query.until,
        ":limit": i64::from(query.limit) + 1,
        ":offset": query.offset,
    };
    let mut statement = connection.prepare_cached(FIND)?;
    let mut rows = statement.query(values)?;
    let mut page = SearchPage::default();
    while let Some(row) = rows.next()? {
        if page.hits.len() >= query.limit as usize {
            page.next = Some(query.offset.saturating_add(query.limit));
            break;
        }
        // What expired says nothing any more, whether or not it was taken away yet.
        let hit = hit(row)?;
        if hit.entry.says_something() && !hit.entry.is_expired(query.now_ms) {
            page.hits.push(hit);
        }
    }
    Ok(page)
}

fn hit(row: &Row<'_>) -> Result<SearchHit, Failure> {
    let mut entry = entry(id(row, 0, ConversationId::from_bytes)?, row, 1)?;
    let marked: String = row.get(6)?;
    let (plain, highlights) = unmark(&marked);
    if let Event::Message(body) = &mut entry.event
        && let Content::Text { text } = &mut body.content
    {
        // As it was edited last.
        *text = plain;
    }
    Ok(SearchHit { entry, highlights })
}

/// The text without marks, and where they stood.
pub fn unmark(marked: &str) -> (String, Vec<(u32, u32)>) {
    let (mut plain, mut highlights) = (String::with_capacity(marked.len()), Vec::new());
    let (mut units, mut begin) = (0_u32, 0_u32);
    for character in marked.chars() {
        match character {
            BEGIN => begin = units,
            END => highlights.push((begin, units)),
            other => {
                plain.push(other);
                units += u32::try_from(other.len_utf16()).unwrap_or(1);
            }
        }
    }
    (plain, highlights)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_type_is_no_syntax() {
        let cases = [
            ("hello wor", Some("\"hello\" \"wor\"*")),
            ("hello world ", Some("\"hello\" \"world\"")),
            ("a\" OR b*", Some("\"a\" \"OR\" \"b\"")),
            ("NEAR(x, 3)", Some("\"NEAR\" \"x\" \"3\"")),
            ("  -- \"' ", None),
        ];
        for (text, expected) in cases {
            assert_eq!(expression(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn marks_are_counted_in_utf16() {
        let marked = format!("🦀 {BEGIN}grüße{END} an {BEGIN}alle{END}");
        assert_eq!(unmark(&marked), ("🦀 grüße an alle".to_owned(), vec![(3, 8), (12, 16)]));
    }
}
