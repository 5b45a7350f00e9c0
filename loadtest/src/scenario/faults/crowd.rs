//! Who talks, on which node, and what everyone must have read in the end.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use schema::checker::ClientKey;
use schema::record::ConversationKind;
use schema::wire::Encoding;
use schema::{ConversationId, Sequence};
use tokio::time::{Instant, sleep};

use super::Options;
use crate::client::{
    Credentials, Device, DeviceOptions, Habits, Reading, Recorder, RestClient, SocketStyle, Target,
    provision,
};
use crate::cluster::Cluster;

const CONNECT_WAIT: Duration = Duration::from_secs(60);
/// A healed cluster may still refuse a request for a moment.
const READ_WAIT: Duration = Duration::from_secs(60);
const READ_AGAIN: Duration = Duration::from_millis(500);
/// Entries that a device is sent which was never there.
const BEHIND_MAX: Sequence = Sequence(5_000);
/// For a late reader, however long the others took.
const LATE_WAIT_MIN: Duration = Duration::from_secs(10);
/// Odd on purpose: pages end in the middle of everything.
const PAGE_LIMITS: (u64, u64) = (200, 97);

/// A member of one conversation, sending.
pub(super) struct Member {
    pub device: Arc<Device>,
    pub conversation_id: ConversationId,
}

/// One conversation with its people.
struct Talk {
    conversation_id: ConversationId,
    members: Vec<Member>,
    people: Vec<Credentials>,
    /// Member from the start that connects when all is over; groups have one.
    late: Option<Credentials>,
}

/// All conversations.
pub(super) struct Crowd {
    talks: Vec<Talk>,
    targets: Vec<Target>,
    seed: u64,
}

impl Crowd {
    /// Makes users, conversations and devices; every conversation has members on all nodes.
    pub async fn assemble(
        cluster: &Cluster,
        options: &Options,
        recorder: &Recorder,
    ) -> anyhow::Result<Self> {
        let targets = cluster.targets();
        let rest = RestClient::new(targets[0].clone())?;
        let mut crowd = Self { talks: Vec::new(), targets, seed: options.seed };
        let sizes = std::iter::repeat_n(options.group_members, options.groups)
            .map(|members| (ConversationKind::Group, members + 1))
            .chain(std::iter::repeat_n((ConversationKind::Direct, 2), options.pairs));
        let people: usize = sizes.clone().map(|(_, people)| people).sum();
        let mut users = provision(&rest, "faults", people).await?;
        for (kind, people) in sizes {
            let own = users.split_off(users.len() - people);
            crowd.open(&rest, kind, own, recorder).await?;
        }
        for member in crowd.members() {
            member.device.wait_connected(CONNECT_WAIT).await?;
        }
        Ok(crowd)
    }

    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.talks.iter().flat_map(|talk| &talk.members)
    }

    pub const fn conversations(&self) -> usize {
        self.talks.len()
    }

    async fn open(
        &mut self,
        rest: &RestClient,
        kind: ConversationKind,
        mut people: Vec<Credentials>,
        recorder: &Recorder,
    ) -> anyhow::Result<()> {
        let number = self.talks.len();
        let name = (kind == ConversationKind::Group).then(|| format!("faults {number}"));
        let owner = people[0].access_token.clone();
        let others = people[1..].iter().map(|user| user.user_id).collect();
        let conversation_id = rest.create_conversation(&owner, kind, others, name).await?;
        recorder.record(|history| history.expect_known_senders(conversation_id));
        let late = if kind == ConversationKind::Group { people.pop() } else { None };
        let mut members = Vec::new();
        for (index, credentials) in people.iter().enumerate() {
            let node = (number + index) % self.targets.len();
            let label = format!("conversation {number} member {index} on node {node}");
            let lot = (number * 100 + index) as u64;
            let options = self.device(label, node, credentials.clone(), conversation_id, lot);
            let device = Arc::new(Device::start(options, recorder.clone()));
            members.push(Member { device, conversation_id });
        }
        self.talks.push(Talk { conversation_id, members, people, late });
        Ok(())
    }

    /// Reads every log by REST on every node, in both directions; waits until every device has
    /// everything, and late readers have it from the start.
    pub async fn read_back(
        self,
        cluster: &Cluster,
        recorder: &Recorder,
        options: &Options,
    ) -> anyhow::Result<()> {
        let nodes: Vec<RestClient> =
            cluster.targets().into_iter().map(RestClient::new).collect::<Result<_, _>>()?;
        let end = Instant::now() + options.catch_up;
        for (number, talk) in self.talks.iter().enumerate() {
            let id = talk.conversation_id;
            let log = self.read_everywhere(&nodes, number, recorder).await?;
            // Further behind than that a device is told to fetch what it wants to see itself.
            if let Some(late) = talk.late.as_ref().filter(|_| log.head <= BEHIND_MAX) {
                let node = (number + 1) % nodes.len();
                let (label, lot) = (format!("late reader of {id} on node {node}"), number as u64);
                let late = self.device(label, node, late.clone(), id, lot);
                let late = Device::start(late, recorder.clone());
                let wait = end.saturating_duration_since(Instant::now()).max(LATE_WAIT_MIN);
                expect_caught_up(&late, id, log.head, recorder, wait).await;
            }
            for Member { device, .. } in &talk.members {
                let wait = end.saturating_duration_since(Instant::now());
                expect_caught_up(device, id, log.head, recorder, wait).await;
            }
        }
        Ok(())
    }

    /// One node's reading is taken for the log; all others must agree with it.
    async fn read_everywhere(
        &self,
        nodes: &[RestClient],
        number: usize,
        recorder: &Recorder,
    ) -> anyhow::Result<Reading> {
        let Talk { conversation_id: id, people, .. } = &self.talks[number];
        let reader = &people[number % people.len()];
        let first = number % nodes.len();
        let log = insist(|| nodes[first].read_forward(&reader.access_token, *id, PAGE_LIMITS.0));
        let log = log.await?;
        recorder.record_log(*id, &log);
        for (node, rest) in nodes.iter().enumerate() {
            let back = insist(|| rest.read_backward(&reader.access_token, *id, PAGE_LIMITS.1));
            let back = back.await.with_context(|| format!("reading back on node {node}"))?;
            let by_rest: ClientKey =
                recorder.add_client(&format!("{id} by REST on node {node}"), reader.user_id);
            recorder.record_reading(by_rest, *id, &back);
        }
        Ok(log)
    }

    fn device(
        &self,
        label: String,
        node: usize,
        credentials: Credentials,
        conversation_id: ConversationId,
        lot: u64,
    ) -> DeviceOptions {
        DeviceOptions {
            label,
            address: self.targets[node].public.clone(),
            credentials,
            // Both encodings and both kinds of socket, mostly the cheap ones.
            encoding: Encoding::ALL[usize::from(lot.is_multiple_of(4))],
            style: if lot % 8 < 2 { SocketStyle::Standard } else { SocketStyle::Lean },
            conversations: vec![conversation_id],
            seed: self.seed.wrapping_add(lot),
            habits: Habits::default(),
        }
    }
}

async fn expect_caught_up(
    device: &Device,
    id: ConversationId,
    head: Sequence,
    recorder: &Recorder,
    wait: Duration,
) {
    // One that is late is the checker's to report, as a missing tail.
    device.wait_position(id, head, wait).await;
    recorder.record(|history| history.expect_caught_up(device.client(), id));
}

async fn insist<T, F: Future<Output = anyhow::Result<T>>>(
    mut attempt: impl FnMut() -> F,
) -> anyhow::Result<T> {
    let end = Instant::now() + READ_WAIT;
    loop {
        match attempt().await {
            Err(_) if Instant::now() < end => sleep(READ_AGAIN).await,
            outcome => return outcome,
        }
    }
}
