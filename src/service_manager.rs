//! Tells the service manager how the process is, by systemd's notification protocol
//! (`sd_notify(3)`). Without `NOTIFY_SOCKET` in the environment nothing is told.

use std::time::Duration;

use actors::monitor::Workers;
use sd_notify::NotifyState;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

/// The listeners serve and the addresses are known.
pub fn ready() {
    tell(&[NotifyState::Ready, NotifyState::Status("serving")]);
}

/// The process is on its way out.
pub fn stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status("draining")]);
}

/// Says in each half of the watchdog's time that all worker threads answer. Does not end; does
/// nothing where no watchdog is set.
pub async fn keep_watchdog(workers: Workers) {
    let Some(limit) = sd_notify::watchdog_enabled() else { return };
    let pause = limit / 2;
    loop {
        if all_answer(&workers, pause).await {
            tell(&[NotifyState::Watchdog]);
        } else {
            tracing::error!("a worker thread does not answer");
        }
        sleep(pause).await;
    }
}

async fn all_answer(workers: &Workers, patience: Duration) -> bool {
    let count = workers.all().len();
    let (answer, mut answers) = mpsc::channel(count);
    for worker in workers.all() {
        let answer = answer.clone();
        worker.spawn(async move {
            let _ = answer.try_send(());
        });
    }
    drop(answer);
    let hear_all = async {
        let mut heard = 0;
        while answers.recv().await.is_some() {
            heard += 1;
        }
        heard == count
    };
    timeout(patience, hear_all).await.unwrap_or(false)
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "the service manager cannot be told");
    }
}

#[cfg(test)]
mod tests {
    use actix::Arbiter;

    use super::*;

    #[actix::test]
    async fn a_thread_that_hangs_is_noticed() {
        let arbiters: Vec<Arbiter> = (0..2).map(|_| Arbiter::new()).collect();
        let workers = Workers::new(arbiters.iter().map(Arbiter::handle).collect());
        assert!(all_answer(&workers, Duration::from_secs(10)).await);
        arbiters[1].spawn_fn(|| std::thread::sleep(Duration::from_millis(500)));
        assert!(!all_answer(&workers, Duration::from_millis(100)).await);
        arbiters[0].stop();
        assert!(!all_answer(&workers, Duration::from_secs(10)).await, "one that is gone");
    }
}
