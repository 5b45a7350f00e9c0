//! Reserving user names for accounts that are about to be made, all or none.
//!
//! A reservation names the account. Its user row is written afterwards; a reservation whose user
//! row is missing a minute later belongs to a call that ended midway, and is free.

use std::time::Duration;

use actors::ports::wall_clock::{SystemClock, WallClock as _};
use actors::ports::{Applied, NewUser};
use futures_util::StreamExt as _;
use futures_util::stream;
use rand::RngExt as _;
use schema::UserId;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::failure::Failure;
use super::store::{IN_FLIGHT_MAX, Store};

/// Age from which a reservation without a user is free, by the clocks of the servers, which may
/// be apart by half of it.
const ABANDONED_MS: i64 = 60_000;
/// Age up to which whoever reserved may still write the user: far below [`ABANDONED_MS`].
const USABLE_MAX: Duration = Duration::from_secs(10);
/// How long another's unfinished reservation is waited for.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// What became of one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// Reserved by this attempt, at this time.
    Reserved(i64),
    /// The account has it, and its user row, from an earlier call.
    Made,
    /// Another account has it.
    Taken,
    /// Another call has reserved it and may still make its account.
    Pending,
}

/// Names that this call reserved, and when.
pub(super) struct Reservations<'a> {
    reserved: Vec<(&'a NewUser, i64)>,
    since: Instant,
}

impl<'a> Reservations<'a> {
    /// The accounts whose rows are to be written; the others were made before.
    ///
    /// Fails when so much time went by that another call may soon take the names.
    pub fn accounts(&self) -> Result<impl Iterator<Item = &'a NewUser> + use<'a>, Failure> {
        if self.since.elapsed() > USABLE_MAX {
            return Err(Failure::unavailable("reserving the user names took too long"));
        }
        let accounts: Vec<_> = self.reserved.iter().map(|(user, _)| *user).collect();
        Ok(accounts.into_iter())
    }
}

impl Store {
    /// Reserves the names of all accounts; `None` when another account has one of them.
    ///
    /// First all at once. Where that meets another's unfinished call, once more in the order of
    /// the names, waiting: calls that hold names and wait do so in one order, so none waits for
    /// ever.
    pub(super) async fn reserve_all<'a>(
        &self,
        users: &'a [NewUser],
    ) -> Result<Option<Reservations<'a>>, Failure> {
        let since = Instant::now();
        let mut reserved = Vec::new();
        let attempts: Vec<_> =
            users.iter().map(|user| async move { (user, self.reserve(user).await) }).collect();
        let mut attempts = stream::iter(attempts).buffer_unordered(IN_FLIGHT_MAX);
        let (mut taken, mut pending, mut failure) = (false, false, None);
        while let Some((user, outcome)) = attempts.next().await {
            match outcome {
                Ok(Outcome::Reserved(at)) => reserved.push((user, at)),
                Ok(Outcome::Made) => {}
                Ok(Outcome::Taken) => taken = true,
                Ok(Outcome::Pending) => pending = true,
                Err(error) => failure = Some(error),
            }
        }
        if !(taken || pending) && failure.is_none() {
            return Ok(Some(Reservations { reserved, since }));
        }
        self.release_all(&reserved).await;
        match failure {
            Some(failure) => Err(failure),
            None if taken => Ok(None),
            None => self.reserve_in_order(users).await,
        }
    }

    async fn reserve_in_order<'a>(
        &self,
        users: &'a [NewUser],
    ) -> Result<Option<Reservations<'a>>, Failure> {
        let since = Instant::now();
        let mut sorted: Vec<_> = users.iter().collect();
        sorted.sort_unstable_by(|one, other| one.username.cmp(&other.username));
        let mut reserved = Vec::new();
        for user in sorted {
            let outcome = match self.reserve_with_patience(user).await {
                Ok(Outcome::Reserved(at)) => {
                    reserved.push((user, at));
                    continue;
                }
                Ok(Outcome::Made) => continue,
                Ok(Outcome::Taken) => Ok(None),
                Ok(Outcome::Pending) => {
                    Err(Failure::unavailable("an account of the same name is being made"))
                }
                Err(failure) => Err(failure),
            };
            self.release_all(&reserved).await;
            return outcome;
        }
        Ok(Some(Reservations { reserved, since }))
    }

    async fn reserve_with_patience(&self, user: &NewUser) -> Result<Outcome, Failure> {
        let since = Instant::now();
        loop {
            let outcome = self.reserve(user).await?;
            if outcome != Outcome::Pending || since.elapsed() > WAIT_MAX {
                return Ok(outcome);
            }
            let pause_ms = rand::rng().random_range(20..=100);
            sleep(Duration::from_millis(pause_ms)).await;
        }
    }

    async fn reserve(&self, user: &NewUser) -> Result<Outcome, Failure> {
        let (name, now_ms) = (user.username.as_str(), SystemClock.now_ms());
        let statements = self.statements();
        let row = (name, user.user_id.0, now_ms);
        let applied = self.conditional(&statements.reserve_name, row).await;
        if applied == Ok(Applied::Yes) {
            return Ok(Outcome::Reserved(now_ms));
        }
        let found = self.row::<(Option<Uuid>, Option<i64>)>(&statements.reservation, (name,));
        let Some((Some(holder), reserved_at)) = found.await? else {
            // Given free between the two statements: whoever waits asks again.
            return applied.map(|_| Outcome::Pending);
        };
        let is_mine = holder == user.user_id.0;
        if is_mine && reserved_at == Some(now_ms) {
            // Applied, though its answer was lost.
            return Ok(Outcome::Reserved(now_ms));
        }
        if self.read_user(UserId(holder)).await?.is_some_and(|it| it.username == name) {
            return Ok(if is_mine { Outcome::Made } else { Outcome::Taken });
        }
        let reserved_at = reserved_at.unwrap_or(0);
        if !is_mine && now_ms.saturating_sub(reserved_at) < ABANDONED_MS {
            return Ok(Outcome::Pending);
        }
        let replacement = (user.user_id.0, now_ms, name, holder, reserved_at);
        match self.conditional(&statements.replace_reservation, replacement).await? {
            Applied::Yes => Ok(Outcome::Reserved(now_ms)),
            Applied::No => Ok(Outcome::Pending),
        }
    }

    /// Gives names free, as far as that works: a reservation that stays expires.
    async fn release_all(&self, reserved: &[(&NewUser, i64)]) {
        let statement = &self.statements().release_name;
        let releases: Vec<_> = reserved
            .iter()
            .map(|(user, at)| async move {
                let row = (user.username.as_str(), user.user_id.0, *at);
                if let Err(error) = self.conditional(statement, row).await {
                    tracing::warn!(%error, "a user name is given free only when it expires");
                }
            })
            .collect();
        stream::iter(releases).buffer_unordered(IN_FLIGHT_MAX).collect::<()>().await;
    }
}
