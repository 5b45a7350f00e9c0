//! Holds the figures against the plan's thresholds. Pure.

use crate::plan::Thresholds;
use crate::run_report::{Check, RunFigures};

/// What is compared, in which unit.
struct Judge {
    checks: Vec<Check>,
}

impl Judge {
    fn at_most(&mut self, name: &str, limit: Option<f64>, measured: Option<f64>, unit: &str) {
        let Some(limit) = limit else { return };
        self.note(name, format!("≤ {}", show(limit, unit)), measured, unit, |it| it <= limit);
    }

    fn at_least(&mut self, name: &str, limit: Option<f64>, measured: Option<f64>, unit: &str) {
        let Some(limit) = limit else { return };
        self.note(name, format!("≥ {}", show(limit, unit)), measured, unit, |it| it >= limit);
    }

    fn note(
        &mut self,
        name: &str,
        limit: String,
        measured: Option<f64>,
        unit: &str,
        is_good: impl Fn(f64) -> bool,
    ) {
        self.checks.push(Check {
            name: name.to_owned(),
            limit,
            measured: measured.map(|measured| show(measured, unit)),
            passed: measured.is_none_or(is_good),
        });
    }
}

fn show(value: f64, unit: &str) -> String {
    let number = match value.abs() {
        size if size >= 100.0 || (value - value.round()).abs() < 1e-9 => format!("{value:.0}"),
        // Just below a limit is not the limit.
        size if unit == "%" && size > 99.9 => format!("{value:.3}"),
        size if size >= 1.0 => format!("{value:.1}"),
        _ => format!("{value:.3}"),
    };
    if unit.is_empty() { number } else { format!("{number} {unit}") }
}

/// One check for each threshold that the plan sets. `sustained` are the stages that were.
#[must_use]
pub fn judge(limits: &Thresholds, figures: &RunFigures, sustained: &[String]) -> Vec<Check> {
    let mut judge = Judge { checks: Vec::new() };
    let ms = |us: u64| Some(us as f64 / 1_000.0);
    let (accepted, delivered) = (figures.accepted_latency, figures.delivered_latency);
    judge.at_most("accepted p50", limits.accepted_p50_ms, ms(accepted.p50_us), "ms");
    judge.at_most("accepted p99", limits.accepted_p99_ms, ms(accepted.p99_us), "ms");
    judge.at_most("accepted max", limits.accepted_max_ms, ms(accepted.max_us), "ms");
    judge.at_most("delivered p50", limits.delivered_p50_ms, ms(delivered.p50_us), "ms");
    judge.at_most("delivered p99", limits.delivered_p99_ms, ms(delivered.p99_us), "ms");
    judge.at_most("delivered max", limits.delivered_max_ms, ms(delivered.max_us), "ms");
    let rate = Some(figures.accepted_per_s);
    judge.at_least("messages a second", limits.min_messages_per_s, rate, "");
    let rate = Some(figures.delivered_per_s);
    judge.at_least("deliveries a second", limits.min_deliveries_per_s, rate, "");
    let share = (figures.due > 0).then(|| figures.accepted_in_time as f64 / figures.due as f64);
    let percent = |share: Option<f64>| share.map(|share| share * 100.0);
    let (limit, share) = (percent(limits.min_rate_share), percent(share));
    judge.at_least("acknowledged in time, of those due", limit, share, "%");
    if let Some(stage) = &limits.sustained_stage {
        judge.checks.push(Check {
            name: "sustained stage".to_owned(),
            limit: stage.clone(),
            measured: Some(figures.sustained.clone().unwrap_or_else(|| "none".to_owned())),
            passed: sustained.contains(stage),
        });
    }
    let each = figures.bytes_per_connection;
    judge.at_most("resident bytes a connection", limits.max_bytes_per_connection, each, "");
    let ratio =
        |to: Option<u64>, of: Option<u64>| Some(to? as f64 / of.filter(|bytes| *bytes > 0)? as f64);
    let grown = ratio(figures.own_memory_end_bytes, figures.own_memory_start_bytes);
    let growth = grown.map(|ratio| (ratio - 1.0) * 100.0);
    judge.at_most(
        "growth of the server's own memory",
        limits.max_memory_growth_percent,
        growth,
        "%",
    );
    let (limit, slope) = (limits.max_memory_slope_mib_per_hour, figures.memory_slope_mib_per_hour);
    judge.at_most("rise of the server's own memory at the end", limit, slope, "MiB/h");
    let peak = ratio(figures.memory_peak_bytes, figures.memory_start_bytes);
    judge.at_most("peak of server memory, times the start", limits.max_memory_peak_ratio, peak, "");
    let cost = figures.server_cpu_us_per_message;
    judge.at_most("server CPU a message", limits.max_server_cpu_us_per_message, cost, "µs");
    let cost = figures.server_cpu_us_per_delivery;
    judge.at_most("server CPU a delivery", limits.max_server_cpu_us_per_delivery, cost, "µs");
    let idle = figures.server_cpu_percent;
    judge.at_most("idle server CPU", limits.max_idle_cpu_percent, idle, "% of a core");
    let refusals = Some(figures.refusals as f64);
    judge.at_most("refusals", limits.max_refusals, refusals, "");
    let lost = Some(figures.sockets_lost as f64);
    judge.at_most("sockets lost", limits.max_sockets_lost, lost, "");
    judge.at_most("caught up after", limits.max_caught_up_s, figures.caught_up_s, "s");
    let silence = Some(figures.longest_silence_s);
    judge.at_most("longest silence", limits.max_silence_s, silence, "s");
    let ratio = figures.p99_ratio_while_some_sleep;
    let limit = limits.max_p99_ratio_while_some_sleep;
    judge.at_most("p99 while some sleep, times before", limit, ratio, "");
    let (limit, ratio) = (limits.max_stage_p50_ratio, figures.stage_p50_ratio);
    judge.at_most("p50 of a later stage, times the first", limit, ratio, "");
    judge.checks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures() -> RunFigures {
        let mut figures = RunFigures { due: 100, accepted_in_time: 98, ..RunFigures::default() };
        figures.delivered_latency.p99_us = 12_500;
        figures.memory_start_bytes = Some(100);
        figures.memory_peak_bytes = Some(250);
        figures
    }

    #[test]
    fn only_what_the_plan_asks_is_judged() {
        assert_eq!(judge(&Thresholds::default(), &figures(), &[]), []);
    }

    #[test]
    fn limits_hold_to_the_point_and_not_beyond() {
        let one = |limits: Thresholds| judge(&limits, &figures(), &["a".to_owned()]).remove(0);
        let p99 = |limit| Thresholds { delivered_p99_ms: Some(limit), ..Thresholds::default() };
        assert!(one(p99(12.5)).passed && !one(p99(12.4)).passed);
        assert_eq!(one(p99(12.5)).measured.as_deref(), Some("12.5 ms"));
        let share = |limit| Thresholds { min_rate_share: Some(limit), ..Thresholds::default() };
        assert!(one(share(0.98)).passed && !one(share(0.99)).passed);
        let peak =
            |limit| Thresholds { max_memory_peak_ratio: Some(limit), ..Thresholds::default() };
        assert!(one(peak(2.5)).passed && !one(peak(2.4)).passed);
        let stage = |stage: &str| Thresholds {
            sustained_stage: Some(stage.to_owned()),
            ..Thresholds::default()
        };
        assert!(one(stage("a")).passed && !one(stage("b")).passed);
    }

    #[test]
    fn what_could_not_be_measured_says_so_and_fails_nobody() {
        let limits = Thresholds { max_bytes_per_connection: Some(1.0), ..Thresholds::default() };
        let check = judge(&limits, &figures(), &[]).remove(0);
        assert_eq!((check.passed, check.measured), (true, None));
    }
}
