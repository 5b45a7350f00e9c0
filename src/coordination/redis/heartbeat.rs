//! One heartbeat: what is written, what comes back.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use redis::Script;
use schema::NodeId;
use serde::{Deserialize, Serialize};

use super::pool::{RedisPool, RedisPoolError};
use crate::coordination::view::{Answer, NodeState, OwnEntry};

/// An entry that is not renewed expires after this time, milliseconds.
pub(super) const TTL_MS: u64 = 3000;

static HEARTBEAT: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("../../../schema/redis/heartbeat.lua")));
static GOODBYE: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("../../../schema/redis/goodbye.lua")));

/// What a node tells of itself when it joins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advertised {
    /// Where its internal listener is.
    pub address: String,
    /// Milliseconds since 1970 UTC.
    pub started_at_ms: i64,
}

/// A node that lives, as it tells of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub node: NodeId,
    pub state: NodeState,
    /// Where its internal listener is.
    pub address: String,
    /// Milliseconds since 1970 UTC.
    pub started_at_ms: i64,
}

/// An entry, as JSON. Later versions may add fields and states.
#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    /// 16 hexadecimal digits: a number of JSON would lose some.
    incarnation: String,
    state: State,
    address: String,
    started_at_ms: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Serving,
    /// Also whatever this version does not know: it is given no shards.
    #[serde(other)]
    Leaving,
}

/// Everything that was answered.
pub(super) struct Beat {
    pub answer: Answer,
    pub members: Vec<Member>,
    /// Node by shard, of shards moved by hand.
    pub pins: BTreeMap<u32, NodeId>,
}

/// This node, as Redis is told of it.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    pub node: NodeId,
    /// Fresh for each process.
    pub incarnation: u64,
    pub advertised: Advertised,
}

impl Identity {
    fn incarnation(&self) -> String {
        format!("{:016x}", self.incarnation)
    }

    fn entry(&self, is_leaving: bool) -> String {
        let entry = Entry {
            incarnation: self.incarnation(),
            state: if is_leaving { State::Leaving } else { State::Serving },
            address: self.advertised.address.clone(),
            started_at_ms: self.advertised.started_at_ms,
        };
        // Text and numbers only: it always encodes.
        serde_json::to_string(&entry).unwrap_or_default()
    }

    /// Renews the entry and asks who lives: one round trip.
    pub async fn beat(&self, pool: &RedisPool, is_leaving: bool) -> Result<Beat, RedisPoolError> {
        let names = pool.names();
        let mut call = HEARTBEAT.key(names.nodes());
        call.key(names.node(self.node))
            .key(names.pins())
            .arg(self.node.to_string())
            .arg(self.incarnation())
            .arg(self.entry(is_leaving))
            .arg(TTL_MS)
            .arg(names.node_stem());
        let mut connection = pool.connection().await?;
        match call.invoke_async::<Vec<String>>(&mut connection).await {
            Ok(answer) => Ok(read(answer)),
            Err(error) => {
                connection.discard();
                Err(error.into())
            }
        }
    }

    /// Gives a shard to a node, or back to the rules.
    pub async fn pin(
        &self,
        pool: &RedisPool,
        shard: u32,
        to: Option<NodeId>,
    ) -> Result<(), RedisPoolError> {
        let key = pool.names().pins();
        let mut call = redis::cmd(if to.is_some() { "HSET" } else { "HDEL" });
        call.arg(key).arg(shard);
        if let Some(to) = to {
            call.arg(to.to_string());
        }
        let mut connection = pool.connection().await?;
        match call.query_async::<()>(&mut connection).await {
            Ok(()) => Ok(()),
            Err(error) => {
                connection.discard();
                Err(error.into())
            }
        }
    }

    /// Deletes the entry, unless it is another's.
    pub async fn goodbye(&self, pool: &RedisPool) -> Result<(), RedisPoolError> {
        let names = pool.names();
        let mut call = GOODBYE.key(names.nodes());
        call.key(names.node(self.node)).arg(self.node.to_string()).arg(self.incarnation());
        let mut connection = pool.connection().await?;
        Ok(call.invoke_async::<()>(&mut connection).await?)
    }
}

fn read(answer: Vec<String>) -> Beat {
    let mut parts = answer.into_iter();
    let own = match parts.next().as_deref() {
        Some("renewed") => OwnEntry::Renewed,
        Some("taken") => OwnEntry::Taken,
        _ => OwnEntry::Missing,
    };
    let (mut members, mut pins) = (Vec::new(), BTreeMap::new());
    while let (Some(id), Some(entry)) = (parts.next(), parts.next()) {
        if let Some(shard) = id.strip_prefix("pin:") {
            match (shard.parse(), entry.parse()) {
                (Ok(shard), Ok(node)) => drop(pins.insert(shard, node)),
                _ => tracing::warn!(shard, entry, "whom a shard was given to is unreadable"),
            }
            continue;
        }
        match member(&id, &entry) {
            Ok(member) => members.push(member),
            Err(error) => tracing::warn!(%error, id, "an entry of the membership is unreadable"),
        }
    }
    members.sort_by_key(|member| member.node);
    let nodes = members.iter().map(|member| (member.node, member.state)).collect();
    Beat { answer: Answer { own, nodes }, members, pins }
}

fn member(id: &str, entry: &str) -> anyhow::Result<Member> {
    let node = id.parse()?;
    let entry: Entry = serde_json::from_str(entry)?;
    let state = match entry.state {
        State::Serving => NodeState::Serving,
        State::Leaving => NodeState::Leaving,
    };
    Ok(Member { node, state, address: entry.address, started_at_ms: entry.started_at_ms })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> Identity {
        let advertised = Advertised { address: "10.0.0.1:9090".into(), started_at_ms: 5 };
        Identity { node: NodeId::from_bytes([1; 16]), incarnation: u64::MAX - 1, advertised }
    }

    #[test]
    fn an_answer_is_read_and_what_is_strange_in_it_is_left_out() {
        let id = identity().node.to_string();
        let later = identity().entry(true).replace("leaving", "hibernating");
        let other = NodeId::from_bytes([2; 16]).to_string();
        let parts = ["renewed", &id, &identity().entry(false), &other, &later];
        let parts = parts.into_iter().chain(["nobody", "{}", "dangling"]);
        let beat = read(parts.map(str::to_owned).collect());
        assert_eq!(beat.answer.own, OwnEntry::Renewed);
        let states: Vec<_> = beat.members.iter().map(|member| member.state).collect();
        assert_eq!(states, [NodeState::Serving, NodeState::Leaving]);
        assert_eq!(beat.members[0].address, "10.0.0.1:9090");
        assert_eq!(beat.answer.nodes.len(), 2);
        assert!(identity().entry(false).contains("\"fffffffffffffffe\""));
    }
}
