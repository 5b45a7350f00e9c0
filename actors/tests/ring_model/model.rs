//! Steps of the model: what each action does to a state.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use actors::committer::core::{Effect, EndReason};
use actors::ports::{Applied, MaterialisedCommit, RingError};
use actors::sequencer::core::Decision;
use stateright::{Model, Property};

use super::action::Action;
use super::activation::Activation;
use super::coverage::{Coverage, Sight};
use super::database::{Answer, Request};
use super::driver::Event;
use super::entries;
use super::judge;
use super::mutant::Mutant;
use super::state::{Bounds, Late, Shared, State, digest};
use super::tables::{Part, Rows};

/// The ring, its owners and their clients, within bounds.
#[derive(Clone)]
pub struct RingModel {
    pub bounds: Bounds,
    pub mutant: Mutant,
    /// Leaves out what leads nowhere else, see [`super::reduction`].
    pub is_reduced: bool,
    pub coverage: Arc<Coverage>,
    /// What the database and clients came to show, for a comparison of searches.
    pub shown: Option<Arc<Mutex<HashSet<u64>>>>,
}

impl RingModel {
    #[must_use]
    pub fn new(bounds: Bounds, mutant: Mutant) -> Self {
        let is_reduced = mutant == Mutant::None;
        Self { bounds, mutant, is_reduced, coverage: Arc::default(), shown: None }
    }
}

impl Model for RingModel {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::new(self.bounds)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        self.enabled(state, actions);
    }

    fn next_state(&self, before: &State, action: Action) -> Option<State> {
        let mut state = before.clone();
        let mut is_step = Step { model: self, state: &mut state }.take(action);
        while is_step && let Some(action) = self.prompt(&state) {
            is_step = Step { model: self, state: &mut state }.take(action);
        }
        if is_step && let Some(shown) = &self.shown {
            let projection = (&state.database, &state.tables, &state.acknowledged);
            shown.lock().unwrap().insert(digest(&projection));
        }
        is_step.then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        judge::properties()
    }

    fn within_boundary(&self, state: &State) -> bool {
        state.guard().is_none_or(|guard| guard.epoch.0 <= u64::from(self.bounds.epochs))
    }
}

fn lost() -> RingError {
    RingError(String::new())
}

/// A state on its way to the next one.
pub struct Step<'a> {
    model: &'a RingModel,
    state: &'a mut State,
}

impl Step<'_> {
    /// False when the action changes nothing.
    fn take(&mut self, action: Action) -> bool {
        match action {
            Action::Start => self.start(),
            Action::Restart(number) => {
                let dead = self.state.live.remove(self.state.place(number));
                self.leave_behind(&dead);
                self.start();
            }
            Action::Submit { to, id, retry } => return self.submit(to, id, retry),
            Action::CarryOut(number) => self.carry_out(number),
            Action::CarryOutAndCopy(number) => {
                self.state.left.late -= 1;
                let request = self.request(number);
                self.carry_out(number);
                self.state.leave(Late { by: number, request });
            }
            Action::Answer(number) => {
                let call = self.hang_up(number);
                self.tell(number, answered(&call.request, call.answer.unwrap()));
            }
            Action::LoseAnswer(number) | Action::Lose(number) => {
                self.state.left.unknown -= 1;
                let call = self.hang_up(number);
                self.tell(number, failed(&call.request));
            }
            Action::Delay(number) => {
                self.state.left.unknown -= 1;
                self.state.left.late -= 1;
                let request = self.hang_up(number).request;
                self.state.leave(Late { by: number, request: request.clone() });
                self.tell(number, failed(&request));
            }
            Action::FailRead { of, too_late } => {
                self.state.left.failed_reads -= 1;
                let event = match (self.hang_up(of).request, too_late) {
                    (Request::Guard, false) => Event::Guard(Err(lost())),
                    (Request::Guard, true) => Event::GuardTooLate(lost()),
                    (_, false) => Event::Slot(Err(lost())),
                    (_, true) => Event::SlotTooLate(lost()),
                };
                self.tell(of, event);
            }
            Action::Wake(number) => {
                self.change(number, |activation| activation.wake = false);
                self.tell(number, Event::Wake);
            }
            Action::CarryOutLate(index) => self.carry_out_late(usize::from(index)),
            Action::Release(number) => self.release(number),
            Action::Look(number) => {
                self.state.left.looks -= 1;
                let guard = self.state.guard();
                self.change(number, |activation| activation.look = Some(guard));
            }
            Action::AnswerLook(number) => {
                let guard = self.change(number, |activation| activation.look.take()).unwrap();
                self.tell(number, Event::Look(guard));
            }
            _ => return self.take_of_rows(action),
        }
        self.forget_spent();
        true
    }

    fn take_of_rows(&mut self, action: Action) -> bool {
        match action {
            Action::MaterialiseDue(number) => {
                self.change(number, |activation| activation.due -= 1);
                self.tell(number, Event::MaterialiseDue);
            }
            Action::AskToMaterialise(number) => {
                let before = self.state.live[self.state.place(number)].digest();
                self.tell(number, Event::MaterialiseDue);
                return self.state.live[self.state.place(number)].digest() != before;
            }
            Action::WriteRows(number) => {
                let rows = self.change(number, |activation| {
                    let call = activation.rows.as_mut().unwrap();
                    call.is_written = true;
                    call.rows.clone()
                });
                self.write(&rows, Part::Everything, Some(number));
            }
            Action::AnswerRows(number) => {
                self.change(number, |activation| activation.rows = None);
                self.tell(number, Event::Materialised(true));
            }
            Action::FailRows { of, arrived, copy } => {
                self.state.left.failed_rows -= 1;
                let call = self.change(of, |activation| activation.rows.take()).unwrap();
                self.write(&call.rows, arrived, Some(of));
                if copy {
                    self.state.left.late_rows -= 1;
                    self.state.leave_rows(call.rows);
                }
                self.tell(of, Event::Materialised(false));
            }
            Action::WriteLateRows(index) => {
                let rows = self.state.late_rows.remove(usize::from(index));
                self.write(&rows, Part::Everything, None);
            }
            _ => return false,
        }
        self.forget_spent();
        true
    }

    fn saw(&self, sight: Sight) {
        self.model.coverage.saw(sight);
    }

    fn change<R>(&mut self, number: u8, change: impl FnOnce(&mut Activation) -> R) -> R {
        let place = self.state.place(number);
        self.state.live[place].change(change)
    }

    fn start(&mut self) {
        let number = self.state.started;
        self.state.started += 1;
        self.state.live.push(Shared::new(Activation::new(number, self.model.bounds.slots)));
        self.tell(number, Event::Start);
    }

    /// What an activation sent is still on its way when it is over.
    fn leave_behind(&mut self, dead: &Activation) {
        if let Some(call) = dead.call.as_ref().filter(|call| call.answer.is_none()) {
            self.state.leave(Late { by: dead.number, request: call.request.clone() });
        }
        if let Some(call) = dead.rows.as_ref().filter(|call| !call.is_written) {
            self.state.leave_rows(call.rows.clone());
        }
    }

    /// What can change nothing any more need not be told apart from nothing.
    fn forget_spent(&mut self) {
        if !self.model.is_reduced {
            return;
        }
        let State { database, tables, late, late_rows, .. } = &mut *self.state;
        late.retain(|it| database.would_apply(it.by, &it.request, self.model.mutant));
        late_rows.retain(|rows| !tables.is_spent(rows));
    }

    fn submit(&mut self, to: u8, id: u8, retry: bool) -> bool {
        let driver = &self.state.live[self.state.place(to)].driver;
        let draft = entries::draft(id, retry);
        let decision = entries::decide(driver, &self.state.tables, &draft, self.model.mutant);
        if retry {
            self.state.left.retries -= 1;
        } else {
            self.state.drafted += 1;
        }
        match decision {
            Decision::Append(entry) => {
                if retry {
                    self.saw(Sight::RetryStored);
                }
                self.tell(to, Event::Enqueue(entry));
                true
            }
            Decision::Duplicate(known) => {
                let is_news = self.state.acknowledged[usize::from(id)] != known.seq.0;
                self.saw(Sight::Duplicate);
                self.state.wrongs.acknowledged_unstored |=
                    !self.state.database.entries().any(|tag| tag == (id, known.seq.0));
                self.state.acknowledge((id, known.seq.0));
                is_news
            }
            Decision::Reused(_) => {
                self.state.wrongs.two_numbers = true;
                true
            }
            Decision::Pending(_) | Decision::LookUp => false,
        }
    }

    fn request(&self, number: u8) -> Request {
        let activation = &self.state.live[self.state.place(number)];
        activation.call.as_ref().unwrap().request.clone()
    }

    fn hang_up(&mut self, number: u8) -> super::activation::Call {
        self.change(number, |activation| activation.call.take()).unwrap()
    }

    fn carry_out(&mut self, number: u8) {
        let request = self.request(number);
        let answer = self.apply(number, &request);
        self.change(number, |activation| activation.call.as_mut().unwrap().answer = Some(answer));
    }

    fn apply(&mut self, by: u8, request: &Request) -> Answer {
        if request.is_read() {
            return self
                .state
                .database
                .clone()
                .change(|it| it.carry_out(by, request, self.model.mutant));
        }
        let before = self.state.guard();
        let answer = self.state.database.change(|it| it.carry_out(by, request, self.model.mutant));
        self.state.wrongs.guard_went_back |= judge::has_gone_back(before, self.state.guard());
        if let (Request::TakeOver(_), Answer::Applied(Applied::Yes)) = (request, &answer)
            && let Some(guard) = before
        {
            if guard.head > 0 {
                self.saw(Sight::TakeOver);
            }
            if guard.owner == schema::OwnerToken::NOBODY {
                self.saw(Sight::TakeOverOfReleased);
            }
        }
        answer
    }

    fn carry_out_late(&mut self, index: usize) {
        let late = self.state.late.remove(index);
        let answer = self.apply(late.by, &late.request);
        if answer == Answer::Applied(Applied::Yes) {
            let is_alive = self.state.live.iter().any(|it| it.number == late.by);
            self.saw(if is_alive { Sight::LateStatement } else { Sight::LateStatementOfTheDead });
        }
    }

    /// The activation waits for the answer and for nothing else, then stops.
    fn release(&mut self, number: u8) {
        self.state.left.releases -= 1;
        let quiet = self.state.live.remove(self.state.place(number));
        let done = quiet.driver.core.done();
        self.state.leave(Late { by: number, request: Request::Release { done } });
    }

    fn write(&mut self, rows: &Rows, part: Part, by: Option<u8>) {
        if part == Part::Nothing || self.state.tables.is_spent(rows) {
            return;
        }
        let writers = self.state.database.log.iter().map(|commit| commit.writer);
        if by.is_some_and(|by| writers.max() > Some(by)) {
            self.saw(Sight::LateRows);
        }
        self.state.tables.change(|tables| tables.write(rows, part));
    }

    /// Tells a core something and carries out what it wants.
    fn tell(&mut self, number: u8, event: Event) {
        let place = self.state.place(number);
        let mut activation = (*self.state.live[place]).clone();
        let had_unstored = matches!(event, Event::Slot(Ok(_)));
        let overwrote = matches!(&event, Event::Slot(Ok(Some(slot)))
            if slot.n > activation.driver.core.head() + 1);
        let is_look = matches!(event, Event::Look(_));
        let was_asking = matches!(event, Event::Guard(_) | Event::Slot(_));
        let mut is_over = false;
        for effect in activation.driver.handle(event, self.model.mutant) {
            match effect {
                Effect::Stored { n, entries } => {
                    self.stored(number, n, &entries::tags(&entries));
                    if had_unstored {
                        self.saw(Sight::AcknowledgedAfterResolve);
                        if overwrote {
                            self.saw(Sight::AcknowledgedThoughOverwritten);
                        } else if self.state.database.owner() != Some(number) {
                            self.saw(Sight::AcknowledgedThoughFenced);
                        }
                    }
                }
                Effect::Ended(reason) => {
                    is_over = true;
                    self.ended(&activation, reason, is_look);
                }
                Effect::Commit(commit) => {
                    if was_asking {
                        self.saw(Sight::Resend);
                    }
                    activation.ask(Request::Commit(commit), &mut self.state.wrongs);
                }
                other => self.heed(&mut activation, other),
            }
        }
        if !is_over && activation.is_held_up(self.model.bounds.slots) {
            self.saw(Sight::RingFull);
        }
        if is_over {
            self.state.live.remove(place);
            self.leave_behind(&activation);
        } else {
            self.state.live[place] = Shared::new(activation);
        }
    }

    fn heed(&mut self, activation: &mut Activation, effect: Effect) {
        let wrongs = &mut self.state.wrongs;
        match effect {
            Effect::ReadGuard => activation.ask(Request::Guard, wrongs),
            Effect::ReadSlot(n) => activation.ask(Request::Slot(n), wrongs),
            Effect::Create => activation.ask(Request::Create, wrongs),
            Effect::TakeOver(seen) => activation.ask(Request::TakeOver(seen), wrongs),
            Effect::Materialise(commits) => {
                let rows = self.stamped(activation.number, &commits);
                if !activation.driver.core.is_ready() {
                    self.saw(Sight::Replay);
                }
                activation.materialise(rows, &mut self.state.wrongs);
            }
            Effect::Wake { .. } => {
                wrongs.two_in_flight |= activation.wake || activation.call.is_some();
                activation.wake = true;
            }
            Effect::WakeToMaterialise { .. } => activation.due += 1,
            Effect::Ready(_) => {
                let is_replayed = judge::is_replayed(self.state, activation);
                self.state.wrongs.ready_too_early |= !is_replayed;
            }
            Effect::Materialised { .. } => {
                activation.driver.core.take_materialised_heads();
            }
            Effect::Commit(_) | Effect::Stored { .. } | Effect::Ended(_) => unreachable!(),
        }
    }

    /// A row's timestamp is its place in the log, or for the mutant what its writer's clock says:
    /// the older the activation, the further ahead.
    fn stamped(&self, number: u8, commits: &[MaterialisedCommit]) -> Rows {
        let skew = match self.model.mutant {
            Mutant::WallClockTimestamps => u64::from(u8::MAX - number) << 32,
            _ => 0,
        };
        let stamped = commits.iter().flat_map(|commit| {
            let tags = entries::tags(&commit.entries).into_iter().enumerate();
            tags.map(move |(index, tag)| (skew + commit.n * 1024 + index as u64, tag))
        });
        Rows(stamped.collect())
    }

    fn stored(&mut self, number: u8, n: u64, tags: &[entries::Tag]) {
        let is_logged = self
            .state
            .database
            .log
            .iter()
            .any(|commit| (commit.n, commit.writer) == (n, number) && commit.entries == tags);
        self.state.wrongs.acknowledged_unstored |= !is_logged;
        for tag in tags {
            self.state.acknowledge(*tag);
        }
        if tags.len() > 1 {
            self.saw(Sight::Batch);
        }
        if n > u64::from(self.model.bounds.slots) {
            self.saw(Sight::SlotReused);
        }
    }

    fn ended(&mut self, activation: &Activation, reason: EndReason, is_look: bool) {
        self.state.wrongs.alarm |= reason == EndReason::Broken;
        self.state.wrongs.spoke_after_end |= !judge::is_silent(activation, self.model.mutant);
        match reason {
            EndReason::Fenced if is_look => self.saw(Sight::FencedByLook),
            EndReason::Fenced => self.saw(Sight::Fenced),
            EndReason::GaveUp => self.saw(Sight::GaveUp),
            EndReason::Broken | EndReason::NotClaimed => {}
        }
    }
}

fn answered(request: &Request, answer: Answer) -> Event {
    match (request, answer) {
        (_, Answer::Guard(guard)) => Event::Guard(Ok(guard)),
        (_, Answer::Slot(slot)) => Event::Slot(Ok(slot)),
        (Request::Commit(_), Answer::Applied(applied)) => Event::Committed(Ok(applied)),
        (_, Answer::Applied(applied)) => Event::Claimed(Ok(applied)),
    }
}

fn failed(request: &Request) -> Event {
    match request {
        Request::Commit(_) => Event::Committed(Err(lost())),
        _ => Event::Claimed(Err(lost())),
    }
}
