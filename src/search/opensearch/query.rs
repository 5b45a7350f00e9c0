//! What OpenSearch is asked, and what it answers. Pure.

use schema::record::Membership;
use schema::{ConversationId, Sequence};
use serde_json::{Value, json};

use super::document::{BEGIN, END};
use crate::search::port::SearchQuery;
use crate::store::embedded::{unmark, words};

/// Conversations that are seen in part have a clause each. More are only checked afterwards.
const PARTLY_SEEN_MAX: usize = 512;
/// OpenSearch takes no more of them in one clause.
const CONVERSATIONS_MAX: usize = 65_536;

/// Where the reader is or was, and what can be seen there.
pub(in crate::search) type Visible = [(ConversationId, Membership)];

/// The request for candidates from `offset` on; `None` when nothing is looked for, or nowhere.
pub(in crate::search) fn search_body(
    query: &SearchQuery,
    visible: &Visible,
    offset: u32,
    count: u32,
) -> Option<Value> {
    let (words, is_open) = words(&query.text);
    if words.is_empty() || visible.is_empty() {
        return None;
    }
    let text = words.join(" ");
    let kind = if is_open { "match_bool_prefix" } else { "match" };
    let looked_for = json!({kind: {"text": {"query": text, "operator": "and"}}});
    let mut filters = vec![visibility(visible)];
    if let Some(from) = query.from {
        filters.push(json!({"term": {"sender": from}}));
    }
    if query.since.is_some() || query.until.is_some() {
        let mut range = json!({});
        for (name, bound) in [("gte", query.since), ("lte", query.until)] {
            if let Some(bound) = bound {
                range[name] = json!(bound);
            }
        }
        filters.push(json!({"range": {"sent_at": range}}));
    }
    Some(json!({
        "from": offset,
        "size": count,
        "_source": ["conversation", "seq", "text"],
        "track_total_hits": false,
        "timeout": "2s",
        "query": {"bool": {"must": [looked_for], "filter": filters}},
        "sort": [{"_score": "desc"}, {"sent_at": "desc"}, {"seq": "desc"}],
        "highlight": {
            "type": "unified",
            "number_of_fragments": 0,
            "pre_tags": [BEGIN],
            "post_tags": [END],
            "fields": {"text": {}},
        },
    }))
}

fn visibility(visible: &Visible) -> Value {
    let is_whole = |place: &Membership| place.left_at.is_none() && place.joined_after.0 == 0;
    let mut whole: Vec<ConversationId> = Vec::new();
    let mut clauses = Vec::new();
    for (id, place) in visible {
        if is_whole(place) || clauses.len() >= PARTLY_SEEN_MAX {
            whole.push(*id);
            continue;
        }
        let mut range = json!({"gt": place.joined_after});
        if let Some(left_at) = place.left_at {
            range["lte"] = json!(left_at);
        }
        clauses.push(json!({"bool": {"filter": [
            {"term": {"conversation": id}}, {"range": {"seq": range}},
        ]}}));
    }
    whole.truncate(CONVERSATIONS_MAX);
    clauses.push(json!({"terms": {"conversation": whole}}));
    json!({"bool": {"should": clauses, "minimum_should_match": 1}})
}

/// A message that the index found: to be looked up, and shown if it still says the same.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::search) struct Candidate {
    pub conversation: ConversationId,
    pub seq: Sequence,
    /// What it says in the index.
    pub text: String,
    /// Begin and end of words, in UTF-16 code units.
    pub highlights: Vec<(u32, u32)>,
}

/// The candidates of an answer, best first; `None` when it is not such an answer. One that cannot
/// be read is none.
pub(in crate::search) fn candidates(answer: &Value) -> Option<Vec<Option<Candidate>>> {
    if answer["timed_out"].as_bool()? {
        return None;
    }
    let hits = answer["hits"]["hits"].as_array()?;
    Some(hits.iter().map(candidate).collect())
}

fn candidate(hit: &Value) -> Option<Candidate> {
    let source = &hit["_source"];
    let text = source["text"].as_str()?.to_owned();
    let marked = hit["highlight"]["text"][0].as_str().unwrap_or(&text);
    let (_, highlights) = unmark(marked);
    Some(Candidate {
        conversation: source["conversation"].as_str()?.parse().ok()?,
        seq: Sequence(source["seq"].as_u64()?),
        highlights,
        text,
    })
}

#[cfg(test)]
mod tests {
    use schema::UserId;
    use schema::record::Role;

    use super::*;

    fn query(text: &str) -> SearchQuery {
        SearchQuery {
            reader: UserId::from_bytes([9; 16]),
            text: text.to_owned(),
            conversation: None,
            from: None,
            since: None,
            until: Some(5),
            now_ms: 0,
            offset: 0,
            limit: 20,
        }
    }

    fn place(number: u8, joined_after: u64, left_at: Option<u64>) -> (ConversationId, Membership) {
        let membership = Membership {
            user_id: UserId::from_bytes([9; 16]),
            role: Role::Member,
            joined_after: Sequence(joined_after),
            left_at: left_at.map(Sequence),
        };
        (ConversationId::from_bytes([number; 16]), membership)
    }

    #[test]
    fn words_are_looked_for_where_one_may_see() {
        let visible = [place(1, 0, None), place(2, 4, None), place(3, 0, Some(8))];
        let body = search_body(&query("Kernel \"OR bo"), &visible, 20, 11).unwrap();
        let found = &body["query"]["bool"]["must"][0]["match_bool_prefix"]["text"];
        assert_eq!(found["query"], "Kernel OR bo");
        assert_eq!((&body["from"], &body["size"]), (&json!(20), &json!(11)));
        let filters = body["query"]["bool"]["filter"].as_array().unwrap();
        assert_eq!(filters[1], json!({"range": {"sent_at": {"lte": 5}}}));
        let should = filters[0]["bool"]["should"].as_array().unwrap();
        assert_eq!(should[0]["bool"]["filter"][1], json!({"range": {"seq": {"gt": 4}}}));
        assert_eq!(should[1]["bool"]["filter"][1], json!({"range": {"seq": {"gt": 0, "lte": 8}}}));
        assert_eq!(should[2], json!({"terms": {"conversation": [visible[0].0]}}));
        let closed = search_body(&query("kernel "), &visible, 0, 1).unwrap();
        assert!(closed["query"]["bool"]["must"][0]["match"].is_object());
        assert_eq!(search_body(&query("?! "), &visible, 0, 1), None);
        assert_eq!(search_body(&query("kernel"), &[], 0, 1), None);
    }

    #[test]
    fn answers_are_read_with_their_marks() {
        let id = ConversationId::from_bytes([1; 16]);
        let answer = json!({"timed_out": false, "hits": {"hits": [
            {"_source": {"conversation": id, "seq": 3, "text": "🦀 hello"},
             "highlight": {"text": ["🦀 \u{e000}hello\u{e001}"]}},
            {"_source": {"conversation": id}},
        ]}});
        let read = candidates(&answer).unwrap();
        let first = read[0].as_ref().unwrap();
        assert_eq!((first.seq, &first.highlights[..]), (Sequence(3), &[(3, 8)][..]));
        assert_eq!(read[1], None);
        assert_eq!(candidates(&json!({"timed_out": true, "hits": {"hits": []}})), None);
        assert_eq!(candidates(&json!({"error": "x"})), None);
    }
}
