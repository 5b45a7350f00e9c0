//! Files that are shipped, held against each other: no server is needed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use schema::metric::{self, Facts, Kind};
use serde_json::Value;

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub const RULES: &str = "deploy/prometheus/rules/switchboard.yml";

/// One panel's query.
#[derive(Clone, Debug)]
pub struct Query {
    pub panel: String,
    pub expression: String,
}

/// Every dashboard by the name of its file.
pub fn dashboards() -> BTreeMap<String, Value> {
    let folder = root().join("deploy/grafana/dashboards");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let read = |path: PathBuf| {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        (name, serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap())
    };
    files.map(read).collect()
}

pub fn queries() -> Vec<Query> {
    let mut queries = Vec::new();
    for (name, dashboard) in dashboards() {
        for panel in dashboard["panels"].as_array().unwrap() {
            for target in panel["targets"].as_array().into_iter().flatten() {
                let title = panel["title"].as_str().unwrap();
                let expression = target["expr"].as_str().unwrap().to_owned();
                queries.push(Query { panel: format!("{name}: {title}"), expression });
            }
        }
    }
    queries
}

/// Values of a key of the rules, which are written one a line.
fn values<'a>(rules: &'a str, key: &'a str) -> impl Iterator<Item = String> + 'a {
    let lines = rules.lines().filter_map(move |line| {
        line.trim().trim_start_matches("- ").strip_prefix(key)?.strip_prefix(": ")
    });
    lines.map(|text| serde_json::from_str(text).unwrap_or_else(|_| text.to_owned()))
}

pub fn rules() -> String {
    fs::read_to_string(root().join(RULES)).unwrap()
}

/// The names of metrics in an expression, and the labels that it asks of each.
fn named(expression: &str) -> Vec<(String, Vec<String>)> {
    let is_part = |it: char| it.is_ascii_alphanumeric() || matches!(it, '_' | ':');
    let mut found = Vec::new();
    let mut rest = expression;
    while let Some(start) = rest.find(is_part) {
        let word_and_rest = &rest[start..];
        let end = word_and_rest.find(|it| !is_part(it)).unwrap_or(word_and_rest.len());
        let (word, after) = word_and_rest.split_at(end);
        if word.starts_with("switchboard_") || word.starts_with("process_") {
            let selector = after.strip_prefix('{').and_then(|it| it.split_once('}'));
            let labels = selector.map(|(inside, _)| inside).unwrap_or_default();
            let labels = labels.split(", ").filter_map(|label| label.split(['=', '!']).next());
            let labels = labels.filter(|label| !label.is_empty()).map(str::to_owned).collect();
            found.push((word.to_owned(), labels));
        }
        rest = after;
    }
    found
}

fn facts(name: &str) -> Option<&'static Facts> {
    let of = |name: &str| metric::ALL.iter().find(|facts| facts.name == name);
    of(name).or_else(|| {
        let parts = ["_bucket", "_sum", "_count"];
        let whole = parts.iter().find_map(|part| name.strip_suffix(part))?;
        of(whole).filter(|facts| facts.kind == Kind::Histogram)
    })
}

#[test]
fn every_metric_that_is_asked_for_exists() {
    let rules = rules();
    let of_rules = values(&rules, "expr").map(|it| ("a rule".to_owned(), it));
    let of_panels = queries().into_iter().map(|it| (it.panel, it.expression));
    let mut unknown = BTreeSet::new();
    for (origin, expression) in of_rules.chain(of_panels) {
        for (name, labels) in named(&expression) {
            let Some(facts) = facts(&name) else {
                unknown.insert(format!("{origin}: {name}"));
                continue;
            };
            for label in labels {
                if !facts.labels.contains(&&*label) && label != "job" && label != "instance" {
                    unknown.insert(format!("{origin}: {name} has no label {label}"));
                }
            }
        }
    }
    assert!(unknown.is_empty(), "{unknown:#?}");
}

#[test]
fn recorded_series_that_alerts_use_are_recorded() {
    let rules = rules();
    let recorded: BTreeSet<String> = values(&rules, "record").collect();
    for expression in values(&rules, "expr") {
        let words =
            expression.split(|it: char| !(it.is_ascii_alphanumeric() || matches!(it, '_' | ':')));
        for word in words.filter(|word| word.contains(":switchboard_")) {
            assert!(recorded.contains(word), "{word}");
        }
    }
}

#[test]
fn every_alert_has_a_page_and_a_test() {
    let rules = rules();
    let alerts: BTreeSet<String> = values(&rules, "alert").collect();
    assert!(alerts.len() >= 20);
    let links: BTreeSet<String> = values(&rules, "runbook_url")
        .map(|path| {
            assert!(root().join(&path).is_file(), "{path}");
            Path::new(&path).file_stem().unwrap().to_string_lossy().into_owned()
        })
        .collect();
    assert_eq!(alerts, links);
    let linked: Vec<String> = values(&rules, "runbook_url").collect();
    assert!(values(&rules, "alert").zip(&linked).all(|(alert, link)| link.contains(&alert)));
    let tests = fs::read_to_string(root().join("deploy/prometheus/tests/alerts.yml")).unwrap();
    let tested: BTreeSet<String> = values(&tests, "alertname").collect();
    assert_eq!(alerts, tested);
    let pages: BTreeSet<String> = fs::read_dir(root().join("docs/runbook"))
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .filter(|name| name != "README")
        .collect();
    assert_eq!(alerts, pages);
    for alert in &alerts {
        let page = fs::read_to_string(root().join(format!("docs/runbook/{alert}.md"))).unwrap();
        for part in ["## Meaning", "## Impact", "## Diagnosis", "## Remedy"] {
            assert!(page.contains(part), "{alert}: {part}");
        }
    }
    let index = fs::read_to_string(root().join("docs/runbook/README.md")).unwrap();
    assert!(alerts.iter().all(|alert| index.contains(&format!("({alert}.md)"))));
}

#[test]
fn every_metric_is_documented_as_it_is() {
    let page = fs::read_to_string(root().join("docs/observability.md")).unwrap();
    for facts in metric::ALL {
        let kind = format!("{:?}", facts.kind).to_lowercase();
        let labels: Vec<String> = facts.labels.iter().map(|it| format!("`{it}`")).collect();
        let (labels, Facts { name, help, .. }) = (labels.join(", "), facts);
        let row = format!("| `{name}` | {kind} | {labels} | {help} |");
        assert!(page.contains(&row), "docs/observability.md lacks\n{row}");
    }
    let rows = page.lines().filter(|line| line.starts_with("| `switchboard_"));
    assert_eq!(
        rows.count(),
        metric::ALL.iter().filter(|facts| facts.name.starts_with("switchboard_")).count()
    );
}

#[test]
fn dashboards_are_as_grafana_reads_them() {
    let mut uids = BTreeSet::new();
    for (name, dashboard) in dashboards() {
        assert!(uids.insert(dashboard["uid"].as_str().unwrap().to_owned()), "{name}");
        assert!(dashboard["schemaVersion"].as_u64().unwrap() >= 39 && dashboard["id"].is_null());
        let variables: BTreeSet<&str> = dashboard["templating"]["list"]
            .as_array()
            .unwrap()
            .iter()
            .map(|variable| variable["name"].as_str().unwrap())
            .collect();
        assert!(
            ["datasource", "job", "instance", "quantile"].iter().all(|it| variables.contains(it))
        );
        let (mut ids, mut taken) = (BTreeSet::new(), BTreeSet::new());
        for panel in dashboard["panels"].as_array().unwrap() {
            let title = panel["title"].as_str().unwrap();
            assert!(ids.insert(panel["id"].as_u64().unwrap()), "{name}: {title}: id");
            let at = |key: &str| panel["gridPos"][key].as_u64().unwrap();
            for (x, y) in (at("x")..at("x") + at("w"))
                .flat_map(|x| (at("y")..at("y") + at("h")).map(move |y| (x, y)))
            {
                assert!(x < 24 && taken.insert((x, y)), "{name}: {title} overlaps at {x}, {y}");
            }
            if panel["type"] == "row" {
                continue;
            }
            assert!(!panel["description"].as_str().unwrap().is_empty(), "{name}: {title}");
            assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{name}: {title}");
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{name}: {title}");
            let targets = panel["targets"].as_array().unwrap();
            let names: BTreeSet<&str> =
                targets.iter().map(|it| it["refId"].as_str().unwrap()).collect();
            assert_eq!(names.len(), targets.len(), "{name}: {title}");
        }
    }
    assert_eq!(uids.len(), 6);
}

#[test]
fn promtool_accepts_the_rules_and_their_tests_pass() {
    for arguments in [
        ["check", "rules", RULES],
        ["check", "config", "deploy/prometheus/prometheus.yml"],
        ["test", "rules", "deploy/prometheus/tests/alerts.yml"],
    ] {
        let output = Command::new("promtool").args(arguments).current_dir(root()).output();
        let output = output.expect("promtool, of the Debian package prometheus");
        let said = String::from_utf8_lossy(&output.stderr);
        let also = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{arguments:?}: {said}{also}");
    }
}
