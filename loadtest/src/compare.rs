//! Two reports side by side.

use std::fmt;

use serde::Serialize;

use crate::run_report::{RunFigures, RunReport};

/// One figure of both.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    pub name: &'static str,
    pub unit: &'static str,
    pub before: Option<f64>,
    pub after: Option<f64>,
    /// In percent; absent where one is missing or the first is 0.
    pub change_percent: Option<f64>,
    pub tendency: Tendency,
}

/// What a change means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Tendency {
    Better,
    Worse,
    /// Within what two runs of the same differ by.
    Same,
    /// Neither is good or bad, or there is nothing to compare.
    None,
}

/// All figures of both.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    pub before: Side,
    pub after: Side,
    pub rows: Vec<Row>,
    /// What makes the two hard to compare.
    pub differences: Vec<String>,
}

/// Whose figures they are.
#[derive(Clone, Debug, Serialize)]
pub struct Side {
    pub scenario: String,
    pub passed: bool,
    pub version: String,
    pub started_at: u64,
}

/// Smaller changes say nothing.
const NOISE_PERCENT: f64 = 5.0;

/// A figure: its name, its unit, whether more is better, and where it is found.
type Figure = (&'static str, &'static str, Option<bool>, fn(&RunFigures) -> Option<f64>);

const FIGURES: [Figure; 24] = [
    ("messages acknowledged", "/s", Some(true), |of| some(of.accepted_per_s)),
    ("deliveries", "/s", Some(true), |of| some(of.delivered_per_s)),
    ("accepted p50", "ms", Some(false), |of| ms(of.accepted_latency.p50_us)),
    ("accepted p99", "ms", Some(false), |of| ms(of.accepted_latency.p99_us)),
    ("accepted p99.9", "ms", Some(false), |of| ms(of.accepted_latency.p999_us)),
    ("accepted max", "ms", Some(false), |of| ms(of.accepted_latency.max_us)),
    ("delivered p50", "ms", Some(false), |of| ms(of.delivered_latency.p50_us)),
    ("delivered p90", "ms", Some(false), |of| ms(of.delivered_latency.p90_us)),
    ("delivered p99", "ms", Some(false), |of| ms(of.delivered_latency.p99_us)),
    ("delivered p99.9", "ms", Some(false), |of| ms(of.delivered_latency.p999_us)),
    ("delivered max", "ms", Some(false), |of| ms(of.delivered_latency.max_us)),
    ("server CPU a message", "µs", Some(false), |of| of.server_cpu_us_per_message),
    ("server CPU a delivery", "µs", Some(false), |of| of.server_cpu_us_per_delivery),
    ("store CPU a message", "µs", Some(false), |of| of.store_cpu_us_per_message),
    ("load tester CPU a message", "µs", None, |of| of.load_tester_cpu_us_per_message),
    ("write calls an entry or answer", "", Some(false), |of| of.writes_per_frame),
    ("entries a commit", "", Some(true), |of| of.entries_per_commit),
    ("server memory, peak", "MiB", Some(false), |of| mib(of.memory_peak_bytes)),
    ("server memory, end", "MiB", Some(false), |of| mib(of.memory_end_bytes)),
    ("bytes a silent connection", "", Some(false), |of| of.bytes_per_connection),
    ("caught up after", "s", Some(false), |of| of.caught_up_s),
    ("longest silence", "s", Some(false), |of| some(of.longest_silence_s)),
    ("refusals", "", Some(false), |of| Some(of.refusals as f64)),
    ("sockets lost", "", Some(false), |of| Some(of.sockets_lost as f64)),
];

const fn some(value: f64) -> Option<f64> {
    if value > 0.0 { Some(value) } else { None }
}

fn ms(us: u64) -> Option<f64> {
    (us > 0).then(|| us as f64 / 1_000.0)
}

fn mib(bytes: Option<u64>) -> Option<f64> {
    bytes.map(|bytes| bytes as f64 / f64::from(1 << 20))
}

/// Sets them side by side; figures that neither has are left out.
#[must_use]
pub fn compare(before: &RunReport, after: &RunReport) -> Comparison {
    let rows = FIGURES
        .iter()
        .map(|(name, unit, more_is_better, find)| {
            row(name, unit, *more_is_better, find(&before.figures), find(&after.figures))
        })
        .filter(|row| row.before.is_some() || row.after.is_some())
        .collect();
    let mut differences = Vec::new();
    for (what, one, other) in
        [("scenario", &before.scenario, &after.scenario), ("server", &before.server, &after.server)]
    {
        if one != other {
            differences.push(format!("{what}: {one} and {other}"));
        }
    }
    if before.cores != after.cores {
        differences.push(format!("cores: {} and {}", before.cores, after.cores));
    }
    let settings = |report: &RunReport| {
        let mut plan = report.plan.clone();
        plan.seed = None;
        plan
    };
    if before.scenario == after.scenario && settings(before) != settings(after) {
        differences.push("the scenario's settings differ".to_owned());
    }
    let side = |report: &RunReport| Side {
        scenario: report.scenario.clone(),
        passed: report.passed,
        version: report.version.clone(),
        started_at: report.started_at,
    };
    Comparison { before: side(before), after: side(after), rows, differences }
}

fn row(
    name: &'static str,
    unit: &'static str,
    more_is_better: Option<bool>,
    before: Option<f64>,
    after: Option<f64>,
) -> Row {
    let both = before.zip(after);
    let change_percent = both
        .filter(|(before, _)| *before != 0.0)
        .map(|(before, after)| (after / before - 1.0) * 100.0);
    let tendency = match (both, more_is_better) {
        (None, _) | (_, None) => Tendency::None,
        (Some((before, after)), Some(_)) if before == after => Tendency::Same,
        _ if change_percent.is_some_and(|change| change.abs() < NOISE_PERCENT) => Tendency::Same,
        (Some((before, after)), Some(more)) if (after > before) == more => Tendency::Better,
        _ => Tendency::Worse,
    };
    Row { name, unit, before, after, change_percent, tendency }
}

/// A change as people read it.
#[must_use]
pub fn show_change(percent: f64) -> String {
    if percent.abs() < 0.05 { "0.0 %".to_owned() } else { format!("{percent:+.1} %") }
}

/// A figure as people read it.
#[must_use]
pub fn show(value: Option<f64>) -> String {
    match value {
        None => "–".to_owned(),
        Some(value) if value.abs() >= 1_000.0 || value.fract() == 0.0 => format!("{value:.0}"),
        Some(value) if value.abs() >= 10.0 => format!("{value:.1}"),
        Some(value) => format!("{value:.2}"),
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = |side: &Side| if side.passed { "PASS" } else { "FAIL" };
        writeln!(formatter, "{:<28} {:>12} {:>12} {:>9}", "", "before", "after", "change")?;
        let (before, after) = (word(&self.before), word(&self.after));
        writeln!(formatter, "{:<28} {before:>12} {after:>12}", self.after.scenario)?;
        for row in &self.rows {
            let name = format!("{} {}", row.name, row.unit);
            let change = row.change_percent.map(show_change);
            let mark = match row.tendency {
                Tendency::Better => " better",
                Tendency::Worse => " WORSE",
                Tendency::Same | Tendency::None => "",
            };
            writeln!(
                formatter,
                "{:<28} {:>12} {:>12} {:>9}{mark}",
                name.trim_end(),
                show(row.before),
                show(row.after),
                change.unwrap_or_default()
            )?;
        }
        for difference in &self.differences {
            writeln!(formatter, "hard to compare: {difference}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_judged_by_what_is_better() {
        let row = |more, before, after| row("x", "", Some(more), Some(before), Some(after));
        assert_eq!(row(true, 100.0, 120.0).tendency, Tendency::Better);
        assert_eq!(row(false, 100.0, 120.0).tendency, Tendency::Worse);
        assert_eq!(row(false, 100.0, 104.0).tendency, Tendency::Same);
        assert_eq!(row(false, 0.0, 3.0).tendency, Tendency::Worse);
        assert_eq!(row(false, 0.0, 0.0).tendency, Tendency::Same);
        let change = row(false, 100.0, 50.0).change_percent.unwrap();
        assert!((change + 50.0).abs() < 1e-9);
    }
}
