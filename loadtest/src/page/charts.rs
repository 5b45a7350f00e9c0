//! Which curves a report has.

use std::fmt::Write as _;

use super::chart::{Band, Boundary, Chart, LEFT, RIGHT, Scale, Series, WIDTH};
use super::format::{escape, latency, number};
use crate::engine::Role;
use crate::run_report::{Latency, RunReport, Slice};

/// A name, and where a slice has its value.
type Line = (&'static str, fn(&Slice) -> Option<f64>);

/// All charts that have something to show.
pub fn charts(report: &RunReport) -> Vec<Chart> {
    if report.slices.len() < 2 {
        return Vec::new();
    }
    let lines = |names: &[Line]| -> Vec<Series> {
        let series = |(colour, (name, value)): (usize, &Line)| Series {
            name: (*name).to_owned(),
            colour,
            values: report.slices.iter().map(*value).collect(),
        };
        names.iter().enumerate().map(series).collect()
    };
    let mut charts = vec![
        chart(
            report,
            "messages",
            "Messages",
            "a second",
            Scale::Linear,
            lines(&[
                ("acknowledged", |slice| per_second(slice, slice.accepted)),
                ("due", |slice| per_second(slice, slice.due)),
            ]),
        ),
        chart(
            report,
            "deliveries",
            "Deliveries",
            "a second",
            Scale::Linear,
            lines(&[("delivered", |slice| per_second(slice, slice.delivered))]),
        ),
        chart(
            report,
            "delivered",
            "From due to delivered",
            "ms",
            Scale::Log,
            lines(&[
                ("p50", |slice| ms(slice.delivered_us, |of| of.p50_us)),
                ("p90", |slice| ms(slice.delivered_us, |of| of.p90_us)),
                ("p99", |slice| ms(slice.delivered_us, |of| of.p99_us)),
                ("max", |slice| ms(slice.delivered_us, |of| of.max_us)),
            ]),
        ),
        chart(
            report,
            "accepted",
            "From due to acknowledged",
            "ms",
            Scale::Log,
            lines(&[
                ("p50", |slice| ms(slice.accepted_us, |of| of.p50_us)),
                ("p90", |slice| ms(slice.accepted_us, |of| of.p90_us)),
                ("p99", |slice| ms(slice.accepted_us, |of| of.p99_us)),
                ("max", |slice| ms(slice.accepted_us, |of| of.max_us)),
            ]),
        ),
        chart(
            report,
            "trouble",
            "Sockets and refusals",
            "a second",
            Scale::Linear,
            lines(&[
                ("sockets welcomed", |slice| per_second(slice, slice.opened)),
                ("sockets lost", |slice| per_second(slice, slice.lost)),
                ("refusals", |slice| per_second(slice, slice.refused)),
            ]),
        ),
    ];
    let cpu = by_process(report, |slice, index| {
        slice.cpu_percent.get(index).copied().flatten().map(f64::from)
    });
    charts.push(chart(report, "cpu", "CPU", "% of a core", Scale::Linear, cpu));
    let memory = by_process(report, |slice, index| {
        let bytes = slice.resident_bytes.get(index).copied().flatten();
        bytes.map(|bytes| bytes as f64 / f64::from(1 << 20))
    });
    charts.push(chart(report, "memory", "Resident memory", "MiB", Scale::Linear, memory));
    charts.retain(|chart| !chart.is_empty());
    charts
}

fn per_second(slice: &Slice, count: u64) -> Option<f64> {
    Some(count as f64 / slice.seconds)
}

fn ms(of: Latency, find: fn(Latency) -> u64) -> Option<f64> {
    (of.count > 0).then(|| find(of) as f64 / 1_000.0)
}

fn by_process(report: &RunReport, find: impl Fn(&Slice, usize) -> Option<f64>) -> Vec<Series> {
    let mut others = 0;
    let mut series = Vec::new();
    for (index, process) in report.processes.iter().enumerate() {
        let colour = match process.role {
            Role::LoadTester => 7,
            _ => {
                others += 1;
                others - 1
            }
        };
        let values = report.slices.iter().map(|slice| find(slice, index)).collect();
        series.push(Series { name: process.name.clone(), colour: colour % 8, values });
    }
    series
}

fn chart(
    report: &RunReport,
    id: &str,
    title: &str,
    unit: &'static str,
    scale: Scale,
    series: Vec<Series>,
) -> Chart {
    let bands = report.marks.iter().enumerate().map(|(index, mark)| Band {
        from_s: mark.at_s,
        until_s: mark.until_s,
        label: (index + 1).to_string(),
    });
    let mut boundaries = Vec::new();
    if report.stages.len() > 1 {
        let mut at_s = 0.0;
        for stage in &report.stages {
            boundaries.push(Boundary { at_s, label: stage.name.clone() });
            at_s += stage.seconds;
        }
    }
    Chart {
        id: id.to_owned(),
        title: title.to_owned(),
        unit,
        scale,
        times_s: report.slices.iter().map(|slice| slice.at_s).collect(),
        series,
        bands: bands.collect(),
        boundaries,
    }
}

/// What the script shows under the pointer, as JSON.
pub fn values(report: &RunReport, charts: &[Chart]) -> String {
    let Some(first) = charts.first() else { return "{}".to_owned() };
    let rounded = |value: &f64| (value * 1_000.0).round() / 1_000.0;
    let by_chart: serde_json::Map<String, serde_json::Value> = charts
        .iter()
        .map(|chart| {
            let series = chart.series.iter().map(|series| {
                let values: Vec<Option<f64>> =
                    series.values.iter().map(|value| value.as_ref().map(rounded)).collect();
                serde_json::json!({"n": series.name, "c": series.colour, "v": values})
            });
            let series: Vec<_> = series.collect();
            (chart.id.clone(), serde_json::json!({"u": chart.unit, "s": series}))
        })
        .collect();
    let (from_s, until_s) = first.span_s();
    let times: Vec<f64> = report.slices.iter().map(|slice| rounded(&slice.at_s)).collect();
    let all = serde_json::json!({
        "from": from_s, "until": until_s, "left": LEFT, "right": RIGHT, "width": WIDTH,
        "t": times, "charts": by_chart,
    });
    // Nothing in it may end the element that it stands in.
    all.to_string().replace('<', "\\u003c")
}

/// Bars of how long deliveries took; nothing when there were none.
pub fn distribution(bars: &[(u64, u64)]) -> String {
    let most = bars.iter().map(|(_, count)| *count).max().unwrap_or_default();
    let sum: u64 = bars.iter().map(|(_, count)| *count).sum();
    if most == 0 {
        return String::new();
    }
    let (top, bottom) = (14.0, 190.0);
    let width = (RIGHT - LEFT) / bars.len() as f64;
    let mut svg = String::from(
        "<figure class=\"chart\"><figcaption><b>How long deliveries took</b> \
         <span>each bar a quarter longer than the one before</span></figcaption>",
    );
    // Writing into a string cannot fail, here and below.
    let _ =
        write!(svg, "<svg viewBox=\"0 0 {WIDTH} 216\" role=\"img\" aria-label=\"distribution\">");
    let mut below = 0;
    for (index, (until_us, count)) in bars.iter().enumerate() {
        let x = width.mul_add(index as f64, LEFT);
        let height = *count as f64 / most as f64 * (bottom - top);
        below += count;
        let share = below as f64 / sum as f64 * 100.0;
        let _ = write!(
            svg,
            "<rect class=\"bar\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{height:.1}\">\
             <title>up to {}: {} deliveries; {share:.2} % were as quick or quicker</title></rect>",
            x + 1.0,
            bottom - height,
            (width - 2.0).max(1.0),
            latency(*until_us),
            number(*count as f64)
        );
        // Ten bars make a power of ten.
        let is_power = 10_u64.pow(until_us.ilog10()) == *until_us;
        if is_power {
            let _ = write!(
                svg,
                "<text class=\"tick\" x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                x + width,
                bottom + 17.0,
                escape(&latency(*until_us))
            );
        }
    }
    let _ = writeln!(svg, "<path class=\"grid\" d=\"M{LEFT} {bottom}H{RIGHT}\"/></svg></figure>");
    svg
}
