//! How fast a user may send.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use schema::wire::{ErrorCode, Refusal};

/// Sustained sends per second, and how many may come at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendLimit {
    pub per_second: NonZeroU32,
    pub burst: NonZeroU32,
}

/// The limit that new sessions begin with; may be set at any time, from any thread.
#[derive(Debug)]
pub struct SendLimitInForce(AtomicU64);

impl SendLimitInForce {
    #[must_use]
    pub fn new(limit: SendLimit) -> Self {
        Self(AtomicU64::new(packed(limit)))
    }

    pub fn set(&self, limit: SendLimit) {
        self.0.store(packed(limit), Ordering::Relaxed);
    }

    #[must_use]
    pub fn get(&self) -> SendLimit {
        let packed = self.0.load(Ordering::Relaxed);
        let part = |bits: u64| {
            let part = u32::try_from(bits & u64::from(u32::MAX)).unwrap_or(u32::MAX);
            NonZeroU32::new(part).unwrap_or(NonZeroU32::MIN)
        };
        SendLimit { per_second: part(packed >> 32), burst: part(packed) }
    }
}

fn packed(limit: SendLimit) -> u64 {
    u64::from(limit.per_second.get()) << 32 | u64::from(limit.burst.get())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_in_force_can_be_set() {
        let limit = |per_second, burst| SendLimit {
            per_second: NonZeroU32::new(per_second).unwrap(),
            burst: NonZeroU32::new(burst).unwrap(),
        };
        let in_force = SendLimitInForce::new(limit(20, 100));
        assert_eq!(in_force.get(), limit(20, 100));
        in_force.set(limit(u32::MAX, 1));
        assert_eq!(in_force.get(), limit(u32::MAX, 1));
    }
}
