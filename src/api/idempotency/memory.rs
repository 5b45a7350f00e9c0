//! Keys and answers in this process's memory, bounded in number and bytes.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actors::ports::PortFuture;
use tokio::time::Instant;

use super::{Begun, Fingerprint, IdempotencyStore, Key, StoredAnswer};

const KEPT_FOR: Duration = Duration::from_secs(24 * 3600);
const KEYS_MAX: usize = 50_000;
const BYTES_MAX: usize = 32 * 1024 * 1024;
/// What a key costs besides its answer, roughly.
const KEY_BYTES: usize = 256;

/// The oldest answers go first when there is no more room; running requests stay.
#[derive(Clone, Default)]
pub struct InMemoryIdempotency(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    records: HashMap<Key, Record>,
    /// Finished keys, oldest first, with the moment that tells them from later uses.
    finished: VecDeque<(Key, Instant)>,
    bytes: usize,
}

struct Record {
    fingerprint: Fingerprint,
    answer: Option<(StoredAnswer, Instant)>,
}

impl InMemoryIdempotency {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl IdempotencyStore for InMemoryIdempotency {
    fn begin(&self, key: Key, fingerprint: Fingerprint) -> PortFuture<Begun> {
        let begun = self.kept().begin(key, fingerprint);
        Box::pin(std::future::ready(Ok(begun)))
    }

    fn finish(&self, key: Key, answer: StoredAnswer) -> PortFuture<()> {
        self.kept().finish(key, answer);
        Box::pin(std::future::ready(Ok(())))
    }

    fn abandon(&self, key: Key) -> PortFuture<()> {
        self.kept().records.remove(&key);
        Box::pin(std::future::ready(Ok(())))
    }
}

impl Kept {
    fn begin(&mut self, key: Key, fingerprint: Fingerprint) -> Begun {
        self.drop_old(Instant::now());
        match self.records.get(&key) {
            Some(record) if record.fingerprint != fingerprint => Begun::OtherRequest,
            Some(Record { answer: Some((answer, _)), .. }) => Begun::Done(answer.clone()),
            Some(_) => Begun::Running,
            None => {
                self.records.insert(key, Record { fingerprint, answer: None });
                Begun::Fresh
            }
        }
    }

    fn finish(&mut self, key: Key, answer: StoredAnswer) {
        let now = Instant::now();
        let Some(record) = self.records.get_mut(&key) else { return };
        self.bytes += KEY_BYTES + answer.body.len();
        record.answer = Some((answer, now));
        self.finished.push_back((key, now));
        self.drop_old(now);
    }

    fn drop_old(&mut self, now: Instant) {
        while let Some((_, finished_at)) = self.finished.front() {
            let is_old = now.duration_since(*finished_at) >= KEPT_FOR;
            let is_full = self.finished.len() > KEYS_MAX || self.bytes > BYTES_MAX;
            if !is_old && !is_full {
                break;
            }
            let Some((key, _)) = self.finished.pop_front() else { break };
            if let Some(Record { answer: Some((answer, _)), .. }) = self.records.remove(&key) {
                self.bytes -= KEY_BYTES + answer.body.len();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use schema::UserId;

    use super::*;

    fn answer(bytes: usize) -> StoredAnswer {
        StoredAnswer { status: 201, content_type: None, body: Bytes::from(vec![0; bytes]) }
    }

    fn key(text: &str) -> Key {
        Key { user_id: UserId::from_bytes([1; 16]), text: text.to_owned() }
    }

    #[actix_web::test]
    async fn a_key_is_fresh_once_then_running_then_done() {
        let mut kept = Kept::default();
        assert_eq!(kept.begin(key("a"), [1; 32]), Begun::Fresh);
        assert_eq!(kept.begin(key("a"), [1; 32]), Begun::Running);
        assert_eq!(kept.begin(key("a"), [2; 32]), Begun::OtherRequest);
        kept.finish(key("a"), answer(3));
        assert_eq!(kept.begin(key("a"), [1; 32]), Begun::Done(answer(3)));
        assert_eq!(kept.begin(key("a"), [2; 32]), Begun::OtherRequest);
        let other_user = Key { user_id: UserId::from_bytes([2; 16]), ..key("a") };
        assert_eq!(kept.begin(other_user, [2; 32]), Begun::Fresh);
    }

    #[actix_web::test]
    async fn answers_leave_after_a_day_and_under_pressure() {
        let mut kept = Kept::default();
        for index in 0..400 {
            let key = key(&index.to_string());
            assert_eq!(kept.begin(key.clone(), [0; 32]), Begun::Fresh);
            kept.finish(key, answer(256 * 1024));
        }
        assert!(kept.bytes <= BYTES_MAX, "{}", kept.bytes);
        assert_eq!(kept.begin(key("0"), [0; 32]), Begun::Fresh);
        assert_eq!(kept.begin(key("399"), [0; 32]), Begun::Done(answer(256 * 1024)));
        kept.drop_old(Instant::now() + KEPT_FOR);
        assert_eq!((kept.finished.len(), kept.bytes), (0, 0));
        assert_eq!(kept.begin(key("399"), [0; 32]), Begun::Fresh);
    }
}
