//! What the servers count themselves: read from `/metrics` where the internal listener is known.

use std::time::Duration;

use schema::metric;

use crate::client::{Address, Target};

const METRICS_MAX: Duration = Duration::from_secs(2);

/// Of all nodes together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Counters {
    /// Write calls on sockets.
    pub writes: f64,
    /// Entries handed to sockets.
    pub deliveries: f64,
    /// Messages acknowledged.
    pub accepted: f64,
    pub commits: f64,
    /// Entries of all commits.
    pub entries: f64,
}

impl Counters {
    /// `None` when one node does not tell.
    pub async fn read(targets: &[Target]) -> Option<Self> {
        let mut sum = Self::default();
        for target in targets {
            let page = metrics_of(target).await?;
            let value = |name: &str| value_of(&page, name);
            sum.writes += value(metric::SOCKET_WRITES)?;
            sum.deliveries += value(metric::DELIVERIES)?;
            sum.accepted += value(metric::SENDS_ACCEPTED)?;
            sum.commits += value(metric::COMMITS)?;
            // No histogram is there before its first value.
            sum.entries += value(&format!("{}_sum", metric::COMMIT_ENTRIES)).unwrap_or_default();
        }
        Some(sum)
    }

    /// Write calls for each entry or acknowledgement that a socket was given. None are as many as
    /// there are heartbeats only.
    #[must_use]
    pub fn writes_per_frame(self, before: Self) -> Option<f64> {
        let frames = self.deliveries + self.accepted - before.deliveries - before.accepted;
        (frames > 0.0).then(|| (self.writes - before.writes) / frames)
    }

    #[must_use]
    pub fn entries_per_commit(self, before: Self) -> Option<f64> {
        let commits = self.commits - before.commits;
        (commits > 0.0).then(|| (self.entries - before.entries) / commits)
    }
}

/// How many commits each node has made; 0 where it does not tell.
pub async fn commits(targets: &[Target]) -> Vec<f64> {
    let mut all = Vec::new();
    for target in targets {
        let page = metrics_of(target).await;
        let commits = page.and_then(|page| value_of(&page, metric::COMMITS));
        all.push(commits.unwrap_or_default());
    }
    all
}

async fn metrics_of(target: &Target) -> Option<String> {
    let internal = target.internal.as_deref()?;
    let http = reqwest::Client::builder().timeout(METRICS_MAX).no_proxy().build().ok()?;
    let url = Address::read(internal).url("/metrics");
    http.get(url).send().await.ok()?.text().await.ok()
}

fn value_of(metrics: &str, name: &str) -> Option<f64> {
    let line = metrics.lines().find(|line| line.split(' ').next() == Some(name))?;
    line.rsplit(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_read() {
        let text = "# HELP a_total b\na_total{x=\"1\"} 3\na_total 42\na_total_more 7\n";
        assert_eq!(value_of(text, "a_total"), Some(42.0));
        assert_eq!(value_of(text, "b"), None);
    }

    #[test]
    fn shares_are_of_what_happened_meanwhile() {
        let counters = |writes, deliveries, accepted, commits, entries| Counters {
            writes,
            deliveries,
            accepted,
            commits,
            entries,
        };
        let (before, after) =
            (counters(10.0, 5.0, 5.0, 1.0, 1.0), counters(30.0, 95.0, 15.0, 3.0, 11.0));
        assert_eq!(after.writes_per_frame(before), Some(0.2));
        assert_eq!(after.entries_per_commit(before), Some(5.0));
        assert_eq!(after.writes_per_frame(after), None);
    }
}
