//! Runs a [`Plan`].
//!
//! ```text
//! world.rs       the servers: own, own cluster, given; faults on them
//! crowd.rs       users, conversations, connected devices; silent.rs: those who say nothing
//! load/          open loop (due times) and closed loop (messages on their way)
//! helper.rs      further readers of a channel, in processes of their own
//! happenings.rs  the plan's events; hooks.rs: commands of one's own
//! meter.rs       counts and latencies; sampler.rs: the curves; console.rs: progress
//! read_back.rs   the log, on every node; everybody must have it
//! counters.rs    what the servers count themselves
//! judge.rs       figures against thresholds; figures.rs: what they are
//! ```

mod console;
mod counters;
mod crowd;
mod descriptors;
mod figures;
mod happenings;
mod helper;
mod hooks;
mod judge;
mod load;
mod meter;
mod read_back;
mod replayed;
mod sampler;
mod silent;
mod world;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use schema::checker::Verdict;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::client::{Recorder, provision, transport};
use crate::plan::{Loop, Plan, Stage};
use crate::run_report::{FORMAT, RunReport};
pub use console::Console;
use counters::Counters;
use crowd::{Crowd, Setting};
pub(crate) use descriptors::raise as raise_descriptors;
use happenings::{Notes, Scene};
pub use helper::{run_helper, set_helper_program};
use meter::Meter;
pub use meter::{Hist, new_hist};
use sampler::Sampler;
use silent::SilentCrowd;
use world::World;
pub use world::{Role, Source};

/// Between connecting and the warm-up: tasks and sockets are to be there.
const LEAD: Duration = Duration::from_millis(200);
/// After the last answer: lets repeats arrive that should not.
const SETTLE: Duration = Duration::from_millis(300);
/// For answers that are still on their way when all is healed.
const ANSWER_WAIT: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// From so long on, what nobody waits for any more is judged and forgotten as the run goes.
const LONG_S: f64 = 60.0;
/// Often, so that each time takes a moment only: everybody waits meanwhile.
const SETTLE_EVERY: Duration = Duration::from_millis(250);

/// Runs the plan.
///
/// # Errors
/// When it could not be run: no server, too few descriptors, users that cannot be made. What the
/// server does wrong is in the report.
pub async fn run(plan: Plan, source: Source, console: Console) -> anyhow::Result<RunReport> {
    let seed = plan.seed.unwrap_or_else(crate::scenario::fresh_seed);
    check_hooks(&plan, &source)?;
    if plan.replay.is_some() {
        return replayed::run(plan, source, seed, &console).await;
    }
    let own_nodes = matches!(source, Source::Own { .. }).then_some(plan.server.nodes);
    descriptors::need(&plan, own_nodes)?;
    transport::set_receive_buffer(plan.traffic.receive_buffer_bytes);
    let run = Run::prepare(plan, source, seed, console).await?;
    Box::pin(run.play()).await
}

fn check_hooks(plan: &Plan, source: &Source) -> anyhow::Result<()> {
    if matches!(source, Source::Own { .. }) {
        return Ok(());
    }
    for event in plan.events.iter().filter(|event| event.action.strikes_servers()) {
        let name = event.hook.clone().unwrap_or_else(|| event.action.name());
        anyhow::ensure!(
            plan.hooks.contains_key(&name),
            "{name} on a given server needs a command that does it: \
             --set hooks.{name}='ssh host{{}} …', told by SWITCHBOARD_NODE which node is meant"
        );
    }
    Ok(())
}

/// Everything that is up before the clock starts.
struct Run {
    plan: Plan,
    seed: u64,
    started_at: u64,
    world: Arc<World>,
    crowd: Arc<Crowd>,
    silent: Arc<SilentCrowd>,
    weight: figures::Weight,
    meter: Arc<Meter>,
    recorder: Recorder,
    console: Arc<Console>,
}

impl Run {
    async fn prepare(
        plan: Plan,
        source: Source,
        seed: u64,
        console: Console,
    ) -> anyhow::Result<Self> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        console.say(&format!("{}: {} (seed {seed})", plan.name, plan.summary));
        let world = World::open(source, &plan).await.context("the servers")?;
        console.say(&format!("up: {}", world.description));
        let (meter, recorder) = (Arc::new(Meter::new()), Recorder::new());
        let (silent, weight) = open_silent(&plan, &world, &meter, &recorder).await?;
        let setting = Setting {
            plan: &plan,
            rest: &world.rest,
            targets: &world.targets,
            addresses: &world.addresses,
            meter: &meter,
            recorder: &recorder,
            seed,
        };
        let crowd = Crowd::assemble(setting).await?;
        console.say(&format!(
            "connected: {} devices in {} conversations, {} silent, {} in other processes",
            crowd.people().count(),
            crowd.talks.len(),
            silent.count(),
            crowd.helpers().map(|helper| helper.readers).sum::<usize>(),
        ));
        Ok(Self {
            plan,
            seed,
            started_at: now.as_millis() as u64,
            world: Arc::new(world),
            crowd: Arc::new(crowd),
            silent: Arc::new(silent),
            weight,
            meter,
            recorder,
            console: Arc::new(console),
        })
    }

    async fn play(self) -> anyhow::Result<RunReport> {
        let stages = self.plan.stages();
        let warm_up = Duration::from_secs_f64(self.plan.timing.warm_up_s);
        let load_begin = Instant::now() + LEAD;
        let begin = load_begin + warm_up;
        let end = begin + Duration::from_secs_f64(self.plan.measured_s());
        self.meter.set_stages(self.meter.at_us(begin), stages.iter().map(|stage| stage.seconds));
        for helper in self.crowd.helpers() {
            helper.tell_stages(self.meter.spans()).await?;
        }
        let mut sampler = Sampler::new(begin, &self.world);
        let is_over = Arc::new(AtomicBool::new(false));
        let load = Load::start(&self, load_begin, &is_over);
        let settling = (self.plan.measured_s() >= LONG_S).then(|| {
            let recorder = self.recorder.clone();
            tokio::spawn(async move {
                loop {
                    sleep(SETTLE_EVERY).await;
                    recorder.settle();
                }
            })
        });
        let scene = Arc::new(Scene {
            plan: self.plan.clone(),
            world: Arc::clone(&self.world),
            crowd: Arc::clone(&self.crowd),
            silent: Arc::clone(&self.silent),
            meter: Arc::clone(&self.meter),
            console: Arc::clone(&self.console),
            begin,
            seed: self.seed,
            notes: Mutex::new(Notes::default()),
        });
        let events = tokio::spawn(happenings::run(Arc::clone(&scene)));
        let every = Duration::from_millis(self.plan.timing.sample_ms);
        let stage_at = |now_s: f64| stage_at(&stages, now_s);
        let (world, meter, console) = (&self.world, &self.meter, &self.console);
        sampler.run_until(begin, every, world, meter, console, stage_at).await;
        let counted = Counters::read(&world.targets).await;
        sampler.run_until(end, every, world, meter, console, stage_at).await;
        let counted = counted.zip(Counters::read(&world.targets).await);
        self.console.clear();
        let ended = self.end(load, events, &is_over).await;
        if let Err(error) = ended {
            self.recorder.problem(format!("{error:#}"));
        }
        if let Some(settling) = settling {
            settling.abort();
        }
        let reading = Instant::now();
        sampler.sample(&self.world, &self.meter);
        let mut verdicts = Vec::new();
        if let Err(error) = self.read_back(&mut verdicts).await {
            self.recorder.problem(format!("{error:#}"));
        }
        let read_back_s = reading.elapsed().as_secs_f64();
        let notes = scene.notes.lock().map(|notes| notes.clone()).unwrap_or_default();
        drop(scene);
        Ok(self.report(&sampler, notes, verdicts, counted, read_back_s))
    }

    /// Lets events and senders finish, heals everything, and waits for the last answers.
    async fn end(
        &self,
        load: Load,
        events: tokio::task::JoinHandle<()>,
        is_over: &AtomicBool,
    ) -> anyhow::Result<()> {
        is_over.store(self.plan.traffic.kind == Loop::Closed, Ordering::Relaxed);
        events.await?;
        self.world.heal().await.context("healing")?;
        load.end(&self.recorder).await?;
        let waiting = Instant::now();
        loop {
            let totals = self.meter.totals();
            let unanswered = totals.due.saturating_sub(totals.accepted + totals.given_up);
            if unanswered == 0 {
                break;
            }
            if waiting.elapsed() > ANSWER_WAIT {
                anyhow::bail!("{unanswered} messages got no answer within 120 s");
            }
            sleep(LOOK_EVERY).await;
        }
        sleep(SETTLE).await;
        Ok(())
    }

    async fn read_back(&self, verdicts: &mut Vec<Verdict>) -> anyhow::Result<()> {
        if self.crowd.talks.is_empty() {
            return Ok(());
        }
        self.console.say("reading everything back");
        let setting = Setting {
            plan: &self.plan,
            rest: &self.world.rest,
            targets: &self.world.targets,
            addresses: &self.world.addresses,
            meter: &self.meter,
            recorder: &self.recorder,
            seed: self.seed,
        };
        *verdicts = read_back::read_back(setting, &self.world, &self.crowd).await?;
        sleep(SETTLE).await;
        if let Some(Err(report)) = self.world.audit().await.context("the audit")? {
            anyhow::bail!("the audit of the store fails: {report}");
        }
        Ok(())
    }

    fn report(
        self,
        sampler: &Sampler,
        notes: Notes,
        verdicts: Vec<Verdict>,
        counted: Option<(Counters, Counters)>,
        read_back_s: f64,
    ) -> RunReport {
        let (mut verdict, mut problems) = self.recorder.judge();
        for other in verdicts {
            helper::merge(&mut verdict, other);
        }
        problems.extend(notes.problems.iter().cloned());
        problems.extend(self.world.problems().into_iter().filter(|problem| {
            !notes.problems.iter().any(|known| known.contains(problem.as_str()))
        }));
        problems.extend(self.world.told_problems());
        problems.extend(self.weight.problems.iter().cloned());
        let has_talks = !self.crowd.talks.is_empty();
        let totals = self.meter.totals();
        if has_talks && totals.accepted == 0 {
            problems.push("no message was acknowledged: nothing is shown".to_owned());
        }
        let gathered = figures::gather(figures::Gathering {
            plan: &self.plan,
            meter: &self.meter,
            sampler,
            weight: &self.weight,
            notes: &notes,
            counted,
            read_back_s,
        });
        // What came after the end counts in the totals, and makes no curve.
        let measured_s = self.plan.measured_s();
        let slices = sampler.slices.iter().filter(|slice| slice.at_s <= measured_s);
        let slices = slices.cloned().collect();
        let mut notes_for_people = totals.quoted;
        if totals.let_go > 0 {
            let note =
                format!("{} sockets of those who were asleep or away were ended", totals.let_go);
            notes_for_people.push(note);
        }
        let mut report = RunReport {
            format: FORMAT,
            scenario: self.plan.name.clone(),
            passed: false,
            seed: self.seed,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: self.started_at,
            server: self.world.description.clone(),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            checks: judge::judge(&self.plan.thresholds, &gathered.figures, &gathered.sustained),
            plan: self.plan,
            problems,
            notes: notes_for_people,
            verdict: has_talks.then_some(verdict),
            figures: gathered.figures,
            stages: gathered.stages,
            processes: sampler.processes().to_vec(),
            slices,
            marks: notes.marks,
            distribution: gathered.distribution,
        };
        report.conclude();
        drop(self.crowd);
        // A figure that is too large leaves nothing to look into.
        let is_broken = !report.problems.is_empty()
            || report.verdict.as_ref().is_some_and(|verdict| !verdict.passed());
        if is_broken && let Some(world) = Arc::into_inner(self.world) {
            report.notes.extend(world.keep_evidence());
        }
        report
    }
}

fn stage_at(stages: &[Stage], now_s: f64) -> String {
    let mut end_s = 0.0;
    if now_s < 0.0 {
        return "warm-up".to_owned();
    }
    for stage in stages {
        end_s += stage.seconds;
        if now_s < end_s {
            return stage.name.clone();
        }
    }
    "end".to_owned()
}

/// Opens the silent connections, and weighs them.
async fn open_silent(
    plan: &Plan,
    world: &World,
    meter: &Arc<Meter>,
    recorder: &Recorder,
) -> anyhow::Result<(SilentCrowd, figures::Weight)> {
    let count = plan.silent.connections;
    if count == 0 {
        return Ok((SilentCrowd::default(), figures::Weight::default()));
    }
    // The first user and socket pay for what is set up once.
    for first in provision(&world.rest, "silent", 1).await? {
        drop(silent::greet(&world.addresses[0], &first).await?);
        sleep(Duration::from_millis(500)).await;
    }
    let before = figures::Weight::before(world);
    let users = provision(&world.rest, "silent", count).await?;
    let before = before.with_users(world);
    let mut problems = Vec::new();
    let crowd =
        SilentCrowd::open(users, plan.silent.watches, &world.addresses, meter, &mut problems);
    let crowd = crowd.await;
    for problem in problems {
        recorder.problem(problem);
    }
    sleep(Duration::from_secs_f64(plan.silent.settle_s)).await;
    let weight = before.after(world, crowd.count(), count, crowd.count_open());
    Ok((crowd, weight))
}

/// Senders at work.
enum Load {
    None,
    Open(tokio::task::JoinHandle<usize>),
    Closed(JoinSet<anyhow::Result<()>>),
}

impl Load {
    fn start(run: &Run, begin: Instant, is_over: &Arc<AtomicBool>) -> Self {
        let senders = run.crowd.senders();
        let traffic = run.plan.traffic.clone();
        if senders.is_empty() {
            return Self::None;
        }
        if traffic.kind == Loop::Closed {
            let mut sending = JoinSet::new();
            for (number, person) in senders.into_iter().enumerate() {
                let seed = run.seed.wrapping_add(number as u64) & 0x7fff_ffff;
                let (meter, is_over) = (Arc::clone(&run.meter), Arc::clone(is_over));
                let traffic = traffic.clone();
                sending.spawn(load::run_closed(person, traffic, seed, meter, is_over));
            }
            return Self::Closed(sending);
        }
        let stages = run.plan.stages();
        let rate_of = |stage: &Stage| stage.rate.unwrap_or(traffic.rate);
        let first = stages.first().map_or(traffic.rate, rate_of);
        let mut parts = vec![(run.plan.timing.warm_up_s, first)];
        parts.extend(stages.iter().map(|stage| (stage.seconds, rate_of(stage))));
        let pace = load::Pace::new(parts, traffic.arrivals, run.seed);
        let (meter, is_over) = (Arc::clone(&run.meter), Arc::clone(is_over));
        Self::Open(tokio::task::spawn_blocking(move || {
            load::run_open(&senders, pace, begin, traffic.text_bytes, &meter, &is_over)
        }))
    }

    /// Waits until everything is handed over (open) or answered (closed).
    async fn end(self, recorder: &Recorder) -> anyhow::Result<()> {
        match self {
            Self::None => {}
            Self::Open(thread) => {
                let left = thread.await?;
                if left > 0 {
                    recorder.problem(format!("{left} messages that were due could not be sent"));
                }
            }
            Self::Closed(mut sending) => {
                while let Some(ended) = sending.join_next().await {
                    if let Err(error) = ended? {
                        recorder.problem(format!("{error:#}"));
                    }
                }
            }
        }
        Ok(())
    }
}
