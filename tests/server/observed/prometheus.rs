//! A real Prometheus over the shipped rules, only quicker.

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::time::Duration;

use loadtest::services::{Launch, ServiceProcess, WorkFolder};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::shipped::rules;

const READY: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Dropping it ends the process.
pub struct Prometheus {
    process: ServiceProcess,
    address: String,
    http: reqwest::Client,
    _folder: WorkFolder,
}

/// The shipped rules with short memories: what takes minutes takes seconds.
fn quick_rules() -> String {
    let mut quick = String::new();
    for line in rules().replace("[5m]", "[15s]").replace("[10m]", "[20s]").lines() {
        let line = if line.trim_start().starts_with("for: ") { "        for: 2s" } else { line };
        quick.push_str(line);
        quick.push('\n');
    }
    quick
}

impl Prometheus {
    /// Scrapes these internal listeners each second.
    pub async fn start(targets: &[String]) -> Self {
        let folder = WorkFolder::create().unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        let targets = serde_json::to_string(targets).unwrap();
        let config = format!(
            "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\n\
             rule_files: [rules.yml]\n\
             scrape_configs:\n  - job_name: switchboard\n    static_configs: [{{targets: {targets}}}]\n"
        );
        fs::write(at("prometheus.yml"), config).unwrap();
        fs::write(at("rules.yml"), quick_rules()).unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let address = free.to_string();
        let process = ServiceProcess::start(Launch {
            program: "prometheus".into(),
            arguments: vec![
                format!("--config.file={}", at("prometheus.yml")),
                format!("--storage.tsdb.path={}", at("data")),
                format!("--web.listen-address={address}"),
            ],
            environment: Vec::new(),
            output: at("prometheus.log").into(),
        });
        let process = process.expect("prometheus, of the Debian package of that name");
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let prometheus = Self { process, address, http, _folder: folder };
        let deadline = Instant::now() + READY;
        while prometheus.get("/api/v1/query?query=1").await.is_none() {
            assert!(Instant::now() < deadline, "{}", prometheus.process.last_output());
            sleep(LOOK_EVERY).await;
        }
        prometheus
    }

    async fn get(&self, path: &str) -> Option<Value> {
        let answer = self.http.get(format!("http://{}{path}", self.address)).send().await.ok()?;
        answer.json().await.ok()
    }

    /// The values of a query; what is wrong with it.
    pub async fn query(&self, expression: &str) -> Result<Vec<f64>, String> {
        let url = format!("http://{}/api/v1/query", self.address);
        let url = reqwest::Url::parse_with_params(&url, [("query", expression)]).unwrap();
        let answer = self.http.get(url).send().await.map_err(|error| error.to_string())?;
        let answer: Value = answer.json().await.map_err(|error| error.to_string())?;
        if answer["status"] != "success" {
            return Err(answer["error"].to_string());
        }
        let results = answer["data"]["result"].as_array().cloned().unwrap_or_default();
        let value = |it: &Value| it["value"][1].as_str().and_then(|text| text.parse().ok());
        Ok(results.iter().filter_map(value).collect())
    }

    /// The alerts that fire now.
    pub async fn firing(&self) -> BTreeSet<String> {
        let answer = self.get("/api/v1/alerts").await.unwrap_or_default();
        let alerts = answer["data"]["alerts"].as_array().cloned().unwrap_or_default();
        let firing = alerts.iter().filter(|alert| alert["state"] == "firing");
        firing.map(|alert| alert["labels"]["alertname"].as_str().unwrap().to_owned()).collect()
    }

    /// Waits until all of these have fired, at once or one after the other.
    pub async fn wait_for(&self, alerts: &[&str], patience: Duration) {
        let mut missing: BTreeSet<&str> = alerts.iter().copied().collect();
        let begun = Instant::now();
        loop {
            let firing = self.firing().await;
            missing.retain(|alert| !firing.contains(*alert));
            if missing.is_empty() {
                println!("{alerts:?} fired after {:.1} s", begun.elapsed().as_secs_f64());
                return;
            }
            assert!(begun.elapsed() < patience, "{missing:?} did not fire; firing: {firing:?}");
            sleep(LOOK_EVERY).await;
        }
    }

    /// Waits until this one does not fire any more.
    pub async fn wait_until_over(&self, alert: &str, patience: Duration) {
        let deadline = Instant::now() + patience;
        while self.firing().await.contains(alert) {
            assert!(Instant::now() < deadline, "{alert} still fires");
            sleep(LOOK_EVERY).await;
        }
    }
}
