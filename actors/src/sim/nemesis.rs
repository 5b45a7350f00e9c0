//! Strikes whole nodes, actors, the store and the bridge; hands shards from node to node.

use schema::ConversationId;

use super::actor::{Address, Child};
use super::event::Event;
use super::faults::{FaultClass, Faults};
use super::message::{Message, ToConversation};
use super::node::NodeState;
use super::schedule::Schedule;
use super::world::World;
use crate::committer::core::RESOLVE_GIVE_UP_MS;

/// Blows that strike now and then, by weight.
const BLOWS: &[FaultClass] = &[
    FaultClass::StoreDown,
    FaultClass::BridgeDown,
    FaultClass::BridgeSilent,
    FaultClass::NodeCutOff,
    FaultClass::NodeCutOffSilent,
    FaultClass::NodeCrash,
    FaultClass::NodePause,
    FaultClass::NodePauseLong,
    FaultClass::CommitterPanic,
    FaultClass::SequencerPanic,
    FaultClass::StandInPanic,
    FaultClass::ConversationPanic,
    FaultClass::SessionPanic,
    FaultClass::IdleUnload,
    FaultClass::FollowerUnload,
    FaultClass::HandOver,
    FaultClass::WrongHint,
    FaultClass::StaleView,
];

impl World {
    /// Whether a fault of this class strikes now, uncounted.
    pub(super) fn chance(&mut self, class: FaultClass) -> bool {
        self.is_active && self.random.chance(self.schedule.faults.rate(class))
    }

    /// Whether a fault of this class strikes now.
    pub(super) fn strikes(&mut self, class: FaultClass) -> bool {
        let strikes = self.chance(class);
        if strikes {
            self.strikes.strike(class);
        }
        strikes
    }

    pub(super) fn nemesis(&mut self) {
        if !self.is_active {
            return;
        }
        let delay_ms = self.random.between(50, 900);
        self.queue.push(delay_ms, Event::Nemesis);
        if self.random.chance(200) {
            self.settle_somewhere();
        }
        let weights = BLOWS.iter().map(|class| u64::from(self.schedule.faults.rate(*class)));
        let total: u64 = weights.clone().sum();
        if total == 0 {
            return;
        }
        let mut chosen = self.random.between(1, total);
        for (class, weight) in BLOWS.iter().zip(weights.collect::<Vec<u64>>()) {
            if chosen <= weight {
                return self.blow(*class);
            }
            chosen -= weight;
        }
    }

    fn blow(&mut self, class: FaultClass) {
        let has_struck = match class {
            FaultClass::StoreDown => self.store_goes_down(),
            FaultClass::BridgeDown => self.bridge_goes_down(true, true),
            FaultClass::BridgeSilent => self.bridge_goes_down(true, false),
            FaultClass::NodeCutOff => self.bridge_goes_down(false, true),
            FaultClass::NodeCutOffSilent => self.bridge_goes_down(false, false),
            FaultClass::NodeCrash => self.any_node_up().is_some_and(|node| self.crash(node)),
            FaultClass::NodePause => self.pause(50, 6_000),
            FaultClass::NodePauseLong => self.pause(RESOLVE_GIVE_UP_MS, RESOLVE_GIVE_UP_MS + 5_000),
            FaultClass::HandOver => self.hand_over(),
            FaultClass::WrongHint => self.mislead(),
            FaultClass::StaleView => self.leave_untold(),
            FaultClass::IdleUnload | FaultClass::FollowerUnload => self.unload(),
            _ => self.panic_somewhere(class),
        };
        if has_struck {
            // Whether a conversation unloads is its own decision, and counted there.
            if !matches!(class, FaultClass::IdleUnload | FaultClass::FollowerUnload) {
                self.strikes.strike(class);
            }
            self.trace.line(self.queue.now_ms(), || format!("nemesis: {class:?}"));
        }
    }

    fn store_goes_down(&mut self) -> bool {
        let long = self.random.chance(100);
        let for_ms = if long { 18_000 } else { self.random.between(200, 5_000) };
        self.store.down_until_ms = self.queue.now_ms() + for_ms;
        true
    }

    fn bridge_goes_down(&mut self, for_all: bool, is_noticed: bool) -> bool {
        if self.nodes.len() < 2 {
            return false;
        }
        let one = self.random.below(self.nodes.len());
        let nodes: Vec<usize> = if for_all { (0..self.nodes.len()).collect() } else { vec![one] };
        let long = self.random.chance(200);
        let for_ms = match (long, is_noticed) {
            (false, _) => self.random.between(300, 5_000),
            (true, true) => self.random.between(5_000, 20_000),
            // Longer than heads are remembered.
            (true, false) => self.random.between(20_000, 100_000),
        };
        self.cut_off(&nodes, for_ms, is_noticed);
        true
    }

    pub(super) fn any_node_up(&mut self) -> Option<usize> {
        let up: Vec<usize> =
            (0..self.nodes.len()).filter(|node| self.nodes[*node].is_up()).collect();
        (!up.is_empty()).then(|| *self.random.pick(&up))
    }

    fn crash(&mut self, node: usize) -> bool {
        self.nodes[node].die(self.queue.now_ms());
        self.close_all_of(node);
        let delay_ms = self.random.between(100, 4_000);
        self.queue.push(delay_ms, Event::Boot(node));
        true
    }

    fn pause(&mut self, ms_min: u64, ms_max: u64) -> bool {
        let Some(node) = self.any_node_up() else { return false };
        let for_ms = self.random.between(ms_min, ms_max);
        self.nodes[node].state = NodeState::Paused { since_ms: self.queue.now_ms() };
        let life = self.nodes[node].life;
        self.queue.push(for_ms, Event::Resume { node, life });
        true
    }

    /// The node goes on with everything that came meanwhile.
    pub(super) fn resume(&mut self, node: usize, life: u64) {
        let paused = matches!(self.nodes[node].state, NodeState::Paused { .. });
        if !paused || self.nodes[node].life != life {
            return;
        }
        self.trace.line(self.queue.now_ms(), || format!("node {node} goes on"));
        self.nodes[node].state = NodeState::Up;
        for event in std::mem::take(&mut self.nodes[node].backlog) {
            self.happen(event);
        }
    }

    fn panic_somewhere(&mut self, class: FaultClass) -> bool {
        let Some(node) = self.any_node_up() else { return false };
        let is_meant = |it: &Address| match class {
            FaultClass::CommitterPanic => matches!(it.child, Child::Committer(_)),
            FaultClass::SequencerPanic => matches!(it.child, Child::Sequencer(_)),
            FaultClass::StandInPanic => matches!(it.child, Child::StandIn(_)),
            FaultClass::ConversationPanic => matches!(it.child, Child::Conversation(_)),
            _ => matches!(it.child, Child::Session(_)),
        };
        let victims: Vec<Address> = self.nodes[node].registry.all().filter(is_meant).collect();
        if victims.is_empty() {
            return false;
        }
        let victim = *self.random.pick(&victims);
        self.end(node, victim, true);
        true
    }

    fn any_conversation(&mut self) -> ConversationId {
        *self.random.pick(&self.schedule.conversations)
    }

    fn unload(&mut self) -> bool {
        let id = self.any_conversation();
        let Some(node) = self.any_node_up() else { return false };
        let unload = Message::Conversation(ToConversation::Unload);
        self.tell_child(node, Child::Conversation(id), unload);
        true
    }

    /// Somebody wants to read from the tables what was just stored.
    fn settle_somewhere(&mut self) {
        let id = self.any_conversation();
        if let Some(node) = self.any_node_up() {
            let settle = Message::Conversation(ToConversation::Settle);
            self.tell_child(node, Child::Conversation(id), settle);
        }
    }

    fn any_shard(&mut self) -> u32 {
        u32::try_from(self.random.below(self.schedule.shards as usize)).unwrap_or(0)
    }

    fn hand_over(&mut self) -> bool {
        let shard = self.any_shard();
        let Some(node) = self.any_node_up() else { return false };
        let moves = self.assigned[shard as usize] != node;
        self.assigned[shard as usize] = node;
        moves
    }

    fn mislead(&mut self) -> bool {
        let shard = self.any_shard();
        let Some(node) = self.any_node_up() else { return false };
        if self.assigned[shard as usize] == node || self.schedule.is_embedded {
            return false;
        }
        self.leave_one_untold(node);
        let me = self.nodes[node].shared.id;
        self.on_hint(node, shard, me);
        true
    }

    fn leave_untold(&mut self) -> bool {
        let node = self.any_node_up().filter(|_| self.nodes.len() > 1);
        node.is_some_and(|node| self.leave_one_untold(node))
    }

    /// The node goes on believing what it does about who owns what.
    fn leave_one_untold(&mut self, node: usize) -> bool {
        let until_ms = self.queue.now_ms() + self.random.between(500, 4_000);
        self.nodes[node].misled_until_ms = until_ms;
        true
    }

    /// No more faults: what is broken is mended, what is asleep wakes.
    pub(super) fn calm_down(&mut self) {
        self.trace.line(self.queue.now_ms(), || "all faults end".to_owned());
        self.is_active = false;
        self.calm_since_ms = self.queue.now_ms();
        self.schedule = Schedule { faults: Faults::none(), ..self.schedule.clone() };
        self.store.down_until_ms = 0;
        self.mend_bridge();
        for node in 0..self.nodes.len() {
            self.nodes[node].misled_until_ms = 0;
            self.resume(node, self.nodes[node].life);
        }
    }

    /// Everything is acknowledged, and everyone has everything.
    pub(super) fn has_settled(&self) -> bool {
        let ids = &self.schedule.conversations;
        let has_all = |index: usize| ids.iter().all(|id| self.has_everything(index, *id));
        self.clients.iter().all(super::client::Client::is_content)
            && ids.iter().all(|id| self.is_shown(*id))
            && (0..self.clients.len()).all(has_all)
    }

    /// The readers' tables reach as far as the log.
    fn is_shown(&self, id: ConversationId) -> bool {
        self.store.tables.head(id) >= self.store.ring.last(id)
    }

    /// What keeps a run from being settled, for people.
    pub(super) fn waits_for(&self) -> String {
        let clients = self.clients.iter().enumerate().filter(|(_, client)| !client.is_content());
        let clients = clients.map(|(index, client)| format!("client {index}: {client:?}"));
        let ids = self.schedule.conversations.iter().filter(|id| !self.is_shown(**id));
        let tables = ids.map(|id| format!("tables of {id}"));
        clients.chain(tables).collect::<Vec<String>>().join("; ")
    }
}
