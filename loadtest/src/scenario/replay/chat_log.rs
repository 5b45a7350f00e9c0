//! Logs of real chat: one JSON object a line.
//!
//! A line has `n` (its number in the log), `kind` (`message`, `action`, `join`, `leave`, `nick`),
//! `from`, and by kind `text`, `to` (the new nick) and `reply_to` (the `n` of lines it answers).
//! Messages and actions are sent, actions as the text `/me …`; the rest only tells who is who.
//! A message without text cannot be sent (a text has at least one byte) and is counted instead.

use std::collections::HashMap;
use std::path::Path;

use anyhow::Context as _;
use serde::Deserialize;

/// A log, ready to be replayed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChatLog {
    /// The file's name without its ending.
    pub name: String,
    /// Everyone who says something, under the first nick used for it.
    pub speakers: Vec<String>,
    /// In the order said.
    pub lines: Vec<Line>,
    /// Messages left out because they say nothing.
    pub empty_messages: usize,
}

/// One message or action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Index into [`ChatLog::speakers`].
    pub speaker: usize,
    pub text: String,
    /// Index into [`ChatLog::lines`] of the first line answered that was sent.
    pub reply_to: Option<usize>,
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Record {
    Message(Said),
    Action(Said),
    Join {},
    Leave {},
    Nick { from: String, to: String },
}

#[derive(Deserialize)]
struct Said {
    n: u64,
    from: String,
    text: String,
    #[serde(default)]
    reply_to: Vec<u64>,
}

impl ChatLog {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, or a line is no record; the line's number is told.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        Self::parse(&name, &text).with_context(|| path.display().to_string())
    }

    /// Reads a log's text.
    ///
    /// # Errors
    /// When a line is no record; its number is told.
    pub fn parse(name: &str, text: &str) -> anyhow::Result<Self> {
        let mut builder = Builder::default();
        for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.is_empty()) {
            let record =
                serde_json::from_str(line).with_context(|| format!("line {}", index + 1))?;
            builder.add(record);
        }
        Ok(Self { name: name.to_owned(), ..builder.log })
    }
}

#[derive(Default)]
struct Builder {
    log: ChatLog,
    /// The person now under a nick; persons are numbered as they appear.
    person_of_nick: HashMap<String, usize>,
    persons: usize,
    speaker_of_person: HashMap<usize, usize>,
    line_of_number: HashMap<u64, usize>,
}

impl Builder {
    fn add(&mut self, record: Record) {
        match record {
            Record::Message(said) if said.text.is_empty() => self.log.empty_messages += 1,
            Record::Message(said) => self.say(said),
            Record::Action(said) => {
                let text = format!("/me {}", said.text);
                self.say(Said { text, ..said });
            }
            Record::Nick { from, to } => {
                let person = self.person(&from);
                self.person_of_nick.remove(&from);
                self.person_of_nick.insert(to, person);
            }
            Record::Join {} | Record::Leave {} => {}
        }
    }

    fn say(&mut self, said: Said) {
        let speaker = self.speaker(&said.from);
        let reply_to = said.reply_to.iter().find_map(|n| self.line_of_number.get(n).copied());
        self.line_of_number.insert(said.n, self.log.lines.len());
        self.log.lines.push(Line { speaker, text: said.text, reply_to });
    }

    fn person(&mut self, nick: &str) -> usize {
        if let Some(person) = self.person_of_nick.get(nick) {
            return *person;
        }
        let person = self.persons;
        self.persons += 1;
        self.person_of_nick.insert(nick.to_owned(), person);
        person
    }

    fn speaker(&mut self, nick: &str) -> usize {
        let person = self.person(nick);
        *self.speaker_of_person.entry(person).or_insert_with(|| {
            self.log.speakers.push(nick.to_owned());
            self.log.speakers.len() - 1
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = r#"
{"n": 0, "at": "12:18", "kind": "message", "from": "ann", "text": "hi"}
{"n": 1, "at": "12:18", "kind": "join", "from": "bob"}
{"n": 2, "at": "12:19", "kind": "nick", "from": "ann", "to": "ann_away"}
{"n": 3, "at": "12:19", "kind": "action", "from": "ann_away", "text": "waves", "reply_to": [1, 0]}
{"n": 4, "at": "12:19", "kind": "message", "from": "ann", "text": "I am another ann"}
{"n": 5, "at": "12:20", "kind": "message", "from": "bob", "text": ""}
{"n": 6, "at": "12:20", "kind": "leave", "from": "bob"}
"#;

    #[test]
    fn people_keep_their_identity_through_nicks() {
        let log = ChatLog::parse("sample", SAMPLE).unwrap();
        assert_eq!(log.speakers, ["ann", "ann"]);
        let lines: Vec<_> = log
            .lines
            .iter()
            .map(|line| (line.speaker, line.text.as_str(), line.reply_to))
            .collect();
        assert_eq!(
            lines,
            [(0, "hi", None), (0, "/me waves", Some(0)), (1, "I am another ann", None)]
        );
        assert_eq!(log.empty_messages, 1);
    }

    #[test]
    fn a_bad_line_is_named() {
        let error = ChatLog::parse("bad", "{\"kind\":\"join\"}\n{\"kind\":\"dance\"}").unwrap_err();
        assert_eq!(error.to_string(), "line 2");
    }

    /// The real logs, where they lie beside the checkout or where `SWITCHBOARD_CHAT_LOGS` says.
    #[test]
    fn every_real_log_is_read() {
        let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data/ubuntu-irc");
        let folder = std::env::var("SWITCHBOARD_CHAT_LOGS").unwrap_or_else(|_| beside.to_owned());
        let Ok(files) = std::fs::read_dir(folder) else { return };
        let logs: Vec<ChatLog> = files
            .map(|file| file.unwrap().path())
            .filter(|path| path.extension().is_some_and(|ending| ending == "jsonl"))
            .map(|path| ChatLog::read(&path).unwrap())
            .collect();
        for log in &logs {
            assert!((900..=1_250).contains(&log.lines.len()), "{}: {}", log.name, log.lines.len());
            assert!((60..=170).contains(&log.speakers.len()), "{}", log.name);
            assert!(log.lines.iter().any(|line| line.reply_to.is_some()), "{}", log.name);
            for (index, line) in log.lines.iter().enumerate() {
                assert!(line.reply_to.is_none_or(|to| to < index), "{} {index}", log.name);
                assert!(!line.text.is_empty() && line.speaker < log.speakers.len());
            }
        }
        let sent: usize = logs.iter().map(|log| log.lines.len()).sum();
        let empty: usize = logs.iter().map(|log| log.empty_messages).sum();
        if logs.len() == 10 {
            assert_eq!(sent + empty, 11_615 + 29);
        }
    }
}
