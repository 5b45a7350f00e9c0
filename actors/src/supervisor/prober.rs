//! Probes some actors of each kind once a second.

use std::sync::{Arc, Weak};
use std::time::Duration;

use actix::dev::ToEnvelope;
use actix::{Actor, Addr, Handler};
use schema::metric;

use super::tree::Tree;
use crate::monitor::{Mailboxes, Mark, Probe, trace};
use crate::session::ProbeSocket;

const EVERY: Duration = Duration::from_secs(1);
/// Actors of a kind that are probed at once.
const ACTORS: usize = 2;
/// Of each kind, probes that may be waited for: more say nothing new.
const WAITING_MAX: usize = 8;

/// Probes for as long as the tree lives. Runs best on a thread without actors, so that a thread
/// that stands still is seen.
pub async fn probe_mailboxes(tree: Weak<Tree>) {
    let mut waiting: Vec<Arc<Mark>> = Vec::new();
    loop {
        tokio::time::sleep(EVERY).await;
        trace::expire();
        let Some(tree) = tree.upgrade() else { return };
        collect(&mut waiting, &tree.mailboxes);
        #[expect(clippy::cast_precision_loss, reason = "for display")]
        metrics::gauge!(metric::SENDS_WAITING).set(tree.committers.waiting() as f64);
        let mut round = Round { waiting: &mut waiting };
        round.probe("committer", &tree.committers.sample(ACTORS));
        round.probe("sequencer", &tree.sequencers.sample(ACTORS));
        round.probe("remote_sequencer", &tree.sequencers.sample_elsewhere(ACTORS));
        round.probe("conversation", &tree.conversations.sample(ACTORS));
        let sessions = tree.sessions.online().sample(ACTORS);
        round.probe("session", &sessions);
        for session in &sessions {
            if let Some(probe) = round.next("connection") {
                let _ = session.try_send(ProbeSocket(probe));
            }
        }
    }
}

struct Round<'a> {
    waiting: &'a mut Vec<Arc<Mark>>,
}

impl Round<'_> {
    fn next(&mut self, kind: &'static str) -> Option<Probe> {
        if self.waiting.iter().filter(|mark| mark.kind == kind).count() >= WAITING_MAX {
            return None;
        }
        let (probe, mark) = Probe::new(kind);
        self.waiting.push(mark);
        Some(probe)
    }

    fn probe<A>(&mut self, kind: &'static str, actors: &[Addr<A>])
    where
        A: Actor + Handler<Probe>,
        A::Context: ToEnvelope<A, Probe>,
    {
        for actor in actors {
            if let Some(probe) = self.next(kind) {
                let _ = actor.try_send(probe);
            }
        }
    }
}

/// Records what is known; keeps those that are still on their way, or still count what waited.
fn collect(waiting: &mut Vec<Arc<Mark>>, mailboxes: &Mailboxes) {
    waiting.retain(|mark| {
        let is_lost = Arc::strong_count(mark) == 1;
        let is_over = is_lost || mark.depth().is_some();
        if mark.has_come() && !is_over {
            // The deeper a mailbox, the longer it takes: it is not to be missed for that.
            return true;
        }
        if mark.has_come() || !is_lost {
            metrics::histogram!(metric::MAILBOX_AGE_SECONDS, "kind" => mark.kind)
                .record(mark.age().as_secs_f64());
            mailboxes.probed(mark.kind, mark.age(), mark.depth());
        }
        if let Some(depth) = mark.depth() {
            #[expect(clippy::cast_precision_loss, reason = "for display")]
            metrics::histogram!(metric::MAILBOX_DEPTH, "kind" => mark.kind).record(depth as f64);
        }
        !is_over
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_depth_that_is_still_counted_is_waited_for() {
        let mailboxes = Mailboxes::default();
        let depth = || mailboxes.by_kind().first().map_or(0, |(_, it)| it.found.depth_max);
        let (probe, mark) = Probe::new("slow");
        let mut waiting = vec![mark];
        let again = probe.arrived().expect("comes twice");
        collect(&mut waiting, &mailboxes);
        assert_eq!((waiting.len(), depth()), (1, 0), "on its way to the end of the mailbox");
        (0..5).for_each(|_| crate::monitor::handled());
        assert!(again.arrived().is_none());
        collect(&mut waiting, &mailboxes);
        assert_eq!((waiting.len(), depth()), (0, 5));
        let found = mailboxes.by_kind()[0].1.found;
        assert_eq!(found.probes, 1, "told once");

        let (probe, mark) = Probe::new("slow");
        waiting.push(mark);
        drop(probe.arrived());
        collect(&mut waiting, &mailboxes);
        assert!(waiting.is_empty(), "the mailbox was full: nobody will tell");
    }
}
