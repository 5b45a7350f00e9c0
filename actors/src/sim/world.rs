//! The whole simulation: one queue of events, one source of chance, one thread.

use std::collections::BTreeMap;

use bytes::Bytes;
use schema::NodeId;
use schema::checker::History;

use super::actor::{Address, Child, Observation};
use super::bus_model::BusModel;
use super::client::Client;
use super::event::Event;
use super::faults::{FaultClass, Strikes};
use super::message::{Message, ToInbox};
use super::mutants::Mutant;
use super::node::{Node, NodeState};
use super::random::Random;
use super::report::{Finding, Report, Tally};
use super::schedule::Schedule;
use super::socket::Socket;
use super::store_model::{Answer, Call, Caller, Step, StoreModel, Ticket};
use super::trace::Trace;

/// When the simulation begins, milliseconds since 1970.
const CALENDAR_START_MS: i64 = 1_800_000_000_000;
/// Everything is to be settled this long after the last fault.
const SETTLE_MS_MAX: u64 = 240_000;
const LOOK_MS: u64 = 200;
/// Settled for so many looks: what is still under way has come by then.
const QUIET_LOOKS: u32 = 8;
/// A run of more events goes in circles.
const EVENTS_MAX: u64 = 200_000;

/// Everything there is.
pub struct World {
    pub(super) schedule: Schedule,
    pub(super) mutant: Mutant,
    pub(super) random: Random,
    pub(super) queue: super::queue::Queue<Event>,
    pub(super) store: StoreModel,
    pub(super) bus: BusModel,
    pub(super) nodes: Vec<Node>,
    /// By shard: the node that should own it.
    pub(super) assigned: Vec<usize>,
    /// By shard: the process that was told last that it is to own it.
    pub(super) has_shard: Vec<Option<NodeId>>,
    pub(super) sockets: BTreeMap<u64, Socket>,
    pub(super) sockets_opened: u64,
    pub(super) clients: Vec<Client>,
    pub(super) history: History,
    /// What the handler that runs wants done.
    pub(super) actions: Vec<super::actor::Action>,
    pub(super) strikes: Strikes,
    pub(super) tally: Tally,
    pub(super) findings: Vec<Finding>,
    pub(super) trace: Trace,
    /// Faults strike and clients have something new to say.
    pub(super) is_active: bool,
    pub(super) calm_since_ms: u64,
    quiet_looks: u32,
    is_settled: bool,
}

impl World {
    #[must_use]
    pub fn new(mut schedule: Schedule, mutant: Mutant, with_text: bool) -> Self {
        mutant.shows_under().iter().for_each(|class| schedule.faults.insist_on(*class));
        let mut history = History::new();
        let mut random = Random::new(schedule.seed ^ 0x5eed);
        let plans = schedule.clients.iter().enumerate();
        let clients = plans.map(|(index, plan)| Client::new(index, plan, &mut history)).collect();
        let assigned = (0..schedule.shards).map(|_| random.below(schedule.nodes)).collect();
        Self {
            store: StoreModel::new(schedule.slots, mutant),
            nodes: (0..schedule.nodes).map(|node| Node::new(node, schedule.shards)).collect(),
            has_shard: vec![None; schedule.shards as usize],
            mutant,
            random,
            queue: super::queue::Queue::new(),
            bus: BusModel::new(schedule.nodes),
            assigned,
            sockets: BTreeMap::new(),
            sockets_opened: 0,
            clients,
            history,
            actions: Vec::new(),
            strikes: Strikes::default(),
            tally: Tally::default(),
            findings: Vec::new(),
            trace: Trace::new(with_text),
            is_active: true,
            calm_since_ms: 0,
            quiet_looks: 0,
            is_settled: false,
            schedule,
        }
    }

    /// Runs to the end and judges.
    #[must_use]
    pub fn run(mut self) -> Report {
        self.begin();
        let end_ms = self.schedule.active_ms + SETTLE_MS_MAX;
        while !self.is_settled
            && self.queue.now_ms() < end_ms
            && self.tally.events < EVENTS_MAX
            && let Some(event) = self.queue.pop()
        {
            self.tally.events += 1;
            self.trace.fold(self.queue.now_ms());
            self.trace.fold(event.fingerprint());
            self.happen(event);
        }
        let has_settled = self.is_settled;
        self.judge(has_settled)
    }

    fn begin(&mut self) {
        if !self.schedule.has_mild_clocks() {
            self.strikes.strike(FaultClass::ClockWrong);
        }
        for node in 0..self.nodes.len() {
            self.boot(node);
        }
        self.queue.push(0, Event::Coordinate);
        self.queue.push(0, Event::Look);
        for client in 0..self.clients.len() {
            let delay_ms = self.random.between(0, 500);
            self.queue.push(delay_ms, Event::ClientConnects(client));
            self.queue.push(delay_ms + 50, Event::ClientActs(client));
        }
        self.queue.push(300, Event::Nemesis);
    }

    pub(super) fn happen(&mut self, event: Event) {
        if let Some(node) = event.handled_by()
            && let NodeState::Paused { .. } = self.nodes[node].state
        {
            return self.nodes[node].backlog.push(event);
        }
        match event {
            Event::Store(caller, step) => self.on_store_step(caller, step),
            Event::Message { node, life, to, message } if self.is_alive(node, life) => {
                self.dispatch(node, to, message);
            }
            Event::Down { node, life, address, has_panicked } if self.is_alive(node, life) => {
                self.on_down(node, address, has_panicked);
            }
            Event::Restart { node, life, child } if self.is_alive(node, life) => {
                self.restart(node, child);
            }
            Event::Bus { node, life, frame } if self.is_alive(node, life) => {
                self.tell_child(node, Child::Inbox, Message::Inbox(ToInbox::Frame(frame)));
            }
            Event::BridgeBack { node, life } if self.is_alive(node, life) => {
                self.on_bridge_back(node);
            }
            Event::Hint { node, life, shard, owner } if self.is_alive(node, life) => {
                self.on_hint(node, shard, owner);
            }
            Event::ToNode { socket, node, frame } => self.on_client_frame(socket, node, frame),
            Event::Left { socket, node } => self.on_left(socket, node),
            Event::Drained { socket, node, conversation } => {
                self.on_drained(socket, node, conversation);
            }
            Event::ToClient { socket, frame } => self.on_server_frame(socket, frame),
            Event::Lost { socket, client } => self.on_lost(socket, client),
            Event::ClientActs(client) => self.client_acts(client),
            Event::ClientConnects(client) => self.client_connects(client),
            Event::ClientRetries { client, message, transmission } => {
                self.client_retries(client, message, transmission);
            }
            Event::HelloDeadline { client, socket } => self.on_hello_deadline(client, socket),
            Event::Coordinate => self.coordinate(),
            Event::Nemesis => self.nemesis(),
            Event::Boot(node) => self.boot(node),
            Event::Resume { node, life } => self.resume(node, life),
            Event::Look => self.look(),
            _ => {}
        }
    }

    fn is_alive(&self, node: usize, life: u64) -> bool {
        let node = &self.nodes[node];
        node.life == life && node.state == NodeState::Up
    }

    /// The calendar of one whose clock is off by `skew_ms`.
    pub(super) fn calendar_ms(&self, skew_ms: i64) -> i64 {
        let elapsed_ms = i64::try_from(self.queue.now_ms()).unwrap_or(0);
        CALENDAR_START_MS + elapsed_ms * self.schedule.calendar_speed + skew_ms
    }

    /// Ends the faults in time, and the run once everyone has everything.
    fn look(&mut self) {
        self.queue.push(LOOK_MS, Event::Look);
        if self.is_active && self.queue.now_ms() >= self.schedule.active_ms {
            self.calm_down();
        }
        let now_ms = self.queue.now_ms();
        let is_quiet = !self.is_active && self.has_settled();
        if is_quiet && self.quiet_looks == 0 {
            let cuts_end_ms = self.bus.cuts.iter().map(|it| it.until_ms).max().unwrap_or(0);
            let healed_ms = self.calm_since_ms.max(cuts_end_ms);
            self.tally.settled_in_ms_max = now_ms.saturating_sub(healed_ms);
        }
        self.quiet_looks = if is_quiet { self.quiet_looks + 1 } else { 0 };
        let awaits_nothing = now_ms > self.bus.last_arrival_ms + u64::from(QUIET_LOOKS) * LOOK_MS;
        self.is_settled = self.quiet_looks >= QUIET_LOOKS && awaits_nothing;
    }

    pub(super) fn call(&mut self, node: usize, address: Address, ticket: Ticket, call: Call) {
        let now_ms = self.queue.now_ms();
        let steps = self.store.fate(
            call,
            now_ms,
            &self.schedule.faults,
            &mut self.random,
            &mut self.strikes,
        );
        let caller = Caller { node, life: self.nodes[node].life, address, ticket };
        for (delay_ms, step) in steps {
            self.queue.push(delay_ms, Event::Store(caller, step));
        }
    }

    fn on_store_step(&mut self, caller: Caller, step: Step) {
        match step {
            Step::Fail(answer) => self.hand_answer(caller, answer, 0),
            Step::Apply { call, answer_in_ms, is_late } => {
                let answer = self.store.apply(&call, answer_in_ms.is_some());
                self.trace.line(self.queue.now_ms(), || {
                    let late = if is_late { " unseen" } else { "" };
                    format!(
                        "store{late}: node {}: {} -> {}",
                        caller.node,
                        call.brief(),
                        answer.brief()
                    )
                });
                if let Some(delay_ms) = answer_in_ms {
                    self.hand_answer(caller, answer, delay_ms);
                }
            }
        }
    }

    fn hand_answer(&mut self, caller: Caller, answer: Answer, delay_ms: u64) {
        let Caller { node, life, address, ticket } = caller;
        let message = Message::Answer(ticket, answer);
        self.queue.push(delay_ms, Event::Message { node, life, to: address, message });
    }

    /// Sends a frame to one other process, or to all.
    pub(super) fn send_over_bus(&mut self, from: usize, to: Option<NodeId>, frame: &Bytes) {
        match to {
            Some(to) => {
                if let Some(node) = self.place_of(to) {
                    self.send_to_node_over_bus(from, node, frame);
                }
            }
            None => {
                for node in (0..self.nodes.len()).filter(|node| *node != from) {
                    self.send_to_node_over_bus(from, node, frame);
                }
            }
        }
    }

    fn send_to_node_over_bus(&mut self, from: usize, node: usize, frame: &Bytes) {
        let now_ms = self.queue.now_ms();
        if self.bus.is_cut(from, now_ms) || self.bus.is_cut(node, now_ms) {
            return self.strikes.strike(FaultClass::FrameCutOff);
        }
        let faults = &self.schedule.faults;
        let arrivals = self.bus.arrivals(now_ms, faults, &mut self.random, &mut self.strikes);
        let life = self.nodes[node].life;
        for delay_ms in arrivals {
            self.queue.push(delay_ms, Event::Bus { node, life, frame: frame.clone() });
        }
    }

    pub(super) fn observe(&mut self, node: usize, observation: Observation) {
        self.trace.line(self.queue.now_ms(), || format!("node {node}: {observation:?}"));
        match observation {
            Observation::TakeOver => self.tally.take_overs += 1,
            Observation::Broken { shard } => self.findings.push(Finding::Broken { shard }),
            Observation::Fenced => self.tally.fenced += 1,
            Observation::GaveUp => self.tally.gave_up += 1,
            Observation::NotClaimed => self.tally.not_claimed += 1,
            Observation::RingFull => self.strikes.strike(FaultClass::RingFull),
            Observation::LookUp => self.tally.look_ups += 1,
            Observation::GapRepair => self.tally.gap_repairs += 1,
            Observation::Resync { conversation, claimed } => {
                self.tally.resyncs += 1;
                if self.store.ring.last(conversation) >= claimed {
                    self.findings.push(Finding::ResyncWithoutNeed { claimed });
                }
            }
            Observation::Claimed => self.tally.claims += 1,
            Observation::NewsMissed => self.tally.news_missed += 1,
            Observation::BatchAgain => self.tally.batches_again += 1,
            Observation::Struck(class) => self.strikes.strike(class),
            Observation::Settled { conversation, up_to } => {
                let shown = self.store.tables.head(conversation);
                if shown < up_to {
                    self.findings.push(Finding::SettledEarly { up_to, shown });
                }
            }
        }
    }
}
