//! Rate limits of REST on this node: GCRA by address, user name and user.

use std::hash::{BuildHasher as _, Hash, RandomState};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota};
use schema::UserId;
use schema::metric;
use schema::wire::{ErrorCode, Refusal};

use super::address::limited_as;
use crate::config::LimitsConfig;

/// Keys that one limit remembers at most; above that, strangers share what is left.
const KEYS_MAX: usize = 65_536;
const SHARED_KEYS: u64 = 1_024;
/// Checks between two clean-ups, while there are many keys.
const CLEAN_UP_EVERY: u64 = 1_024;

/// Of one user: as many as somebody pastes links.
const PREVIEWS_PER_MINUTE: u32 = 30;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// All limits of REST. May be set at any time: then everyone begins anew.
pub struct RateLimits(ArcSwap<InForce>);

struct InForce {
    sign_ins: Limit,
    sign_ins_of_user: Limit,
    registrations: Limit,
    requests: Limit,
    anonymous_requests: Limit,
    previews: Limit,
}

impl RateLimits {
    #[must_use]
    pub fn new(config: &LimitsConfig) -> Self {
        Self(ArcSwap::from_pointee(InForce::new(config)))
    }

    pub fn set(&self, config: &LimitsConfig) {
        self.0.store(Arc::new(InForce::new(config)));
    }

    /// # Errors
    /// `rate_limited`.
    pub fn check_sign_in(&self, address: IpAddr, username: &str) -> Result<(), Refusal> {
        let limits = self.0.load();
        limits.sign_ins.check(limited_as(address))?;
        limits.sign_ins_of_user.check(username)
    }

    /// # Errors
    /// `rate_limited`.
    pub fn check_registration(&self, address: IpAddr) -> Result<(), Refusal> {
        self.0.load().registrations.check(limited_as(address))
    }

    /// A request of a signed-in user.
    ///
    /// # Errors
    /// `rate_limited`.
    pub fn check_request(&self, user: UserId) -> Result<(), Refusal> {
        self.0.load().requests.check(user)
    }

    /// A preview of a link, for which the server asks others.
    ///
    /// # Errors
    /// `rate_limited`.
    pub fn check_preview(&self, user: UserId) -> Result<(), Refusal> {
        self.0.load().previews.check(user)
    }

    /// A request of someone not signed in.
    ///
    /// # Errors
    /// `rate_limited`.
    pub fn check_anonymous_request(&self, address: IpAddr) -> Result<(), Refusal> {
        self.0.load().anonymous_requests.check(limited_as(address))
    }
}

impl InForce {
    fn new(config: &LimitsConfig) -> Self {
        let requests = per_second(config.requests_per_second, config.requests_burst);
        Self {
            sign_ins: Limit::new("sign_ins", per(config.sign_ins_per_minute, MINUTE)),
            sign_ins_of_user: Limit::new(
                "sign_ins_of_user",
                per(config.sign_ins_per_user_per_minute, MINUTE),
            ),
            registrations: Limit::new("registrations", per(config.registrations_per_hour, HOUR)),
            requests: Limit::new("requests", requests),
            anonymous_requests: Limit::new("anonymous_requests", requests),
            previews: Limit::new("previews", per(PREVIEWS_PER_MINUTE, MINUTE)),
        }
    }
}

/// `count` at once, and as many again in `period`.
fn per(count: u32, period: Duration) -> Quota {
    let count = NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN);
    Quota::with_period(period / count.get()).unwrap_or(Quota::per_second(count)).allow_burst(count)
}

fn per_second(rate: u32, burst: u32) -> Quota {
    Quota::per_second(NonZeroU32::new(rate).unwrap_or(NonZeroU32::MIN))
        .allow_burst(NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN))
}

/// One limit with a bounded number of keys.
struct Limit {
    name: &'static str,
    limiter: DefaultKeyedRateLimiter<u64>,
    clock: DefaultClock,
    /// Seeded at random, so that nobody can aim at another's key.
    hasher: RandomState,
    checks: AtomicU64,
    keys_max: usize,
}

impl Limit {
    fn new(name: &'static str, quota: Quota) -> Self {
        Self {
            name,
            limiter: DefaultKeyedRateLimiter::keyed(quota),
            clock: DefaultClock::default(),
            hasher: RandomState::new(),
            checks: AtomicU64::new(0),
            keys_max: KEYS_MAX,
        }
    }

    fn check(&self, key: impl Hash) -> Result<(), Refusal> {
        let key = self.bounded(self.hasher.hash_one(key));
        self.limiter.check_key(&key).map_err(|until| {
            metrics::counter!(metric::RATE_LIMITED, "limit" => self.name).increment(1);
            let wait = until.wait_time_from(self.clock.now());
            let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1);
            Refusal::new(ErrorCode::RateLimited, format!("too many requests ({})", self.name))
                .retry_after_ms(wait_ms)
        })
    }

    /// The key itself, or one of a few shared ones when too many are remembered already.
    fn bounded(&self, key: u64) -> u64 {
        if self.limiter.len() < self.keys_max {
            return key;
        }
        if self.checks.fetch_add(1, Ordering::Relaxed).is_multiple_of(CLEAN_UP_EVERY) {
            self.limiter.retain_recent();
            self.limiter.shrink_to_fit();
        }
        if self.limiter.len() < self.keys_max { key } else { key % SHARED_KEYS }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([203, 0, 113, last])
    }

    #[test]
    fn each_key_has_its_own_allowance_and_is_told_when_to_return() {
        let limits =
            RateLimits::new(&LimitsConfig { sign_ins_per_minute: 3, ..LimitsConfig::default() });
        for attempt in 0..3 {
            limits.check_sign_in(address(1), &format!("user{attempt}")).unwrap();
        }
        let refusal = limits.check_sign_in(address(1), "user9").unwrap_err();
        assert_eq!(refusal.code, ErrorCode::RateLimited);
        let retry_after_ms = refusal.retry_after_ms.unwrap();
        assert!((1..=20_000).contains(&retry_after_ms), "{retry_after_ms}");
        limits.check_sign_in(address(2), "user9").unwrap();
    }

    #[test]
    fn one_user_name_is_protected_from_many_addresses() {
        let limits = RateLimits::new(&LimitsConfig::default());
        let refused = (0..40_u8)
            .filter(|last| limits.check_sign_in(address(*last), "victim").is_err())
            .count();
        assert_eq!(refused, 30);
    }

    #[test]
    fn keys_are_bounded_however_many_strangers_come() {
        let mut limit = Limit::new("test", per(1_000, MINUTE));
        limit.keys_max = 100;
        for stranger in 0..20_000_u64 {
            let _ = limit.check(stranger);
        }
        let bound = 100 + usize::try_from(SHARED_KEYS).unwrap();
        assert!(limit.limiter.len() <= bound, "{}", limit.limiter.len());
    }
}
