//! The words and tables of a page.

use std::fmt::Write as _;

use super::format::{date, escape, latency, number};
use crate::compare::{Comparison, Tendency, show, show_change};
use crate::run_report::{Check, RunReport};

// Writing into a string cannot fail, here and below.

pub fn header(report: &RunReport) -> String {
    let (word, class) = if report.passed { ("PASS", "pass") } else { ("FAIL", "fail") };
    let mut html = format!(
        "<header><p class=\"badge {class}\">{word}</p><h1>{}</h1><p class=\"lead\">{}</p>\
         <p class=\"facts\">{} · {} · {} cores · seed {} · load tester {}</p>",
        escape(&report.scenario),
        escape(&report.plan.summary),
        date(report.started_at),
        escape(&report.server),
        report.cores,
        report.seed,
        escape(&report.version),
    );
    if let Some(what) = &report.plan.does_not_cover {
        let _ = write!(html, "<p class=\"facts\">Does not cover: {}</p>", escape(what));
    }
    html.push_str("</header>\n");
    html
}

/// The figures that people look for first.
pub fn tiles(report: &RunReport) -> String {
    let of = &report.figures;
    let mut tiles: Vec<(&str, String, String)> = Vec::new();
    if of.due > 0 {
        tiles.push((
            "messages a second",
            number(of.accepted_per_s),
            format!("{} acknowledged", number(of.accepted as f64)),
        ));
        tiles.push((
            "deliveries a second",
            number(of.delivered_per_s),
            format!("{} in all", number(of.delivered as f64)),
        ));
    }
    for (what, latencies) in
        [("to acknowledge", of.accepted_latency), ("to deliver", of.delivered_latency)]
    {
        if latencies.count > 0 {
            let more =
                format!("p50 {}, max {}", latency(latencies.p50_us), latency(latencies.max_us));
            tiles.push((
                if what == "to deliver" { "p99 to deliver" } else { "p99 to acknowledge" },
                latency(latencies.p99_us),
                more,
            ));
        }
    }
    if let Some(cost) = of.server_cpu_us_per_message {
        let each = of.server_cpu_us_per_delivery.unwrap_or_default();
        tiles.push((
            "server CPU a message",
            format!("{} µs", number(cost)),
            format!("{} µs a delivery", number(each)),
        ));
    }
    if let Some(bytes) = of.bytes_per_connection {
        let kernel = of.kernel_bytes_per_connection.unwrap_or_default();
        tiles.push((
            "bytes a silent connection",
            number(bytes),
            format!("its user too; the kernel takes {} more", number(kernel)),
        ));
    }
    if let Some(peak) = of.memory_peak_bytes {
        let mib = |bytes: u64| number(bytes as f64 / f64::from(1 << 20));
        let start = of.memory_start_bytes.unwrap_or_default();
        tiles.push((
            "server memory, peak",
            format!("{} MiB", mib(peak)),
            format!("{} MiB at the start", mib(start)),
        ));
    }
    if let Some(seconds) = of.caught_up_s {
        let text = format!("{seconds:.2} s");
        tiles.push(("until all were back", text, "the slowest device".to_owned()));
    }
    let mut html = String::from("<section class=\"tiles\">");
    for (what, value, more) in tiles {
        let _ = write!(
            html,
            "<div><span>{what}</span><b>{}</b><small>{}</small></div>",
            escape(&value),
            escape(&more)
        );
    }
    html.push_str("</section>\n");
    html
}

/// What the checker says, the thresholds, and whatever else went wrong.
pub fn verdict(report: &RunReport) -> String {
    let mut html = String::from("<section>");
    if let Some(verdict) = &report.verdict {
        let counts = verdict.counts;
        let (class, word) = if verdict.passed() {
            ("good", "nothing lost, nothing twice, no gap, one order, all readers agree".to_owned())
        } else {
            ("bad", format!("{} violations", number(counts.violations as f64)))
        };
        let _ = write!(
            html,
            "<p class=\"word {class}\">{word}</p><p class=\"facts\">Checked: {} messages in {} \
             conversations, {} deliveries to {} readers over {} sockets, {} rows of history; \
             {} retries.</p>",
            number(counts.messages as f64),
            number(counts.conversations as f64),
            number(counts.deliveries as f64),
            number(counts.readers as f64),
            number(counts.sockets as f64),
            number(counts.history_rows as f64),
            number(counts.retries as f64),
        );
        if !verdict.passed() {
            html.push_str("<ul class=\"problems\">");
            for (name, count) in &verdict.kinds {
                let _ = write!(html, "<li>{} × {}</li>", number(*count as f64), escape(name));
            }
            for violation in verdict.violations.iter().take(10) {
                let _ = write!(html, "<li>{}</li>", escape(&violation.to_string()));
            }
            html.push_str("</ul>");
        }
    }
    if !report.problems.is_empty() {
        html.push_str("<p class=\"word bad\">Problems</p><ul class=\"problems\">");
        for problem in &report.problems {
            let _ = write!(html, "<li>{}</li>", escape(problem));
        }
        html.push_str("</ul>");
    }
    if !report.checks.is_empty() {
        html.push_str(
            "<table><thead><tr><th>Threshold<th class=\"n\">limit<th class=\"n\">measured<th></tr></thead><tbody>",
        );
        for check in &report.checks {
            html.push_str(&row_of(check));
        }
        html.push_str("</tbody></table>");
    }
    if !report.notes.is_empty() {
        html.push_str("<p class=\"facts\">Noted: ");
        html.push_str(&escape(&report.notes.join("; ")));
        html.push_str("</p>");
    }
    html.push_str("</section>\n");
    html
}

fn row_of(check: &Check) -> String {
    let (class, word) = match (&check.measured, check.passed) {
        (None, _) => ("", "?"),
        (_, true) => ("good", "✓"),
        (_, false) => ("bad", "✗"),
    };
    format!(
        "<tr><td>{}<td class=\"n\">{}<td class=\"n\">{}<td class=\"{class}\">{word}</tr>",
        escape(&check.name),
        escape(&check.limit),
        escape(check.measured.as_deref().unwrap_or("not measured")),
    )
}

/// A table, where there are several.
pub fn stages(report: &RunReport) -> String {
    if report.stages.len() < 2 {
        return String::new();
    }
    let mut html = String::from(
        "<section><h2>Stages</h2><table><thead><tr><th>Stage<th class=\"n\">offered/s\
         <th class=\"n\">acknowledged/s<th class=\"n\">deliveries/s<th class=\"n\">p50\
         <th class=\"n\">p99<th class=\"n\">max<th>sustained</tr></thead><tbody>",
    );
    for stage in &report.stages {
        let (class, word) = if stage.is_sustained { ("good", "✓") } else { ("bad", "✗") };
        let _ = write!(
            html,
            "<tr><td>{}<td class=\"n\">{}<td class=\"n\">{}<td class=\"n\">{}<td class=\"n\">{}\
             <td class=\"n\">{}<td class=\"n\">{}<td class=\"{class}\">{word}</tr>",
            escape(&stage.name),
            stage.offered_per_s.map_or_else(|| "–".to_owned(), number),
            number(stage.accepted_per_s),
            number(stage.delivered_per_s),
            latency(stage.delivered.p50_us),
            latency(stage.delivered.p99_us),
            latency(stage.delivered.max_us),
        );
    }
    html.push_str("</tbody></table></section>\n");
    html
}

/// What the numbers on the time axis mean.
pub fn events(report: &RunReport) -> String {
    if report.marks.is_empty() {
        return String::new();
    }
    let mut html = String::from(
        "<section><h2>What happened</h2><table class=\"events\"><thead><tr><th class=\"n\">No.<th class=\"n\">from\
         <th class=\"n\">until<th>what</tr></thead><tbody>",
    );
    for (index, mark) in report.marks.iter().enumerate() {
        let _ = write!(
            html,
            "<tr><td class=\"n\">{}<td class=\"n\">{:.1} s<td class=\"n\">{:.1} s<td>{}</tr>",
            index + 1,
            mark.at_s,
            mark.until_s,
            escape(&mark.what)
        );
    }
    html.push_str("</tbody></table></section>\n");
    html
}

/// The scenario as it was run.
pub fn plan(report: &RunReport) -> String {
    // A plan that was read can be written.
    let text = toml::to_string(&report.plan).unwrap_or_default();
    format!(
        "<section><details><summary>The scenario as it was run</summary><pre>{}</pre></details>\
         </section>\n",
        escape(&text)
    )
}

/// Two runs in one table.
pub fn comparison(of: &Comparison) -> String {
    let word = |passed: bool| if passed { "PASS" } else { "FAIL" };
    let class = |passed: bool| if passed { "pass" } else { "fail" };
    let mut html = format!(
        "<header><h1>{}: before and after</h1><p class=\"facts\">Changes below 5 % are called the \
         same. Two runs of one server differ by more than that on a busy machine: run both more \
         than once.</p></header><section><table><thead><tr><th>Figure<th class=\"n\">before<br>{}\
         <th class=\"n\">after<br>{}<th class=\"n\">change<th></tr></thead><tbody>\
         <tr><td>verdict<td class=\"n\"><span class=\"badge small {}\">{}</span>\
         <td class=\"n\"><span class=\"badge small {}\">{}</span><td><td></tr>",
        escape(&of.after.scenario),
        date(of.before.started_at),
        date(of.after.started_at),
        class(of.before.passed),
        word(of.before.passed),
        class(of.after.passed),
        word(of.after.passed),
    );
    for row in &of.rows {
        let (class, word) = match row.tendency {
            Tendency::Better => ("good", "better"),
            Tendency::Worse => ("bad", "worse"),
            Tendency::Same => ("", "same"),
            Tendency::None => ("", ""),
        };
        let change = row.change_percent.map(show_change);
        let _ = write!(
            html,
            "<tr><td>{} <small>{}</small><td class=\"n\">{}<td class=\"n\">{}<td class=\"n\">{}\
             <td class=\"{class}\">{word}</tr>",
            row.name,
            row.unit,
            show(row.before),
            show(row.after),
            change.unwrap_or_default()
        );
    }
    html.push_str("</tbody></table>");
    for difference in &of.differences {
        let _ = write!(html, "<p class=\"facts\">Hard to compare: {}</p>", escape(difference));
    }
    html.push_str("</section>\n");
    html
}
