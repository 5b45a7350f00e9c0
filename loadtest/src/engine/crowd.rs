//! Everybody who talks or reads: users, conversations, connected devices.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use schema::ConversationId;
use schema::record::ConversationKind;
use schema::wire::Encoding;
use tokio::time::Instant;

use super::helper::Helper;
use super::meter::{Ear, Meter};
use crate::client::{
    Credentials, Device, DeviceOptions, Habits, Observer, Recorder, RestClient, SocketStyle,
    Target, provision,
};
use crate::plan::{Conversations, Plan, Who};

const CONNECT_WAIT: Duration = Duration::from_secs(60);
/// Handshakes under way at once: fewer than the silent sockets that a server allows one address.
const OPENING_MAX: usize = 32;
const CREATING_MAX: usize = 16;
/// In large crowds, timers of the load tester itself would cost more than the traffic.
const MANY: usize = 1_000;
const TICKS: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(2));

/// One device, connected.
#[derive(Debug)]
pub struct Person {
    pub device: Device,
    pub ear: Arc<Ear>,
    pub conversation_id: ConversationId,
    pub is_sender: bool,
}

/// One conversation.
#[derive(Debug)]
pub struct Talk {
    pub conversation_id: ConversationId,
    pub people: Vec<Arc<Person>>,
    /// Whose token reads the log.
    pub reader: Credentials,
    /// Members who connect when all is over.
    pub late: Vec<Credentials>,
    /// Processes with further readers.
    pub helpers: Vec<Helper>,
}

#[derive(Debug, Default)]
pub struct Crowd {
    pub talks: Vec<Talk>,
}

/// A conversation that is made, whose people are not connected yet.
struct Made {
    shape: Conversations,
    conversation_id: ConversationId,
    people: Vec<Credentials>,
}

/// Where the crowd goes, and who hears of it.
#[derive(Clone, Copy)]
pub struct Setting<'a> {
    pub plan: &'a Plan,
    pub rest: &'a RestClient,
    pub targets: &'a [Target],
    pub addresses: &'a Arc<[String]>,
    pub meter: &'a Arc<Meter>,
    pub recorder: &'a Recorder,
    pub seed: u64,
}

impl Crowd {
    /// Makes all users and conversations, and connects all devices, spread over the addresses.
    ///
    /// # Errors
    /// When the server refuses one of them.
    pub async fn assemble(setting: Setting<'_>) -> anyhow::Result<Self> {
        let plan = setting.plan;
        let shapes: Vec<&Conversations> = plan
            .conversations
            .iter()
            .flat_map(|each| std::iter::repeat_n(each, each.count))
            .collect();
        let people: usize = shapes.iter().map(|each| each.members + each.late_readers).sum();
        if people == 0 {
            return Ok(Self::default());
        }
        let mut users = provision(setting.rest, "load", people).await?;
        let mut wanted = Vec::new();
        for shape in shapes {
            let own = users.split_off(users.len() - shape.members - shape.late_readers);
            wanted.push((shape.clone(), own));
        }
        let made: Vec<Made> = stream::iter(wanted)
            .map(|(shape, people)| make(setting.rest, shape, people))
            .buffered(CREATING_MAX)
            .try_collect()
            .await
            .context("making the conversations")?;
        let mut crowd = Self::default();
        let mut number = 0;
        for made in made {
            crowd.talks.push(connect(setting, made, &mut number).await?);
        }
        Ok(crowd)
    }

    /// All devices.
    pub fn people(&self) -> impl Iterator<Item = &Arc<Person>> {
        self.talks.iter().flat_map(|talk| &talk.people)
    }

    /// Who sends, one of each conversation in turn, so that load is spread from the first message.
    #[must_use]
    pub fn senders(&self) -> Vec<Arc<Person>> {
        let mut by_talk: Vec<Vec<&Arc<Person>>> = self
            .talks
            .iter()
            .map(|talk| talk.people.iter().filter(|person| person.is_sender).collect())
            .collect();
        let mut senders = Vec::new();
        while by_talk.iter().any(|left| !left.is_empty()) {
            for left in by_talk.iter_mut().filter(|left| !left.is_empty()) {
                senders.push(Arc::clone(left.remove(0)));
            }
        }
        senders
    }

    /// All processes with further readers.
    pub fn helpers(&self) -> impl Iterator<Item = &Helper> {
        self.talks.iter().flat_map(|talk| &talk.helpers)
    }

    /// Those meant by an event; none of them, where it means silent ones only.
    pub fn meant(&self, who: Who) -> impl Iterator<Item = &Arc<Person>> {
        self.people().filter(move |person| match who {
            Who::Everyone => true,
            Who::Senders => person.is_sender,
            Who::Readers => !person.is_sender,
            Who::Silent => false,
        })
    }
}

async fn make(
    rest: &RestClient,
    shape: Conversations,
    people: Vec<Credentials>,
) -> anyhow::Result<Made> {
    let owner = &people[0];
    let members = match shape.kind {
        // Anyone signed in may read a channel; only the owner needs to be in it.
        ConversationKind::Channel => Vec::new(),
        _ => people[1..].iter().map(|user| user.user_id).collect(),
    };
    let name = (shape.kind != ConversationKind::Direct).then(|| "load".to_owned());
    let conversation_id =
        rest.create_conversation(&owner.access_token, shape.kind, members, name).await?;
    Ok(Made { shape, conversation_id, people })
}

async fn connect(setting: Setting<'_>, made: Made, number: &mut usize) -> anyhow::Result<Talk> {
    let Made { shape, conversation_id, mut people } = made;
    setting.recorder.record(|history| history.expect_known_senders(conversation_id));
    let reader = people[0].clone();
    let late = people.split_off(shape.members);
    let here = match shape.kind {
        ConversationKind::Channel => (1 + setting.plan.readers_per_process).min(people.len()),
        _ => people.len(),
    };
    let elsewhere = people.split_off(here);
    let mut connected: Vec<Arc<Person>> = Vec::with_capacity(people.len());
    let deadline = Instant::now() + CONNECT_WAIT;
    for (index, credentials) in people.into_iter().enumerate() {
        let is_sender = index < shape.senders;
        let reads_along = shape.kind == ConversationKind::Channel && index > 0;
        let ear = Arc::new(Ear::new(Arc::clone(setting.meter)));
        let mut options = device(setting, credentials, *number);
        let followed = vec![conversation_id];
        if reads_along {
            options.habits.channels = followed;
        } else {
            options.conversations = followed;
        }
        let observer: Arc<dyn Observer> = Arc::clone(&ear) as Arc<dyn Observer>;
        options.habits.observer = Some(observer);
        let device = Device::start(options, setting.recorder.clone());
        connected.push(Arc::new(Person { device, ear, conversation_id, is_sender }));
        *number += 1;
        if let Some(earlier) = connected.len().checked_sub(OPENING_MAX) {
            let left = deadline.max(Instant::now() + CONNECT_WAIT / 2) - Instant::now();
            connected[earlier].device.wait_connected(left).await?;
        }
    }
    for person in connected.iter().rev().take(OPENING_MAX) {
        person.device.wait_connected(CONNECT_WAIT).await?;
    }
    let mut helpers = Vec::new();
    for readers in elsewhere.chunks(setting.plan.readers_per_process) {
        let readers = readers.to_vec();
        let count = readers.len();
        helpers.push(Helper::start(setting, conversation_id, readers, *number).await?);
        *number += count;
    }
    Ok(Talk { conversation_id, people: connected, reader, late, helpers })
}

/// The device of this number; the caller says what it follows.
pub fn device(setting: Setting<'_>, credentials: Credentials, number: usize) -> DeviceOptions {
    let Setting { plan, addresses, seed, .. } = setting;
    DeviceOptions {
        label: format!("device {number} of {}", credentials.username),
        address: addresses[number % addresses.len()].clone(),
        credentials,
        encoding: Encoding::MessagePack,
        style: SocketStyle::Lean,
        conversations: Vec::new(),
        seed: seed.wrapping_add(number as u64),
        habits: Habits {
            tick: if plan.connections() < MANY { TICKS.0 } else { TICKS.1 },
            ack_every: plan.traffic.ack_every.max(1),
            others: if addresses.len() > 1 { Arc::clone(addresses) } else { Arc::new([]) },
            ..Habits::default()
        },
    }
}
