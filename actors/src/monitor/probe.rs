//! How long messages wait in mailboxes, and behind how many: asked by a message of its own, so that
//! nothing is measured while messages are handled but one count.
//!
//! A probe comes twice. The first time it has waited like any message. It then goes to the end of
//! the same mailbox; what the thread handles until it comes again had been waiting before it.

use std::cell::Cell;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use actix::Message;
use tokio::time::Instant;

thread_local! {
    static HANDLED: Cell<u64> = const { Cell::new(0) };
}

/// Counts a message of a mailbox.
pub fn handled() {
    HANDLED.set(HANDLED.get().wrapping_add(1));
}

/// What became of a probe.
#[derive(Debug)]
pub struct Mark {
    pub kind: &'static str,
    sent: Instant,
    age: OnceLock<Duration>,
    depth: OnceLock<u64>,
}

impl Mark {
    /// How long it waited; how long so far while it waits.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.age.get().copied().unwrap_or_else(|| self.sent.elapsed())
    }

    /// Messages that waited when it came; `None` until that is known.
    #[must_use]
    pub fn depth(&self) -> Option<u64> {
        self.depth.get().copied()
    }

    #[must_use]
    pub fn has_come(&self) -> bool {
        self.age.get().is_some()
    }
}

/// Goes through an actor's mailbox.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub struct Probe {
    mark: Arc<Mark>,
    sent: Instant,
    handled_before: Option<u64>,
}

impl Probe {
    /// One to send now, and what becomes of it. When it is lost, nobody else holds the mark.
    #[must_use]
    pub fn new(kind: &'static str) -> (Self, Arc<Mark>) {
        let sent = Instant::now();
        let mark = Arc::new(Mark { kind, sent, age: OnceLock::new(), depth: OnceLock::new() });
        (Self { mark: mark.clone(), sent, handled_before: None }, mark)
    }

    /// The same, as if it were sent now: it came here on the way to another mailbox.
    #[must_use]
    pub fn passed_on(self) -> Self {
        Self { sent: Instant::now(), ..self }
    }

    /// It came; what is returned is to be sent to the same mailbox again.
    #[must_use]
    pub fn arrived(self) -> Option<Self> {
        match self.handled_before {
            None => {
                let _ = self.mark.age.set(self.sent.elapsed());
                Some(Self { handled_before: Some(HANDLED.get()), ..self })
            }
            Some(before) => {
                let _ = self.mark.depth.set(HANDLED.get().wrapping_sub(before));
                None
            }
        }
    }
}

/// Makes an actor answer probes.
#[macro_export]
macro_rules! answer_probes {
    ($actor:ty) => {
        impl ::actix::Handler<$crate::monitor::Probe> for $actor {
            type Result = ();

            fn handle(&mut self, probe: $crate::monitor::Probe, ctx: &mut Self::Context) {
                if let Some(again) = probe.arrived() {
                    let _ = ::actix::AsyncContext::address(ctx).try_send(again);
                }
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use actix::{Actor, Context, Handler};

    use super::*;

    struct Slow;

    impl Actor for Slow {
        type Context = Context<Self>;
    }

    #[derive(Message)]
    #[rtype(result = "()")]
    struct Work;

    impl Handler<Work> for Slow {
        type Result = ();

        fn handle(&mut self, _: Work, _: &mut Self::Context) {
            handled();
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    answer_probes!(Slow);

    #[actix::test]
    async fn a_probe_tells_what_waited() {
        let slow = Slow.start();
        let (probe, mark) = Probe::new("slow");
        for _ in 0..5 {
            slow.try_send(Work).unwrap();
        }
        slow.try_send(probe).unwrap();
        for _ in 0..7 {
            slow.try_send(Work).unwrap();
        }
        assert!(!mark.has_come());
        let until = Instant::now() + Duration::from_secs(5);
        while mark.depth().is_none() && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(mark.depth(), Some(7));
        assert!(mark.age() >= Duration::from_millis(10), "{:?}", mark.age());
    }

    struct Idle;

    impl Actor for Idle {
        type Context = Context<Self>;
    }

    answer_probes!(Idle);

    /// What probes cost, for `docs/performance.md`: on a quiet machine, with `--release`,
    /// `cargo test --release --workspace --lib -- --ignored --nocapture what_probes_cost`.
    #[actix::test]
    #[ignore = "a measurement"]
    async fn what_probes_cost() {
        const COUNTED: u32 = 100_000_000;
        let begun = Instant::now();
        for _ in 0..COUNTED {
            handled();
            std::hint::black_box(HANDLED.get());
        }
        let count_ns = begun.elapsed().as_secs_f64() * 1e9 / f64::from(COUNTED);
        const PROBES: u32 = 200_000;
        let idle = Idle.start();
        let begun = Instant::now();
        for _ in 0..PROBES {
            let (probe, mark) = Probe::new("idle");
            idle.try_send(probe).unwrap();
            while mark.depth().is_none() {
                tokio::task::yield_now().await;
            }
        }
        let probe_us = begun.elapsed().as_secs_f64() * 1e6 / f64::from(PROBES);
        println!("counting a message: {count_ns:.2} ns; a probe, there and back: {probe_us:.2} us");
    }

    #[actix::test]
    async fn a_lost_probe_leaves_its_mark_alone() {
        let (probe, mark) = Probe::new("slow");
        drop(probe);
        assert!(Arc::strong_count(&mark) == 1 && !mark.has_come());
    }
}
