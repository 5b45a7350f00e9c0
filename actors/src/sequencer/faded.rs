//! Traces of ids that a sequencer has forgotten: what left none was not there. Pure.
//!
//! A flood outruns any clock: without traces every id of it would be looked up. They are kept for as
//! long as clocks prove nothing, in slices of a minute and a half, 4 bytes an id.

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher as _, Hash, RandomState};

use super::dedupe::CLOCK_LEEWAY_MS;

/// Clocks prove ids new that were made this long after the oldest trace; the rest is for clocks and
/// networks that are slow.
const SPAN_MS: i64 = CLOCK_LEEWAY_MS + 60_000;
/// A slice is closed after this time, or with so many ids: sorting them takes 2 to 3 ms.
const SLICE_MS: i64 = 90_000;
const SLICE_IDS_MAX: usize = 128 * 1024;
/// At most, some 32 MB: a conversation with 20,000 messages a second fills them in seven minutes.
const SLICES_MAX: usize = 64;

/// Fingerprints of ids: one that is not among them was not remembered. A few in ten thousand that
/// are new are among them by chance, and are looked up.
#[derive(Debug, Default)]
pub(super) struct Faded {
    hasher: RandomState,
    open: HashSet<u32>,
    /// Ids of `open`: some share a fingerprint.
    open_ids: usize,
    /// When the oldest entry of `open` was sent.
    open_since_ms: i64,
    /// Oldest first.
    slices: VecDeque<Slice>,
}

/// Fingerprints in order.
#[derive(Debug)]
struct Slice {
    since_ms: i64,
    fingerprints: Box<[u32]>,
}

impl Slice {
    /// Fingerprints are spread evenly: the place of one follows from its value, but for a few steps.
    fn has(&self, wanted: u32) -> bool {
        let count = self.fingerprints.len();
        let guess = usize::try_from((u64::from(wanted) * count as u64) >> 32).unwrap_or(0);
        let (before, after) = self.fingerprints.split_at(guess);
        match before.last() {
            Some(last) if *last >= wanted => {
                before.iter().rev().find(|it| **it <= wanted) == Some(&wanted)
            }
            _ => after.iter().find(|it| **it >= wanted) == Some(&wanted),
        }
    }
}

impl Faded {
    #[expect(clippy::cast_possible_truncation, reason = "any half of a hash is a hash")]
    fn fingerprint(hasher: &RandomState, key: &impl Hash) -> u32 {
        hasher.hash_one(key) as u32
    }

    pub fn has(&self, key: &impl Hash) -> bool {
        if self.open.is_empty() && self.slices.is_empty() {
            return false;
        }
        let fingerprint = Self::fingerprint(&self.hasher, key);
        self.open.contains(&fingerprint) || self.slices.iter().any(|it| it.has(fingerprint))
    }

    /// Takes ids, all younger than those it has; the oldest was sent at `oldest_ms`. When some are
    /// forgotten for it: since when it remembers.
    pub fn take<K: Hash>(
        &mut self,
        oldest_ms: i64,
        ids: impl ExactSizeIterator<Item = K>,
    ) -> Option<i64> {
        let is_long = oldest_ms.saturating_sub(self.open_since_ms) >= SLICE_MS;
        if self.open.is_empty() {
            self.open_since_ms = oldest_ms;
        } else if is_long || self.open_ids >= SLICE_IDS_MAX {
            self.close();
            self.open_since_ms = oldest_ms;
        }
        self.open_ids += ids.len();
        let Self { hasher, open, .. } = self;
        open.extend(ids.map(|key| Self::fingerprint(hasher, &key)));
        self.forget(oldest_ms)
    }

    fn close(&mut self) {
        let mut fingerprints: Vec<u32> = std::mem::take(&mut self.open).into_iter().collect();
        fingerprints.sort_unstable();
        self.open_ids = 0;
        let (since_ms, fingerprints) = (self.open_since_ms, fingerprints.into());
        self.slices.push_back(Slice { since_ms, fingerprints });
    }

    fn forget(&mut self, now_ms: i64) -> Option<i64> {
        let mut remembers_since_ms = None;
        loop {
            let next_ms = self.slices.get(1).map_or(self.open_since_ms, |it| it.since_ms);
            let is_old = now_ms.saturating_sub(next_ms) >= SPAN_MS;
            let may_go = is_old || self.slices.len() >= SLICES_MAX;
            if self.slices.is_empty() || !may_go {
                return remembers_since_ms;
            }
            self.slices.pop_front();
            remembers_since_ms = Some(next_ms);
        }
    }

    /// Fingerprints kept.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.open.len() + self.slices.iter().map(|it| it.fingerprints.len()).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_finds_what_it_has_and_nothing_else() {
        let mut faded = Faded::default();
        faded.take(0, (0_u64..10_000).collect::<Vec<_>>().into_iter());
        faded.close();
        let slice = &faded.slices[0];
        assert!(slice.fingerprints.is_sorted());
        assert!(slice.fingerprints.iter().all(|it| slice.has(*it)));
        let others = slice.fingerprints.iter().map(|it| it.wrapping_add(1));
        let of_slice: HashSet<u32> = slice.fingerprints.iter().copied().collect();
        assert!(others.filter(|it| slice.has(*it)).all(|it| of_slice.contains(&it)));
        for edge in [0, u32::MAX] {
            assert_eq!(slice.has(edge), of_slice.contains(&edge));
        }
        assert!(!Slice { since_ms: 0, fingerprints: Box::new([]) }.has(7));
    }

    #[test]
    fn the_oldest_go_when_clocks_prove_as_much() {
        let mut faded = Faded::default();
        for minute in 0..7 {
            assert_eq!(faded.take(minute * 60_000, [minute].into_iter()), None, "{minute}");
        }
        // Slices began with minutes 0, 2, 4, 6: the first goes once the second is six minutes old.
        assert_eq!(faded.take(8 * 60_000, [8_i64].into_iter()), Some(2 * 60_000));
        let chance = [0_i64, 1].iter().filter(|it| faded.has(it)).count();
        assert_eq!(chance, 0);
        assert!([2_i64, 3, 6, 8].iter().all(|it| faded.has(it)));
    }

    /// In one moment, so that nothing grows old.
    #[test]
    fn a_flood_keeps_no_more_than_it_may() {
        let mut faded = Faded::default();
        let fill = |faded: &mut Faded, slice: usize| {
            let ids: Vec<usize> = (slice * SLICE_IDS_MAX..(slice + 1) * SLICE_IDS_MAX).collect();
            faded.take(i64::try_from(slice).unwrap(), ids.into_iter())
        };
        for slice in 0..SLICES_MAX {
            assert_eq!(fill(&mut faded, slice), None, "{slice}");
        }
        assert_eq!(fill(&mut faded, SLICES_MAX), Some(1));
        assert!(faded.len() <= SLICES_MAX * SLICE_IDS_MAX);
        // A new one in five hundred shares a fingerprint.
        assert!((0..100_usize).filter(|it| faded.has(it)).count() < 10);
        assert!(faded.has(&SLICE_IDS_MAX));
    }
}
