//! The metrics recorder: every metric described, every histogram with buckets.

use std::sync::OnceLock;
use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use schema::metric::{self, Facts, Kind};

/// Renders what was recorded. Cheap to clone.
pub type MetricsHandle = PrometheusHandle;

/// How often recorded histogram values are folded into buckets.
pub const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// From half a millisecond (a cached read) to 10 s (a client's patience).
const SECONDS_BUCKETS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// Group sizes, doubling.
const COUNT_BUCKETS: [f64; 11] =
    [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0];

/// Metrics cannot be set up.
#[derive(Clone, Debug, thiserror::Error)]
#[error("metrics: {0}")]
pub struct MetricsSetupError(String);

/// Installs the recorder, once a process; later calls give the same handle.
///
/// # Errors
/// When another recorder is there already.
pub fn install_metrics() -> Result<MetricsHandle, MetricsSetupError> {
    static INSTALLED: OnceLock<Result<MetricsHandle, MetricsSetupError>> = OnceLock::new();
    INSTALLED.get_or_init(install).clone()
}

fn install() -> Result<MetricsHandle, MetricsSetupError> {
    let recorder = builder()?.build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).map_err(|error| MetricsSetupError(error.to_string()))?;
    describe();
    metrics::gauge!(metric::BUILD_INFO, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    Ok(handle)
}

fn builder() -> Result<PrometheusBuilder, MetricsSetupError> {
    let mut builder = PrometheusBuilder::new();
    for facts in metric::ALL.iter().filter(|facts| facts.kind == Kind::Histogram) {
        builder = builder
            .set_buckets_for_metric(Matcher::Full(facts.name.to_owned()), buckets(facts))
            .map_err(|error| MetricsSetupError(error.to_string()))?;
    }
    Ok(builder)
}

fn buckets(facts: &Facts) -> &'static [f64] {
    if facts.name.ends_with("_seconds") { &SECONDS_BUCKETS } else { &COUNT_BUCKETS }
}

fn describe() {
    for facts in metric::ALL {
        match facts.kind {
            Kind::Counter => metrics::describe_counter!(facts.name, facts.help),
            Kind::Gauge => metrics::describe_gauge!(facts.name, facts.help),
            Kind::Histogram => metrics::describe_histogram!(facts.name, facts.help),
        }
        // Counters and gauges without labels are there from the start, at zero.
        if facts.labels.is_empty() {
            match facts.kind {
                Kind::Counter => metrics::counter!(facts.name).absolute(0),
                Kind::Gauge => metrics::gauge!(facts.name).set(0.0),
                Kind::Histogram => {}
            }
        }
    }
}

/// Folds histograms on a timer, for as long as the runtime lives.
pub async fn keep_up(handle: MetricsHandle) {
    let mut timer = tokio::time::interval(UPKEEP_EVERY);
    timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        timer.tick().await;
        handle.run_upkeep();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn histograms_have_buckets_and_every_metric_has_help() {
        let recorder = builder().unwrap().build_recorder();
        let handle = recorder.handle();
        metrics::with_local_recorder(&recorder, || {
            describe();
            for facts in metric::ALL {
                let labels: Vec<metrics::Label> =
                    facts.labels.iter().map(|label| metrics::Label::new(*label, "value")).collect();
                match facts.kind {
                    Kind::Counter => metrics::counter!(facts.name, labels).increment(1),
                    Kind::Gauge => metrics::gauge!(facts.name, labels).set(1.0),
                    Kind::Histogram => metrics::histogram!(facts.name, labels).record(0.5),
                }
            }
        });
        let page = handle.render();
        for facts in metric::ALL {
            assert!(page.contains(&format!("# HELP {} ", facts.name)), "{}", facts.name);
            if facts.kind == Kind::Histogram {
                assert!(page.contains(&format!("{}_bucket", facts.name)), "{}", facts.name);
            }
        }
        assert!(!page.contains("quantile="), "a histogram became a summary:\n{page}");
    }

    #[test]
    fn installing_twice_gives_the_same_recorder() {
        let one = install_metrics().unwrap();
        metrics::counter!(metric::RATE_LIMITED, "limit" => "twice").increment(1);
        assert!(install_metrics().unwrap().render().contains("limit=\"twice\""));
        assert!(one.render().contains("switchboard_build_info{version="));
    }
}
