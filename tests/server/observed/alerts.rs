//! Two nodes over real services, watched by a real Prometheus: every panel shows data, and alerts
//! fire by their real causes.

use std::time::Duration;

use loadtest::client::{Credentials, RestClient, Socket, SocketStyle, provision};
use loadtest::cluster::{Cluster, ClusterSpec};
use loadtest::services::{Cassandra, CassandraSpec, Redis, RedisSpec};
use schema::record::{Content, ConversationKind};
use schema::wire::{ClientFrame, Encoding, Ping, SendMessage, ServerFrame};
use schema::{ConversationId, MessageId};
use tokio::time::{Instant, timeout};

use super::prometheus::Prometheus;
use super::shipped::queries;
use crate::support::{PATIENCE, binary, workers_of};

/// A cause and its alert lie seconds apart; a busy machine needs more.
const FIRES: Duration = Duration::from_secs(90);
/// Panels that only some operators have data for.
const OPTIONAL: [&str; 1] = ["capacity: Certificate"];

/// Someone with a socket on one of the nodes.
struct Person {
    socket: Socket,
    chat: ConversationId,
    reference: u64,
}

impl Person {
    async fn join(node: &RestClient, who: &Credentials, chat: ConversationId) -> Self {
        let address = &node.target().public;
        let mut socket =
            Socket::connect(address, Encoding::MessagePack, SocketStyle::Lean).await.unwrap();
        socket.greet(who, Vec::new()).await.unwrap();
        Self { socket, chat, reference: 0 }
    }

    async fn post(&mut self, text: &str) {
        self.reference += 1;
        let send = SendMessage::new(
            self.reference,
            MessageId::generate(),
            self.chat,
            Content::Text { text: text.into() },
        );
        self.socket.send(&ClientFrame::SendMessage(send)).await.unwrap();
    }

    /// Whether a ping is answered in a moment.
    async fn is_answered(&mut self) -> bool {
        self.socket.send(&ClientFrame::Ping(Ping::default())).await.unwrap();
        let pong = async {
            loop {
                if let ServerFrame::Pong(_) = self.socket.receive().await.unwrap() {
                    return;
                }
            }
        };
        timeout(Duration::from_millis(500), pong).await.is_ok()
    }

    async fn accepted(&mut self) {
        loop {
            match timeout(PATIENCE, self.socket.receive()).await.unwrap().unwrap() {
                ServerFrame::Accepted(_) => return,
                ServerFrame::Error(error) => panic!("{error:?}"),
                _ => {}
            }
        }
    }
}

struct Stage {
    prometheus: Prometheus,
    cluster: Cluster,
    nodes: Vec<RestClient>,
    cassandra: Cassandra,
    redis: Redis,
}

async fn set_up() -> Stage {
    let (cassandra, redis) = tokio::try_join!(
        Cassandra::start(CassandraSpec::default()),
        Redis::start(RedisSpec::default())
    )
    .unwrap();
    let spec = ClusterSpec {
        nodes: 2,
        proxied: false,
        ..ClusterSpec::new(binary(), cassandra.url("alerts"), redis.url())
    };
    let cluster = Cluster::start(spec).await.unwrap();
    let targets = cluster.targets();
    let internal: Vec<String> = targets.iter().filter_map(|it| it.internal.clone()).collect();
    let prometheus = Prometheus::start(&internal).await;
    let nodes = targets.into_iter().map(|it| RestClient::new(it).unwrap()).collect();
    Stage { prometheus, cluster, nodes, cassandra, redis }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn panels_have_data_and_alerts_fire_by_their_causes() {
    let stage = set_up().await;
    let people = provision(&stage.nodes[0], "seen", 16).await.unwrap();
    every_panel_shows_data(&stage, &people).await;
    thread_stopped(&stage, &people).await;
    slow_consumers(&stage, &people).await;
    redis_paused(&stage).await;
    database_paused(&stage, &people).await;
    assert!(stage.cluster.node(1).process().kill_9());
    stage.prometheus.wait_for(&["SwitchboardNodeDown"], FIRES).await;
}

async fn every_panel_shows_data(stage: &Stage, people: &[Credentials]) {
    let (one, other) = (&stage.nodes[0], &stage.nodes[1]);
    let chat = one
        .create_conversation(
            &people[0].access_token,
            ConversationKind::Group,
            vec![people[1].user_id],
            None,
        )
        .await
        .unwrap();
    let mut alice = Person::join(one, &people[0], chat).await;
    let mut bob = Person::join(other, &people[1], chat).await;
    let mut waiting = queries();
    let begun = Instant::now();
    let mut problems = Vec::new();
    while !waiting.is_empty() {
        // Load for the time of a scrape or two.
        for _ in 0..20 {
            alice.post("seen from the other node").await;
            alice.accepted().await;
            bob.post("and back").await;
            bob.accepted().await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        problems.clear();
        let mut still = Vec::new();
        for query in std::mem::take(&mut waiting) {
            let expression = query
                .expression
                .replace("$job", "switchboard")
                .replace("$instance", ".+")
                .replace("$quantile", "0.99")
                .replace("$__rate_interval", "15s");
            let values = stage.prometheus.query(&expression).await;
            let values = values.unwrap_or_else(|error| panic!("{query:?}: {error}"));
            let has_data = values.iter().any(|value| !value.is_nan());
            if !has_data && !OPTIONAL.contains(&&*query.panel) {
                problems.push(format!("{}: {expression}", query.panel));
                still.push(query);
            }
        }
        waiting = still;
        assert!(begun.elapsed() < FIRES, "without data: {problems:#?}");
    }
    println!("every panel showed data after {:.1} s", begun.elapsed().as_secs_f64());
}

/// A thread that stands still, as one does on a machine that has no time for it.
struct Standstill(std::process::Child);

impl Standstill {
    /// Needs the right to trace the thread, as root has.
    fn begin(thread: u32) -> Self {
        const STOP: &str = "import ctypes, sys\n\
            ptrace = ctypes.CDLL(None).ptrace\n\
            nothing = ctypes.c_void_p(0)\n\
            seize, interrupt = 0x4206, 0x4207\n\
            for request in (seize, interrupt):\n    \
                assert ptrace(request, int(sys.argv[1]), nothing, nothing) == 0\n\
            print(flush=True)\n\
            sys.stdin.read()";
        let mut child = std::process::Command::new("python3")
            .args(["-c", STOP, &thread.to_string()])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = [0; 1];
        let stdout = child.stdout.as_mut().unwrap();
        std::io::Read::read_exact(stdout, &mut line).expect("the thread can be stopped");
        Self(child)
    }
}

impl Drop for Standstill {
    fn drop(&mut self) {
        // Without its tracer the thread goes on.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The conversation's thread stops: what is said waits in its mailbox, longer and longer.
async fn thread_stopped(stage: &Stage, people: &[Credentials]) {
    let node = &stage.nodes[0];
    let others: Vec<_> = people[1..].iter().map(|it| it.user_id).collect();
    let mut chats = Vec::new();
    for _ in 0..6 {
        let (token, others) = (&people[0].access_token, others.clone());
        let chat = node.create_conversation(token, ConversationKind::Group, others, None);
        chats.push(chat.await.unwrap());
    }
    let internal = node.target().internal.clone().unwrap();
    let process = stage.cluster.node(0).process().pid().unwrap();
    for thread in workers_of(process) {
        let mut speakers = Vec::new();
        for person in people {
            let mut speaker = Person::join(node, person, chats[0]).await;
            for chat in &chats {
                speaker.chat = *chat;
                speaker.post("before").await;
                speaker.accepted().await;
            }
            speakers.push(speaker);
        }
        let standstill = Standstill::begin(thread);
        let mut awake = Vec::new();
        for mut speaker in speakers {
            if speaker.is_answered().await {
                awake.push(speaker);
            }
        }
        // One thread serves the internal listener: the node is then down, as far as one can see.
        let seen = reqwest::get(format!("http://{internal}/livez"));
        let is_seen = timeout(Duration::from_secs(2), seen).await.is_ok();
        if !is_seen || awake.len() < 4 {
            continue;
        }
        let mut stuck = None;
        for chat in &chats {
            awake[0].chat = *chat;
            awake[0].post("while a thread stands still").await;
            if timeout(Duration::from_millis(1_500), awake[0].accepted()).await.is_err() {
                stuck = Some(*chat);
                break;
            }
        }
        let Some(chat) = stuck else { continue };
        // By now a probe waits in the conversation's mailbox; what comes waits behind it.
        tokio::time::sleep(Duration::from_secs(5)).await;
        for speaker in &mut awake {
            speaker.chat = chat;
            for number in 0..400 {
                speaker.post(&format!("{number}")).await;
            }
        }
        stage.prometheus.wait_for(&["SwitchboardMailboxSlow"], FIRES).await;
        drop(standstill);
        stage.prometheus.wait_for(&["SwitchboardMailboxDeep"], FIRES).await;
        return;
    }
    panic!("no thread has the conversation and not all sockets");
}

/// Six sockets of a busy chat that do not read.
async fn slow_consumers(stage: &Stage, people: &[Credentials]) {
    let node = &stage.nodes[0];
    let others = people[1..8].iter().map(|it| it.user_id).collect();
    let chat = node
        .create_conversation(&people[0].access_token, ConversationKind::Group, others, None)
        .await
        .unwrap();
    let mut sleepers = Vec::new();
    for person in &people[1..8] {
        sleepers.push(Person::join(node, person, chat).await);
    }
    let mut speaker = Person::join(node, &people[0], chat).await;
    let text = "z".repeat(16 * 1024);
    let deadline = Instant::now() + FIRES;
    while !stage.prometheus.firing().await.contains("SwitchboardSlowConsumers") {
        assert!(Instant::now() < deadline, "SwitchboardSlowConsumers did not fire");
        for _ in 0..100 {
            speaker.post(&text).await;
            speaker.accepted().await;
        }
    }
    println!("SwitchboardSlowConsumers fired");
}

async fn redis_paused(stage: &Stage) {
    stage.redis.pause().unwrap();
    let alerts = ["SwitchboardBridgeDown", "SwitchboardRedisErrors"];
    stage.prometheus.wait_for(&alerts, FIRES).await;
    stage.redis.resume().unwrap();
    stage.prometheus.wait_until_over("SwitchboardBridgeDown", FIRES).await;
    for node in stage.cluster.nodes() {
        node.wait_ready().await.unwrap();
    }
}

/// Messages come in and are not stored: they queue, they are late, they are refused.
async fn database_paused(stage: &Stage, people: &[Credentials]) {
    let mut speakers = Vec::new();
    for (index, person) in people.iter().enumerate() {
        let node = &stage.nodes[index % stage.nodes.len()];
        let alone = ConversationKind::Group;
        let token = &person.access_token;
        let chat = node.create_conversation(token, alone, Vec::new(), None).await.unwrap();
        let mut speaker = Person::join(node, person, chat).await;
        speaker.post("before").await;
        speaker.accepted().await;
        speakers.push(speaker);
    }
    stage.cassandra.pause(0).unwrap();
    for speaker in &mut speakers {
        for number in 0..400 {
            speaker.post(&format!("{number}")).await;
        }
    }
    let alerts = [
        "SwitchboardSendsWaiting",
        "SwitchboardStoreErrors",
        "SwitchboardStoreSlow",
        "SwitchboardSendsFailing",
    ];
    stage.prometheus.wait_for(&alerts, FIRES).await;
    stage.cassandra.resume(0).unwrap();
    stage.prometheus.wait_until_over("SwitchboardSendsWaiting", FIRES).await;
}
