//! Reports as pages: one file each, nothing loaded from anywhere.
//!
//! ```text
//! chart.rs    lines and bars as inline SVG
//! charts.rs   which curves a report has
//! parts.rs    the verdict, figures, checks, stages, events
//! style.css   light and dark; script.js: values under the pointer
//! ```

mod chart;
mod charts;
mod format;
mod parts;

use std::fmt::Write as _;

use crate::compare::Comparison;
use crate::run_report::RunReport;
use format::escape;

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// The page of one run.
#[must_use]
pub fn render(report: &RunReport) -> String {
    let mut body = parts::header(report);
    body.push_str(&parts::tiles(report));
    body.push_str(&parts::verdict(report));
    body.push_str(&parts::events(report));
    let charts = charts::charts(report);
    for chart in &charts {
        body.push_str(&chart.draw());
    }
    body.push_str(&charts::distribution(&report.distribution));
    body.push_str(&parts::stages(report));
    body.push_str(&parts::plan(report));
    let word = if report.passed { "PASS" } else { "FAIL" };
    whole(&format!("{} {word}", report.scenario), &body, &charts::values(report, &charts))
}

/// Two runs on one page: the table, and the curves of each.
#[must_use]
pub fn render_comparison(before: &RunReport, after: &RunReport, comparison: &Comparison) -> String {
    let mut body = parts::comparison(comparison);
    for (title, report) in [("Before", before), ("After", after)] {
        // Writing into a string cannot fail.
        let _ = write!(body, "<h2 class=\"side\">{title}: {}</h2>", escape(&report.scenario));
        for chart in charts::charts(report) {
            body.push_str(&chart.draw());
        }
        body.push_str(&charts::distribution(&report.distribution));
    }
    whole(&format!("{}: before and after", after.scenario), &body, "{}")
}

fn whole(title: &str, body: &str, values: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\">\
         <title>{}</title><style>{STYLE}</style></head><body><main>{body}</main>\
         <div id=\"tip\" hidden></div>\
         <script type=\"application/json\" id=\"values\">{values}</script>\
         <script>{SCRIPT}</script></body></html>\n",
        escape(title),
    )
}

#[cfg(test)]
mod tests;
