//! Real chat replayed with its reply links, then searched for by three readers: one was there all
//! the time, one came in the middle, one left. The logs are those of `replay.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use loadtest::client::Credentials;
use loadtest::scenario::replay::chat_log::ChatLog;
use reqwest::{Client, Method};
use schema::ConversationId;
use schema::record::ConversationKind;
use serde_json::{Value, json};

use crate::replay::logs;
use crate::support::Server;

/// Answers of each log that are looked for.
const ANSWERS: usize = 30;
/// Words of an answer that are looked for.
const WORDS: usize = 3;

/// One log as it was stored: what each number says, and the numbers that one came or left at.
struct Replayed {
    chat: ConversationId,
    texts: BTreeMap<u64, String>,
    answers: Vec<u64>,
    /// What each reader may see: first and last number.
    sight: [(u64, u64); 3],
}

struct Rest<'a> {
    server: &'a Server,
    http: Client,
}

impl Rest<'_> {
    async fn ask(&self, method: Method, path: &str, who: &Credentials, body: &Value) -> Value {
        let request = self.http.request(method, self.server.url(path)).json(body);
        let answer = request.bearer_auth(&who.access_token).send().await.unwrap();
        let status = answer.status();
        let body: Value = answer.json().await.unwrap_or_default();
        assert!(status.is_success(), "{path}: {status} {body}");
        body
    }

    async fn replay(&self, log: &ChatLog, readers: &[Credentials]) -> Replayed {
        let people = self.server.people(log.speakers.len()).await;
        let others: Vec<&Credentials> =
            people.iter().skip(1).chain([&readers[0], &readers[2]]).collect();
        let chat = self.server.conversation(ConversationKind::Group, &people[0], &others).await;
        let members = format!("/v1/conversations/{chat}/members");
        let (mut texts, mut answers) = (BTreeMap::new(), Vec::new());
        let (mut numbers, mut last) = (Vec::new(), 0);
        let (mut came, mut left) = (0, 0);
        for (index, line) in log.lines.iter().enumerate() {
            if index == log.lines.len() / 2 {
                let body = json!({"members": [{"user_id": readers[1].user_id, "role": "member"}]});
                self.ask(Method::POST, &members, &people[0], &body).await;
                (came, last) = (last + 1, last + 1);
            }
            if index == log.lines.len() * 3 / 4 {
                let body = json!({"members": [readers[2].user_id]});
                self.ask(Method::DELETE, &members, &people[0], &body).await;
                (left, last) = (last + 1, last + 1);
            }
            let mut body =
                json!({"conversation_id": chat, "content": {"text": {"text": line.text}}});
            let reply_to: Option<&u64> = line.reply_to.and_then(|index| numbers.get(index));
            if let Some(seq) = reply_to {
                body["reply_to"] = json!(seq);
            }
            let sent = self.ask(Method::POST, "/v1/messages", &people[line.speaker], &body);
            let seq = sent.await["seq"].as_u64().unwrap();
            assert_eq!(seq, last + 1);
            last = seq;
            if reply_to.is_some() {
                answers.push(seq);
            }
            numbers.push(seq);
            texts.insert(seq, line.text.clone());
        }
        let sight = [(1, u64::MAX), (came, u64::MAX), (1, left)];
        Replayed { chat, texts, answers, sight }
    }

    /// All that one reader finds, page by page.
    async fn found(&self, chat: ConversationId, who: &Credentials, words: &str) -> BTreeSet<u64> {
        let (mut found, mut cursor) = (BTreeSet::new(), String::new());
        loop {
            // The space at the end: whole words alone.
            let words = words.replace(' ', "+");
            let path = format!("/v1/search?q={words}%20&conversation_id={chat}&limit=100{cursor}");
            let page = self.ask(Method::GET, &path, who, &json!({})).await;
            for hit in page["hits"].as_array().unwrap() {
                let seq = hit["entry"]["new_message"]["seq"].as_u64().unwrap();
                assert!(found.insert(seq), "{seq} was found twice");
            }
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return found,
            }
        }
    }
}

fn words(text: &str) -> BTreeSet<String> {
    let words = text.split(|it: char| !it.is_alphanumeric()).filter(|it| !it.is_empty());
    words.map(str::to_lowercase).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn words_of_answers_are_found_inside_ones_sight_and_nowhere_else() {
    let server = Server::start().await;
    let http = Client::builder().no_proxy().build().unwrap();
    let rest = Rest { server: &server, http };
    let readers = server.people(3).await;
    let logs: Vec<ChatLog> = logs().iter().map(|path| ChatLog::read(path).unwrap()).collect();
    let replayed =
        futures_util::future::join_all(logs.iter().map(|log| rest.replay(log, &readers)));
    let replayed = replayed.await;
    for log in &replayed {
        // The index is a moment behind: the last line is awaited.
        let (last, text) = log.texts.iter().next_back().unwrap();
        let text = words(text).into_iter().filter(|it| it.is_ascii()).take(WORDS);
        let text = text.collect::<Vec<_>>().join(" ");
        for _ in 0..200 {
            if text.is_empty() || rest.found(log.chat, &readers[0], &text).await.contains(last) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    let mut looked_for = 0;
    for log in &replayed {
        let spoken: BTreeMap<u64, BTreeSet<String>> =
            log.texts.iter().map(|(seq, text)| (*seq, words(text))).collect();
        let step = (log.answers.len() / ANSWERS).max(1);
        for answer in log.answers.iter().step_by(step) {
            // Accents and letters of other scripts fold in ways of their own.
            let plain = spoken[answer].iter().filter(|it| it.is_ascii() && it.len() > 2);
            let wanted: Vec<&str> = plain.take(WORDS).map(String::as_str).collect();
            if wanted.is_empty() {
                continue;
            }
            looked_for += 1;
            let says = |words: &BTreeSet<String>| wanted.iter().all(|it| words.contains(*it));
            let all = spoken.iter().filter(|(_, words)| says(words)).map(|(seq, _)| *seq);
            let all: BTreeSet<u64> = all.collect();
            assert!(all.contains(answer));
            for (reader, (first, last)) in readers.iter().zip(log.sight) {
                let seen: BTreeSet<u64> =
                    all.iter().copied().filter(|seq| (first..=last).contains(seq)).collect();
                let found = rest.found(log.chat, reader, &wanted.join(" ")).await;
                assert_eq!(found, seen, "{wanted:?} in {first}..={last}");
            }
        }
    }
    println!("{looked_for} answers of {} logs", replayed.len());
    assert!(looked_for > 0);
}
