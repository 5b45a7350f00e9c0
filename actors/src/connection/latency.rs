//! How long a message was on its way to a socket.

use std::cell::Cell;
use std::time::Duration;

use schema::metric;

use crate::ports::WallClock;

/// Of the hand-overs of a thread, one in as many is measured.
const ONE_IN: u32 = 8;

thread_local! {
    static COUNT: Cell<u32> = const { Cell::new(0) };
}

/// Records the time since `sent_at` (milliseconds since 1970 UTC), or not. The first of a thread is.
pub(super) fn sample(clock: &dyn WallClock, sent_at: i64) {
    let count = COUNT.get();
    COUNT.set((count + 1) % ONE_IN);
    if count == 0 {
        // Another node's clock may be ahead.
        let milliseconds = clock.now_ms().saturating_sub(sent_at).max(0);
        let elapsed = Duration::from_millis(milliseconds.unsigned_abs());
        crate::observe!(metric::DELIVERY_SECONDS, elapsed);
    }
}
