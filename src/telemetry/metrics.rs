//! The metrics recorder: every metric described, every histogram with buckets.

use std::sync::OnceLock;
use std::time::Duration;

use metrics::Unit as MetricUnit;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use schema::metric::{self, Facts, Kind, Unit};
use schema::wire::{CloseCode, ErrorCode};

use super::process;

/// Renders what was recorded. Cheap to clone.
pub type MetricsHandle = PrometheusHandle;

/// How often recorded histogram values are folded into buckets.
pub const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// From half a millisecond (a cached read) to 10 s (a client's patience).
const SECONDS_BUCKETS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// Ways through several nodes: one that takes half a minute was a take-over.
const DELIVERY_BUCKETS: [f64; 15] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
/// Waiting in a mailbox: from one message's work to a thread that stands still.
const AGE_BUCKETS: [f64; 14] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];
/// Messages that wait; a mailbox takes 4,096 or so.
const DEPTH_BUCKETS: [f64; 11] =
    [0.0, 1.0, 4.0, 16.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 2048.0, 4096.0];
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
    match facts.name {
        metric::DELIVERY_SECONDS => &DELIVERY_BUCKETS,
        metric::MAILBOX_AGE_SECONDS => &AGE_BUCKETS,
        metric::MAILBOX_DEPTH => &DEPTH_BUCKETS,
        _ if facts.unit() == Unit::Seconds => &SECONDS_BUCKETS,
        _ => &COUNT_BUCKETS,
    }
}

fn describe() {
    for facts in metric::ALL.iter().filter(|facts| !is_of_process(facts)) {
        let unit = match facts.unit() {
            Unit::Seconds => MetricUnit::Seconds,
            Unit::Bytes => MetricUnit::Bytes,
            Unit::Count => MetricUnit::Count,
        };
        match facts.kind {
            Kind::Counter => metrics::describe_counter!(facts.name, unit, facts.help),
            Kind::Gauge => metrics::describe_gauge!(facts.name, unit, facts.help),
            Kind::Histogram => metrics::describe_histogram!(facts.name, unit, facts.help),
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
    begin_labelled();
}

/// Counters whose labels' values can be listed are there from the start too: a series that begins
/// with its first event shows Prometheus no rise.
fn begin_labelled() {
    for kind in metric::ACTOR_KINDS {
        for name in [metric::ACTOR_PANICS, metric::ACTOR_RESTARTS, metric::MAILBOX_REFUSALS] {
            metrics::counter!(name, "kind" => kind).absolute(0);
        }
    }
    let closed = CloseCode::ALL.iter().map(|code| code.name()).chain(["peer"]);
    for reason in closed {
        metrics::counter!(metric::CONNECTIONS_CLOSED, "reason" => reason).absolute(0);
    }
    for reason in ["node_full", "address_full", "too_many_silent"] {
        metrics::counter!(metric::CONNECTIONS_REFUSED, "reason" => reason).absolute(0);
    }
    for code in ErrorCode::ALL {
        metrics::counter!(metric::FRAME_ERRORS, "code" => code.as_str()).absolute(0);
    }
    for code in [ErrorCode::BadCredentials, ErrorCode::BadToken, ErrorCode::TokenExpired] {
        metrics::counter!(metric::SIGN_IN_FAILURES, "code" => code.as_str()).absolute(0);
    }
    for operation in ["ring_commit", "index", "materialise"] {
        metrics::counter!(metric::STORE_ERRORS, "operation" => operation).absolute(0);
    }
    for operation in ["heartbeat", "connect", "publish"] {
        metrics::counter!(metric::REDIS_ERRORS, "operation" => operation).absolute(0);
    }
    for signal in ["typing", "status", "presence"] {
        metrics::counter!(metric::SIGNALS_SHED, "signal" => signal).absolute(0);
    }
    metrics::counter!(metric::RATE_LIMITED, "limit" => "sends").absolute(0);
    for outcome in ["sent", "failed"] {
        metrics::counter!(metric::SCHEDULED, "outcome" => outcome).absolute(0);
    }
    for outcome in ["granted", "refused"] {
        metrics::counter!(metric::INVITES_USED, "outcome" => outcome).absolute(0);
    }
    metrics::counter!(metric::LINK_PREVIEWS, "outcome" => "made").absolute(0);
    for reason in ["queue_full", "export_failed"] {
        metrics::counter!(metric::SPANS_DROPPED, "reason" => reason).absolute(0);
    }
}

/// Read when it is asked for, in place of being recorded.
fn is_of_process(facts: &Facts) -> bool {
    facts.name.starts_with("process_")
}

/// Everything, as text for Prometheus.
#[must_use]
pub fn render(handle: &MetricsHandle) -> String {
    handle.render() + &process::render()
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
            for facts in metric::ALL.iter().filter(|facts| !is_of_process(facts)) {
                let labels: Vec<metrics::Label> =
                    facts.labels.iter().map(|label| metrics::Label::new(*label, "value")).collect();
                match facts.kind {
                    Kind::Counter => metrics::counter!(facts.name, labels).increment(1),
                    Kind::Gauge => metrics::gauge!(facts.name, labels).set(1.0),
                    Kind::Histogram => metrics::histogram!(facts.name, labels).record(0.5),
                }
            }
        });
        let page = render(&handle);
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
