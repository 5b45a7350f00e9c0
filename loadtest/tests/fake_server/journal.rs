//! What the fake server keeps over a kill: one JSON object a line.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use schema::wire::LogFrame;
use schema::{ConversationId, DeviceId, UserId};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
pub enum Record {
    User { token: String, user_id: UserId, device_id: DeviceId },
    Conversation { id: ConversationId, members: Vec<UserId> },
    Entry(LogFrame),
}

pub struct Journal {
    file: File,
    is_late: bool,
    waiting: Vec<u8>,
}

/// A late journal writes entries once so many bytes have gathered.
const LATE_BYTES: usize = 20_000;

impl Journal {
    pub fn open(path: &Path, is_late: bool) -> Self {
        let file = File::options().create(true).append(true).open(path).unwrap();
        Self { file, is_late, waiting: Vec::new() }
    }

    pub fn read(path: &Path) -> Vec<Record> {
        let text = fs::read_to_string(path).unwrap_or_default();
        // A last line cut by the kill was never acknowledged.
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    pub fn append(&mut self, record: &Record) {
        serde_json::to_writer(&mut self.waiting, record).unwrap();
        self.waiting.push(b'\n');
        let is_entry = matches!(record, Record::Entry(_));
        if !(self.is_late && is_entry) || self.waiting.len() > LATE_BYTES {
            self.file.write_all(&std::mem::take(&mut self.waiting)).unwrap();
        }
    }
}
