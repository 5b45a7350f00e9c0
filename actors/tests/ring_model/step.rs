//! What each action does to a state.

use actors::ports::{Applied, RingError};
use actors::sequencer::core::Decision;

use super::action::Action;
use super::activation::{Activation, Call};
use super::coverage::Sight;
use super::database::{Answer, Request};
use super::driver::Event;
use super::entries;
use super::judge;
use super::model::RingModel;
use super::state::{Late, Shared, State};
use super::tables::{Part, Rows};

/// A state on its way to the next one.
pub struct Step<'a> {
    pub model: &'a RingModel,
    pub state: &'a mut State,
}

impl Step<'_> {
    /// False when the action changes nothing.
    pub fn take(&mut self, action: Action) -> bool {
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

    pub(super) fn saw(&self, sight: Sight) {
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
    pub(super) fn leave_behind(&mut self, dead: &Activation) {
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

    fn hang_up(&mut self, number: u8) -> Call {
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
}

fn lost() -> RingError {
    RingError(String::new())
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
