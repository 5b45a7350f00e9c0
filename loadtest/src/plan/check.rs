//! Settings that read well and cannot be.

use schema::record::ConversationKind;

use super::{Conversations, Event, Loop, Plan, Who};

/// What the server lets one user watch.
const WATCHES_MAX: usize = 500;

/// Named at creation, and the creator.
const GROUP_MEMBERS_MAX: usize = 1_000;

/// Everything that is wrong, for people.
pub fn problems(plan: &Plan) -> Vec<String> {
    let mut problems = Vec::new();
    let mut wrong = |problem: String| problems.push(problem);
    if plan.name.is_empty() {
        wrong("name is empty".to_owned());
    }
    if plan.silent.watches > WATCHES_MAX {
        wrong(format!("silent.watches is at most {WATCHES_MAX}"));
    }
    if plan.conversations.is_empty() && plan.silent.connections == 0 && plan.replay.is_none() {
        wrong("nobody connects: give [[conversations]], silent.connections or [replay]".to_owned());
    }
    if plan.readers_per_process == 0 {
        wrong("readers_per_process is 0".to_owned());
    }
    if !matches!(plan.server.database_nodes, 1 | 3) {
        wrong(format!("server.database_nodes is {}: 1 or 3", plan.server.database_nodes));
    }
    if plan.server.nodes == 0 || plan.server.nodes > 100 {
        wrong(format!("server.nodes is {}: 1 to 100", plan.server.nodes));
    }
    for (index, each) in plan.conversations.iter().enumerate() {
        for problem in of_conversations(each) {
            wrong(format!("conversations.{index}: {problem}"));
        }
    }
    for problem in of_traffic(plan) {
        wrong(problem);
    }
    for (index, event) in plan.events.iter().enumerate() {
        for problem in of_event(plan, event) {
            wrong(format!("events.{index}: {problem}"));
        }
    }
    if let Some(stage) = &plan.thresholds.sustained_stage
        && !plan.stages().iter().any(|known| known.name == *stage)
    {
        wrong(format!("thresholds.sustained_stage: no stage is called {stage:?}"));
    }
    problems
}

fn of_conversations(each: &Conversations) -> Vec<String> {
    let mut problems = Vec::new();
    let Conversations { kind, count, members, senders, late_readers, .. } = each;
    if *count == 0 {
        problems.push("count is 0".to_owned());
    }
    if *senders == 0 || senders > members {
        problems.push(format!("{senders} senders of {members} members: 1 to all of them"));
    }
    match kind {
        ConversationKind::Direct if *members != 2 || *late_readers > 0 => {
            problems.push("a direct conversation has 2 members and no late readers".to_owned());
        }
        ConversationKind::Group if members + late_readers > GROUP_MEMBERS_MAX => problems.push(
            format!("a group begins with at most {GROUP_MEMBERS_MAX} members: take a channel"),
        ),
        ConversationKind::Channel if *senders > 1 => {
            problems.push("a channel has one sender, its owner".to_owned());
        }
        _ => {}
    }
    problems
}

fn of_traffic(plan: &Plan) -> Vec<String> {
    let mut problems = Vec::new();
    let traffic = &plan.traffic;
    let is_time = |seconds: f64| seconds.is_finite() && (0.0..1e7).contains(&seconds);
    if traffic.text_bytes < 16 || traffic.text_bytes > 64 * 1024 {
        problems.push(format!("traffic.text_bytes is {}: 16 to 65536", traffic.text_bytes));
    }
    if traffic.in_flight == 0 || traffic.in_flight > 60 {
        problems.push(format!("traffic.in_flight is {}: 1 to 60", traffic.in_flight));
    }
    if traffic.pause_ms.0 > traffic.pause_ms.1 {
        problems.push("traffic.pause_ms: from is above to".to_owned());
    }
    let rates =
        plan.stages().iter().map(|stage| stage.rate.unwrap_or(traffic.rate)).collect::<Vec<_>>();
    if traffic.kind == Loop::Open && rates.iter().any(|rate| !(rate.is_finite() && *rate > 0.0)) {
        problems.push("an open loop needs a rate above 0".to_owned());
    }
    if traffic.kind == Loop::Closed && plan.stages.iter().any(|stage| stage.rate.is_some()) {
        problems.push("stages of a closed loop have no rate: traffic.loop = \"open\"".to_owned());
    }
    if !is_time(plan.timing.warm_up_s) || !is_time(plan.timing.catch_up_s) {
        problems.push("timing: seconds are 0 or more".to_owned());
    }
    if plan.stages().iter().any(|stage| !is_time(stage.seconds) || stage.seconds <= 0.0) {
        problems.push("a stage lasts longer than 0 seconds".to_owned());
    }
    if !(20..=60_000).contains(&plan.timing.sample_ms) {
        problems.push(format!("timing.sample_ms is {}: 20 to 60000", plan.timing.sample_ms));
    }
    problems
}

fn of_event(plan: &Plan, event: &Event) -> Vec<String> {
    let mut problems = Vec::new();
    let times_are_sound = [event.at_s, event.for_s, event.over_s, event.every_s.unwrap_or(1.0)]
        .iter()
        .all(|seconds| seconds.is_finite() && *seconds >= 0.0);
    if !times_are_sound {
        problems.push("seconds are 0 or more".to_owned());
    }
    if !(0.0..=1.0).contains(&event.share) {
        problems.push(format!("share is {}: 0 to 1", event.share));
    }
    if event.times == 0 || (event.times > 1 && event.every_s.is_none()) {
        problems.push("times is 1 or more, and needs every_s when it is more".to_owned());
    }
    if event.at_s > plan.measured_s() {
        let end_s = plan.measured_s();
        problems.push(format!("at_s is {}, the measured part ends at {end_s}", event.at_s));
    }
    if event.action.needs_cluster() && !plan.server.is_cluster() {
        let name = event.action.name();
        problems.push(format!("{name} needs server.services = true or several nodes"));
    }
    if event.who == Who::Silent && plan.silent.connections == 0 {
        problems.push("nobody is silent: silent.connections".to_owned());
    }
    if event.action == super::Action::Hook {
        match &event.hook {
            None => problems.push("hook: which one?".to_owned()),
            Some(hook) if !plan.hooks.contains_key(hook) => {
                problems.push(format!("[hooks] has no {hook:?}"));
            }
            Some(_) => {}
        }
    }
    problems
}
