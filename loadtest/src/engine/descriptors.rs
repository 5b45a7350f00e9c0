//! Whether there are descriptors enough, before an hour is lost to finding out.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Of everything that is no socket of a device.
const OTHERS: usize = 200;

/// Raises this process' limit as far as it goes, and sees whether it suffices.
///
/// # Errors
/// When it does not; with what can be done about it.
pub fn need(connections: usize, is_own_server: bool) -> anyhow::Result<()> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    // Servers that are started here inherit it.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    let limit = maximum.or(current).and_then(|most| usize::try_from(most).ok());
    let limit = limit.unwrap_or(usize::MAX);
    let needed = connections + OTHERS;
    if needed <= limit {
        return Ok(());
    }
    let share = (limit.saturating_sub(OTHERS) as f64 / connections as f64 * 100.0).floor() / 100.0;
    let server = if is_own_server { ", and so has the server" } else { "" };
    anyhow::bail!(
        "{connections} connections need {needed} descriptors, this process has {limit}{server}: \
         raise the limit (ulimit -n), run several load testers against one --target, \
         or take fewer people (--scale {share})"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_many_connections_are_told_before_anything_starts() {
        need(10, true).unwrap();
        let limit = getrlimit(Resource::Nofile).maximum;
        if let Some(limit) = limit.and_then(|limit| usize::try_from(limit).ok()) {
            let error = need(limit * 2, true).unwrap_err().to_string();
            assert!(error.contains("ulimit -n") && error.contains("--scale 0."), "{error}");
        }
    }
}
