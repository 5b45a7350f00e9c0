//! How fast a user may send.

use std::num::NonZeroU32;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use schema::wire::{ErrorCode, Refusal};

/// Sustained sends per second, and how many may come at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendLimit {
    pub per_second: NonZeroU32,
    pub burst: NonZeroU32,
}

/// One user's allowance (GCRA, by the governor crate).
pub struct SendLimiter {
    limiter: DefaultDirectRateLimiter,
    clock: DefaultClock,
}

impl SendLimiter {
    #[must_use]
    pub fn new(limit: SendLimit) -> Self {
        let quota = Quota::per_second(limit.per_second).allow_burst(limit.burst);
        Self { limiter: RateLimiter::direct(quota), clock: DefaultClock::default() }
    }

    /// # Errors
    /// `rate_limited`, with the time to wait.
    pub fn check(&self) -> Result<(), Refusal> {
        self.limiter.check().map_err(|early| {
            metrics::counter!(schema::metric::RATE_LIMITED, "limit" => "sends").increment(1);
            let wait = early.wait_time_from(self.clock.now());
            let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).saturating_add(1);
            Refusal::new(ErrorCode::RateLimited, "too many messages").retry_after_ms(wait_ms)
        })
    }
}
