//! Whether there are descriptors enough, before an hour is lost to finding out.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::plan::Plan;

/// Of everything that is no socket of a device.
const OTHERS: usize = 200;

/// Raises this process' limit as far as it goes. Servers that are started here inherit it.
pub fn raise() -> Rlimit {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    Rlimit { current, maximum }
}

/// Raises this process' limit as far as it goes, and sees whether it suffices.
///
/// # Errors
/// When it does not; with what can be done about it.
pub fn need(plan: &Plan, own_nodes: Option<usize>) -> anyhow::Result<()> {
    let Rlimit { current, maximum } = raise();
    let limit = maximum.or(current).and_then(|most| usize::try_from(most).ok());
    let limit = limit.unwrap_or(usize::MAX);
    let of_a_server = own_nodes.map_or(0, |nodes| plan.connections().div_ceil(nodes.max(1)));
    for (who, connections) in
        [("this process", plan.connections_here()), ("a server that is started", of_a_server)]
    {
        let needed = connections + OTHERS;
        if needed > limit {
            let fits = limit.saturating_sub(OTHERS) as f64 / connections as f64;
            let share = (fits * 100.0).floor() / 100.0;
            anyhow::bail!(
                "{connections} connections of {who} need {needed} descriptors, and {limit} are \
                 allowed: raise the limit (ulimit -n), load a --target from several load testers, \
                 or take fewer people (--scale {share})"
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_many_connections_are_told_before_anything_starts() {
        let mut plan = crate::plan::read_file_or_builtin("celebrity", &[]).unwrap();
        let limit = getrlimit(Resource::Nofile).maximum;
        let Some(limit) = limit.and_then(|limit| usize::try_from(limit).ok()) else { return };
        plan.conversations[0].members = 10;
        need(&plan, Some(1)).unwrap();
        plan.conversations[0].members = limit * 2;
        let error = need(&plan, Some(1)).unwrap_err().to_string();
        assert!(error.contains("ulimit -n") && error.contains("--scale 0."), "{error}");
        // Somebody else's server, and readers in other processes: 15,000 are here.
        assert_eq!(need(&plan, None).is_ok(), limit > 15_300);
    }
}
