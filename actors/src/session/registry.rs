//! The users who are online on this node.

use std::sync::Arc;

use actix::{Actor as _, Addr, ArbiterHandle, Recipient};
use schema::UserId;

use super::actor::{Session, SessionContext};
use crate::conversation::{Audience, ToMember};
use crate::monitor::{Child, DeathNotice, Incarnation, Quarantined, Registry, Watcher};

/// Sessions by user; made before the conversations, which look members up in it.
#[derive(Default)]
pub struct Online {
    registry: Registry<UserId, Session>,
}

impl Audience for Online {
    fn listener(&self, user: UserId) -> Option<Recipient<ToMember>> {
        self.registry.get(&user).map(Addr::recipient)
    }
}

impl Online {
    #[must_use]
    pub fn get(&self, user: UserId) -> Option<Addr<Session>> {
        self.registry.get(&user)
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.registry.is_empty()
    }

    /// Some of this node.
    #[must_use]
    pub fn sample(&self, count: usize) -> Vec<Addr<Session>> {
        self.registry.sample(count)
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.registry.len()
    }

    /// Every session of this node.
    #[must_use]
    pub fn all(&self) -> Vec<(UserId, Addr<Session>)> {
        self.registry.all()
    }

    pub fn forget(&self, user: UserId, incarnation: Incarnation) {
        self.registry.forget(&user, incarnation);
    }

    /// Notes a panic; returns how long the session stays down.
    pub fn panicked(&self, user: UserId) -> std::time::Duration {
        self.registry.panicked(user, tokio::time::Instant::now())
    }
}

/// Finds a user's session, or starts it on the thread of the socket that asks.
pub struct Sessions {
    online: Arc<Online>,
    context: Arc<SessionContext>,
    watcher: Arc<dyn Watcher>,
}

impl Sessions {
    #[must_use]
    pub fn new(
        online: Arc<Online>,
        context: Arc<SessionContext>,
        watcher: Arc<dyn Watcher>,
    ) -> Self {
        Self { online, context, watcher }
    }

    #[must_use]
    pub fn online(&self) -> &Arc<Online> {
        &self.online
    }

    /// # Errors
    /// [`Quarantined`] after too many panics.
    pub fn get_or_start(
        &self,
        user: UserId,
        on: &ArbiterHandle,
    ) -> Result<Addr<Session>, Quarantined> {
        self.online.registry.get_or_start(user, |incarnation| {
            let (context, watcher) = (self.context.clone(), self.watcher.clone());
            Session::start_in_arbiter(on, move |_| {
                let notice = DeathNotice::new(Child::Session(user), incarnation, watcher);
                Session::new(user, context, notice)
            })
        })
    }
}
