//! How long Redis takes, and how often it fails.

use schema::metric;
use tokio::time::Instant;

/// Measures a call of Redis; whoever gives up on it drops it, which counts as a failure.
pub async fn measured<T, E>(
    operation: &'static str,
    call: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let mut open = Open { operation, since: Instant::now(), failed: true };
    let result = call.await;
    open.failed = result.is_err();
    result
}

struct Open {
    operation: &'static str,
    since: Instant,
    failed: bool,
}

impl Drop for Open {
    fn drop(&mut self) {
        metrics::histogram!(metric::REDIS_SECONDS, "operation" => self.operation)
            .record(self.since.elapsed().as_secs_f64());
        if self.failed {
            metrics::counter!(metric::REDIS_ERRORS, "operation" => self.operation).increment(1);
        }
    }
}
