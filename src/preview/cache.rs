//! Previews of the last while, and the lack of them. Bounded. Pure: time is given.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;
use url::Url;

use super::page::Preview;

const ENTRIES_MAX: usize = 2_000;
/// A page that could not be had may be there soon.
const NOTHING_TTL: Duration = Duration::from_secs(60);

pub(super) struct Cache {
    entries: HashMap<Url, (Instant, Option<Preview>)>,
    /// In the order of their making.
    order: VecDeque<Url>,
    ttl: Duration,
}

impl Cache {
    pub fn new(ttl: Duration) -> Self {
        Self { entries: HashMap::new(), order: VecDeque::new(), ttl }
    }

    /// What is known of a URL: a preview, or that there is none.
    pub fn get(&self, url: &Url, now: Instant) -> Option<Option<Preview>> {
        let (until, preview) = self.entries.get(url)?;
        (now < *until).then(|| preview.clone())
    }

    pub fn put(&mut self, url: Url, preview: Option<Preview>, now: Instant) {
        let ttl = if preview.is_some() { self.ttl } else { NOTHING_TTL.min(self.ttl) };
        if self.entries.insert(url.clone(), (now + ttl, preview)).is_none() {
            self.order.push_back(url);
        }
        while self.order.len() > ENTRIES_MAX {
            if let Some(oldest) = self.order.pop_front() {
                self.entries.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_end_and_are_few() {
        let mut cache = Cache::new(Duration::from_secs(600));
        let now = Instant::now();
        let url = |number: usize| Url::parse(&format!("https://a.example/{number}")).unwrap();
        cache.put(url(0), Some(Preview::default()), now);
        cache.put(url(1), None, now);
        assert_eq!(cache.get(&url(0), now), Some(Some(Preview::default())));
        assert_eq!(cache.get(&url(1), now), Some(None));
        assert_eq!(cache.get(&url(1), now + NOTHING_TTL), None);
        assert_eq!(cache.get(&url(0), now + Duration::from_secs(600)), None);
        for number in 2..ENTRIES_MAX + 10 {
            cache.put(url(number), None, now);
        }
        assert_eq!((cache.entries.len(), cache.order.len()), (ENTRIES_MAX, ENTRIES_MAX));
        assert_eq!(cache.get(&url(0), now), None);
    }
}
