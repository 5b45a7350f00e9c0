//! Drafts that another simulated node handed over, as if they had been sent here.

use std::collections::BTreeMap;

use schema::cluster::envelope::{DraftResult, Submit};
use schema::{NodeId, OwnerToken};

use super::actor::{Child, Context};
use super::inbox::submitted;
use super::message::{Message, Reply, ToConversation, ToInbox};

const DEADLINE_MS: u64 = 11_000;

struct Job {
    from: NodeId,
    submit: Submit,
    activation: Option<OwnerToken>,
    results: Vec<Option<DraftResult>>,
}

#[derive(Default)]
pub struct Jobs {
    under_way: BTreeMap<u64, Job>,
    last: u64,
}

impl Jobs {
    /// Hands drafts of one conversation to it, in order, and waits until each is decided on.
    pub fn work_on(
        &mut self,
        from: NodeId,
        submit: Submit,
        activation: Option<OwnerToken>,
        ctx: &mut Context<'_>,
    ) {
        self.last += 1;
        let (job, inbox) = (self.last, ctx.me);
        for (at, draft) in submit.drafts.iter().enumerate() {
            let conversation =
                ctx.registry.get_or_start(Child::Conversation(draft.conversation_id));
            let reply = Reply::Job { inbox, job, at };
            let submit = ToConversation::Submit { draft: draft.clone(), reply };
            ctx.tell(conversation, Message::Conversation(submit));
        }
        let results = vec![None; submit.drafts.len()];
        self.under_way.insert(job, Job { from, submit, activation, results });
        ctx.later(DEADLINE_MS, Message::Inbox(ToInbox::JobLate { job }));
    }

    pub fn answered(&mut self, job: u64, at: usize, result: DraftResult, ctx: &mut Context<'_>) {
        let Some(known) = self.under_way.get_mut(&job) else { return };
        known.results[at].get_or_insert(result);
        if known.results.iter().all(Option::is_some) {
            self.done(job, ctx);
        }
    }

    pub fn late(&mut self, job: u64, ctx: &mut Context<'_>) {
        self.done(job, ctx);
    }

    fn done(&mut self, job: u64, ctx: &mut Context<'_>) {
        let Some(Job { from, submit, activation, results }) = self.under_way.remove(&job) else {
            return;
        };
        let results: Vec<DraftResult> =
            results.into_iter().map(|it| it.unwrap_or(DraftResult::Open)).collect();
        ctx.shared.peers.tables.batches.done(from, &submit, &results);
        ctx.tell_node(from, &submitted(&submit, activation, results));
    }
}
