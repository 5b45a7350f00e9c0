//! The connections of one session: one that listens to this node's inbox, one that publishes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use redis::aio::{ConnectionManager, ConnectionManagerConfig, MultiplexedConnection};
use redis::cluster::{ClusterClient, ClusterClientBuilder};
use redis::cluster_async::ClusterConnection;
use redis::{
    AsyncConnectionConfig, Client, ErrorKind, Pipeline, PushInfo, RedisError, RedisResult,
};
use schema::NodeId;
use schema::cluster::channel::Names;

use super::config::{RedisConfig, Topology};
use super::packet::Packet;
use super::receive::on_push;
use super::shared::Shared;

/// Opening everything takes no longer.
const OPEN_DEADLINE: Duration = Duration::from_secs(3);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Redis answers a pipeline within this time, or its connection counts as dead.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// The listening connection comes back by itself as often; then the session ends.
const RECONNECTS_MAX: usize = 4;
const RECONNECT_DELAY_MIN: Duration = Duration::from_millis(50);
const RECONNECT_DELAY_MAX: Duration = Duration::from_millis(500);
/// By then the driver has connected to a server of the cluster that is there again.
const NEW_WAY_AFTER: Duration = Duration::from_millis(50);

/// Why a session could not begin or go on.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinkError {
    #[error("Redis: {0}")]
    Redis(#[from] RedisError),
    #[error("Redis did not answer in time")]
    Deadline,
    #[error("no heartbeat came back")]
    Silent,
    #[error("the inbox channel was taken away")]
    Unsubscribed,
}

/// What happened to a batch.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Published {
    pub frames: u64,
    pub bytes: u64,
    /// Frames whose server failed: lost, or perhaps not.
    pub failed: u64,
}

enum Connections {
    Single {
        publisher: MultiplexedConnection,
        /// Kept open; it resubscribes by itself.
        _listener: ConnectionManager,
    },
    Cluster {
        publisher: ClusterConnection,
        _listener: ClusterConnection,
    },
}

pub(super) struct Link {
    node: NodeId,
    names: Names,
    connections: Connections,
}

impl Link {
    /// Connects and subscribes; what comes in goes to `shared` under the number of `session`.
    pub async fn open(
        config: &RedisConfig,
        shared: &Arc<Shared>,
        session: u64,
    ) -> Result<Self, LinkError> {
        let (node, names) = (shared.node, config.names().clone());
        let inbox = names.inbox(node);
        let for_push = shared.clone();
        let push = move |push: PushInfo| {
            on_push(&for_push, session, push);
            Ok::<(), ()>(())
        };
        let opening = async {
            match config.topology() {
                Topology::Single => open_single(config, &inbox, push).await,
                Topology::Cluster => open_cluster(config, &inbox, push).await,
            }
        };
        let opened = tokio::time::timeout(OPEN_DEADLINE, opening).await;
        let connections = opened.map_err(|_| LinkError::Deadline)??;
        Ok(Self { node, names, connections })
    }

    /// Publishes in the order given, and waits for the answers. In a cluster, where each inbox may
    /// have a server of its own, the failure of another's does not end the session.
    pub async fn publish(&mut self, packets: &[(NodeId, Packet)]) -> Result<Published, LinkError> {
        let publishing = async {
            match &mut self.connections {
                Connections::Single { publisher, .. } => {
                    let mut pipeline = redis::pipe();
                    for (to, packet) in packets {
                        let inbox = self.names.inbox(*to);
                        pipeline.cmd("PUBLISH").arg(inbox).arg(packet).ignore();
                    }
                    pipeline.exec_async(publisher).await?;
                    Ok(sum(packets.iter().map(|(_, packet)| packet)))
                }
                Connections::Cluster { publisher, .. } => {
                    publish_sharded(publisher, self.node, &self.names, packets).await
                }
            }
        };
        let published = tokio::time::timeout(ANSWER_TIMEOUT, publishing).await;
        published.map_err(|_| LinkError::Deadline)?
    }
}

async fn open_single(
    config: &RedisConfig,
    inbox: &str,
    push: impl Fn(PushInfo) -> Result<(), ()> + Send + Sync + 'static,
) -> RedisResult<Connections> {
    let client = Client::open(config.servers()[0].clone())?;
    let manager = ConnectionManagerConfig::new()
        .set_push_sender(push)
        .set_automatic_resubscription()
        .set_number_of_retries(RECONNECTS_MAX)
        .set_min_delay(RECONNECT_DELAY_MIN)
        .set_max_delay(RECONNECT_DELAY_MAX)
        .set_connection_timeout(Some(CONNECT_TIMEOUT))
        .set_response_timeout(Some(ANSWER_TIMEOUT));
    let mut listener = ConnectionManager::new_lazy_with_config(client.clone(), manager)?;
    listener.subscribe(inbox).await?;
    // Not a manager: a connection that loses commands is not to go on as if nothing had happened.
    let plain = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT_TIMEOUT))
        .set_response_timeout(Some(ANSWER_TIMEOUT));
    let publisher = client.get_multiplexed_async_connection_with_config(&plain).await?;
    Ok(Connections::Single { publisher, _listener: listener })
}

async fn open_cluster(
    config: &RedisConfig,
    inbox: &str,
    push: impl Fn(PushInfo) -> Result<(), ()> + Send + Sync + 'static,
) -> RedisResult<Connections> {
    let mut listener =
        cluster(config, |builder| builder.push_sender(push))?.get_async_connection().await?;
    listener.ssubscribe(inbox).await?;
    let publisher = cluster(config, |builder| builder)?.get_async_connection().await?;
    Ok(Connections::Cluster { publisher, _listener: listener })
}

fn cluster(
    config: &RedisConfig,
    with: impl FnOnce(ClusterClientBuilder) -> ClusterClientBuilder,
) -> RedisResult<ClusterClient> {
    let builder = ClusterClientBuilder::new(config.servers().iter().cloned())
        .use_protocol(redis::ProtocolVersion::RESP3)
        .connection_timeout(CONNECT_TIMEOUT)
        .response_timeout(ANSWER_TIMEOUT)
        // A frame that was sent twice could arrive twice.
        .retries(0);
    with(builder).build()
}

/// One pipeline an inbox, all at once: the frames of one inbox keep their order.
async fn publish_sharded(
    publisher: &ClusterConnection,
    node: NodeId,
    names: &Names,
    packets: &[(NodeId, Packet)],
) -> Result<Published, LinkError> {
    let mut inboxes: BTreeMap<NodeId, Vec<&Packet>> = BTreeMap::new();
    for (to, packet) in packets {
        inboxes.entry(*to).or_default().push(packet);
    }
    let publishing = inboxes.into_iter().map(|(to, packets)| {
        let (publisher, pipeline) = (publisher.clone(), sharded(&names.inbox(to), &packets));
        async move { (to, packets, publish_to_server(publisher, &pipeline).await) }
    });
    let mut published = Published::default();
    for (to, packets, result) in join_all(publishing).await {
        let sum = sum(packets.into_iter());
        match result {
            Ok(()) => {
                published.frames += sum.frames;
                published.bytes += sum.bytes;
            }
            Err(error) if to == node => return Err(error.into()),
            Err(error) => {
                tracing::debug!(%to, %error, "frames were lost on the way to a node");
                published.failed += sum.frames;
            }
        }
    }
    Ok(published)
}

/// A connection made while a server was down has no way to it: the driver looks for one when it is
/// asked, and refuses. Nothing was sent then, so it is asked again.
async fn publish_to_server(
    mut publisher: ClusterConnection,
    pipeline: &Pipeline,
) -> RedisResult<()> {
    let result = pipeline.exec_async(&mut publisher).await;
    match result {
        Err(error) if error.kind() == ErrorKind::ClusterConnectionNotFound => {
            tokio::time::sleep(NEW_WAY_AFTER).await;
            pipeline.exec_async(&mut publisher).await
        }
        result => result,
    }
}

fn sharded(inbox: &str, packets: &[&Packet]) -> Pipeline {
    let mut pipeline = redis::pipe();
    for packet in packets {
        pipeline.cmd("SPUBLISH").arg(inbox).arg(*packet).ignore();
    }
    pipeline
}

fn sum<'a>(packets: impl Iterator<Item = &'a Packet>) -> Published {
    let mut sum = Published::default();
    for packet in packets {
        sum.frames += packet.frames();
        sum.bytes += packet.bytes();
    }
    sum
}
