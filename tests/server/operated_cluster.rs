//! A cluster as its operators have it: two servers, Cassandra and Redis, all real. Shards move by
//! hand under load, traces cross nodes, and it is copied while it runs.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use loadtest::client::{Credentials, RestClient, Target, provision};
use loadtest::cluster::{Cluster, ClusterSpec};
use loadtest::services::{cassandra_for_tests, redis_for_tests};
use loadtest::{ServerProcess, ServerSpec};
use schema::ConversationId;
use schema::record::ConversationKind;
use schema::wire::{Encoding, ServerFrame};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::observed::traces::Collector;
use crate::support::{Online, PATIENCE, Server, binary, get, spec};

/// One node, to its operator.
struct Operated {
    target: Target,
    id: String,
}

impl Operated {
    fn internal(&self) -> &str {
        self.target.internal.as_deref().unwrap()
    }

    async fn run(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let folder = tempfile::tempdir().unwrap();
        let mut command = tokio::process::Command::new(binary());
        command.arg("admin").args(arguments).args(["--node", self.internal(), "--data-dir"]);
        command.arg(folder.path());
        command.env("SWITCHBOARD_AUTH__ADMIN_TOKEN", self.target.admin_token.as_ref().unwrap());
        let output = command.output().await.unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code(), text + &String::from_utf8_lossy(&output.stderr))
    }

    async fn ask(&self, arguments: &[&str]) -> Value {
        let (code, text) = self.run(&[arguments, &["--json"]].concat()).await;
        assert_eq!(code, Some(0), "{text}");
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    async fn shard(&self, shard: &str) -> Value {
        let shards = self.ask(&["shards"]).await;
        shards["shards"][shard.parse::<usize>().unwrap()].clone()
    }

    async fn online(&self, who: &Credentials) -> Online {
        Online::connect(&self.target.public, who, Encoding::MessagePack, &[]).await.0
    }
}

async fn operated(cluster: &Cluster) -> Vec<Operated> {
    let mut nodes = Vec::new();
    for target in cluster.targets() {
        nodes.push(Operated { target, id: String::new() });
    }
    let deadline = Instant::now() + PATIENCE;
    loop {
        let known = nodes[0].ask(&["nodes"]).await;
        let known = known["nodes"].as_array().unwrap();
        for node in &mut nodes {
            let internal = node.target.internal.as_deref().unwrap();
            if let Some(found) = known.iter().find(|it| it["internal"] == internal) {
                node.id = found["node_id"].as_str().unwrap().to_owned();
            }
        }
        if nodes.iter().all(|node| !node.id.is_empty()) {
            return nodes;
        }
        assert!(Instant::now() < deadline, "{known:?}");
        sleep(Duration::from_millis(100)).await;
    }
}

/// Moves a shard and waits until its new owner serves it.
async fn move_to(asked: &Operated, shard: &str, to: &Operated) {
    let moved = asked.ask(&["move-shard", shard, "--to", &to.id]).await;
    assert_eq!((&moved["owner"], &moved["pinned"]), (&json!(to.id), &json!(to.id)), "{moved}");
    until_ready(shard, to).await;
}

async fn until_ready(shard: &str, owner: &Operated) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let seen = owner.shard(shard).await;
        if seen["owner"] == owner.id.as_str() && seen["is_ready"] == true {
            return;
        }
        assert!(Instant::now() < deadline, "{seen}");
        sleep(Duration::from_millis(50)).await;
    }
}

/// People who say one thing after the other until they are told to stop.
struct Talk {
    stop: Arc<AtomicBool>,
    said: Arc<AtomicU64>,
    talkers: Vec<tokio::task::JoinHandle<()>>,
}

impl Talk {
    fn begin(online: Vec<Online>, chat: ConversationId) -> Self {
        let (stop, said) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let talk = |mut online: Online| {
            let (stop, said) = (stop.clone(), said.clone());
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    online.post(chat, "said while things move").await;
                    let answer = online.answer().await;
                    let (seq, _) = answer.expect("nobody is told of an error");
                    said.fetch_max(seq.0, Ordering::Relaxed);
                }
            })
        };
        let talkers = online.into_iter().map(talk).collect();
        Self { stop, said, talkers }
    }

    fn said(&self) -> u64 {
        self.said.load(Ordering::Relaxed)
    }

    async fn goes_on(&self) {
        let (before, deadline) = (self.said(), Instant::now() + PATIENCE);
        while self.said() < before + 10 {
            assert!(Instant::now() < deadline, "nothing is stored any more after {before}");
            sleep(Duration::from_millis(20)).await;
        }
    }

    async fn end(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        for talker in self.talkers {
            talker.await.unwrap();
        }
        self.said.load(Ordering::Relaxed)
    }
}

/// Waits for a trace that is not in `seen` and goes from a socket's frame on one node to a socket
/// on the other; the stations on its way, with their nodes, from the last to the first.
async fn crossing(
    collector: &Collector,
    seen: &mut BTreeSet<String>,
    (from, to): (&Operated, &Operated),
) -> Vec<(String, bool)> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let spans = collector.spans();
        let is_end = |span: &&Value| {
            span["name"] == "message.deliver"
                && span["node"] == to.id.as_str()
                && !seen.contains(span["traceId"].as_str().unwrap())
        };
        for end in spans.iter().filter(is_end) {
            let (mut at, mut way) = (end, Vec::new());
            loop {
                let is_there = at["node"] == to.id.as_str();
                way.push((at["name"].as_str().unwrap().to_owned(), is_there));
                let parent = |it: &&Value| {
                    it["spanId"] == at["parentSpanId"] && it["traceId"] == at["traceId"]
                };
                match spans.iter().find(parent) {
                    Some(parent) => at = parent,
                    None => break,
                }
                assert!(way.len() < 20, "a circle: {way:?}");
            }
            let is_root = at["parentSpanId"] == "" && at["node"] == from.id.as_str();
            if is_root && at["name"] == "message.send" {
                seen.insert(at["traceId"].as_str().unwrap().to_owned());
                return way;
            }
        }
        assert!(Instant::now() < deadline, "no whole trace among {} spans", spans.len());
        sleep(Duration::from_millis(100)).await;
    }
}

fn way(stations: &[(&str, bool)]) -> Vec<(String, bool)> {
    stations.iter().map(|(name, there)| (format!("message.{name}"), *there)).collect()
}

async fn cluster(keyspace: &str, environment: &[(&str, &str)]) -> (Cluster, String) {
    let (cassandra, redis) = tokio::try_join!(cassandra_for_tests(), redis_for_tests()).unwrap();
    let store_url = format!("{}&shards=4", cassandra.url(keyspace));
    let bridge = format!("{}?prefix={keyspace}", redis.url());
    let mut spec = ClusterSpec::new(binary(), store_url.clone(), bridge);
    (spec.nodes, spec.proxied) = (2, false);
    let environment = environment.iter().map(|(name, value)| ((*name).into(), (*value).into()));
    spec.environment.extend(environment);
    (Cluster::start(spec).await.unwrap(), store_url)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shards_move_by_hand_without_an_error_and_traces_cross_nodes() {
    let (collector, url) = Collector::start().await;
    let telemetry = [
        ("SWITCHBOARD_TELEMETRY__OTLP_ENDPOINT", url.as_str()),
        ("SWITCHBOARD_TELEMETRY__SAMPLE_RATIO", "1"),
    ];
    let (cluster, _) = cluster("operated", &telemetry).await;
    let nodes = operated(&cluster).await;
    let (here, there) = (&nodes[0], &nodes[1]);
    let rest = RestClient::new(here.target.clone()).unwrap();
    let people = provision(&rest, "moved", 4).await.unwrap();
    let others = people[1..].iter().map(|it| it.user_id).collect();
    let (token, group) = (&people[0].access_token, ConversationKind::Group);
    let chat = rest.create_conversation(token, group, others, None).await.unwrap();
    let (mut alice, mut bob) = (here.online(&people[0]).await, there.online(&people[1]).await);
    alice.send(chat, "hello").await;
    bob.entry().await;

    // The busiest conversation is the only one; it tells its shard.
    let deadline = Instant::now() + PATIENCE;
    let busiest = loop {
        let busiest = here.ask(&["busiest"]).await["conversations"][0].clone();
        if !busiest.is_null() {
            break busiest;
        }
        assert!(Instant::now() < deadline, "nothing went out here");
        sleep(Duration::from_millis(100)).await;
    };
    assert_eq!(busiest["conversation_id"], chat.to_string());
    assert!(busiest["entries"].as_u64() >= Some(1), "{busiest}");
    let shard = busiest["shard"].to_string();

    // One trace, with the shard on the sender's node and on the other.
    move_to(here, &shard, here).await;
    until_ready(&shard, here).await;
    let mut seen = BTreeSet::new();
    for span in collector.spans() {
        seen.insert(span["traceId"].as_str().unwrap().to_owned());
    }
    sleep(Duration::from_millis(1_500)).await;
    for span in collector.spans() {
        seen.insert(span["traceId"].as_str().unwrap().to_owned());
    }
    alice.send(chat, "numbered here").await;
    bob.entry().await;
    let told = crossing(&collector, &mut seen, (here, there)).await;
    let announced = [
        ("deliver", true),
        ("fan_out", true),
        ("receive", true),
        ("announce", false),
        ("commit", false),
        ("sequence", false),
        ("conversation", false),
        ("send", false),
    ];
    assert_eq!(told, way(&announced));
    move_to(here, &shard, there).await;
    sleep(Duration::from_millis(600)).await;
    alice.send(chat, "numbered there").await;
    bob.entry().await;
    let told = crossing(&collector, &mut seen, (here, there)).await;
    let forwarded = [
        ("deliver", true),
        ("fan_out", true),
        ("commit", true),
        ("sequence", true),
        ("conversation", true),
        ("receive", true),
        ("forward", false),
        ("conversation", false),
        ("send", false),
    ];
    assert_eq!(told, way(&forwarded));

    // Under load it goes to and fro, and nobody is told of an error.
    let talk =
        Talk::begin(vec![here.online(&people[2]).await, there.online(&people[3]).await], chat);
    talk.goes_on().await;
    let epoch = there.shard(&shard).await["epoch"].as_u64().unwrap();
    for (asked, to) in [(there, here), (here, there), (here, here), (there, there)] {
        move_to(asked, &shard, to).await;
        talk.goes_on().await;
    }
    let moved = there.shard(&shard).await;
    assert!(moved["epoch"].as_u64().unwrap() >= epoch + 4, "{moved} after {epoch}");
    let deadline = Instant::now() + PATIENCE;
    while here.shard(&shard).await["owner"] != there.id.as_str() {
        assert!(Instant::now() < deadline, "both see the same");
        sleep(Duration::from_millis(100)).await;
    }
    let back = here.ask(&["move-shard", &shard, "--back"]).await;
    assert_eq!(back["pinned"], Value::Null);
    talk.goes_on().await;
    let said = talk.end().await;
    assert!(said > 60, "{said}");

    // What cannot be is refused, all else is written down.
    let nowhere = uuid::Uuid::nil().to_string();
    let (code, text) = here.run(&["move-shard", &shard, "--to", &nowhere]).await;
    assert!(code == Some(1) && text.contains("no such node"), "{text}");
    let (code, text) = here.run(&["move-shard", "99", "--to", &there.id]).await;
    assert!(code == Some(1) && text.contains("shards 0 to 3"), "{text}");
    let log = there.ask(&["log"]).await;
    let moves = log["records"].as_array().unwrap();
    let target = format!("shard {shard} to node {}", there.id);
    assert!(moves.iter().all(|it| it["action"] == "move_shard"), "{log}");
    assert!(moves.iter().any(|it| it["target"] == target.as_str()), "{log}");

    // The probes of the last minute know every kind that works here.
    let mailboxes = here.ask(&["mailboxes"]).await;
    for kind in ["committer", "conversation", "session", "connection"] {
        let found = mailboxes["mailboxes"].as_array().unwrap().iter().find(|it| it["kind"] == kind);
        let found = found.unwrap_or_else(|| panic!("{kind}: {mailboxes}"));
        assert!(found["probes"].as_u64() > Some(0) && found["panics"] == 0, "{found}");
    }
    let audited = cluster.audit().await.unwrap();
    assert!(audited.is_ok(), "{audited:?}");
}

async fn program(arguments: &[&str], environment: &[(&str, &str)]) -> (Option<i32>, String) {
    let mut command = tokio::process::Command::new(binary());
    command.args(arguments).envs(environment.iter().copied());
    let output = command.output().await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.code(), text + &String::from_utf8_lossy(&output.stderr))
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_copied_under_load_is_served_by_one_node_and_clients_fetch_again() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (cluster, store_url) = cluster("copied", &[]).await;
    let nodes = operated(&cluster).await;
    let rest = RestClient::new(nodes[0].target.clone()).unwrap();
    let people = provision(&rest, "copied", 4).await.unwrap();
    let others = people[1..].iter().map(|it| it.user_id).collect();
    let (token, group) = (&people[0].access_token, ConversationKind::Group);
    let chat = rest.create_conversation(token, group, others, None).await.unwrap();
    let url = |route: &str| format!("http://{}{route}", nodes[1].target.public);
    let put = |route: String, body: Value| {
        reqwest::Client::new().put(url(&route)).bearer_auth(token).json(&body).send()
    };
    let draft =
        put(format!("/v1/users/me/conversations/{chat}/draft"), json!({"text": "half a thought"}));
    assert!(draft.await.unwrap().status().is_success());

    let talkers = vec![nodes[0].online(&people[1]).await, nodes[1].online(&people[2]).await];
    let talk = Talk::begin(talkers, chat);
    talk.goes_on().await;
    let before = talk.said();
    let environment = [("SWITCHBOARD_STORE", store_url.as_str())];
    let deadline = Instant::now() + PATIENCE;
    // Commits of the last moments, which the tables do not show, are in no copy.
    let copy = loop {
        let copy = at(&format!("copy-{}", uuid::Uuid::new_v4()));
        let (code, said) = program(&["backup", "--to", path(&copy), "--json"], &environment).await;
        assert_eq!(code, Some(0), "{said}");
        let manifest: Value = serde_json::from_str(&said).unwrap();
        assert_eq!(manifest["audit_passed"], true, "{said}");
        if manifest["messages"].as_u64() >= Some(before) {
            break copy;
        }
        assert!(Instant::now() < deadline, "{manifest}");
    };
    talk.goes_on().await;
    let after = talk.end().await;

    let new = at("new");
    let restore = ["restore", "--from", path(&copy), "--data-dir", path(&new), "--json"];
    let (code, said) = program(&restore, &[]).await;
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = program(&["audit", "--data-dir", path(&new)], &[]).await;
    assert_eq!(code, Some(0), "{said}");
    let process = ServerProcess::start(ServerSpec { data_dir: Some(new), ..spec() }).await.unwrap();
    let rest = RestClient::new(process.target()).unwrap();
    let server = Server { process, rest };

    // Keys are of the new place: people sign in again. What they know is of the old one.
    let minted = |who: &Credentials| {
        let arguments = ["token", &who.username, "--json", "--data-dir"];
        let data_dir = path(server.process.data_dir()).to_owned();
        let username = who.username.clone();
        let arguments: Vec<String> = arguments.iter().map(|it| (*it).to_owned()).collect();
        async move {
            let mut arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            arguments.push(&data_dir);
            let (code, said) = program(&arguments, &[]).await;
            assert_eq!(code, Some(0), "{said}");
            let minted: Value = serde_json::from_str(&said).unwrap();
            let id = |key: &str| minted[key].as_str().unwrap().parse::<uuid::Uuid>().unwrap();
            Credentials {
                user_id: schema::UserId(id("user_id")),
                device_id: schema::DeviceId(id("device_id")),
                username,
                access_token: minted["access_token"].as_str().unwrap().to_owned(),
            }
        }
    };
    let owner = minted(&people[0]).await;
    let (status, kept) =
        get(&server, &format!("/v1/users/me/conversations/{chat}"), &owner.access_token).await;
    assert!(status == 200 && kept.to_string().contains("half a thought"), "{status} {kept}");
    let reader = minted(&people[3]).await;
    let (mut ahead, welcome) =
        server.online_from(&reader, Encoding::Json, &[(chat, after + 1_000)]).await;
    let state = &welcome.conversations[0];
    let kept = state.head.0;
    assert!(kept >= before && kept <= after, "{before} <= {kept} <= {after}");
    assert!(state.generation > 1, "{}", state.generation);
    loop {
        if let ServerFrame::Resync(resync) = ahead.receive().await {
            assert_eq!((resync.generation, resync.head.0), (state.generation, kept));
            assert_eq!(&*resync.reason, "position_beyond_head");
            break;
        }
    }
    // Who has less than was kept gets the rest, as it was, and then what is new.
    let known = kept - 5;
    let (mut behind, welcome) = server.online_from(&reader, Encoding::Json, &[(chat, known)]).await;
    assert_eq!(welcome.conversations[0].generation, state.generation);
    let mut talker = server.online(&minted(&people[1]).await).await;
    assert_eq!(talker.send(chat, "after").await.0, kept + 1);
    for seq in known + 1..=kept {
        assert_eq!(behind.entry().await, (schema::Sequence(seq), "said while things move".into()));
    }
    assert_eq!(behind.entry().await, (schema::Sequence(kept + 1), "after".into()));
}
