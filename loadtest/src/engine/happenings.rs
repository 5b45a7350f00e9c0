//! Carries out a plan's events, and writes down when each began and ended.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use super::console::Console;
use super::counters;
use super::crowd::{Crowd, Person};
use super::hooks;
use super::meter::Meter;
use super::sampler::seconds_between;
use super::silent::SilentCrowd;
use super::world::World;
use crate::plan::{Action, Event, Plan, Who};
use crate::run_report::Mark;

/// For all who were sent away to have everything again.
const CATCH_UP_MAX: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Between two looks at who numbers the messages.
const WATCH: Duration = Duration::from_millis(700);

/// Who is struck, and who writes it down.
pub struct Scene {
    pub plan: Plan,
    pub world: Arc<World>,
    pub crowd: Arc<Crowd>,
    pub silent: Arc<SilentCrowd>,
    pub meter: Arc<Meter>,
    pub console: Arc<Console>,
    pub begin: Instant,
    pub seed: u64,
    pub notes: Mutex<Notes>,
}

/// What came of the events.
#[derive(Clone, Debug, Default)]
pub struct Notes {
    pub marks: Vec<Mark>,
    pub problems: Vec<String>,
    /// The slowest device's way back, of each `reconnect`.
    pub caught_up_s: Vec<f64>,
    pub struck: BTreeMap<String, u64>,
}

/// Starts every event at its time; returns when the last one is over.
pub async fn run(scene: Arc<Scene>) {
    let mut due: Vec<(f64, usize, usize)> = Vec::new();
    for (index, event) in scene.plan.events.iter().enumerate() {
        // Repeats beyond the end are for longer runs of the same plan.
        let times_s = event.times_s().take_while(|at_s| *at_s <= scene.plan.measured_s());
        due.extend(times_s.enumerate().map(|(turn, at_s)| (at_s, index, turn)));
    }
    due.sort_by(|one, other| one.0.total_cmp(&other.0));
    let mut going_on = JoinSet::new();
    for (at_s, index, turn) in due {
        sleep_until(scene.begin + Duration::from_secs_f64(at_s)).await;
        let scene = Arc::clone(&scene);
        going_on.spawn(async move { scene.happen(index, turn).await });
    }
    while going_on.join_next().await.is_some() {}
}

impl Scene {
    async fn happen(&self, index: usize, turn: usize) {
        let event = &self.plan.events[index];
        let begun_s = seconds_between(self.begin, Instant::now());
        let what = describe(event);
        self.console.say(&what);
        let outcome = self.carry_out(event, turn).await;
        let until_s = seconds_between(self.begin, Instant::now());
        let mut notes = self.lock();
        notes.marks.push(Mark { at_s: begun_s, until_s, what: what.clone() });
        match outcome {
            Ok(()) => *notes.struck.entry(event.action.name()).or_default() += 1,
            Err(error) => notes.problems.push(format!("{what}: {error:#}")),
        }
    }

    async fn carry_out(&self, event: &Event, turn: usize) -> anyhow::Result<()> {
        let lasts = Duration::from_secs_f64(event.for_s);
        match event.action {
            Action::Reconnect if event.who == Who::Silent => {
                self.send_silent_away(event, turn).await
            }
            Action::Reconnect => self.send_away(event, turn).await,
            Action::StopReading => self.put_to_sleep(event, turn, lasts).await,
            Action::Hook => {
                let name = event.hook.as_deref().unwrap_or_default();
                hooks::call(&self.plan.hooks, name, event, turn).await
            }
            action if !self.world.is_own() => {
                hooks::call(&self.plan.hooks, &action.name(), event, turn).await
            }
            Action::RollingRestart => {
                for node in 0..self.world.victims(false) {
                    self.world.restart_node(node).await.with_context(|| format!("node {node}"))?;
                    sleep(lasts).await;
                }
                Ok(())
            }
            Action::RestartNode => self.world.restart_node(self.victim(event, turn)).await,
            _ => {
                let victim = match event.action {
                    Action::KillSequencer => self.busiest_node().await,
                    _ => self.victim(event, turn),
                };
                let fault = event.fault(victim).context("this is nothing that can be struck")?;
                let has_struck = self.world.strike(fault).await?;
                anyhow::ensure!(has_struck, "there is nothing here that it could strike");
                Ok(())
            }
        }
    }

    fn victim(&self, event: &Event, turn: usize) -> usize {
        let is_database = matches!(event.action, Action::KillDatabase | Action::PauseDatabase);
        event.node.unwrap_or(turn) % self.world.victims(is_database).max(1)
    }

    /// The node whose commits grow fastest: it numbers most of the messages.
    async fn busiest_node(&self) -> usize {
        let before = counters::commits(&self.world.targets).await;
        sleep(WATCH).await;
        let after = counters::commits(&self.world.targets).await;
        let grown = after.iter().zip(&before).map(|(after, before)| after - before);
        let busiest = grown.enumerate().max_by(|one, other| one.1.total_cmp(&other.1));
        busiest.map_or(0, |(node, _)| node)
    }

    fn chosen(&self, event: &Event, turn: usize) -> Vec<Arc<Person>> {
        let mut meant: Vec<Arc<Person>> = self.crowd.meant(event.who).cloned().collect();
        let mut random = self.random(turn);
        meant.shuffle(&mut random);
        meant.truncate((meant.len() as f64 * event.share).round() as usize);
        meant
    }

    fn random(&self, turn: usize) -> StdRng {
        StdRng::seed_from_u64(self.seed ^ ((turn as u64 + 1) << 40))
    }

    async fn send_silent_away(&self, event: &Event, turn: usize) -> anyhow::Result<()> {
        let mut numbers: Vec<usize> = (0..self.silent.count()).collect();
        let mut random = self.random(turn);
        numbers.shuffle(&mut random);
        numbers.truncate((numbers.len() as f64 * event.share).round() as usize);
        let pause = Duration::from_secs_f64(event.for_s);
        let gap_s = event.over_s / numbers.len().max(1) as f64;
        let begun = Instant::now();
        for (place, number) in numbers.into_iter().enumerate() {
            sleep_until(begun + Duration::from_secs_f64(gap_s * place as f64)).await;
            self.silent.go_away(number, pause);
        }
        sleep(pause).await;
        let back = Instant::now();
        while self.silent.count_open() < self.silent.count() as u64 {
            anyhow::ensure!(back.elapsed() < CATCH_UP_MAX, "not all came back within 120 s");
            sleep(LOOK_EVERY).await;
        }
        self.lock().caught_up_s.push(back.elapsed().as_secs_f64());
        Ok(())
    }

    async fn send_away(&self, event: &Event, turn: usize) -> anyhow::Result<()> {
        let chosen = self.chosen(event, turn);
        let mut random = self.random(turn);
        let pause = Duration::from_secs_f64(event.for_s);
        let mut leaving = JoinSet::new();
        for person in &chosen {
            let person = Arc::clone(person);
            let wait = Duration::from_secs_f64(event.over_s * random.random::<f64>());
            leaving.spawn(async move {
                sleep(wait).await;
                person.ear.excuse(true);
                let sockets = person.device.sockets();
                person.device.go_away(pause).await;
                sockets
            });
        }
        let sockets_before: u64 = leaving.join_all().await.into_iter().sum();
        sleep(pause).await;
        self.until_caught_up(&chosen, sockets_before + chosen.len() as u64).await
    }

    async fn put_to_sleep(
        &self,
        event: &Event,
        turn: usize,
        lasts: Duration,
    ) -> anyhow::Result<()> {
        let chosen = self.chosen(event, turn);
        let from_us = self.meter.now_us();
        self.meter.note_sleep((from_us, from_us + lasts.as_micros() as u64));
        for person in &chosen {
            person.ear.excuse(true);
            person.device.stop_reading(lasts).await;
        }
        sleep(lasts).await;
        self.until_caught_up(&chosen, 0).await
    }

    /// Waits until all have as many sockets in sum, and everything that others of their
    /// conversation have by now. Then they count again.
    async fn until_caught_up(&self, chosen: &[Arc<Person>], sockets: u64) -> anyhow::Result<()> {
        let mut heads = BTreeMap::new();
        for talk in &self.crowd.talks {
            let positions =
                talk.people.iter().map(|each| each.device.position(talk.conversation_id));
            heads.insert(talk.conversation_id, positions.max().unwrap_or_default());
        }
        let begun = Instant::now();
        let mut missing: Vec<&Arc<Person>> = chosen.iter().collect();
        loop {
            let opened: u64 = chosen.iter().map(|person| person.device.sockets()).sum();
            missing.retain(|person| {
                person.device.position(person.conversation_id) < heads[&person.conversation_id]
            });
            if missing.is_empty() && opened >= sockets {
                break;
            }
            anyhow::ensure!(
                begun.elapsed() < CATCH_UP_MAX,
                "{} of {} devices have not caught up within 120 s",
                missing.len(),
                chosen.len()
            );
            sleep(LOOK_EVERY).await;
        }
        let took_s = begun.elapsed().as_secs_f64();
        for person in chosen {
            person.ear.excuse(false);
        }
        self.console.say(&format!("{} devices have caught up in {took_s:.1} s", chosen.len()));
        self.lock().caught_up_s.push(took_s);
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn describe(event: &Event) -> String {
    let mut what = event.action.name().replace('_', " ");
    if !event.action.strikes_servers() {
        let who = match event.who {
            Who::Readers => "the readers",
            Who::Senders => "the senders",
            Who::Silent => "the silent ones",
            Who::Everyone => "all",
        };
        what.push_str(&format!(", {:.0} % of {who}", event.share * 100.0));
    }
    if let Some(hook) = &event.hook {
        what.push_str(&format!(" {hook}"));
    }
    if event.for_s > 0.0 {
        what.push_str(&format!(", {} s", event.for_s));
    }
    what
}
