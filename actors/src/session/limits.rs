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

/// One user's allowance (GCRA, by the governor crate). Nothing is held for those who never send.
pub struct SendLimiter {
    limit: SendLimit,
    begun: Option<Box<Begun>>,
}

struct Begun {
    limiter: DefaultDirectRateLimiter,
    clock: DefaultClock,
}

impl SendLimiter {
    #[must_use]
    pub const fn new(limit: SendLimit) -> Self {
        Self { limit, begun: None }
    }

    /// # Errors
    /// `rate_limited`, with the time to wait.
    pub fn check(&mut self) -> Result<(), Refusal> {
        let SendLimit { per_second, burst } = self.limit;
        let begun = self.begun.get_or_insert_with(|| {
            let quota = Quota::per_second(per_second).allow_burst(burst);
            let (limiter, clock) = (RateLimiter::direct(quota), DefaultClock::default());
            Box::new(Begun { limiter, clock })
        });
        begun.limiter.check().map_err(|early| {
            metrics::counter!(schema::metric::RATE_LIMITED, "limit" => "sends").increment(1);
            let wait = early.wait_time_from(begun.clock.now());
            let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).saturating_add(1);
            Refusal::new(ErrorCode::RateLimited, "too many messages").retry_after_ms(wait_ms)
        })
    }
}
