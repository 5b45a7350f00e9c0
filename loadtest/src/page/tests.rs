use super::*;
use crate::compare::compare;
use crate::engine::Role;
use crate::plan;
use crate::run_report::{Check, Latency, Mark, ProcessName, RunFigures, Slice, StageFigures};

fn report() -> RunReport {
    let text = plan::find("presence-storm").unwrap();
    let mut plan = plan::read("x", text, &[]).unwrap();
    plan.summary = "<script>alert(1)</script>".to_owned();
    let latency = |p50_us| Latency {
        count: 9,
        p50_us,
        p90_us: p50_us * 2,
        p99_us: p50_us * 5,
        p999_us: p50_us * 7,
        max_us: p50_us * 9,
    };
    let slice = |number: u64| Slice {
        at_s: number as f64 - 3.0,
        seconds: 1.0,
        due: 200,
        accepted: 200 - number,
        delivered: 390,
        accepted_us: latency(1_000 + number * 10),
        delivered_us: latency(1_500),
        cpu_percent: vec![Some(40.0), None],
        resident_bytes: vec![Some(30 << 20), Some(50 << 20)],
        ..Slice::default()
    };
    let stage = |name: &str, is_sustained| StageFigures {
        name: name.to_owned(),
        seconds: 10.0,
        offered_per_s: Some(200.0),
        accepted_per_s: 199.0,
        delivered_per_s: 380.0,
        accepted: latency(900),
        delivered: latency(1_200),
        is_sustained,
    };
    RunReport {
        format: 1,
        scenario: "presence-storm".to_owned(),
        passed: false,
        seed: 7,
        version: "0.0.0".to_owned(),
        started_at: 1_795_356_300_000,
        server: "own".to_owned(),
        cores: 2,
        plan,
        problems: vec!["something & nothing".to_owned()],
        notes: Vec::new(),
        checks: vec![Check {
            name: "delivered p99".to_owned(),
            limit: "≤ 5 ms".to_owned(),
            measured: Some("6 ms".to_owned()),
            passed: false,
        }],
        verdict: None,
        figures: RunFigures {
            due: 4_000,
            accepted: 3_900,
            accepted_per_s: 195.0,
            delivered_latency: latency(1_200),
            ..RunFigures::default()
        },
        stages: vec![stage("calm", true), stage("storm", false)],
        processes: vec![
            ProcessName { name: "server".to_owned(), role: Role::Server },
            ProcessName { name: "load tester".to_owned(), role: Role::LoadTester },
        ],
        slices: (0..23).map(slice).collect(),
        marks: vec![Mark { at_s: 4.0, until_s: 9.0, what: "kill node, 3 s".to_owned() }],
        distribution: vec![(1_000, 4), (1_258, 9), (1_584, 1)],
    }
}

#[test]
fn a_page_stands_alone_and_lets_nothing_out() {
    let page = render(&report());
    assert!(!page.contains("<script>alert"), "text of a plan is shown, never run");
    for outside in ["http://", "https://", "src=", "@import", "url("] {
        assert!(!page.contains(outside), "{outside} in a page that is to need nothing");
    }
    for part in [
        ">FAIL<",
        "something &amp; nothing",
        "From due to delivered",
        "How long deliveries took",
        "kill node, 3 s",
        "class=\"band\"",
        "warm-up",
        "prefers-color-scheme: dark",
        "≤ 5 ms",
        "<td>storm",
        "2026-11-22",
    ] {
        assert!(page.contains(part), "{part}");
    }
    // One for messages, deliveries, two latencies, CPU, memory; nothing was lost or refused.
    assert_eq!(page.matches("data-chart=").count(), 6);
}

#[test]
fn tags_are_closed() {
    let page = render(&report());
    for tag in ["svg", "figure", "section", "table", "main", "header", "div", "ul", "details"] {
        let opened =
            page.matches(&format!("<{tag}>")).count() + page.matches(&format!("<{tag} ")).count();
        assert_eq!(opened, page.matches(&format!("</{tag}>")).count(), "{tag}");
    }
}

#[test]
fn a_report_without_curves_has_a_page_too() {
    let mut bare = report();
    (bare.slices, bare.distribution, bare.stages) = (Vec::new(), Vec::new(), Vec::new());
    let page = render(&bare);
    assert!(page.contains("FAIL") && !page.contains("data-chart="));
}

#[test]
fn a_comparison_shows_both_and_what_became_worse() {
    let (before, mut after) = (report(), report());
    after.figures.delivered_latency.p99_us *= 3;
    after.cores = 4;
    let comparison = compare(&before, &after);
    let page = render_comparison(&before, &after, &comparison);
    assert!(page.contains("+200.0 %") && page.contains(">worse<"), "{comparison}");
    assert!(page.contains("cores: 2 and 4"));
    let text = comparison.to_string();
    assert!(text.contains("WORSE") && text.contains("hard to compare"), "{text}");
}

#[test]
fn a_report_survives_its_file() {
    let before = report();
    let text = serde_json::to_string(&before).unwrap();
    let after: RunReport = serde_json::from_str(&text).unwrap();
    assert_eq!(serde_json::to_string(&after).unwrap(), text);
}
