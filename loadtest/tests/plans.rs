//! Plans against a server in this process: an honest one passes, each lie fails by name, TLS is
//! spoken, thresholds hold.

#[allow(dead_code)]
mod fake_server;

use std::sync::Arc;

use fake_server::{Lie, start};
use loadtest::RunReport;
use loadtest::client::transport::{ConnectSettings, configure};
use loadtest::client::{Target, tls};
use loadtest::engine::{self, Console, Source};
use loadtest::plan::{self, Plan};
use loadtest::scenario::ServerChoice;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;

const SMALL: &str = r#"
name = "small"
summary = "a group and two pairs, for a moment"
seed = 7

[[conversations]]
kind = "group"
members = 6
senders = 3
late_readers = 1

[[conversations]]
kind = "direct"
count = 2

[traffic]
rate = 200.0
text_bytes = 40

[timing]
warm_up_s = 0.2
duration_s = 1.0
sample_ms = 100
catch_up_s = 8.0
"#;

fn small(settings: &[&str]) -> Plan {
    let settings: Vec<String> = settings.iter().map(|each| (*each).to_owned()).collect();
    plan::read("small", SMALL, &settings).unwrap()
}

async fn lying(lie: Lie) -> Source {
    let ServerChoice::Running { target, pid } = start(lie).await else { panic!() };
    Source::Given { targets: vec![target], pids: pid.into_iter().collect() }
}

async fn run(plan: Plan, source: Source) -> RunReport {
    engine::run(plan, source, Console::new(true)).await.expect("the plan runs")
}

#[tokio::test]
async fn an_honest_server_passes_and_is_measured() {
    let report = run(small(&[]), lying(Lie::None).await).await;
    assert!(report.passed, "{report}");
    let of = &report.figures;
    assert!((195..=205).contains(&of.due), "{report}");
    assert_eq!((of.accepted, of.refusals, of.sockets_lost), (of.due, 0, 0), "{report}");
    assert!(of.delivered > of.accepted && of.delivered_latency.p50_us > 0, "{report}");
    assert!(of.server_cpu_us_per_message.is_some() && of.memory_peak_bytes.is_some(), "{report}");
    assert!(report.slices.len() >= 10 && report.distribution.iter().any(|(_, count)| *count > 0));
    let counts = report.verdict.as_ref().unwrap().counts;
    // 9 devices, one that came late, and REST both ways.
    assert!(counts.messages > 200 && counts.history_rows > counts.messages, "{report}");
    assert!(loadtest::page::render(&report).contains(">PASS<"));
}

#[tokio::test]
async fn a_closed_loop_has_so_many_on_their_way_and_no_more() {
    let settings = ["traffic.loop=closed", "traffic.in_flight=3", "traffic.pause_ms=[1, 5]"];
    let report = run(small(&settings), lying(Lie::None).await).await;
    assert!(report.passed && report.figures.accepted > 50, "{report}");
    assert!(report.stages[0].offered_per_s.is_none());
}

#[tokio::test]
async fn each_lie_is_caught_under_its_own_name() {
    let run_one = async |lie: Lie, name: &str| {
        let report = run(small(&["timing.duration_s=0.5"]), lying(lie).await).await;
        assert!(!report.passed, "{lie:?} passed");
        assert!(report.verdict.as_ref().unwrap().has(name), "{lie:?} is not {name}: {report}");
        assert!(loadtest::page::render(&report).contains(name));
    };
    let lies = [
        (Lie::Lose, "ack_holds_another"),
        (Lie::ChangeText, "stored_differs"),
        (Lie::DropDelivery, "delivery_gap"),
        (Lie::RepeatDelivery, "delivery_repeated"),
        (Lie::SwapDeliveries, "delivery_out_of_order"),
    ];
    futures_util::future::join_all(lies.map(|(lie, name)| run_one(lie, name))).await;
}

#[tokio::test]
async fn a_threshold_that_is_missed_fails_an_honest_server() {
    let settings = ["timing.duration_s=0.4", "thresholds.delivered_p50_ms=0.0001"];
    let report = run(small(&settings), lying(Lie::None).await).await;
    assert!(!report.passed && report.verdict.as_ref().unwrap().passed(), "{report}");
    assert!(report.to_string().contains("FAIL delivered p50"), "{report}");
}

#[tokio::test]
async fn sockets_come_back_and_sleepers_catch_up() {
    let mut plan = small(&["timing.duration_s=2.0"]);
    let event = |action: &str, at_s: f64, who: &str| -> plan::Event {
        let event = serde_json::json!({"action": action, "at_s": at_s, "for_s": 0.4, "who": who,
                                       "share": 0.5, "over_s": 0.1});
        serde_json::from_value(event).unwrap()
    };
    plan.events = vec![event("reconnect", 0.3, "everyone"), event("stop_reading", 1.0, "readers")];
    let report = run(plan, lying(Lie::None).await).await;
    assert!(report.passed, "{report}");
    assert_eq!(report.marks.len(), 2);
    assert_eq!(report.figures.struck["reconnect"], 1, "{report}");
    assert!(report.figures.caught_up_s.is_some(), "{report}");
    let counts = report.verdict.unwrap().counts;
    assert!(counts.sockets > counts.clients - 5, "{counts:?}");
}

#[tokio::test]
async fn faults_on_a_given_server_are_done_by_hooks_or_refused_at_once() {
    let event = [
        "server.services=true",
        "events=[{ at_s = 0.1, action = \"flush_redis\" }]",
        "timing.duration_s=0.4",
    ];
    let source = lying(Lie::None).await;
    let refused = engine::run(small(&event), source.clone(), Console::new(true)).await;
    let error = refused.unwrap_err().to_string();
    assert!(error.contains("--set hooks.flush_redis="), "{error}");
    let with_hook = |command: &str| {
        let mut plan = small(&event);
        plan.hooks.insert("flush_redis".to_owned(), command.to_owned());
        plan
    };
    let report = run(with_hook("true"), source.clone()).await;
    assert!(report.passed && report.figures.struck["flush_redis"] == 1, "{report}");
    let report = run(with_hook("echo no such host >&2; false"), source).await;
    assert!(!report.passed && report.to_string().contains("no such host"), "{report}");
}

#[tokio::test]
async fn tls_is_spoken_to_sockets_and_rest() {
    let ServerChoice::Running { target, .. } = start(Lie::None).await else { panic!() };
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, made.cert.pem()).unwrap();
    // Once a process: no other test here speaks TLS.
    let tls = tls::client_config(&tls::Trust::File(file)).unwrap();
    configure(ConnectSettings { tls: Some(tls), ..ConnectSettings::default() });
    let key = made.signing_key.serialize_der().try_into().unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(terminate_tls(listener, TlsAcceptor::from(Arc::new(config)), target.public));
    let public = Target::parse_address(&format!("wss://localhost:{port}")).unwrap();
    let target = Target { public, ..target };
    let source = Source::Given { targets: vec![target], pids: Vec::new() };
    let report = run(small(&["timing.duration_s=0.5"]), source).await;
    assert!(report.passed && report.figures.delivered > 100, "{report}");
    assert!(report.figures.server_cpu_us_per_message.is_none());
}

async fn terminate_tls(listener: TcpListener, acceptor: TlsAcceptor, upstream: String) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (acceptor, upstream) = (acceptor.clone(), upstream.clone());
        tokio::spawn(async move {
            let mut inner = TcpStream::connect(upstream).await.unwrap();
            if let Ok(mut outer) = acceptor.accept(stream).await {
                let _ = tokio::io::copy_bidirectional(&mut outer, &mut inner).await;
            }
        });
    }
}
